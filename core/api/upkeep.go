package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/edit"
	"crmhub/core/postgres"
	"crmhub/core/schema"
	"crmhub/core/upkeep"
)

const customers = access.Resource(crm.KindCustomer)

func (s *server) listPool() operation {
	fields := crm.Fields(crm.KindCustomer)
	choices := func(name string) []string {
		for _, f := range fields {
			if f.Name == name {
				return f.Enum
			}
		}
		return nil
	}
	return operation{
		id: "list-pool", needs: may(access.Pool, access.Read), tag: "upkeep", summary: "List the customers in the pool",
		description: "Those that nobody looks after, the latest first, with what helps to choose. How to reach one is seen by who claims it.",
		parameters: append([]*huma.Param{
			queryParameter(textParameter, "A part of the name.", &huma.Schema{Type: huma.TypeString}, "northwind"),
			choiceParameter("lifecycle", "Those of this lifecycle.", choices("lifecycle")),
			choiceParameter("level", "Those of this level.", choices("level")),
			queryParameter("industry", "Those of this industry.", &huma.Schema{Type: huma.TypeString}, "retail"),
			queryParameter("source", "Those from this source.", &huma.Schema{Type: huma.TypeString}, "fair"),
		}, pageParameters()...),
		status: http.StatusOK, result: jsonBody(s.document, list[upkeep.PooledCustomer]{Items: []upkeep.PooledCustomer{pooledExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			f := upkeep.Filter{
				Text: c.query.Get(textParameter), Lifecycle: c.choiceIn("lifecycle", choices("lifecycle"), &faults), Level: c.choiceIn("level", choices("level"), &faults),
				Industry: c.query.Get("industry"), Source: c.query.Get("source"), After: c.query.Get(afterParameter), Limit: parseLimit(c.query, &faults),
			}
			for _, parameter := range []string{textParameter, "lifecycle", "level", "industry", "source"} {
				field := parameter
				if parameter == textParameter {
					field = "name"
				}
				if c.query.Has(parameter) && c.who.Hides(customers, field) {
					faults.add(parameter, "permission", "must be a field that you may see")
				}
			}
			return listed(ctx, s, c, faults, func(tx pgx.Tx) (postgres.Page[upkeep.PooledCustomer], error) {
				found, err := s.upkeep.List(ctx, tx, f)
				for i := range found.Items {
					found.Items[i].Veil(c.who)
				}
				return found, err
			})
		},
	}
}

type claimInput struct {
	IDs []string `json:"ids" minItems:"1" maxItems:"100" doc:"Of customers. They are taken in this order."`
}

type assignInput struct {
	IDs     []string `json:"ids" minItems:"1" maxItems:"100" doc:"Of customers in the pool."`
	OwnerID string   `json:"owner_id" format:"uuid" doc:"Who gets them."`
}

type releaseInput struct {
	IDs    []string `json:"ids" minItems:"1" maxItems:"100" doc:"Of customers."`
	Reason string   `json:"reason,omitempty" maxLength:"1000" doc:"Why. Who looks through the pool reads it."`
}

// verdicts say of each customer that was asked for what became of it.
type verdicts struct {
	Items []upkeep.Verdict `json:"items" nullable:"false" doc:"In the order of the ids."`
}

func verdictsExample() verdicts {
	id := uuid.MustParse(exampleID)
	return verdicts{Items: []upkeep.Verdict{
		{ID: id, Done: true, Version: 8},
		{ID: id, Refusal: &upkeep.Refusal{Code: upkeep.MaxOwned, Why: "Erika Muster owns 200 customers, and may own 200.", Help: "Release one that you do not look after, or have the limit raised."}},
	}}
}

const verdictsNote = " Each is decided by itself; a refusal says why and what would help."

func (s *server) claimCustomers() operation {
	return operation{
		id: "claim-customers", needs: may(access.Pool, access.Claim), tag: "upkeep", summary: "Claim customers of the pool",
		description: "They are the caller's from now on, with the contacts that nobody owns, as far as his limits and cool-downs allow. Of several who claim one, the first gets it." + verdictsNote,
		body:        jsonBody(s.document, claimInput{IDs: []string{exampleID}}),
		status:      http.StatusOK, result: jsonBody(s.document, verdictsExample()), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[claimInput](c)
			if err != nil {
				return answer{}, err
			}
			ids, err := parseIDs("/ids", in.IDs)
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				made, err := s.upkeep.Claim(ctx, tx, c.by(), c.who.UserID, ids)
				if err != nil {
					return answer{}, err
				}
				return respond(http.StatusOK, verdicts{made})
			})
		},
	}
}

func (s *server) assignCustomers() operation {
	return operation{
		id: "assign-customers", needs: may(customers, access.Assign), tag: "upkeep", summary: "Give customers of the pool to somebody",
		description: "Needs pool:read besides. The permission must reach who gets them, and he may own no more than his limit." + verdictsNote,
		body:        jsonBody(s.document, assignInput{IDs: []string{exampleID}, OwnerID: exampleID}),
		status:      http.StatusOK, result: jsonBody(s.document, verdictsExample()), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			if err := may(access.Pool, access.Read).check(c.who); err != nil {
				return answer{}, err
			}
			in, err := decode[assignInput](c)
			if err != nil {
				return answer{}, err
			}
			ids, err := parseIDs("/ids", in.IDs)
			if err != nil {
				return answer{}, err
			}
			owner, err := parseID("/owner_id", in.OwnerID)
			if err != nil {
				return answer{}, err
			}
			if !c.who.Covers(customers, access.Assign, &owner) {
				return answer{}, schema.Violations{edit.OwnerFault()}
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				made, err := s.upkeep.Assign(ctx, tx, c.by(), owner, ids)
				if err != nil {
					return answer{}, err
				}
				return respond(http.StatusOK, verdicts{made})
			})
		},
	}
}

func (s *server) releaseCustomers() operation {
	return operation{
		id: "release-customers", needs: may(access.Pool, access.Claim), tag: "upkeep", summary: "Put customers into the pool",
		description: "Needs customer:update or customer:assign for each besides. They have no owner then, and nor have their contacts that the owner had." + verdictsNote,
		body:        jsonBody(s.document, releaseInput{IDs: []string{exampleID}, Reason: "moved to another region"}),
		status:      http.StatusOK, result: jsonBody(s.document, verdictsExample()), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[releaseInput](c)
			if err != nil {
				return answer{}, err
			}
			ids, err := parseIDs("/ids", in.IDs)
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				made, err := s.upkeep.Release(ctx, tx, c.by(), ids, in.Reason, func(owner *uuid.UUID) bool {
					return c.who.Covers(customers, access.Update, owner) || c.who.Covers(customers, access.Assign, owner)
				})
				if err != nil {
					return answer{}, err
				}
				return respond(http.StatusOK, verdicts{made})
			})
		},
	}
}

func (s *server) showCapacity() operation {
	own, most := 180, 200
	return operation{
		id: "show-capacity", needs: may(access.Pool, access.Claim), tag: "upkeep", summary: "Show how many customers the caller may still claim",
		description: "What he has taken, and the limits that count for him; one that is absent does not limit.",
		status:      http.StatusOK, result: jsonBody(s.document, upkeep.Capacity{Owned: own, ClaimedToday: 2, Quota: upkeep.Quota{MaxOwned: &most}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			return read(s, func(ctx context.Context, tx pgx.Tx) (upkeep.Capacity, error) {
				return s.upkeep.Capacity(ctx, tx, c.who.UserID)
			})(ctx, c)
		},
	}
}

func (s *server) listPoolLog() operation {
	events := make([]string, 0, len(upkeep.Whats()))
	for _, w := range upkeep.Whats() {
		events = append(events, string(w))
	}
	return operation{
		id: "list-pool-log", needs: may(access.Pool, access.Read), tag: "upkeep", summary: "List what came into the pool and left it", description: "Newest first, with why.",
		parameters: append([]*huma.Param{
			idParameter("customer_id", "What happened to this customer."),
			choiceParameter("event", "What happened so.", events),
		}, pageParameters()...),
		status: http.StatusOK, result: jsonBody(s.document, list[upkeep.PoolEvent]{Items: []upkeep.PoolEvent{logExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			f := upkeep.LogFilter{
				Customer: c.idIn("customer_id", &faults), Event: upkeep.What(c.choiceIn("event", events, &faults)),
				After: c.query.Get(afterParameter), Limit: parseLimit(c.query, &faults),
			}
			return listed(ctx, s, c, faults, func(tx pgx.Tx) (postgres.Page[upkeep.PoolEvent], error) {
				found, err := s.upkeep.Log(ctx, tx, f)
				for i := range found.Items {
					found.Items[i].Veil(c.who)
				}
				return found, err
			})
		},
	}
}

func (s *server) listDue() operation {
	least, most := 0.0, 366.0
	return operation{
		id: "list-due", needs: may(access.Pool, access.Read), tag: "upkeep", summary: "List which customers fall into the pool, and why",
		description: "A dry run of the recycle rules over the customers that the caller sees: what happens when they are next applied, the longest due first. " +
			"With ahead, what would happen in so many days if nothing changed. What counts for a rule counts here, whatever the caller sees of it. Needs customer:read besides.",
		parameters: append([]*huma.Param{
			queryParameter("ahead", "How many days to look ahead.", &huma.Schema{Type: huma.TypeInteger, Minimum: &least, Maximum: &most, Default: 0}, 7),
			idParameter("owner_id", "Those of this owner."),
		}, pageParameters()...),
		status: http.StatusOK, result: jsonBody(s.document, list[upkeep.DueCustomer]{Items: []upkeep.DueCustomer{dueExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			if err := c.permit(crm.KindCustomer, access.Read); err != nil {
				return answer{}, err
			}
			var faults parameterFaults
			owner := c.idIn("owner_id", &faults)
			if owner != uuid.Nil && c.who.Hides(customers, "owner_id") {
				faults.add("owner_id", "permission", "must be a field that you may see")
			}
			d := upkeep.DryRun{Owners: upkeep.CustomersOf(c.who, owner), After: c.query.Get(afterParameter), Limit: parseLimit(c.query, &faults)}
			if c.query.Has("ahead") {
				var err error
				if d.Ahead, err = strconv.Atoi(c.query.Get("ahead")); err != nil || d.Ahead < 0 || d.Ahead > int(most) {
					faults.add("ahead", "range", "must be a whole number from 0 to 366")
				}
			}
			return listed(ctx, s, c, faults, func(tx pgx.Tx) (postgres.Page[upkeep.DueCustomer], error) {
				found, err := s.upkeep.Due(ctx, tx, d)
				for i := range found.Items {
					found.Items[i].Veil(c.who)
				}
				return found, err
			})
		},
	}
}

func pooledExample() upkeep.PooledCustomer {
	at := time.Date(2026, 9, 1, 2, 0, 0, 0, time.UTC)
	id, yes := uuid.MustParse(exampleID), true
	return upkeep.PooledCustomer{
		ID: id, Version: 7, PooledAt: at, Name: "Northwind Traders Ltd", Type: "company", Lifecycle: "potential", Level: "B", HasPhone: &yes, HasEmail: &yes,
		Event: upkeep.Recycled, Rule: "No contact for 60 days", FromOwnerID: &id, FromOwner: "Erika Muster",
	}
}

func logExample() upkeep.PoolEvent {
	id := uuid.MustParse(exampleID)
	return upkeep.PoolEvent{ID: id, CustomerID: id, At: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC), By: exampleActor, Event: upkeep.Claimed, ToOwnerID: &id}
}

func dueExample() upkeep.DueCustomer {
	id := uuid.MustParse(exampleID)
	since := crm.DateOf(time.Date(2026, 7, 3, 0, 0, 0, 0, time.UTC))
	return upkeep.DueCustomer{
		CustomerID: id, Name: "Northwind Traders Ltd", OwnerID: &id, Owner: "Erika Muster", RuleID: id, Rule: "No contact for 60 days",
		Basis: upkeep.SinceContact, Since: &since, Days: 60, DueOn: crm.DateOf(since.Time().AddDate(0, 0, 60)),
	}
}
