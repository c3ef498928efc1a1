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

// PooledCustomer is a customer in the pool, as those see it who may: enough to choose it, nothing by which to reach it.
type PooledCustomer struct {
	ID            uuid.UUID  `json:"id" doc:"Of the customer."`
	Version       int64      `json:"version"`
	PooledAt      time.Time  `json:"pooled_at" doc:"Since when it is in the pool."`
	Name          string     `json:"name,omitempty"`
	Type          string     `json:"kind,omitempty" enum:"company,person"`
	Lifecycle     string     `json:"lifecycle,omitempty"`
	Level         string     `json:"level,omitempty"`
	Industry      string     `json:"industry,omitempty"`
	Source        string     `json:"source,omitempty"`
	Tags          []string   `json:"tags,omitempty"`
	LastContactAt *time.Time `json:"last_contact_at,omitempty"`
	HasPhone      *bool      `json:"has_phone,omitempty" doc:"Whether there is a number, for who claims it."`
	HasEmail      *bool      `json:"has_email,omitempty" doc:"Whether there is an address, for who claims it."`
	Event         What       `json:"event,omitempty" enum:"released,recycled" doc:"How it came into the pool."`
	Rule          string     `json:"rule,omitempty" doc:"By which rule, if it was recycled."`
	Reason        string     `json:"reason,omitempty" doc:"What was said, if it was released."`
	FromOwnerID   *uuid.UUID `json:"from_owner_id,omitempty" doc:"Who had it before."`
	FromOwner     string     `json:"from_owner,omitempty" doc:"Their name."`
}

// Filter narrows the list of the pool; zero fields do not.
type Filter struct {
	Text      string // a part of the name, in any case
	Lifecycle string
	Level     string
	Industry  string
	Source    string
	After     string
	Limit     int
}

// listPool: what is asked of the view is asked of the rows of the pool alone.
const listPool = `
select p.id, p.version, p.pooled_at, p.name, p.kind, p.lifecycle, coalesce(p.level, ''), coalesce(p.industry, ''), coalesce(p.source, ''), p.tags,
	p.last_contact_at, p.has_phone, p.has_email, coalesce(l.event, ''), coalesce(l.rule, ''), coalesce(l.reason, ''), l.from_owner, coalesce(u.name, '')
from pool p
left join lateral (
	select e.event, e.rule, e.reason, e.from_owner from pool_log e
	where e.customer_id = p.id and e.event in ('released', 'recycled') order by e.id desc limit 1
) l on true
left join users u on u.id = l.from_owner
where ($1 = '' or strpos(lower(p.name), lower($1)) > 0) and ($2 = '' or p.lifecycle = $2) and ($3 = '' or p.level = $3)
	and ($4 = '' or p.industry = $4) and ($5 = '' or p.source = $5)
	and ($6::timestamptz is null or (p.pooled_at, p.id) < ($6, $7::uuid))
order by p.pooled_at desc, p.id desc
limit $8`

// List returns what is in the pool, the latest first. Who may not read the pool gets nothing.
func (s *Store) List(ctx context.Context, tx pgx.Tx, f Filter) (postgres.Page[PooledCustomer], error) {
	after, err := postgres.ParsePlace(f.After)
	if err != nil {
		return postgres.Page[PooledCustomer]{}, fmt.Errorf("list the pool: %w", err)
	}
	at, _, id := after.Args()
	return postgres.List(ctx, tx, "list the pool", scanEntry, f.Limit, func(e PooledCustomer) string { return postgres.Place{At: e.PooledAt, ID: e.ID}.String() },
		listPool, f.Text, f.Lifecycle, f.Level, f.Industry, f.Source, at, id)
}

func scanEntry(row pgx.CollectableRow) (PooledCustomer, error) {
	e, err := pgx.RowToStructByPos[PooledCustomer](row)
	e.PooledAt = e.PooledAt.UTC()
	if e.LastContactAt != nil {
		utc := e.LastContactAt.UTC()
		e.LastContactAt = &utc
	}
	return e, err
}

// PoolEvent is what happened to a customer by one of the pool's doors.
type PoolEvent struct {
	ID          uuid.UUID  `json:"id"`
	CustomerID  uuid.UUID  `json:"customer_id"`
	At          time.Time  `json:"at"`
	By          string     `json:"by" doc:"Who did it; system is the hub, by a rule."`
	Event       What       `json:"event" enum:"released,recycled,claimed,assigned"`
	FromOwnerID *uuid.UUID `json:"from_owner_id,omitempty"`
	ToOwnerID   *uuid.UUID `json:"to_owner_id,omitempty"`
	RuleID      *uuid.UUID `json:"rule_id,omitempty" doc:"By which rule it was recycled."`
	Rule        string     `json:"rule,omitempty" doc:"What the rule was called."`
	Basis       Basis      `json:"basis,omitempty" enum:"contact,first_contact,deal,contract" doc:"What its days were counted from."`
	Since       *crm.Date  `json:"since,omitempty" format:"date" doc:"The day that was."`
	DueOn       *crm.Date  `json:"due_on,omitempty" format:"date" doc:"The day from which on it was due."`
	Reason      string     `json:"reason,omitempty" doc:"What was said when it was released."`
}

// LogFilter narrows the log of the pool; zero fields do not.
type LogFilter struct {
	Customer uuid.UUID
	Event    What
	After    string
	Limit    int
}

const listLog = `
select id, customer_id, at, by, event, from_owner, to_owner, rule_id, coalesce(rule, ''), coalesce(basis, ''), since, due_on, coalesce(reason, '')
from pool_log
where ($1::uuid is null or customer_id = $1) and ($2 = '' or event = $2) and ($3::uuid is null or id < $3)
order by id desc
limit $4`

// Log returns what happened by the pool's doors, the newest first.
func (s *Store) Log(ctx context.Context, tx pgx.Tx, f LogFilter) (postgres.Page[PoolEvent], error) {
	after, err := postgres.ParsePlace(f.After)
	if err != nil {
		return postgres.Page[PoolEvent]{}, fmt.Errorf("read the log of the pool: %w", err)
	}
	_, _, before := after.Args()
	return postgres.List(ctx, tx, "list the log of the pool", func(row pgx.CollectableRow) (PoolEvent, error) {
		e, err := pgx.RowToStructByPos[PoolEvent](row)
		e.At = e.At.UTC()
		return e, err
	}, f.Limit, func(e PoolEvent) string { return postgres.Place{At: e.At, ID: e.ID}.String() }, listLog, postgres.OrNull(f.Customer), f.Event, before)
}
