package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/job"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// letterScope says which open dead letters are meant; all that is given must hold.
type letterScope struct {
	Fingerprint  string `json:"fingerprint,omitempty" pattern:"^[0-9a-f]{1,64}$" doc:"Those of this cause."`
	ConnectionID string `json:"connection_id,omitempty" format:"uuid" doc:"Those of this connection."`
	Since        string `json:"since,omitempty" format:"date-time" doc:"Those that failed then or later."`
}

func (l letterScope) scope() (s job.Scope, err error) {
	s.Fingerprint = l.Fingerprint
	var faults schema.Violations
	if l.ConnectionID != "" {
		id, err := uuid.Parse(l.ConnectionID)
		if err != nil {
			faults = append(faults, schema.Violation{Pointer: "/connection_id", Rule: "format", Message: "must be a UUID"})
		}
		s.Connection = &id
	}
	if s.Since, faults = instantOf("/since", l.Since, faults); len(faults) > 0 {
		return s, faults
	}
	return s, nil
}

type groupDismissal struct {
	Fingerprint  string `json:"fingerprint,omitempty" pattern:"^[0-9a-f]{1,64}$" doc:"Those of this cause."`
	ConnectionID string `json:"connection_id,omitempty" format:"uuid" doc:"Those of this connection."`
	Since        string `json:"since,omitempty" format:"date-time" doc:"Those that failed then or later."`
	Reason       string `json:"reason" minLength:"1" maxLength:"1000" doc:"Why they do not matter."`
}

// dismissed says how many dead letters were closed.
type dismissed struct {
	Dismissed int `json:"dismissed" doc:"How many they were."`
}

func (s *server) listCauses() operation {
	return operation{
		id: "list-causes", needs: may(access.DeadLetters, access.Read), tag: "dead-letters", summary: "List dead letters by cause",
		description: "A cause is what one repair would settle: the same connection, entity, class, rules and places, whichever the element of a list. The one seen last first.",
		parameters: append([]*huma.Param{
			choiceParameter("status", "Of dead letters that stand there; open ones when left out.", letterStatuses()),
			idParameter("connection_id", "Those of this connection."),
			choiceParameter("direction", "Those of this direction.", letterDirections()),
			choiceParameter("entity", "Those of this kind of entity.", kindNames()),
			queryParameter("class", "Those of this class.", &huma.Schema{Type: huma.TypeString}, "data"),
		}, pageParameters()...),
		status: http.StatusOK, result: jsonBody(s.document, list[job.LetterCause]{Items: []job.LetterCause{causeExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			f := c.lettersAsked(&faults)
			if f.Status == "" {
				f.Status = job.Open
			}
			return listed(ctx, s, c, faults, func(tx pgx.Tx) (postgres.Page[job.LetterCause], error) { return job.ListCauses(ctx, tx, f) })
		},
	}
}

func (s *server) replayDeadLetters() operation {
	replay := runExample()
	replay.Purpose, replay.Trigger, replay.Letters = job.Replaying, job.ByHand, &job.Scope{Fingerprint: "9f86d081884c7d65"}
	return operation{
		id: "replay-dead-letters", needs: may(access.DeadLetters, access.Run), tag: "dead-letters", summary: "Replay dead letters",
		description: "Queues a run for each connection, direction and entity of the open dead letters that are meant, and returns the runs; " +
			"their counts tell what came of it. Letters are tried with the mapping as it is then. The same asked for twice is one run.",
		body:   jsonBody(s.document, letterScope{Fingerprint: "9f86d081884c7d65"}),
		status: http.StatusAccepted, result: jsonBody(s.document, list[job.Run]{Items: []job.Run{replay}}), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[letterScope](c)
			if err != nil {
				return answer{}, err
			}
			wanted, err := in.scope()
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				queued, err := job.EnqueueReplay(ctx, tx, wanted)
				if err != nil {
					return answer{}, err
				}
				return respond(http.StatusAccepted, page(c, queued, ""))
			})
		},
	}
}

func (s *server) dismissDeadLetters() operation {
	return operation{
		id: "dismiss-dead-letters", needs: may(access.DeadLetters, access.Update), tag: "dead-letters", summary: "Dismiss dead letters",
		description: "Closes the open dead letters that are meant for a reason, which is kept with each.",
		body:        jsonBody(s.document, groupDismissal{Fingerprint: "9f86d081884c7d65", Reason: "Test data of the migration."}),
		status:      http.StatusOK, result: jsonBody(s.document, dismissed{Dismissed: 400}), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[groupDismissal](c)
			if err != nil {
				return answer{}, err
			}
			wanted, err := letterScope{in.Fingerprint, in.ConnectionID, in.Since}.scope()
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				n, err := job.DismissAll(ctx, tx, wanted, in.Reason)
				if err != nil {
					return answer{}, err
				}
				return respond(http.StatusOK, dismissed{n})
			})
		},
	}
}

func causeExample() job.LetterCause {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	return job.LetterCause{
		Fingerprint: "9f86d081884c7d65", ConnectionID: uuid.MustParse(exampleID), Direction: job.Pull, Entity: "invoice",
		Stage: job.StageSchema, Class: "schema", Message: "/lines/0/qty: must be a number",
		Violations: schema.Violations{{Pointer: "/lines/*/qty", Rule: "type", Message: "must be a number"}},
		Count:      400, Attempts: 412, FirstSeen: at, LastSeen: at.Add(time.Hour), Latest: uuid.MustParse(exampleID),
	}
}
