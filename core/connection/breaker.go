package connection

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// BreakerState says whether calls go over a connection.
type BreakerState string

// The states.
const (
	Closed  BreakerState = "closed"  // calls go through
	Open    BreakerState = "open"    // the system is away or asks for patience: it is probed again and again
	Probing BreakerState = "probing" // a probe is under way
	Stopped BreakerState = "stopped" // credentials or configuration are refused: a person has to change them, or to ask for a check
)

// Breaker is how a connection as a whole stands. While it is not closed nothing is pushed or pulled; what is wanted waits.
type Breaker struct {
	State       BreakerState `json:"state"`
	Since       *time.Time   `json:"since,omitempty"` // nil: it never failed
	NextProbeAt *time.Time   `json:"next_probe_at,omitempty"`
	Attempts    int          `json:"attempts,omitempty"` // probes in vain
	// The last error that counted against it, also once it is closed.
	FailedAt *time.Time `json:"failed_at,omitempty"`
	Class    string     `json:"class,omitempty"`
	Code     string     `json:"code,omitempty"`
	Message  string     `json:"message,omitempty"`
	Remedy   string     `json:"remedy,omitempty"`

	Said *schema.Saying `json:"-"` // message and remedy, where they are not the system's
}

// Held reports whether calls are held back.
func (b Breaker) Held() bool { return b.State != Closed }

// failuresInARow is how many failed calls, of whichever runs and processes, hold a connection back. They must follow
// each other within two minutes; a success in between starts them over.
const failuresInARow = 5

// Breakers hold connections back that fail as a whole, for everything that calls over them in any process: the state
// is in the database. Each change counts only for the version of the connection that it is about: what an old password
// led to must not stop the new one.
type Breakers struct {
	DB      *postgres.DB
	First   time.Duration // the pause before the first probe, doubled with each in vain; 0: 1 s
	Longest time.Duration // the longest pause, but for what the system asks for; 0: 1 min
}

// Ref is a connection in a version.
type Ref struct {
	postgres.Principal

	ID      uuid.UUID
	Version int64 // 0: any
}

// Ref is the connection as it was read.
func (c Connection) Ref() Ref { return Ref{Principal: c.Principal(), ID: c.ID, Version: c.Version} }

const readBreaker = `
select state, since, next_probe_at, attempt, failed_at, coalesce(class, ''), coalesce(code, ''), coalesce(message, ''), coalesce(remedy, ''), said
from breakers where connection_id = $1`

// Read returns how a connection stands.
func (b *Breakers) Read(ctx context.Context, c Ref) (Breaker, error) {
	got := Breaker{State: Closed}
	err := b.DB.As(ctx, c.Principal, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, readBreaker, c.ID)
		found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Breaker])
		if len(found) == 1 {
			got = found[0]
		}
		return err
	})
	if err != nil {
		return got, fmt.Errorf("read the breaker of connection %s: %w", c.ID, err)
	}
	return got, nil
}

// One that fails again within ten minutes of working goes on with the longer pauses.
const trip = `
insert into breakers as b (connection_id, state, next_probe_at, class, code, message, remedy, said, failed_at)
select c.id, 'open', now() + case when $3 in ('auth', 'config') then interval '0' else crmhub_pause($7, $8, 0, $9) end, $3, $4, $5, $6, $10, now()
from connections c
where c.id = $1 and ($2 = 0 or c.version = $2)
on conflict (organization_id, connection_id) do update set
	state = 'open', since = now(), failures = 0, class = excluded.class, code = excluded.code, message = excluded.message,
	remedy = excluded.remedy, said = excluded.said, failed_at = now(),
	attempt = case when b.closed_at > now() - interval '10 minutes' then b.attempt + 1 else 0 end,
	next_probe_at = now() + case
		when $3 in ('auth', 'config') and b.closed_at is null then interval '0'
		when b.closed_at > now() - interval '10 minutes' then crmhub_pause($7, $8, b.attempt + 1, $9)
		else crmhub_pause($7, $8, 0, $9) end
where b.state = 'closed'`

// Trip holds a connection back at once, because of an error of its system. One that is held back already stays as it is.
// Whether credentials or configuration are really refused a probe tells: at once the first time, later with the pauses.
func (b *Breakers) Trip(ctx context.Context, c Ref, e *connector.Error) error {
	return b.write(ctx, c, trip, c.ID, c.Version, string(e.Class), e.Code, e.Message, e.Remedy, b.first(), b.longest(), e.RetryAfter.Seconds(), e.Said)
}

const countFailure = `
insert into breakers as b (connection_id, failures, class, code, message, remedy, said, failed_at)
select c.id, 1, $3, $4, $5, $6, $7, now() from connections c where c.id = $1 and ($2 = 0 or c.version = $2)
on conflict (organization_id, connection_id) do update set
	failures = case when b.failed_at > now() - interval '2 minutes' then b.failures + 1 else 1 end,
	class = excluded.class, code = excluded.code, message = excluded.message, remedy = excluded.remedy, said = excluded.said,
	failed_at = now()
where b.state = 'closed'
returning failures`

// Failure counts a call that failed because of the connection, probably. Several in a row hold it back. It reports
// whether the connection is held back now.
func (b *Breakers) Failure(ctx context.Context, c Ref, e *connector.Error) (held bool, err error) {
	var n int
	err = b.DB.As(ctx, c.Principal, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, countFailure, c.ID, c.Version, string(e.Class), e.Code, e.Message, e.Remedy, e.Said).Scan(&n)
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return true, nil // it is held back already, or has been changed
	case err != nil:
		return false, fmt.Errorf("count a failure of connection %s: %w", c.ID, err)
	case n < failuresInARow:
		return false, nil
	}
	return true, b.Trip(ctx, c, e)
}

// Success ends a row of failures.
func (b *Breakers) Success(ctx context.Context, c Ref) error {
	return b.write(ctx, c, `update breakers set failures = 0 where connection_id = $1 and state = 'closed'`, c.ID)
}

const claimProbe = `
update breakers b set state = 'probing', next_probe_at = now() + $3 * interval '1 second'
from connections c
where b.connection_id = $1 and c.organization_id = b.organization_id and c.id = b.connection_id and ($2 = 0 or c.version = $2)
	and b.state in ('open', 'probing') and b.next_probe_at <= now()
returning b.class`

// claim makes the caller the one who probes, for as long as a probe may take. It returns the class of the error that
// holds the connection back; "" if no probe is due.
func (b *Breakers) claim(ctx context.Context, c Ref, takes time.Duration) (class connector.Class, err error) {
	err = b.DB.As(ctx, c.Principal, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, claimProbe, c.ID, c.Version, takes.Seconds()).Scan(&class)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("claim a probe of connection %s: %w", c.ID, err)
	}
	return class, nil
}

const closeBreaker = `
update breakers b set state = 'closed', since = now(), closed_at = now(), next_probe_at = null, failures = 0
from connections c
where b.connection_id = $1 and c.organization_id = b.organization_id and c.id = b.connection_id and ($2 = 0 or c.version = $2)
	and b.state <> 'closed'`

const failProbe = `
update breakers b set state = case when $3 in ('auth', 'config') then 'stopped' else 'open' end, attempt = b.attempt + 1,
	next_probe_at = case when $3 not in ('auth', 'config') then now() + crmhub_pause($7, $8, b.attempt + 1, $9) end,
	class = $3, code = $4, message = $5, remedy = $6, said = $10, failed_at = now()
from connections c
where b.connection_id = $1 and c.organization_id = b.organization_id and c.id = b.connection_id and ($2 = 0 or c.version = $2)
	and b.state <> 'closed'`

// Probed says what a harmless call over a connection that is held back came to: the connection works again, is probed
// again later, or stops until a person does something. On one that is not held back it changes nothing.
func (b *Breakers) Probed(ctx context.Context, c Ref, failed error) error {
	if failed == nil {
		return b.write(ctx, c, closeBreaker, c.ID, c.Version)
	}
	e := connector.AsError(failed)
	return b.write(ctx, c, failProbe, c.ID, c.Version, string(e.Class), e.Code, e.Message, e.Remedy, b.first(), b.longest(), e.RetryAfter.Seconds(), e.Said)
}

func (b *Breakers) write(ctx context.Context, c Ref, sql string, args ...any) error {
	err := b.DB.As(ctx, c.Principal, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, sql, args...)
		return err
	})
	if err != nil {
		return fmt.Errorf("write the breaker of connection %s: %w", c.ID, err)
	}
	return nil
}

func (b *Breakers) first() float64   { return cmp.Or(b.First, time.Second).Seconds() }
func (b *Breakers) longest() float64 { return cmp.Or(b.Longest, time.Minute).Seconds() }
