package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
)

// Channel is notified whenever a run is queued.
const Channel = "crmhub_run"

const (
	runColumns = `r.id, r.job_id, r.cause, r.status, r.cancel_requested, r.read, r.created, r.updated, r.unchanged, r.failed,
	coalesce(r.expected, 0), r.error, r.queued_at, r.queued_by, r.started_at, r.progress_at, r.finished_at`
	selectRun = `select ` + runColumns + ` from runs r`
)

func runFields(r *Run, failure *[]byte) []any {
	return []any{
		&r.ID, &r.JobID, &r.Trigger, &r.Status, &r.CancelRequested, &r.Read, &r.Created, &r.Updated, &r.Unchanged, &r.Failed,
		&r.Expected, failure, &r.QueuedAt, &r.QueuedBy, &r.StartedAt, &r.ProgressAt, &r.FinishedAt,
	}
}

func scanRun(row pgx.CollectableRow) (r Run, err error) {
	var failure []byte
	if err = row.Scan(runFields(&r, &failure)...); err != nil || failure == nil {
		return r, err
	}
	return r, json.Unmarshal(failure, &r.Error)
}

// The update changes nothing but makes the row that is queued already come back.
const enqueue = `
with r as (
	insert into runs (id, job_id, cause)
	select $2, id, $3 from jobs where id = $1
	on conflict (organization_id, job_id) where status = 'queued' do update set queued_at = runs.queued_at
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
	expected = coalesce(nullif($7::bigint, 0), expected), progress_at = now()
where id = $1 and status = 'running' and worker = $8
returning cancel_requested`

// Advance adds to a run's counts, in the transaction of the work they count, and is that work's fence: it gives
// [ErrLost] when the run is no longer the worker's, so that nothing is committed by two. It gives [ErrCancelled]
// when somebody asked to cancel the run. Either way the caller gives up the transaction and ends the run with the error.
func Advance(ctx context.Context, tx pgx.Tx, t Task, add Counts) error {
	var cancelled bool
	err := tx.QueryRow(ctx, advance, t.ID, add.Read, add.Created, add.Updated, add.Unchanged, add.Failed, add.Expected, t.worker).Scan(&cancelled)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ErrLost
	case err != nil:
		return fmt.Errorf("advance run %s: %w", t.ID, err)
	case cancelled:
		return ErrCancelled
	}
	return nil
}

const requestCancel = `
update runs r set cancel_requested = true,
	status = case when status = 'queued' then 'cancelled' else status end,
	finished_at = case when status = 'queued' then now() end
where id = $1 and status in ('queued', 'running')
returning ` + runColumns

// RequestCancel ends a queued run, and asks one that executes to end after its page. One that ended stays as it is.
func RequestCancel(ctx context.Context, tx pgx.Tx, run uuid.UUID) (Run, error) {
	r, err := oneRun(ctx, tx, requestCancel, run)
	if errors.Is(err, ErrNotFound) {
		return GetRun(ctx, tx, run)
	}
	if err != nil {
		return Run{}, err
	}
	return r, audit.Record(ctx, tx, audit.Act{Action: "cancelled", Entity: "run", EntityID: run})
}

// GetRun returns a run, or [ErrNotFound].
func GetRun(ctx context.Context, tx pgx.Tx, run uuid.UUID) (Run, error) {
	return oneRun(ctx, tx, selectRun+` where r.id = $1`, run)
}

const lastStatus = `
select status from runs where job_id = $1 and finished_at is not null and started_at is not null order by finished_at desc limit 1`

// LastStatus returns how the last run of a job that began has ended, "" if there is none.
func LastStatus(ctx context.Context, tx pgx.Tx, jobID uuid.UUID) (RunStatus, error) {
	var last RunStatus
	err := tx.QueryRow(ctx, lastStatus, jobID).Scan(&last)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return "", fmt.Errorf("read the last run: %w", err)
	}
	return last, nil
}

// RunFilter narrows a list of runs; zero fields do not.
type RunFilter struct {
	Job        uuid.UUID
	Connection uuid.UUID
	Status     RunStatus
	After      string // RunPage.Next of the page before
	Limit      int    // 0: 50; at most 500
}

// RunPage is a part of a list of runs.
type RunPage struct {
	Items []Run
	Next  string // "" on the last page
}

const listRuns = selectRun + `
where ($1::uuid is null or r.job_id = $1)
	and ($2::uuid is null or r.job_id in (select j.id from jobs j where j.connection_id = $2))
	and ($3 = '' or r.status = $3) and ($4::uuid is null or r.id < $4)
order by r.id desc
limit $5`

// ListRuns returns runs, newest first.
func ListRuns(ctx context.Context, tx pgx.Tx, f RunFilter) (RunPage, error) {
	after, err := afterID(f.After)
	if err != nil {
		return RunPage{}, err
	}
	limit := pageSize(f.Limit)
	rows, _ := tx.Query(ctx, listRuns, optional(f.Job), optional(f.Connection), f.Status, after, limit+1)
	runs, err := pgx.CollectRows(rows, scanRun)
	if err != nil {
		return RunPage{}, fmt.Errorf("list runs: %w", err)
	}
	p := RunPage{Items: runs}
	if len(runs) > limit {
		p.Items = runs[:limit]
		p.Next = p.Items[limit-1].ID.String()
	}
	return p, nil
}

// Task is a run that a worker has claimed, with its job.
type Task struct {
	Run
	Job     Job
	Resumed bool // another worker began this run and died
	worker  int32
}

// A queued run waits while another of its job executes, and while its connection is paused.
// What a dead worker executed comes first: it was claimed before.
const claim = `
with next as (
	select r.organization_id, r.id, r.status = 'running' as resumed
	from runs r
	join jobs j on j.organization_id = r.organization_id and j.id = r.job_id
	join connections c on c.organization_id = j.organization_id and c.id = j.connection_id
	where c.status = 'active' and (
		r.status = 'queued' and not exists (
			select from runs o where o.organization_id = r.organization_id and o.job_id = r.job_id and o.status = 'running')
		or r.status = 'running' and not worker_alive(r.worker))
	order by r.status desc, r.queued_at
	limit 1
	for update of r skip locked
), r as (
	update runs set status = 'running', worker = $1, started_at = coalesce(started_at, now()), progress_at = now()
	from next where runs.organization_id = next.organization_id and runs.id = next.id
	returning runs.*, next.resumed
)
select ` + runColumns + `, r.resumed, j.organization_id, j.id, j.connection_id, j.name, j.kind, j.entity
from r join jobs j on j.organization_id = r.organization_id and j.id = r.job_id`

// claimRun takes the next run for a worker; none gives nil. The transaction is the system's.
func claimRun(ctx context.Context, tx pgx.Tx, worker int32) (*Task, error) {
	t := Task{worker: worker}
	var failure []byte
	err := tx.QueryRow(ctx, claim, worker).Scan(append(runFields(&t.Run, &failure), &t.Resumed,
		&t.Job.Organization, &t.Job.ID, &t.Job.ConnectionID, &t.Job.Name, &t.Job.Kind, &t.Job.Entity)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("claim a run: %w", err)
	}
	return &t, nil
}

const finish = `
update runs set status = $3, error = $4, finished_at = now(), progress_at = now()
where id = $1 and status = 'running' and worker = $2`

// finishRun records how a run ended, unless it is no longer the worker's. The transaction is the system's.
func finishRun(ctx context.Context, tx pgx.Tx, t Task, status RunStatus, f *Failure) error {
	if _, err := tx.Exec(ctx, finish, t.ID, t.worker, status, f); err != nil {
		return fmt.Errorf("finish run %s: %w", t.ID, err)
	}
	return nil
}

func oneRun(ctx context.Context, tx pgx.Tx, sql string, args ...any) (Run, error) {
	rows, _ := tx.Query(ctx, sql, args...)
	r, err := pgx.CollectExactlyOneRow(rows, scanRun)
	if errors.Is(err, pgx.ErrNoRows) {
		return Run{}, ErrNotFound
	}
	if err != nil {
		return Run{}, fmt.Errorf("read or write a run: %w", err)
	}
	return r, nil
}

func afterID(s string) (*uuid.UUID, error) {
	if s == "" {
		return nil, nil
	}
	id, err := uuid.Parse(s)
	if err != nil {
		return nil, ErrCursor
	}
	return &id, nil
}

func pageSize(limit int) int {
	if limit <= 0 {
		return 50
	}
	return min(limit, 500)
}
