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

// event is what happened to a customer by one of the pool's doors.
type event struct {
	customer uuid.UUID
	what     What
	from     *uuid.UUID
	due      *DueCustomer // of what was recycled
	reason   string       // of what was released
}

// What is what happened to a customer of the pool.
type What string

// What may happen.
const (
	Released What = "released" // somebody gave it up
	Recycled What = "recycled" // a rule said so
	Claimed  What = "claimed"  // somebody took it for himself
	Assigned What = "assigned" // somebody gave it to somebody
)

// Whats are all that may happen.
func Whats() []What { return []What{Released, Recycled, Claimed, Assigned} }

// followers finds the contacts that go where their customer goes: those that have the owner it has, unless that owner keeps
// another customer of theirs.
const followers = `
select distinct t.id
from contact_customers l
join customers c on c.id = l.customer_id
join contacts t on t.id = l.contact_id and t.deleted_at is null and t.owner_id is not distinct from c.owner_id
where c.id = any($1) and (t.owner_id is null or not exists (
	select from contact_customers m
	join customers other on other.id = m.customer_id and other.deleted_at is null and other.owner_id = t.owner_id
	where m.contact_id = t.id and other.id <> all($1)))`

// pass gives customers, which are locked, another owner, or puts them into the pool (to is nil), with their contacts, and
// notes why. It must be run with the reach of the hub: what goes is beyond the reach of who gives it or of who gets it.
func (s *Store) pass(ctx context.Context, tx pgx.Tx, by crm.By, to *uuid.UUID, events []event) error {
	if len(events) == 0 {
		return nil
	}
	ids := make([]uuid.UUID, len(events))
	for i, e := range events {
		ids[i] = e.customer
	}
	contacts, err := postgres.All(ctx, tx, "find contacts of customers", pgx.RowTo[uuid.UUID], followers, ids)
	if err != nil {
		return err
	}
	if _, err := s.Entities.Give(ctx, tx, by, crm.KindCustomer, ids, to, nil); err != nil {
		return err
	}
	if _, err := s.Entities.Give(ctx, tx, by, crm.KindContact, contacts, to, nil); err != nil {
		return err
	}
	at := s.now()
	if to == nil {
		if _, err := tx.Exec(ctx, `update customers set pooled_at = $2 where id = any($1)`, ids, at); err != nil {
			return fmt.Errorf("put %d customers into the pool: %w", len(ids), err)
		}
	}
	return note(ctx, tx, at, to, events)
}

const noteEvents = `
insert into pool_log (id, customer_id, at, event, from_owner, to_owner, rule_id, rule, basis, since, due_on, reason)
select id, customer_id, $1, event, from_owner, to_owner, rule_id, nullif(rule, ''), nullif(basis, ''), since, due_on, nullif(reason, '')
from unnest($2::uuid[], $3::uuid[], $4::text[], $5::uuid[], $6::uuid[], $7::uuid[], $8::text[], $9::text[], $10::date[], $11::date[], $12::text[])
	as e(id, customer_id, event, from_owner, to_owner, rule_id, rule, basis, since, due_on, reason)`

func note(ctx context.Context, tx pgx.Tx, at time.Time, to *uuid.UUID, events []event) error {
	n := len(events)
	var (
		ids, customers  = make([]uuid.UUID, n), make([]uuid.UUID, n)
		from, receivers = make([]*uuid.UUID, n), make([]*uuid.UUID, n)
		ruleIDs         = make([]*uuid.UUID, n)
		whats, rules    = make([]string, n), make([]string, n)
		bases, reasons  = make([]string, n), make([]string, n)
		since, due      = make([]*time.Time, n), make([]*time.Time, n)
	)
	for i, e := range events {
		var err error
		if ids[i], err = uuid.NewV7(); err != nil {
			return fmt.Errorf("make an id: %w", err)
		}
		customers[i], whats[i], from[i], receivers[i], reasons[i] = e.customer, string(e.what), e.from, to, e.reason
		if d := e.due; d != nil {
			first, last := d.Since.Time(), d.DueOn.Time()
			ruleIDs[i], rules[i], bases[i], since[i], due[i] = &d.RuleID, d.Rule, string(d.Basis), &first, &last
		}
	}
	_, err := tx.Exec(ctx, noteEvents, at, ids, customers, whats, from, receivers, ruleIDs, rules, bases, since, due, reasons)
	if err != nil {
		return fmt.Errorf("note %d events of the pool: %w", n, err)
	}
	return nil
}
