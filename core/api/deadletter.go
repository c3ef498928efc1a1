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
	"crmhub/core/job"
	"crmhub/core/journey"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

type dismissal struct {
	Reason string `json:"reason" minLength:"1" maxLength:"1000" doc:"Why it does not matter."`
}

func letterStatuses() []string {
	return []string{string(job.Open), string(job.Resolved), string(job.Dismissed)}
}
func letterDirections() []string { return []string{string(job.Push), string(job.Pull)} }

// lettersAsked are the dead letters that the query asks for.
func (c *call) lettersAsked(faults *parameterFaults) job.LetterFilter {
	return job.LetterFilter{
		Status:     job.LetterStatus(c.choiceIn("status", letterStatuses(), faults)),
		Connection: c.idIn("connection_id", faults),
		Direction:  job.Kind(c.choiceIn("direction", letterDirections(), faults)),
		Entity:     c.choiceIn("entity", kindNames(), faults),
		Class:      c.query.Get("class"), After: c.query.Get(afterParameter), Limit: parseLimit(c.query, faults),
	}
}

func (s *server) listDeadLetters() operation {
	text := &huma.Schema{Type: huma.TypeString}
	return operation{
		id: "list-dead-letters", needs: may(access.DeadLetters, access.Read), tag: "dead-letters", summary: "List dead letters",
		description: "The one that changed last first. Who does not see all fields of the entity sees the names in the payload, and only those values that the mapping joins to a field that he sees and that is not personal.",
		parameters: append([]*huma.Param{
			choiceParameter("status", "Those that stand there.", letterStatuses()),
			idParameter("connection_id", "Those of this connection."),
			choiceParameter("direction", "Those of this direction.", letterDirections()),
			choiceParameter("entity", "Those of this kind of entity.", kindNames()),
			queryParameter("class", "Those of this class of cause.", text, "data"),
			queryParameter("fingerprint", "Those with the same cause.", text, "9f86d081884c7d65"),
		}, pageParameters()...),
		status: http.StatusOK, result: jsonBody(s.document, list[job.DeadLetter]{Items: []job.DeadLetter{deadLetterExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			f := c.lettersAsked(&faults)
			f.Fingerprint = c.query.Get("fingerprint")
			return listed(ctx, s, c, faults, func(tx pgx.Tx) (p postgres.Page[job.DeadLetter], err error) {
				if p, err = job.ListDeadLetters(ctx, tx, f); err != nil {
					return p, err
				}
				sights := map[string]journey.Sight{}
				for i := range p.Items {
					entity := p.Items[i].Entity
					sight, ok := sights[entity]
					if !ok {
						sight = journey.SightIn(ctx, tx, c.who.Permissions, entity, s.Revisions)
						sights[entity] = sight
					}
					if err := sight.Veil(&p.Items[i]); err != nil {
						return p, err
					}
				}
				return p, nil
			})
		},
	}
}

func (s *server) getDeadLetter() operation {
	return operation{
		id: "get-dead-letter", needs: may(access.DeadLetters, access.Read), tag: "dead-letters", summary: "Get a dead letter",
		status: http.StatusOK, result: jsonBody(s.document, deadLetterExample()),
		serve: func(ctx context.Context, c *call) (answer, error) {
			return onID(s, func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (job.DeadLetter, error) {
				return s.letter(ctx, tx, c)(job.GetDeadLetter(ctx, tx, id))
			})(ctx, c)
		},
	}
}

func (s *server) replayDeadLetter() operation {
	return operation{
		id: "replay-dead-letter", needs: may(access.DeadLetters, access.Run), tag: "dead-letters", summary: "Replay a dead letter",
		description: "A pulled record is tried again at once; a push is due again and goes out soon. The status tells what came of it.",
		status:      http.StatusOK, result: jsonBody(s.document, deadLetterExample()), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			return writeOnID(s, func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (d job.DeadLetter, err error) {
				if err := openDeadLetter(ctx, tx, id); err != nil {
					return d, err
				}
				if _, err := job.ReplayDeadLetters(ctx, tx, s.Replay, []uuid.UUID{id}); err != nil {
					return d, err
				}
				return s.letter(ctx, tx, c)(job.GetDeadLetter(ctx, tx, id))
			})(ctx, c)
		},
	}
}

func (s *server) dismissDeadLetter() operation {
	return operation{
		id: "dismiss-dead-letter", needs: may(access.DeadLetters, access.Update), tag: "dead-letters", summary: "Dismiss a dead letter",
		description: "Closes it for a reason, which is kept.",
		body:        jsonBody(s.document, dismissal{Reason: "Cancelled on the phone; nothing to send."}),
		status:      http.StatusOK, result: jsonBody(s.document, deadLetterExample()), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[dismissal](c)
			if err != nil {
				return answer{}, err
			}
			return writeOnID(s, func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (d job.DeadLetter, err error) {
				if err := openDeadLetter(ctx, tx, id); err != nil {
					return d, err
				}
				return s.letter(ctx, tx, c)(job.Dismiss(ctx, tx, id, in.Reason))
			})(ctx, c)
		},
	}
}

// letter answers with a letter as the caller sees it.
func (s *server) letter(ctx context.Context, tx pgx.Tx, c *call) func(job.DeadLetter, error) (job.DeadLetter, error) {
	return func(d job.DeadLetter, err error) (job.DeadLetter, error) {
		if err == nil {
			err = journey.SightIn(ctx, tx, c.who.Permissions, d.Entity, s.Revisions).Veil(&d)
		}
		return d, err
	}
}

// openDeadLetter fails if the letter is closed.
func openDeadLetter(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	d, err := job.GetDeadLetter(ctx, tx, id)
	if err == nil && d.Status != job.Open {
		return &Problem{
			Type: problemType("closed"), Title: "The dead letter is closed", Status: http.StatusConflict,
			Detail: "It is " + string(d.Status) + " already.",
		}
	}
	return err
}

func deadLetterExample() job.DeadLetter {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	return job.DeadLetter{
		ID: uuid.MustParse(exampleID), ConnectionID: uuid.MustParse(exampleID), Direction: job.Pull, Entity: "invoice", RemoteID: "2231",
		Stage: job.StageSchema, Class: "schema", Message: "The record is not what its schema says.",
		Violations:  schema.Violations{{Pointer: "/invoice_date", Rule: "type", Message: "must be a string"}},
		Payload:     json.RawMessage(`{"id":2231,"invoice_date":null}`),
		Fingerprint: "9f86d081884c7d65", Attempts: 1, Status: job.Open, CreatedAt: at, UpdatedAt: at,
	}
}
