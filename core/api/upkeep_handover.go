package api

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/schema"
	"crmhub/core/upkeep"
)

type handOverInput struct {
	ToUserID string            `json:"to_user_id,omitempty" format:"uuid" doc:"Who gets what by_kind does not name. Left out, that stays."`
	ByKind   map[string]string `json:"by_kind,omitempty" doc:"Who gets the entities of a kind: its name, and the user's id."`
	OpenOnly bool              `json:"open_only,omitempty" doc:"Only what is not over yet: open tasks, tickets, opportunities, orders under way, contracts that count, invoices not paid, and all customers and contacts."`
}

// plannedPart is what would go over of one kind.
type plannedPart struct {
	Kind      crm.Kind  `json:"entity"`
	ToUserID  uuid.UUID `json:"to_user_id"`
	Count     int64     `json:"count" doc:"How many there are."`
	Permitted bool      `json:"permitted" doc:"Whether the caller may hand them over; of those he may not, he is told nothing but how many."`
}

type handOverPlan struct {
	Parts []plannedPart `json:"parts" nullable:"false" doc:"A kind of which there is nothing is absent."`
}

func (s *server) previewHandOver() operation {
	return operation{
		id: "preview-hand-over", needs: maySome(access.Assign), tag: "upkeep", summary: "Count what a hand-over would take along", description: "A dry run: nothing changes.",
		body:   jsonBody(s.document, handOverInput{ToUserID: exampleID, OpenOnly: true}),
		status: http.StatusOK, result: jsonBody(s.document, handOverPlan{Parts: []plannedPart{{Kind: crm.KindCustomer, ToUserID: uuid.MustParse(exampleID), Count: 180, Permitted: true}}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			wish, err := c.wish()
			if err != nil {
				return answer{}, err
			}
			plan := handOverPlan{Parts: []plannedPart{}}
			err = s.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) error {
				parts, err := s.upkeep.PlanHandOver(ctx, tx, wish)
				for _, p := range parts {
					plan.Parts = append(plan.Parts, plannedPart{p.Kind, p.ToUserID, p.Expected, upkeep.MayHandOver(c.who.Permissions, p.Kind, wish.From, p.ToUserID)})
				}
				return err
			})
			if err != nil {
				return answer{}, err
			}
			return respond(http.StatusOK, plan)
		},
	}
}

func (s *server) handOver() operation {
	return operation{
		id: "hand-over", needs: maySome(access.Assign), tag: "upkeep", summary: "Hand over what a user owns",
		description: "In the background, to one or, by kind, several others, with a version and a change for each entity. Needs assign and read for each kind of which there is anything, " +
			"reaching both users; limits of the pool do not count. Whoever left may be disabled when it is done: PATCH /users/{id}.",
		body:   jsonBody(s.document, handOverInput{ToUserID: exampleID, ByKind: map[string]string{"ticket": exampleID}}),
		status: http.StatusAccepted, result: jsonBody(s.document, handOverExample()), located: true, keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			wish, err := c.wish()
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				parts, err := s.upkeep.PlanHandOver(ctx, tx, wish)
				if err != nil {
					return answer{}, err
				}
				for _, p := range parts {
					if !upkeep.MayHandOver(c.who.Permissions, p.Kind, wish.From, p.ToUserID) {
						n := may(access.Resource(p.Kind), access.Assign)
						return answer{}, forbidden(n, "There are "+plural(p.Kind)+" to hand over, for which your permissions "+n.String()+" and "+
							may(access.Resource(p.Kind), access.Read).String()+" must reach both users. Leave the kind out, or ask somebody who may.")
					}
				}
				begun, err := s.upkeep.BeginHandOver(ctx, tx, wish, parts, string(c.trace))
				if err != nil {
					return answer{}, err
				}
				return accepted("/hand-overs", begun.ID, begun)
			})
		},
	}
}

// wish reads what is to be handed over.
func (c *call) wish() (upkeep.Wish, error) {
	in, err := decode[handOverInput](c)
	if err != nil {
		return upkeep.Wish{}, err
	}
	from, err := c.id()
	if err != nil {
		return upkeep.Wish{}, err
	}
	w := upkeep.Wish{From: from, ByKind: map[crm.Kind]uuid.UUID{}, OpenOnly: in.OpenOnly}
	var vs schema.Violations
	if in.ToUserID != "" {
		if w.To, err = uuid.Parse(in.ToUserID); err != nil {
			vs = append(vs, schema.Violation{Pointer: "/to_user_id", Rule: "format", Message: "must be a UUID"})
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(in.ByKind)) {
		id, err := uuid.Parse(in.ByKind[kind])
		if err != nil {
			vs = append(vs, schema.Violation{Pointer: "/by_kind/" + kind, Rule: "format", Message: "must be a UUID"})
		}
		w.ByKind[crm.Kind(kind)] = id
	}
	return w, vs.Err()
}

func (s *server) listHandOvers() operation {
	return operation{
		id: "list-hand-overs", needs: maySome(access.Assign), tag: "upkeep", summary: "List hand-overs",
		description: "Newest first: those that the caller asked for, and all for who may change users.", parameters: pageParameters(),
		status: http.StatusOK, result: jsonBody(s.document, list[upkeep.HandOver]{Items: []upkeep.HandOver{handOverExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			limit := parseLimit(c.query, &faults)
			of := c.who.Principal.Actor
			if c.seesHandOvers() {
				of = ""
			}
			return listed(ctx, s, c, faults, func(tx pgx.Tx) (postgres.Page[upkeep.HandOver], error) {
				return s.upkeep.HandOvers(ctx, tx, of, c.query.Get(afterParameter), limit)
			})
		},
	}
}

func (s *server) getHandOver() operation {
	return operation{
		id: "get-hand-over", needs: maySome(access.Assign), tag: "upkeep", summary: "Get a hand-over", description: "Its counts grow while it runs.",
		status: http.StatusOK, result: jsonBody(s.document, handOverExample()),
		serve: func(ctx context.Context, c *call) (answer, error) {
			return onID(s, func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (upkeep.HandOver, error) {
				return s.ownHandOver(ctx, tx, c, id)
			})(ctx, c)
		},
	}
}

func (s *server) cancelHandOver() operation {
	return operation{
		id: "cancel-hand-over", needs: maySome(access.Assign), tag: "upkeep", summary: "Cancel a hand-over",
		description: "It ends after its batch; what was handed over by then stays so. One that has ended stays as it is.",
		status:      http.StatusOK, result: jsonBody(s.document, handOverExample()), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			return writeOnID(s, func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (h upkeep.HandOver, err error) {
				if _, err := s.ownHandOver(ctx, tx, c, id); err != nil {
					return h, err
				}
				return s.upkeep.CancelHandOver(ctx, tx, id)
			})(ctx, c)
		},
	}
}

// seesHandOvers reports whether the caller sees those of others.
func (c *call) seesHandOvers() bool {
	return c.who.May(access.Users, access.Update) == postgres.ScopeOrganization
}

// ownHandOver reads a hand-over that the caller may see; others are not there for him.
func (s *server) ownHandOver(ctx context.Context, tx pgx.Tx, c *call, id uuid.UUID) (upkeep.HandOver, error) {
	h, err := s.upkeep.HandOver(ctx, tx, id)
	if err == nil && h.CreatedBy != string(c.who.Principal.Actor) && !c.seesHandOvers() {
		return upkeep.HandOver{}, notFound()
	}
	return h, err
}

func handOverExample() upkeep.HandOver {
	id := uuid.MustParse(exampleID)
	return upkeep.HandOver{
		ID: id, FromUserID: id, Status: upkeep.Running, Parts: []upkeep.Part{{Kind: crm.KindCustomer, ToUserID: id, Expected: 180, Moved: 120}},
		CreatedAt: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC), CreatedBy: exampleActor,
	}
}
