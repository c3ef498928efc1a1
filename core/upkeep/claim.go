package upkeep

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Verdict is what became of one of the customers that somebody asked for.
type Verdict struct {
	ID      uuid.UUID `json:"id"`
	Done    bool      `json:"done"`
	Version int64     `json:"version,omitempty" doc:"The one it has now, where it changed hands."`
	Refusal *Refusal  `json:"refusal,omitempty" doc:"Why not."`
}

// Refusal is why somebody does not get a customer, or may not give it up, and what would help.
type Refusal struct {
	Code  Code       `json:"code" enum:"not_found,not_pooled,taken,max_owned,claims_per_day,cooldown,scope,pooled" doc:"Stable and machine-readable."`
	Why   string     `json:"why" doc:"A sentence for people."`
	Help  string     `json:"help" doc:"What would help."`
	Until *time.Time `json:"until,omitempty" doc:"When it will do by itself."`
}

// Code is a kind of refusal.
type Code string

// The refusals.
const (
	NotFound     Code = "not_found"      // there is no such customer, or the caller does not see it
	NotPooled    Code = "not_pooled"     // it is not in the pool, or there is none
	Taken        Code = "taken"          // it was in the pool, and somebody took it
	MaxOwned     Code = "max_owned"      // he owns as many as he may
	ClaimsPerDay Code = "claims_per_day" // he claimed as many as he may today
	Cooldown     Code = "cooldown"       // he let it fall into the pool not long ago
	OutOfScope   Code = "scope"          // the caller sees it, but may not give it up
	Pooled       Code = "pooled"         // it is in the pool already
)

// wanted is a customer that somebody is to get, as it stands while it is locked.
type wanted struct {
	pooled   bool
	version  int64
	left     *time.Time // when the taker last let it fall into the pool
	tookWhen *time.Time // when it last left the pool
	tookWho  string     // and to whom
}

// readWanted: $1 is the customers, $2 the taker. What the log says of them the callers may know: they see the pool.
const readWanted = `
select c.id, c.pooled_at is not null, c.version,
	(select max(l.at) from pool_log l where l.customer_id = c.id and l.from_owner = $2 and l.to_owner is null),
	took.at, coalesce(took.name, '')
from customers c
left join lateral (
	select l.at, u.name, l.to_owner from pool_log l join users u on u.id = l.to_owner where l.customer_id = c.id order by l.id desc limit 1
) took on took.to_owner = c.owner_id
where c.id = any($1) and c.deleted_at is null`

// Claim lets a user take customers out of the pool for himself, in the order given, as far as his limits and cool-downs allow.
// Of several who claim one at once the first gets it. It acts as the hub: the pool is beyond anybody's own rows.
func (s *Store) Claim(ctx context.Context, tx pgx.Tx, by crm.By, user uuid.UUID, ids []uuid.UUID) ([]Verdict, error) {
	return s.take(ctx, tx, by, Claimed, user, ids)
}

// Assign gives customers of the pool to a user, in the order given, as far as his limit of what he may own allows; what a day
// brings and cool-downs are for those who claim. An owner who cannot be one is [schema.Violations].
func (s *Store) Assign(ctx context.Context, tx pgx.Tx, by crm.By, to uuid.UUID, ids []uuid.UUID) ([]Verdict, error) {
	return s.take(ctx, tx, by, Assigned, to, ids)
}

func (s *Store) take(ctx context.Context, tx pgx.Tx, by crm.By, what What, user uuid.UUID, ids []uuid.UUID) (verdicts []Verdict, err error) {
	if err := distinct(ids).Err(); err != nil {
		return nil, err
	}
	err = postgres.AsHub(ctx, tx, func() error {
		t, err := s.lockTaker(ctx, tx, user)
		if err != nil {
			return err
		}
		there, err := s.lockWanted(ctx, tx, user, ids)
		if err != nil {
			return err
		}
		verdicts = make([]Verdict, len(ids))
		var events []event
		now := s.now()
		for i, id := range ids {
			w, ok := there[id]
			refusal := w.refusal(ok)
			if refusal == nil {
				refusal = t.refusal(what, now, w)
			}
			verdicts[i] = Verdict{ID: id, Done: refusal == nil, Refusal: refusal}
			if refusal != nil {
				continue
			}
			verdicts[i].Version = w.version + 1
			t.Owned++
			t.ClaimedToday++
			events = append(events, event{customer: id, what: what})
		}
		return s.pass(ctx, tx, by, &user, events)
	})
	if err != nil {
		return nil, fmt.Errorf("take customers out of the pool: %w", err)
	}
	return verdicts, nil
}

// lockWanted locks customers that are not deleted, and reads how they stand then.
func (s *Store) lockWanted(ctx context.Context, tx pgx.Tx, user uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]wanted, error) {
	if _, err := s.Entities.GetForUpdate(ctx, tx, crm.KindCustomer, ids); err != nil {
		return nil, err
	}
	there := make(map[uuid.UUID]wanted, len(ids))
	rows, err := tx.Query(ctx, readWanted, ids, user)
	if err != nil {
		return nil, fmt.Errorf("read customers of the pool: %w", err)
	}
	var id uuid.UUID
	var w wanted
	_, err = pgx.ForEachRow(rows, []any{&id, &w.pooled, &w.version, &w.left, &w.tookWhen, &w.tookWho}, func() error {
		there[id] = w
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read customers of the pool: %w", err)
	}
	return there, nil
}

// refusal is why nobody gets the customer. Of one that never was in the pool it tells no more than of one that never was.
func (w wanted) refusal(there bool) *Refusal {
	switch {
	case there && w.pooled:
		return nil
	case there && w.tookWhen != nil:
		return &Refusal{
			Code: Taken, Why: "It left the pool: " + w.tookWho + " got it at " + w.tookWhen.UTC().Format(time.DateTime) + " UTC.",
			Help: "Take another one, or ask " + w.tookWho + " to release it.",
		}
	default:
		return &Refusal{Code: NotPooled, Why: "It is not in the pool.", Help: "The list of the pool says what is."}
	}
}

// refusal is why this one does not get another customer, or not this one.
func (t taker) refusal(what What, now time.Time, w wanted) *Refusal {
	if t.MaxOwned != nil && t.Owned >= *t.MaxOwned {
		return &Refusal{
			Code: MaxOwned, Why: fmt.Sprintf("%s owns %d customers, and may own %d.", t.name, t.Owned, *t.MaxOwned),
			Help: "Release one that you do not look after, or have the limit raised.",
		}
	}
	if what != Claimed {
		return nil
	}
	if t.ClaimsPerDay != nil && t.ClaimedToday >= *t.ClaimsPerDay {
		return &Refusal{
			Code: ClaimsPerDay, Why: fmt.Sprintf("%d were claimed today, and %d a day may be.", t.ClaimedToday, *t.ClaimsPerDay),
			Help: "Claim it tomorrow, or have it assigned to you.",
		}
	}
	if t.CooldownDays == nil || w.left == nil {
		return nil
	}
	if until := w.left.AddDate(0, 0, *t.CooldownDays).UTC(); now.Before(until) {
		return &Refusal{
			Code: Cooldown, Why: fmt.Sprintf("You had it until %s, and may claim it again %d days later.", w.left.UTC().Format(time.DateOnly), *t.CooldownDays),
			Help: "Wait until then, or have it assigned to you.", Until: &until,
		}
	}
	return nil
}

// Release puts customers that the caller sees into the pool. may says whether he may give up a customer of an owner (nil:
// nobody's); those he may not stay, and so do others. Reason is what he says about it.
func (s *Store) Release(ctx context.Context, tx pgx.Tx, by crm.By, ids []uuid.UUID, reason string, may func(owner *uuid.UUID) bool) ([]Verdict, error) {
	if err := distinct(ids).Err(); err != nil {
		return nil, err
	}
	seen, err := s.Entities.Get(ctx, tx, crm.KindCustomer, ids)
	if err != nil {
		return nil, fmt.Errorf("release customers: %w", err)
	}
	verdicts := make([]Verdict, len(ids))
	err = postgres.AsHub(ctx, tx, func() error {
		locked, err := s.Entities.GetForUpdate(ctx, tx, crm.KindCustomer, ids)
		if err != nil {
			return err
		}
		there, err := s.lockWanted(ctx, tx, uuid.Nil, ids)
		if err != nil {
			return err
		}
		var events []event
		for i, id := range ids {
			verdicts[i] = Verdict{ID: id}
			now, is := there[id]
			if seen[id] == nil || !is {
				verdicts[i].Refusal = &Refusal{Code: NotFound, Why: "There is no such customer for you.", Help: "You can release what you see."}
				continue
			}
			owner := crm.OwnerOf(locked[id])
			switch {
			case now.pooled:
				verdicts[i].Refusal = &Refusal{Code: Pooled, Why: "It is in the pool already.", Help: "There is nothing to do."}
			case !may(owner):
				verdicts[i].Refusal = &Refusal{Code: OutOfScope, Why: "You see it, but it is not yours to give up.", Help: "Ask its owner, or somebody who may change it."}
			default:
				verdicts[i].Done, verdicts[i].Version = true, now.version
				if owner != nil {
					verdicts[i].Version++
				}
				events = append(events, event{customer: id, what: Released, from: owner, reason: strings.TrimSpace(reason)})
			}
		}
		if err := s.pass(ctx, tx, by, nil, events); err != nil {
			return err
		}
		return recordReleases(ctx, tx, events)
	})
	if err != nil {
		return nil, fmt.Errorf("release customers: %w", err)
	}
	return verdicts, nil
}

// distinct finds what is asked for twice.
func distinct(ids []uuid.UUID) (vs schema.Violations) {
	asked := make(map[uuid.UUID]bool, len(ids))
	for i, id := range ids {
		if asked[id] {
			vs = append(vs, schema.Violation{Pointer: "/ids/" + strconv.Itoa(i), Rule: "uniqueItems", Message: "must be there once"})
		}
		asked[id] = true
	}
	return vs
}

// recordReleases tells the audit trail of nobody's customers that are in the pool now: no version of theirs does.
func recordReleases(ctx context.Context, tx pgx.Tx, events []event) error {
	var acts []audit.Act
	for _, e := range events {
		if e.from == nil {
			acts = append(acts, audit.Act{Action: "released", Entity: string(crm.KindCustomer), EntityID: e.customer, Detail: map[string]any{"reason": e.reason}})
		}
	}
	return audit.Record(ctx, tx, acts...)
}
