package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Scope says which open dead letters are meant; zero fields do not narrow, and all being zero is refused.
type Scope struct {
	Fingerprint string     `json:"fingerprint,omitempty"`   // those of one cause
	Connection  *uuid.UUID `json:"connection_id,omitempty"` // those of one connection
	Since       *time.Time `json:"since,omitempty"`         // those that failed then or later
}

func (s Scope) check() error {
	if s == (Scope{}) {
		return schema.Violations{{Rule: "required", Message: "name a cause, a connection or a time: all dead letters there are is rarely meant"}}
	}
	return nil
}

const inScope = `d.status = 'open' and ($1 = '' or d.fingerprint = $1) and ($2::uuid is null or d.connection_id = $2)
	and ($3::timestamptz is null or d.updated_at >= $3)`

// A push needs no job to fail, so there may be none for a letter.
const letterJobs = `
with found as (
	select d.connection_id, d.direction, d.entity, count(*) as n
	from dead_letters d
	where ` + inScope + `
	group by d.connection_id, d.direction, d.entity
), added as (
	insert into jobs (id, connection_id, name, kind, entity)
	select gen_random_uuid(), connection_id, direction || ' ' || entity, direction, entity from found
	on conflict (organization_id, connection_id, kind, entity) do update set name = jobs.name
	returning id, connection_id, kind, entity
)
select a.id, f.n
from found f
join added a on a.connection_id = f.connection_id and a.kind = f.direction and a.entity = f.entity
order by a.id`

// EnqueueReplay asks for runs that try open dead letters again, one for each connection, direction and entity, with
// the mapping as it is when they execute. It returns them, none where no letter is meant. Asking for the same twice
// runs once. Errors: [schema.Violations].
func EnqueueReplay(ctx context.Context, tx pgx.Tx, s Scope) ([]Run, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	type asked struct {
		JobID uuid.UUID
		N     int64
	}
	rows, _ := tx.Query(ctx, letterJobs, s.Fingerprint, s.Connection, s.Since)
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[asked])
	if err != nil {
		return nil, fmt.Errorf("enqueue a replay: %w", err)
	}
	runs := make([]Run, len(found))
	for i, f := range found {
		if runs[i], err = ask(ctx, tx, f.JobID, Replaying, s, f.N); err != nil {
			return nil, err
		}
	}
	return runs, nil
}

// replayer executes a run that tries dead letters again.
type replayer struct {
	RunnerConfig
	task Task
}

// replayPage is how many letters are tried in one transaction. A page that fails as a whole is tried in halves.
const replayPage = 200

func (r *replayer) run(ctx context.Context) error {
	replay, ok := r.Replay[r.task.Job.Kind]
	if !ok {
		return fmt.Errorf("this process replays no %s", r.task.Job.Kind)
	}
	after := uuid.Nil
	if r.task.Position != nil {
		if err := json.Unmarshal(r.task.Position, &after); err != nil {
			return fmt.Errorf("go on with a replay: %w", err)
		}
	}
	for size := replayPage; ; {
		ids, err := r.page(ctx, replay, after, size)
		switch {
		case err == nil && len(ids) == 0:
			return nil
		case err == nil:
			after, size = ids[len(ids)-1], min(2*size, replayPage)
		case ended(ctx, err) || len(ids) == 0:
			return err
		case len(ids) > 1:
			size = len(ids) / 2
		default:
			if err := r.leave(ctx, ids[0], err); err != nil {
				return err
			}
			after = ids[0]
		}
	}
}

// ended reports whether an error is about the run or the database, not about what is replayed.
func ended(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, ErrCancelled) || errors.Is(err, ErrPaused) || errors.Is(err, ErrLost) || postgres.Unavailable(err)
}

const replayLetters = `
select ` + letterColumns + `
from dead_letters d
where ` + inScope + ` and d.connection_id = $4 and d.direction = $5 and d.entity = $6 and d.id > $7 and d.created_at <= $8
order by d.id
limit $9
for update`

const countStatuses = `select count(*) filter (where status = 'open'), count(*) filter (where status <> 'open') from dead_letters where id = any($1)`

// page tries the letters after an id, in one transaction with the run's counts and place. It returns them in any case.
func (r *replayer) page(ctx context.Context, replay Replay, after uuid.UUID, size int) (ids []uuid.UUID, err error) {
	err = r.DB.As(ctx, r.who(), func(tx pgx.Tx) error {
		s, j := *r.task.Letters, r.task.Job
		letters, err := someLetters(ctx, tx, replayLetters, s.Fingerprint, s.Connection, s.Since, j.ConnectionID, j.Kind, j.Entity,
			after, r.task.QueuedAt, size)
		if err != nil || len(letters) == 0 {
			return err
		}
		ids = make([]uuid.UUID, len(letters))
		for i, d := range letters {
			ids[i] = d.ID
		}
		if err := replay(ctx, tx, letters); err != nil {
			return err
		}
		var open, closed int64
		if err := tx.QueryRow(ctx, countStatuses, ids).Scan(&open, &closed); err != nil {
			return err
		}
		if j.Kind == Push {
			open, closed = 0, open+closed // they are due: the connection's pusher tells what becomes of them
		}
		return r.advance(ctx, tx, Counts{Read: int64(len(ids)), Updated: closed, Failed: open}, ids[len(ids)-1])
	})
	if err != nil {
		return ids, fmt.Errorf("replay %d dead letters: %w", len(ids), err)
	}
	return ids, nil
}

// leave goes past a letter that cannot even be tried, and says so in the run's log.
func (r *replayer) leave(ctx context.Context, id uuid.UUID, cause error) error {
	return r.DB.As(ctx, r.who(), func(tx pgx.Tx) error {
		if err := Log(ctx, tx, r.task.ID, Line{Level: Warn, Message: "dead letter " + id.String() + " was not tried: " + cause.Error()}); err != nil {
			return err
		}
		return r.advance(ctx, tx, Counts{Read: 1, Failed: 1}, id)
	})
}

func (r *replayer) advance(ctx context.Context, tx pgx.Tx, c Counts, last uuid.UUID) error {
	place, err := json.Marshal(last)
	if err != nil {
		return err
	}
	return AdvanceTo(ctx, tx, r.task, c, place)
}

// who is the connection: what comes in is its own, whatever the one who asked may write himself.
func (r *replayer) who() postgres.Principal {
	return postgres.Principal{Organization: r.task.Job.Organization, Actor: postgres.Connection(r.task.Job.ConnectionID)}
}
