package upkeep

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/postgres"
)

// DueCustomer is a customer that falls into the pool, and why.
type DueCustomer struct {
	CustomerID uuid.UUID  `json:"customer_id"`
	Name       string     `json:"name,omitempty" doc:"Of the customer."`
	OwnerID    *uuid.UUID `json:"owner_id,omitempty" doc:"Who loses it."`
	Owner      string     `json:"owner,omitempty" doc:"Their name."`
	RuleID     uuid.UUID  `json:"rule_id" doc:"By which rule: of several, the first to be due."`
	Rule       string     `json:"rule" doc:"Its name."`
	Basis      Basis      `json:"basis,omitempty" enum:"contact,first_contact,deal,contract" doc:"What its days are counted from."`
	Since      *crm.Date  `json:"since,omitempty" format:"date" doc:"The day that is, for this customer."`
	Days       int        `json:"days" doc:"How many days later it is due."`
	DueOn      crm.Date   `json:"due_on" format:"date" doc:"The day from which on it falls, when the rules are next applied."`
	FallsAt    time.Time  `json:"-"` // when that day begins
}

// due finds the customers that are due by a rule, and for each the rule by which it is due first.
//
//	$1 now
//	$2 how many days ahead the list looks, or
//	$3 that it looks as far ahead as each rule warns
//	$4 the owners whose customers count; null: all
//	$5 the customers that count; null: all
//	$6 to $8 behind which place the list begins; null: at the beginning
//	$9 how many; null: all
//
// The dry run, the warnings and the job run this one text. What it reads it must read as the hub: an order that the
// customer's owner does not see keeps the customer as well.
const due = `
with day as materialized (select z.zone, ($1::timestamptz at time zone z.zone)::date as today from (select ` + crm.Zone + ` as zone) z),
found as (
	select distinct on (c.id) c.id, c.name, c.owner_id, r.id as rule_id, r.name as rule, r.basis, b.since, r.days, b.due_on,
		b.due_on::timestamp at time zone day.zone as falls_at
	from day
	join pool_rules r on r.is_active
	join customers c on c.owner_id is not null and c.deleted_at is null
		and ($4::uuid[] is null or c.owner_id = any($4)) and ($5::uuid[] is null or c.id = any($5))
	cross join lateral (select coalesce(c.owned_since, c.created_at) as owned) o
	cross join lateral (select case r.basis
		when 'contact' then greatest(o.owned, c.last_contact_at)
		when 'first_contact' then case when c.last_contact_at >= o.owned then null else o.owned end
		when 'deal' then greatest(o.owned,
			(select max(d.date) from orders d where d.customer_id = c.id and d.deleted_at is null
				and d.status not in ('draft', 'submitted', 'cancelled'))::timestamp at time zone day.zone,
			(select max(p.closed_at) from opportunities p where p.customer_id = c.id and p.status = 'won' and p.deleted_at is null))
		when 'contract' then (
			select case when bool_and(k.end_date is not null) then greatest(o.owned, max(k.end_date)::timestamp at time zone day.zone) end
			from contracts k
			where k.customer_id = c.id and k.status in ('signed', 'fulfilled', 'terminated') and k.deleted_at is null
				and (k.end_date is not null or k.status = 'signed'))
		end as at offset 0) a -- which keeps the server from working it out anew for each column
	cross join lateral (select (a.at at time zone day.zone)::date as since) s
	cross join lateral (select s.since, greatest(s.since + r.days,
		case when 'planned_contact' = any(r.keeps) then (c.next_contact_at at time zone day.zone)::date + 1 end) as due_on) b
	where a.at is not null
		and b.due_on - case when $3::boolean then r.warn_days else $2::integer end <= day.today
		and (cardinality(r.lifecycles) = 0 or c.lifecycle = any(r.lifecycles))
		and (cardinality(r.levels) = 0 or c.level = any(r.levels))
		and (cardinality(r.tags) = 0 or c.tags && r.tags)
		and not c.tags && r.keep_tags
		and (r.department_id is null or exists (
			select from users u
			join departments d on d.id = u.department_id
			join departments top on top.id = r.department_id and starts_with(d.path, top.path)
			where u.id = c.owner_id))
		and not ('open_opportunity' = any(r.keeps) and exists (
			select from opportunities p where p.customer_id = c.id and p.status = 'open' and p.deleted_at is null))
		and not ('open_order' = any(r.keeps) and exists (
			select from orders d where d.customer_id = c.id and d.status in ('submitted', 'confirmed', 'in_progress', 'on_hold') and d.deleted_at is null))
		and not ('open_ticket' = any(r.keeps) and exists (
			select from tickets t where t.customer_id = c.id and t.status in ('new', 'assigned', 'pending') and t.deleted_at is null))
		and not ('signed_contract' = any(r.keeps) and exists (
			select from contracts k where k.customer_id = c.id and k.status = 'signed' and k.deleted_at is null
				and (k.end_date is null or k.end_date >= day.today)))
	order by c.id, b.due_on, r.days, r.id
)
select f.id, f.name, f.owner_id, u.name, f.rule_id, f.rule, f.basis, f.since, f.days, f.due_on, f.falls_at
from found f join users u on u.id = f.owner_id
where $6::timestamptz is null or (f.falls_at, 'recycle' collate "C", f.id) > ($6, $7::text collate "C", $8::uuid)
order by f.falls_at, f.id
limit $9`

// dueQuery is what of the due customers is wanted.
type dueQuery struct {
	ahead     int  // days
	warn      bool // as far ahead as each rule warns, instead
	owners    []uuid.UUID
	customers []uuid.UUID
	after     *postgres.Place
	limit     *int
}

// due runs the statement as the hub.
func (s *Store) due(ctx context.Context, tx pgx.Tx, now time.Time, q dueQuery) (found []DueCustomer, err error) {
	at, word, id := q.after.Args()
	err = postgres.AsHub(ctx, tx, func() error {
		found, err = postgres.All(ctx, tx, "find what is due for the pool", pgx.RowToStructByPos[DueCustomer], due,
			now, q.ahead, q.warn, q.owners, q.customers, at, word, id, q.limit)
		return err
	})
	return found, err
}

// DryRun asks what the rules would do.
type DryRun struct {
	Owners []uuid.UUID // whose customers count; nil: everybody's
	Ahead  int         // days from today: what would be due then if nothing happened meanwhile
	After  string      // Next of the page before
	Limit  int
}

// Due returns which customers fall into the pool when the rules are next applied, and why: the longest due first. Everything
// that counts for that counts here, whatever the caller sees of it; he says in Owners whose customers he may know of.
func (s *Store) Due(ctx context.Context, tx pgx.Tx, d DryRun) (postgres.Page[DueCustomer], error) {
	after, err := postgres.ParsePlace(d.After)
	if err != nil {
		return postgres.Page[DueCustomer]{}, fmt.Errorf("list what is due: %w", err)
	}
	limit := postgres.PageSize(d.Limit)
	more := limit + 1
	found, err := s.due(ctx, tx, s.now(), dueQuery{ahead: d.Ahead, owners: d.Owners, after: after, limit: &more})
	if err != nil {
		return postgres.Page[DueCustomer]{}, err
	}
	return postgres.Cut(found, limit, func(d DueCustomer) string {
		return postgres.Place{At: d.FallsAt, Word: string(WhyRecycle), ID: d.CustomerID}.String()
	}), nil
}
