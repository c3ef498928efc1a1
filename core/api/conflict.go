package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/link"
	"crmhub/core/postgres"
	"crmhub/core/reconcile"
)

type settlement struct {
	Side  string `json:"side" enum:"ours,theirs,value" doc:"Whose value counts; value: another one, for both sides."`
	Value any    `json:"value,omitempty" doc:"With the side value: what both sides are to have. It needs the permission to change the entity."`
}

type conflictRule struct {
	ConnectionID string `json:"connection_id" format:"uuid" doc:"On which connection."`
	Entity       string `json:"entity" doc:"Of which kind of entity." example:"customer"`
	Field        string `json:"field" minLength:"1" doc:"About which field." example:"phone"`
	Side         string `json:"side" enum:"ours,theirs" doc:"Whose value counts."`
	After        string `json:"after,omitempty" format:"uuid" doc:"Where to go on: next of the answer before."`
}

func (s *server) listConflicts() operation {
	statuses := textsOf(link.ConflictStatuses())
	return operation{
		id: "list-conflicts", needs: may(access.DeadLetters, access.Read), tag: "conflicts", summary: "List conflicts",
		description: "Fields that both sides changed and that the mapping leaves to a person, newest first. Values of fields that are hidden from you are null.",
		parameters: append([]*huma.Param{
			idParameter("connection_id", "Those on this connection."),
			choiceParameter("entity", "Those of this kind of entity.", kindNames()),
			idParameter("entity_id", "Those of this entity."),
			queryParameter("field", "Those about this field.", &huma.Schema{Type: huma.TypeString}, "phone"),
			choiceParameter("status", "Those that stand there.", statuses),
		}, pageParameters()...),
		status: http.StatusOK, result: jsonBody(s.document, list[link.Kept]{Items: []link.Kept{conflictExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			f := link.ConflictFilter{
				Connection: c.idIn("connection_id", &faults), Entity: c.choiceIn("entity", kindNames(), &faults), EntityID: c.idIn("entity_id", &faults),
				Field: c.query.Get("field"), Status: link.ConflictStatus(c.choiceIn("status", statuses, &faults)),
				After: c.query.Get(afterParameter), Limit: parseLimit(c.query, &faults),
			}
			return listed(ctx, s, c, faults, func(tx pgx.Tx) (postgres.Page[link.Kept], error) {
				found, err := link.ListConflicts(ctx, tx, f)
				for i := range found.Items {
					c.veilConflict(&found.Items[i])
				}
				return found, err
			})
		},
	}
}

// veilConflict takes away values that the caller must not see.
func (c *call) veilConflict(k *link.Kept) {
	if !c.who.Sees(access.Resource(k.Entity), k.Field) {
		k.Base, k.Ours, k.Theirs = nil, nil, nil
	}
}

func (s *server) getConflict() operation {
	return operation{
		id: "get-conflict", needs: may(access.DeadLetters, access.Read), tag: "conflicts", summary: "Get a conflict",
		status: http.StatusOK, result: jsonBody(s.document, conflictExample()),
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			k, err := postgres.Get(ctx, s.DB, c.who.Principal, func(tx pgx.Tx) (link.Kept, error) { return link.GetConflict(ctx, tx, id) })
			if err != nil {
				return answer{}, err
			}
			c.veilConflict(&k)
			return respond(http.StatusOK, k)
		},
	}
}

func (s *server) settleConflict() operation {
	return operation{
		id: "settle-conflict", needs: may(access.DeadLetters, access.Run), tag: "conflicts", summary: "Settle a conflict",
		description: "The record is merged once more with the decision, and both sides end equal. If a value changed since it was noted nothing is decided: " +
			"settled is false, and the conflict shows the values of now.",
		body:   jsonBody(s.document, settlement{Side: "theirs"}),
		status: http.StatusOK, result: jsonBody(s.document, reconcile.Settled{Conflict: conflictExample(), Settled: true}), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[settlement](c)
			if err != nil {
				return answer{}, err
			}
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				if in.Side == string(link.ConflictValue) {
					k, err := link.GetConflict(ctx, tx, id)
					if err != nil {
						return answer{}, err
					}
					if err := c.permit(crm.Kind(k.Entity), access.Update); err != nil {
						return answer{}, err
					}
				}
				done, err := s.Reconciler.Settle(ctx, tx, c.by(), id, reconcile.Decision{Status: link.ConflictStatus(in.Side), Value: in.Value})
				if err != nil {
					return answer{}, err
				}
				c.veilConflict(&done.Conflict)
				return respond(http.StatusOK, done)
			})
		},
	}
}

func (s *server) settleConflicts() operation {
	return operation{
		id: "settle-conflicts", needs: may(access.DeadLetters, access.Run), tag: "conflicts", summary: "Settle conflicts by a rule",
		description: "All open ones about a field on a connection, 100 at a time.",
		body:        jsonBody(s.document, conflictRule{ConnectionID: exampleID, Entity: "customer", Field: "phone", Side: "theirs"}),
		status:      http.StatusOK, result: jsonBody(s.document, reconcile.Ruled{Settled: 12, Left: []reconcile.Settled{}}), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[conflictRule](c)
			if err != nil {
				return answer{}, err
			}
			of, err := parseID("/connection_id", in.ConnectionID)
			if err != nil {
				return answer{}, err
			}
			rule := reconcile.Rule{Connection: of, Entity: in.Entity, Field: in.Field, Status: link.ConflictStatus(in.Side)}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				done, err := s.Reconciler.SettleAll(ctx, tx, c.by(), rule, in.After)
				if err != nil {
					return answer{}, err
				}
				for i := range done.Left {
					c.veilConflict(&done.Left[i].Conflict)
				}
				return respond(http.StatusOK, done)
			})
		},
	}
}

func conflictExample() link.Kept {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	id := uuid.MustParse(exampleID)
	return link.Kept{
		ID: id, ConnectionID: id, Entity: "customer", EntityID: id, Field: "phone", Base: "+49 30 1000", Ours: "+49 30 2000", Theirs: "+49 30 3000",
		Status: link.ConflictOpen, CreatedAt: at, UpdatedAt: at,
	}
}
