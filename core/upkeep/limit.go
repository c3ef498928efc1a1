package upkeep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Quota is how much of the pool somebody may take; nil says nothing.
type Quota struct {
	MaxOwned     *int `json:"max_owned,omitempty" minimum:"0" maximum:"1000000" doc:"How many customers one may own to claim or be assigned another."`
	ClaimsPerDay *int `json:"claims_per_day,omitempty" minimum:"0" maximum:"1000000" doc:"How many one may claim a day."`
	CooldownDays *int `json:"cooldown_days,omitempty" minimum:"0" maximum:"3650" doc:"For how many days one may not claim back a customer that one let fall into the pool."`
}

// PoolLimit is the quota of a user, of those who have a role, or of everybody. For each of its numbers the user's own counts
// before those of his roles, of which the most generous does, and these before everybody's.
type PoolLimit struct {
	ID     uuid.UUID  `json:"id"`
	UserID *uuid.UUID `json:"user_id,omitempty" doc:"Whose it is."`
	Role   string     `json:"role,omitempty" doc:"The code of the role whose it is. Without one and without a user it is everybody's."`
	Quota
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
	UpdatedAt time.Time `json:"updated_at"`
	UpdatedBy string    `json:"updated_by"`
}

func (q Quota) check() schema.Violations {
	var vs schema.Violations
	for _, n := range []struct {
		name string
		n    *int
		most int
	}{{"max_owned", q.MaxOwned, 1_000_000}, {"claims_per_day", q.ClaimsPerDay, 1_000_000}, {"cooldown_days", q.CooldownDays, 3650}} {
		if n.n != nil && (*n.n < 0 || *n.n > n.most) {
			vs = append(vs, schema.Violation{Pointer: "/" + n.name, Rule: "range", Message: fmt.Sprintf("must be 0 to %d", n.most)})
		}
	}
	return vs
}

const (
	limitColumns = `id, user_id, coalesce((select r.code from roles r where r.id = l.role_id), ''), max_owned, claims_per_day, cooldown_days,
	created_at, created_by, updated_at, updated_by`

	insertLimit = `
insert into pool_limits as l (id, user_id, role_id, max_owned, claims_per_day, cooldown_days)
select $1, $2, (select id from roles where code = $3), $4, $5, $6
returning ` + limitColumns

	updateLimit = `
update pool_limits l set max_owned = $2, claims_per_day = $3, cooldown_days = $4, updated_at = now(), updated_by = crmhub_actor()
where id = $1
returning ` + limitColumns
)

func scanLimit(row pgx.CollectableRow) (l PoolLimit, err error) {
	err = row.Scan(&l.ID, &l.UserID, &l.Role, &l.MaxOwned, &l.ClaimsPerDay, &l.CooldownDays, &l.CreatedAt, &l.CreatedBy, &l.UpdatedAt, &l.UpdatedBy)
	l.CreatedAt, l.UpdatedAt = l.CreatedAt.UTC(), l.UpdatedAt.UTC()
	return l, err
}

// AddLimit sets the quota of a user, of a role by its code, or of everybody (nil and ""). What is wrong is [schema.Violations].
func (s *Store) AddLimit(ctx context.Context, tx pgx.Tx, user *uuid.UUID, role string, q Quota) (PoolLimit, error) {
	vs := q.check()
	if user != nil && role != "" {
		vs = append(vs, schema.Violation{Pointer: "/role", Rule: "not", Message: "must be left out where there is a user"})
	}
	if role != "" {
		var known bool
		if err := tx.QueryRow(ctx, `select exists (select from roles where code = $1)`, role).Scan(&known); err != nil {
			return PoolLimit{}, fmt.Errorf("add limit: %w", err)
		}
		if !known {
			vs = append(vs, schema.Violation{Pointer: "/role", Rule: "exists", Message: "must be the code of a role here"})
		}
	}
	if err := vs.Err(); err != nil {
		return PoolLimit{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return PoolLimit{}, fmt.Errorf("add limit: %w", err)
	}
	l, err := postgres.One(ctx, tx, "add limit", scanLimit, ErrNotFound, insertLimit, id, user, role, q.MaxOwned, q.ClaimsPerDay, q.CooldownDays)
	switch code, constraint := postgres.ErrorCode(err); {
	case constraint == "pool_limits_one":
		return PoolLimit{}, schema.Violations{{Pointer: "", Rule: "unique", Message: "there is a limit for these already: change that one"}}
	case code == "23503":
		return PoolLimit{}, schema.Violations{{Pointer: "/user_id", Rule: "exists", Message: "must be the id of a user here"}}
	}
	if err != nil {
		return PoolLimit{}, err
	}
	return l, audit.Record(ctx, tx, audit.Act{Action: "created", Entity: "pool_limit", EntityID: l.ID, Detail: map[string]any{"user_id": user, "role": role, "quota": q}})
}

// Limits are all there are: everybody's, those of roles, those of users.
func (s *Store) Limits(ctx context.Context, tx pgx.Tx) ([]PoolLimit, error) {
	return postgres.All(ctx, tx, "list limits", scanLimit, `select `+limitColumns+` from pool_limits l
		order by user_id is not null, role_id is not null, id`)
}

// Limit returns a limit, or [ErrNotFound].
func (s *Store) Limit(ctx context.Context, tx pgx.Tx, id uuid.UUID) (PoolLimit, error) {
	return postgres.One(ctx, tx, "read limit", scanLimit, ErrNotFound, `select `+limitColumns+` from pool_limits l where id = $1`, id)
}

// UpdateLimit changes the numbers of a limit; whose it is never changes. Errors: [schema.Violations], [ErrNotFound].
func (s *Store) UpdateLimit(ctx context.Context, tx pgx.Tx, id uuid.UUID, q Quota) (PoolLimit, error) {
	if err := q.check().Err(); err != nil {
		return PoolLimit{}, err
	}
	l, err := postgres.One(ctx, tx, "change limit", scanLimit, ErrNotFound, updateLimit, id, q.MaxOwned, q.ClaimsPerDay, q.CooldownDays)
	if err != nil {
		return PoolLimit{}, err
	}
	return l, audit.Record(ctx, tx, audit.Act{Action: "updated", Entity: "pool_limit", EntityID: id, Detail: map[string]any{"quota": q}})
}

// RemoveLimit takes a limit away, or returns [ErrNotFound].
func (s *Store) RemoveLimit(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	if _, err := postgres.One(ctx, tx, "remove limit", pgx.RowTo[uuid.UUID], ErrNotFound, `delete from pool_limits where id = $1 returning id`, id); err != nil {
		return err
	}
	return audit.Record(ctx, tx, audit.Act{Action: "deleted", Entity: "pool_limit", EntityID: id})
}

// Capacity is how much of the pool a user has taken, and the limits that count for him.
type Capacity struct {
	Owned        int `json:"owned" doc:"How many customers he owns."`
	ClaimedToday int `json:"claimed_today" doc:"How many of them he claimed today, in the pool's time zone."`
	Quota
}

// readCapacity: $1 is the user, $2 now. What a limit does not say it says by null, which no aggregate counts.
const readCapacity = `
select (select count(*) from customers c where c.owner_id = $1 and c.deleted_at is null),
	(select count(*) from pool_log p where p.event = 'claimed' and p.to_owner = $1
		and p.at >= date_trunc('day', $2::timestamptz at time zone ` + crm.Zone + `) at time zone ` + crm.Zone + `),
	coalesce(max(max_owned) filter (where user_id is not null), max(max_owned) filter (where role_id is not null), max(max_owned)),
	coalesce(max(claims_per_day) filter (where user_id is not null), max(claims_per_day) filter (where role_id is not null), max(claims_per_day)),
	coalesce(min(cooldown_days) filter (where user_id is not null), min(cooldown_days) filter (where role_id is not null), min(cooldown_days))
from pool_limits l
where user_id = $1 or role_id in (select h.role_id from user_roles h where h.user_id = $1) or user_id is null and role_id is null`

// Capacity returns how much of the pool a user has taken and may take. It counts all he owns, whatever the caller sees of it.
func (s *Store) Capacity(ctx context.Context, tx pgx.Tx, user uuid.UUID) (c Capacity, err error) {
	err = postgres.AsHub(ctx, tx, func() error {
		return tx.QueryRow(ctx, readCapacity, user, s.now()).Scan(&c.Owned, &c.ClaimedToday, &c.MaxOwned, &c.ClaimsPerDay, &c.CooldownDays)
	})
	if err != nil {
		return c, fmt.Errorf("read the capacity of %s: %w", user, err)
	}
	return c, nil
}

// taker is somebody who is to get customers.
type taker struct {
	id   uuid.UUID
	name string
	Capacity
}

// lockTaker reads who is to get customers, and keeps others from giving him any by the pool's doors until the transaction
// ends: what is counted stays so. He must be an active user: [schema.Violations].
func (s *Store) lockTaker(ctx context.Context, tx pgx.Tx, user uuid.UUID) (taker, error) {
	t := taker{id: user}
	var active bool
	err := tx.QueryRow(ctx, `select name, status = 'active' from users where id = $1 for no key update`, user).Scan(&t.name, &active)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return t, schema.Violations{{Pointer: "/owner_id", Rule: "exists", Message: "must be the id of a user here"}}
	case err != nil:
		return t, fmt.Errorf("lock user %s: %w", user, err)
	case !active:
		return t, schema.Violations{{Pointer: "/owner_id", Rule: "active", Message: "must be an active user"}}
	}
	t.Capacity, err = s.Capacity(ctx, tx, user)
	return t, err
}
