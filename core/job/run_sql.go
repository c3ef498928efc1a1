package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/postgres"
)

// channel is notified whenever a run is queued.
const channel = "crmhub_run"

const (
	stuck      = `(r.status = 'running' and coalesce(r.progress_at < now() - interval '10 minutes', false))`
	runColumns = `r.id, r.job_id, r.purpose, r.cause, r.status, r.cancel_requested, r.pause_requested,
	` + stuck + `, r.read, r.created, r.updated, r.unchanged, r.failed,
	coalesce(r.expected, 0), coalesce(r.estimate, 0), r.request, r.position, r.error, coalesce(r.verdict, ''), coalesce(r.verdict_by, ''),
	r.believe, r.due_at, r.queued_at, r.queued_by, r.started_at, r.progress_at, r.finished_at, r.claimed_at, r.claimed_read`
	selectRun = `select ` + runColumns + ` from runs r`
)

// runRow is a run as it is read.
type runRow struct {
	Run
	request, position, failure []byte
	claimedAt                  *time.Time
	claimedRead                int64
}

func (r *runRow) fields() []any {
	return []any{
		&r.ID, &r.JobID, &r.Purpose, &r.Trigger, &r.Status, &r.CancelRequested, &r.PauseRequested, &r.Stuck,
		&r.Read, &r.Created, &r.Updated, &r.Unchanged, &r.Failed, &r.Expected, &r.Estimate, &r.request, &r.position, &r.failure,
		&r.Verdict, &r.VerdictBy, &r.Believe, &r.DueAt, &r.QueuedAt, &r.QueuedBy, &r.StartedAt, &r.ProgressAt, &r.FinishedAt,
		&r.claimedAt, &r.claimedRead,
	}
}

// run is the run once its fields were scanned.
func (r *runRow) run() (Run, error) {
	r.EndsAt = r.endsAt(r.claimedAt, r.claimedRead)
	if r.Expected > 0 {
		r.Estimate = 0
	}
	var errs []error
	if r.failure != nil {
		errs = append(errs, json.Unmarshal(r.failure, &r.Error))
	}
	switch {
	case r.request == nil:
	case r.Purpose == Backfill:
		errs = append(errs, json.Unmarshal(r.request, &r.Range))
	case r.Purpose == Replaying:
		errs = append(errs, json.Unmarshal(r.request, &r.Letters))
	}
	return r.Run, errors.Join(errs...)
}

func scanRun(row pgx.CollectableRow) (Run, error) {
	var r runRow
	if err := row.Scan(r.fields()...); err != nil {
		return r.Run, err
	}
	return r.run()
}

// The update changes nothing but makes the row that is queued already come back.
const enqueue = `
with r as (
	insert into runs (id, job_id, cause)
	select $2, id, $3 from jobs where id = $1
	on conflict (organization_id, job_id) where status = 'queued' and purpose = 'regular' and started_at is null
		do update set queued_at = runs.queued_at
	returning *
)
select ` + runColumns + ` from r, pg_notify('crmhub_run', '')`

// Enqueue asks for a run of a job. A run that is queued already is returned instead: asking twice runs once.
func Enqueue(ctx context.Context, tx pgx.Tx, jobID uuid.UUID, trigger Trigger) (Run, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Run{}, fmt.Errorf("enqueue run: %w", err)
	}
	r, err := oneRun(ctx, tx, enqueue, jobID, id, trigger)
	if err != nil || r.ID != id || trigger != ByHand {
		return r, err
	}
	return r, audit.Record(ctx, tx, audit.Act{Action: "queued", Entity: "run", EntityID: id, Detail: map[string]any{"job_id": jobID}})
}

const advance = `
update runs r set read = read + $2, created = created + $3, updated = updated + $4, unchanged = unchanged + $5, failed = failed + $6,
	expected = coalesce(nullif($7::bigint, 0), expected), position = coalesce($9::jsonb, position), progress_at = now()
where id = $1 and status = 'running' and worker = $8
returning cancel_requested, pause_requested`

// Advance adds to a run's counts, in the transaction of the work they count, and is that work's fence: it gives
// [ErrLost] when the run is no longer the worker's, so that nothing is committed by two. It gives [ErrCancelled] or
// [ErrPaused] when somebody asked for that. In any case the caller gives up the transaction and ends the run with the error.
func Advance(ctx context.Context, tx pgx.Tx, t Task, add Counts) error {
	return AdvanceTo(ctx, tx, t, add, nil)
}

// AdvanceTo is [Advance] for a run with a place of its own to go on from: it becomes the Position of the task that
// takes the run up again.
func AdvanceTo(ctx context.Context, tx pgx.Tx, t Task, add Counts, position json.RawMessage) error {
	var to *string
	if position != nil {
		text := string(position)
		to = &text
	}
	var cancelled, paused bool
	err := tx.QueryRow(ctx, advance, t.ID, add.Read, add.Created, add.Updated, add.Unchanged, add.Failed, add.Expected, t.worker, to).
		Scan(&cancelled, &paused)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ErrLost
	case err != nil:
		return fmt.Errorf("advance run %s: %w", t.ID, err)
	case cancelled:
		return ErrCancelled
	case paused:
		return ErrPaused
	}
	return nil
}

// GetRun returns a run, or [ErrNotFound].
func GetRun(ctx context.Context, tx pgx.Tx, run uuid.UUID) (Run, error) {
	return oneRun(ctx, tx, selectRun+` where r.id = $1`, run)
}

// RunFilter narrows a list of runs; zero fields do not.
type RunFilter struct {
	Job        uuid.UUID
	Connection uuid.UUID
	Status     RunStatus
	Stuck      bool   // those that do not move
	After      string // Next of the page before
	Limit      int    // 0: 50; at most 500
}

const listRuns = selectRun + `
where ($1::uuid is null or r.job_id = $1)
	and ($2::uuid is null or r.job_id in (select j.id from jobs j where j.connection_id = $2))
	and ($3 = '' or r.status = $3) and ($4::uuid is null or r.id < $4)
	and (not $5 or ` + stuck + `)
order by r.id desc
limit $6`

// ListRuns returns runs, newest first.
func ListRuns(ctx context.Context, tx pgx.Tx, f RunFilter) (p postgres.Page[Run], err error) {
	after, err := postgres.PlaceID(f.After)
	if err != nil {
		return p, err
	}
	return postgres.List(ctx, tx, "list runs", scanRun, f.Limit, func(r Run) string { return r.ID.String() },
		listRuns, postgres.OrNull(f.Job), postgres.OrNull(f.Connection), f.Status, after, f.Stuck)
}

func oneRun(ctx context.Context, tx pgx.Tx, sql string, args ...any) (Run, error) {
	return postgres.One(ctx, tx, "read or write a run", scanRun, ErrNotFound, sql, args...)
}

const latestRuns = `
select ` + runColumns + `
from jobs j
join runs r on r.id = coalesce(
	(select x.id from runs x where x.job_id = j.id and x.status = 'running' order by x.queued_at limit 1),
	(select x.id from runs x where x.job_id = j.id order by x.queued_at desc limit 1))
where $1::uuid is null or j.connection_id = $1`

// LatestRuns returns of each job of a connection, or of all with [uuid.Nil], the run that executes, else the newest.
func LatestRuns(ctx context.Context, tx pgx.Tx, connection uuid.UUID) (map[uuid.UUID]Run, error) {
	rows, _ := tx.Query(ctx, latestRuns, postgres.OrNull(connection))
	runs, err := pgx.CollectRows(rows, scanRun)
	if err != nil {
		return nil, fmt.Errorf("read the latest run of each job: %w", err)
	}
	latest := make(map[uuid.UUID]Run, len(runs))
	for _, r := range runs {
		latest[r.JobID] = r
	}
	return latest, nil
}

const unpulled = `
select j.entity from jobs j
where j.connection_id = $1 and j.kind = 'pull' and j.status = 'active' and j.schedule is not null
	and not exists (select from runs r where r.job_id = j.id and r.purpose = 'regular' and r.status = 'succeeded' and r.started_at >= $2)
order by j.entity`

// Unpulled returns the entities of a connection that are pulled by a schedule, and were not since the given time.
func Unpulled(ctx context.Context, tx pgx.Tx, connection uuid.UUID, since time.Time) ([]string, error) {
	rows, _ := tx.Query(ctx, unpulled, connection, since)
	entities, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("what was not pulled since %s: %w", since.Format(time.RFC3339), err)
	}
	return entities, nil
}
