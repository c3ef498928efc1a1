package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/privacy"
)

type erasureInput struct {
	Reason string `json:"reason" minLength:"1" maxLength:"1000" doc:"Why, such as where the request is filed. It is kept: say nothing personal."`
	DryRun bool   `json:"dry_run,omitempty" doc:"Only show what would be erased and what would stay."`
}

type erasureBody struct {
	privacy.Erasure

	Told []privacy.Told `json:"told,omitempty" nullable:"false" doc:"The records of other systems, and how far they know. Those by_hand have to be erased there by somebody."`
}

// erase takes a person's data out. It cannot be undone, so it needs a permission of its own for the whole organization.
func (e entities) erase() operation {
	example := erasureExample(e.kind)
	return operation{
		id: "erase-" + slug(string(e.kind)), needs: may(e.resource(), access.Erase), tag: "privacy", summary: "Erase " + article(e.kind) + " at the person's request",
		description: "Empties the personal fields of it and of what belongs to it (x-personal in the schemas), with a version that goes to the connections, and takes them " +
			"out of outbox, audit trail, journeys, dead letters, files and all else that keeps copies. Issued invoices and contracts in force stay. It cannot be undone. " +
			"The permission must reach the whole organization.",
		body:   jsonBody(e.document, erasureInput{Reason: "Letter of 2026-09-01, file 17/2026."}),
		status: http.StatusOK, result: jsonBody(e.document, example), keyed: true, problems: []int{http.StatusConflict},
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			if c.who.May(e.resource(), access.Erase) != postgres.ScopeOrganization {
				return answer{}, forbidden(c.route.needs, "It needs the permission "+c.route.needs.String()+" for the whole organization.")
			}
			in, err := decode[erasureInput](c)
			if err != nil {
				return answer{}, err
			}
			eraser := privacy.Eraser{Entities: e.CRM}
			request := privacy.Request{Kind: e.kind, ID: id, Reason: in.Reason}
			if in.DryRun {
				done, err := postgres.Get(ctx, e.DB, c.who.Principal, func(tx pgx.Tx) (privacy.Erasure, error) { return eraser.Preview(ctx, tx, c.by(), request) })
				if err != nil {
					return answer{}, erasureProblem(err)
				}
				return respond(http.StatusOK, erasureBody{Erasure: done})
			}
			return e.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				done, err := eraser.Erase(ctx, tx, c.by(), request)
				if err != nil {
					return answer{}, erasureProblem(err)
				}
				told, err := privacy.ToldOf(ctx, tx, done.ID)
				if err != nil {
					return answer{}, err
				}
				return respond(http.StatusOK, erasureBody{done, told})
			})
		},
	}
}

// erasureProblem says what of errors is the caller's to mend.
func erasureProblem(err error) error {
	if merged, ok := errors.AsType[*privacy.MergedError](err); ok {
		return &Problem{
			Type: problemType("merged"), Title: "It is part of another one", Status: http.StatusConflict,
			Detail: "It was merged into " + merged.Into.String() + ": erase that one, or undo the merge first.",
		}
	}
	if errors.Is(err, privacy.ErrBusy) {
		return &Problem{
			Type: problemType("busy"), Title: "A file is being read or written", Status: http.StatusConflict,
			Detail: "An import or export of these entities is under way. Try again when it has ended.",
		}
	}
	return err
}

func (s *server) listErasures() operation {
	return operation{
		id: "list-erasures", needs: may(access.Resource(crm.KindCustomer), access.Erase), tag: "privacy", summary: "List erasures", description: "The newest first.",
		parameters: pageParameters(),
		status:     http.StatusOK, result: jsonBody(s.document, list[privacy.Erasure]{Items: []privacy.Erasure{erasureExample(crm.KindCustomer).Erasure}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			limit := parseLimit(c.query, &faults)
			return listed(ctx, s, c, faults, func(tx pgx.Tx) (postgres.Page[privacy.Erasure], error) {
				return privacy.List(ctx, tx, c.query.Get(afterParameter), limit)
			})
		},
	}
}

func (s *server) getErasure() operation {
	return operation{
		id: "get-erasure", needs: may(access.Resource(crm.KindCustomer), access.Erase), tag: "privacy", summary: "Get an erasure, and how far the connections know",
		status: http.StatusOK, result: jsonBody(s.document, erasureExample(crm.KindCustomer)),
		serve: onID(s, func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (body erasureBody, err error) {
			found, err := privacy.Get(ctx, tx, id)
			if errors.Is(err, privacy.ErrNotFound) {
				return body, notFound()
			}
			if err != nil {
				return body, err
			}
			told, err := privacy.ToldOf(ctx, tx, id)
			return erasureBody{found, told}, err
		}),
	}
}

func erasureExample(k crm.Kind) erasureBody {
	id := uuid.MustParse(exampleID)
	return erasureBody{
		privacy.Erasure{
			ID: id, Kind: string(k), EntityID: id, Reason: "Letter of 2026-09-01, file 17/2026.", Erased: map[string]int64{string(k): 1, "activity": 4, "audit": 7},
			Kept: map[string]int64{"invoice": 3}, CreatedAt: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC), CreatedBy: exampleActor,
		},
		[]privacy.Told{{Connection: "tryton", ConnectionID: id, LinkID: id, Kind: string(k), EntityID: id, RemoteID: "1001", State: privacy.Pending}},
	}
}

// held gives what is held of somebody, for whoever carries out such requests.
func (e entities) held() operation {
	id := uuid.MustParse(exampleID)
	return operation{
		id: "get-" + slug(string(e.kind)) + "-personal-data", needs: may(e.resource(), access.Erase), tag: "privacy", summary: "Get what is held of a person",
		description: "To be given to the person who asks (GDPR art. 15): the entity, what belongs to it, its files, and its records in other systems. " +
			"The permission must reach the whole organization.",
		status: http.StatusOK, problems: []int{http.StatusConflict},
		result: jsonBody(e.document, privacy.Held{
			Entities: map[string][]map[string]any{string(e.kind): {{"id": exampleID, "name": "Northwind Traders"}}},
			Files:    []privacy.HeldFile{{ID: id, Kind: string(e.kind), EntityID: id, Name: "letter.pdf", AddedAt: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)}},
			Records:  []privacy.HeldRecord{{Connection: "tryton", Kind: string(e.kind), EntityID: id, RemoteID: "1001"}},
		}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			if c.who.May(e.resource(), access.Erase) != postgres.ScopeOrganization {
				return answer{}, forbidden(c.route.needs, "It needs the permission "+c.route.needs.String()+" for the whole organization.")
			}
			held, err := postgres.Get(ctx, e.DB, c.who.Principal, func(tx pgx.Tx) (privacy.Held, error) {
				return (&privacy.Eraser{Entities: e.CRM}).HeldOf(ctx, tx, e.kind, id)
			})
			if err != nil {
				return answer{}, erasureProblem(err)
			}
			return respond(http.StatusOK, held)
		},
	}
}
