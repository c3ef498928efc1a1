package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/alert"
	"crmhub/core/postgres"
)

type alertSettingsPatch struct {
	LagMinutes  *int         `json:"lag_minutes,omitempty" minimum:"1" maximum:"10080" doc:"How long something may wait to be pushed."`
	DeadLetters *int         `json:"dead_letters,omitempty" minimum:"1" maximum:"1000000" doc:"How many open dead letters of a connection."`
	Conflicts   *int         `json:"conflicts,omitempty" minimum:"1" maximum:"1000000" doc:"How many open conflicts of a connection."`
	Muted       []alert.Kind `json:"muted,omitempty" nullable:"false" doc:"Kinds that are not watched."`
}

func (s *server) listAlerts() operation {
	statuses, kinds := []string{"open", "resolved"}, textsOf(alert.Kinds)
	return operation{
		id: "list-alerts", needs: may(access.Alerts, access.Read), tag: "alerts", summary: "List alerts",
		description: "The one opened last first. An alert is open as long as its condition holds.",
		parameters: append([]*huma.Param{
			choiceParameter("status", "Those that stand there.", statuses),
			choiceParameter("kind", "Those of this kind.", kinds),
		}, pageParameters()...),
		status: http.StatusOK, result: jsonBody(s.document, list[alert.Alert]{Items: []alert.Alert{alertExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			f := alert.Filter{
				Status: c.choiceIn("status", statuses, &faults), Kind: alert.Kind(c.choiceIn("kind", kinds, &faults)),
				After: c.query.Get(afterParameter), Limit: parseLimit(c.query, &faults),
			}
			return listed(ctx, s, c, faults, func(tx pgx.Tx) (postgres.Page[alert.Alert], error) { return alert.List(ctx, tx, f) })
		},
	}
}

func (s *server) getAlert() operation {
	return operation{
		id: "get-alert", needs: may(access.Alerts, access.Read), tag: "alerts", summary: "Get an alert",
		status: http.StatusOK, result: jsonBody(s.document, alertExample()),
		serve: onID(s, alert.Get),
	}
}

func (s *server) acknowledgeAlert() operation {
	return operation{
		id: "acknowledge-alert", needs: may(access.Alerts, access.Update), tag: "alerts", summary: "Look after an alert",
		description: "Says who looks after it. It stays open until its condition ends.",
		status:      http.StatusOK, result: jsonBody(s.document, alertExample()), keyed: true,
		serve: writeOnID(s, alert.Acknowledge),
	}
}

func (s *server) showAlertSettings() operation {
	return operation{
		id: "get-alert-settings", needs: may(access.Alerts, access.Read), tag: "alerts", summary: "From when on something is worth an alert",
		status: http.StatusOK, result: jsonBody(s.document, alertSettingsExample()),
		serve: read(s, alert.GetSettings),
	}
}

func (s *server) patchAlertSettings() operation {
	ten := 10
	return operation{
		id: "update-alert-settings", needs: may(access.Alerts, access.Update), tag: "alerts", summary: "Change from when on something is worth an alert",
		description: "A JSON merge patch (RFC 7396).",
		body:        mergePatchBody(s.document, alertSettingsPatch{DeadLetters: &ten}),
		status:      http.StatusOK, result: jsonBody(s.document, alertSettingsExample()), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[alertSettingsPatch](c)
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				settings, err := alert.GetSettings(ctx, tx)
				if err != nil {
					return answer{}, err
				}
				if settings, err = alert.UpdateSettings(ctx, tx, in.applied(settings)); err != nil {
					return answer{}, err
				}
				return respond(http.StatusOK, settings)
			})
		},
	}
}

func (p alertSettingsPatch) applied(s alert.Settings) alert.Settings {
	for field, value := range map[*int]*int{&s.LagMinutes: p.LagMinutes, &s.DeadLetters: p.DeadLetters, &s.Conflicts: p.Conflicts} {
		if value != nil {
			*field = *value
		}
	}
	if p.Muted != nil {
		s.Muted = p.Muted
	}
	return s
}

func alertExample() alert.Alert {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	return alert.Alert{
		ID: uuid.MustParse(exampleID), Kind: alert.DeadLetters, Subject: exampleID, Name: "erp", Detail: json.RawMessage(`{"open":3}`),
		OpenedAt: at, SeenAt: at,
	}
}

func alertSettingsExample() alert.Settings {
	return alert.Settings{LagMinutes: 10, DeadLetters: 1, Conflicts: 1, Muted: []alert.Kind{}}
}
