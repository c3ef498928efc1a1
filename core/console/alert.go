package console

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/alert"
)

const alertsPath = "/sync/alerts"

// alertsPage is the data of the page about what somebody should look at.
type alertsPage struct {
	pager
	Status    string
	Statuses  []string
	Items     []alertRow
	CanAnswer bool
	Settings  *alertSettings
}

// alertRow is an alert, and where to mend it.
type alertRow struct {
	alert.Alert
	To   string
	More string // what it says in numbers
}

func (c *Console) listAlerts(ctx context.Context, v *visit) error {
	return v.writeAlerts(ctx, nil)
}

func (v *visit) writeAlerts(ctx context.Context, wrong error) error {
	q := v.r.URL.Query()
	p := alertsPage{Status: cmp.Or(q.Get("status"), "open"), Statuses: []string{"open", "resolved"}, CanAnswer: v.who.May(access.Alerts, access.Update) != ""}
	if p.Status != "open" && p.Status != "resolved" {
		return errAddress
	}
	after := q.Get("after")
	err := v.as(ctx, func(tx pgx.Tx) error {
		found, err := alert.List(ctx, tx, alert.Filter{Status: p.Status, After: after, Limit: pageSize})
		if err != nil {
			return err
		}
		names, err := v.console.connectionNames(ctx, tx)
		if err != nil {
			return err
		}
		var jobs []jobRow
		if slices.ContainsFunc(found.Items, func(a alert.Alert) bool { return a.Kind == alert.RunFailed }) {
			if jobs, err = v.console.jobRows(ctx, tx, uuid.Nil); err != nil {
				return err
			}
		}
		for _, a := range found.Items {
			if i := slices.IndexFunc(jobs, func(j jobRow) bool { return j.ID.String() == a.Subject }); i >= 0 {
				a.Name = v.jobTitle(jobs[i])
			}
			p.Items = append(p.Items, v.alertRow(a, names))
		}
		p.pager = pagerOf(func(after string) string {
			return urlOf(alertsPath, map[string]string{"status": p.Status, "after": after})
		}, after, found.Next)
		p.Settings, err = v.alertSettings(ctx, tx, wrong)
		return err
	})
	if err != nil {
		return err
	}
	v.here = alertsPath
	return v.writeForm("alerts", p, wrong)
}

// alertRow says where an alert is mended; what is about a connection is known by its name.
func (v *visit) alertRow(a alert.Alert, connections map[uuid.UUID]string) alertRow {
	r := alertRow{Alert: a}
	subject, entity, _ := strings.Cut(a.Subject, " ") // of a comparison, both
	if id, err := uuid.Parse(subject); err == nil && connections[id] != "" {
		if r.Name = connections[id]; entity != "" {
			r.Name += " · " + v.say("state.entity."+entity)
		}
	}
	var d struct {
		RunID            string `json:"run_id"`
		ReconciliationID string `json:"reconciliation_id"`
		Open             int64
		Waiting          int64
	}
	_ = json.Unmarshal(a.Detail, &d) // what it lacks is not said
	switch a.Kind {
	case alert.RunFailed:
		r.To = "/sync/runs/" + d.RunID
	case alert.DeadLetters:
		r.To, r.More = "/sync/dead-letters?connection="+a.Subject, fmt.Sprint(d.Open)
	case alert.Conflicts:
		r.To, r.More = "/sync/conflicts", fmt.Sprint(d.Open)
	case alert.PushLag:
		r.To, r.More = "/sync/connections/"+a.Subject, fmt.Sprint(d.Waiting)
	case alert.ConnectionHeld:
		r.To = "/sync/connections/" + a.Subject
	case alert.ReconciliationDiffers:
		r.To, r.More = "/sync/reconciliations/"+d.ReconciliationID, fmt.Sprint(d.Open)
	case alert.SchemaDrift:
		r.To, r.More = "/sync/connections/"+a.Subject+"#drift", fmt.Sprint(d.Open)
	case alert.RateMissing:
		r.To, r.More = unratedPath, fmt.Sprint(d.Open)
	case alert.SubscriptionFailing:
		r.To = subscriptionsPath
	}
	return r
}

func (c *Console) acknowledgeAlert(ctx context.Context, v *visit) error {
	id, err := v.id(alert.ErrNotFound)
	if err != nil {
		return err
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		_, err := alert.Acknowledge(ctx, tx, id)
		return err
	})
	if err != nil {
		return err
	}
	return v.done(alertsPath, "alert_taken")
}
