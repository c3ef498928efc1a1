package upkeep

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// PoolSettings are how the pool of an organization works.
type PoolSettings struct {
	TimeZone      string     `json:"time_zone" doc:"IANA name of the zone in which the organization's days begin and end, in reports too: UTC, Europe/Berlin, Asia/Shanghai."`
	RecycleHour   int        `json:"recycle_hour" minimum:"0" maximum:"23" doc:"At which hour of each day there the rules are applied."`
	NextRecycleAt *time.Time `json:"next_recycle_at,omitempty" doc:"When that is next; absent until there is a rule."`
}

func (p PoolSettings) check() schema.Violations {
	var vs schema.Violations
	if _, err := time.LoadLocation(p.TimeZone); err != nil || p.TimeZone == "Local" || p.TimeZone == "" {
		vs = append(vs, schema.Violation{Pointer: "/time_zone", Rule: "time_zone", Message: "must be an IANA time zone such as Europe/Berlin or Asia/Shanghai"})
	}
	if p.RecycleHour < 0 || p.RecycleHour > 23 {
		vs = append(vs, schema.Violation{Pointer: "/recycle_hour", Rule: "range", Message: "must be 0 to 23"})
	}
	return vs
}

// next is the first time after t at which the rules are applied. An hour that a day does not have counts as the next one.
func (p PoolSettings) next(t time.Time) time.Time {
	location := p.location()
	year, month, day := t.In(location).Date()
	for ; ; day++ {
		if at := time.Date(year, month, day, p.RecycleHour, 0, 0, 0, location); at.After(t) {
			return at.UTC()
		}
	}
}

// location is the zone in which days begin and end.
func (p PoolSettings) location() *time.Location {
	location, err := time.LoadLocation(p.TimeZone)
	if err != nil {
		return time.UTC // check refused it: it never is
	}
	return location
}

const settingsColumns = `time_zone, recycle_hour, next_recycle_at`

func scanSettings(row pgx.CollectableRow) (p PoolSettings, err error) {
	err = row.Scan(&p.TimeZone, &p.RecycleHour, &p.NextRecycleAt)
	if p.NextRecycleAt != nil {
		utc := p.NextRecycleAt.UTC()
		p.NextRecycleAt = &utc
	}
	return p, err
}

// Settings returns how the pool works, by default in UTC and at two at night.
func (s *Store) Settings(ctx context.Context, tx pgx.Tx) (PoolSettings, error) {
	all, err := postgres.All(ctx, tx, "read the settings of the pool", scanSettings, `select `+settingsColumns+` from pool_settings`)
	if err != nil || len(all) == 0 {
		return PoolSettings{TimeZone: "UTC", RecycleHour: 2}, err
	}
	return all[0], nil
}

const writeSettings = `
insert into pool_settings (time_zone, recycle_hour, next_recycle_at) values ($1, $2, $3)
on conflict (organization_id) do update set time_zone = $1, recycle_hour = $2, next_recycle_at = $3, updated_at = now(), updated_by = crmhub_actor()
returning ` + settingsColumns

// UpdateSettings changes how the pool works. What is wrong is [schema.Violations].
func (s *Store) UpdateSettings(ctx context.Context, tx pgx.Tx, p PoolSettings) (PoolSettings, error) {
	if err := p.check().Err(); err != nil {
		return PoolSettings{}, err
	}
	var known bool // to the server as well, which computes with it
	if err := tx.QueryRow(ctx, `select exists (select from pg_timezone_names where name = $1)`, p.TimeZone).Scan(&known); err != nil {
		return PoolSettings{}, fmt.Errorf("look up the time zone: %w", err)
	}
	if !known {
		return PoolSettings{}, schema.Violations{{Pointer: "/time_zone", Rule: "time_zone", Message: "must be a time zone that the database knows"}}
	}
	old, err := s.Settings(ctx, tx)
	if err != nil {
		return PoolSettings{}, err
	}
	if p.NextRecycleAt = nil; old.NextRecycleAt != nil {
		next := p.next(s.now())
		p.NextRecycleAt = &next
	}
	if p, err = postgres.One(ctx, tx, "change the settings of the pool", scanSettings, ErrNotFound, writeSettings, p.TimeZone, p.RecycleHour, p.NextRecycleAt); err != nil {
		return PoolSettings{}, err
	}
	return p, audit.Record(ctx, tx, audit.Act{Action: "updated", Entity: "pool_settings", Detail: map[string]any{"time_zone": p.TimeZone, "recycle_hour": p.RecycleHour}})
}

// schedule sees to it that the rules are applied each day from now on.
func (s *Store) schedule(ctx context.Context, tx pgx.Tx) error {
	p, err := s.Settings(ctx, tx)
	if err != nil || p.NextRecycleAt != nil {
		return err
	}
	_, err = postgres.One(ctx, tx, "schedule the rules", scanSettings, ErrNotFound, writeSettings, p.TimeZone, p.RecycleHour, p.next(s.now()))
	return err
}

// RecycleNow lets the rules be applied in a moment instead of at their hour.
func (s *Store) RecycleNow(ctx context.Context, tx pgx.Tx) (PoolSettings, error) {
	p, err := s.Settings(ctx, tx)
	if err != nil {
		return PoolSettings{}, err
	}
	if p, err = postgres.One(ctx, tx, "apply the rules now", scanSettings, ErrNotFound, writeSettings, p.TimeZone, p.RecycleHour, s.now()); err != nil {
		return PoolSettings{}, err
	}
	return p, wake(ctx, tx)
}

// channel is what a runner listens to.
const channel = "crmhub_upkeep"

// wake tells the runner, when the transaction commits, that there is something to do.
func wake(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `select pg_notify($1, '')`, channel); err != nil {
		return fmt.Errorf("wake the runner: %w", err)
	}
	return nil
}
