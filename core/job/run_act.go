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
	"crmhub/core/schema"
)

// actOn runs an update of a run that stands where it makes sense, and writes down that somebody did it. Elsewhere it
// gives [ErrRunState] with the run as it is.
func actOn(ctx context.Context, tx pgx.Tx, run uuid.UUID, action, sql string) (Run, error) {
	r, err := oneRun(ctx, tx, sql, run)
	if errors.Is(err, ErrNotFound) {
		if r, err = GetRun(ctx, tx, run); err == nil {
			err = fmt.Errorf("it is %s: %w", r.Status, ErrRunState)
		}
		return r, err
	}
	if err != nil {
		return Run{}, err
	}
	return r, audit.Record(ctx, tx, audit.Act{Action: action, Entity: "run", EntityID: run})
}

const requestCancel = `
update runs r set cancel_requested = true,
	status = case when status in ('queued', 'paused') then 'cancelled' else status end,
	finished_at = case when status in ('queued', 'paused') then now() end
where id = $1 and status in ('queued', 'running', 'paused')
returning ` + runColumns

// RequestCancel ends a queued or paused run, and asks one that executes to end after its page. One that ended stays as
// it is.
func RequestCancel(ctx context.Context, tx pgx.Tx, run uuid.UUID) (Run, error) {
	r, err := actOn(ctx, tx, run, "cancelled", requestCancel)
	if errors.Is(err, ErrRunState) {
		err = nil
	}
	return r, err
}

const requestPause = `
update runs r set pause_requested = true
where id = $1 and status = 'running'
returning ` + runColumns

// RequestPause asks a run that executes to stop after its page. It keeps its place until somebody resumes or cancels
// it, whatever is restarted meanwhile, and no other regular run of its job begins. Errors: [ErrRunState], [ErrNotFound].
func RequestPause(ctx context.Context, tx pgx.Tx, run uuid.UUID) (Run, error) {
	return actOn(ctx, tx, run, "paused", requestPause)
}

const resumeRun = `
with r as (
	update runs set status = 'queued', finished_at = null, error = null, pause_requested = false, cancel_requested = false
	where id = $1 and (status = 'paused' or status = 'failed' and purpose <> 'regular')
	returning *
)
select ` + runColumns + ` from r, pg_notify('crmhub_run', '')`

const takeBackPause = `
update runs r set pause_requested = false
where id = $1 and status = 'running' and pause_requested
returning ` + runColumns

// ResumeRun lets a paused run go on, and a backfill or replay that failed, from where it stopped. A regular run that
// failed needs none: the next one goes on from its cursor. Errors: [ErrRunState], [ErrNotFound].
func ResumeRun(ctx context.Context, tx pgx.Tx, run uuid.UUID) (Run, error) {
	r, err := actOn(ctx, tx, run, "resumed", resumeRun)
	if errors.Is(err, ErrRunState) && r.PauseRequested {
		return actOn(ctx, tx, run, "resumed", takeBackPause)
	}
	return r, err
}

const setVerdict = `
update runs r set verdict = $2, verdict_by = crmhub_actor()
where id = $1 and status = 'suspect' and verdict is null
returning ` + runColumns

// judge sets a suspect run's verdict, once.
func judge(ctx context.Context, tx pgx.Tx, run uuid.UUID, v Verdict) (Run, error) {
	r, err := oneRun(ctx, tx, setVerdict, run, v)
	if errors.Is(err, ErrNotFound) {
		if r, err = GetRun(ctx, tx, run); err == nil {
			err = fmt.Errorf("it is %s %s: %w", r.Status, r.Verdict, ErrRunState)
		}
		return r, err
	}
	if err != nil {
		return Run{}, err
	}
	return r, audit.Record(ctx, tx, audit.Act{Action: string(v), Entity: "run", EntityID: run})
}

const believe = `update runs set believe = true where id = $1`

// Accept says that what a suspect run found is right, and asks for a run that believes it. It returns that run.
// Errors: [ErrRunState], [ErrNotFound].
func Accept(ctx context.Context, tx pgx.Tx, run uuid.UUID) (Run, error) {
	suspect, err := judge(ctx, tx, run, Accepted)
	if err != nil {
		return suspect, err
	}
	next, err := Enqueue(ctx, tx, suspect.JobID, ByHand)
	if err != nil {
		return Run{}, err
	}
	if _, err := tx.Exec(ctx, believe, next.ID); err != nil {
		return Run{}, fmt.Errorf("accept run %s: %w", run, err)
	}
	next.Believe = true
	return next, nil
}

// Discard says that what a suspect run found is not right: the next run begins anew and doubts as before. What the
// run stored before its doubt are records that are there; they stay. Errors: [ErrRunState], [ErrNotFound].
func Discard(ctx context.Context, tx pgx.Tx, run uuid.UUID) (Run, error) {
	return judge(ctx, tx, run, Discarded)
}

// Range is what of a stream a backfill reads, by the time its records changed last. Without bounds it is everything.
type Range struct {
	From *time.Time `json:"from,omitempty"` // inclusive
	To   *time.Time `json:"to,omitempty"`   // exclusive
}

const selectAsked = selectRun + `
where r.job_id = $1 and r.purpose = $2 and r.status in ('queued', 'running', 'paused') and r.request = $3::jsonb
limit 1`

const enqueueWith = `
with r as (
	insert into runs (id, job_id, cause, purpose, request, expected)
	select $2, id, 'manual', $3, $4::jsonb, nullif($5::bigint, 0) from jobs where id = $1
	returning *
)
select ` + runColumns + ` from r, pg_notify('crmhub_run', '')`

// ask enqueues a run that is not the job's regular one, unless the same was asked for and has not ended.
func ask(ctx context.Context, tx pgx.Tx, jobID uuid.UUID, p Purpose, request any, expected int64) (Run, error) {
	b, err := json.Marshal(request)
	if err != nil {
		return Run{}, fmt.Errorf("enqueue a %s: %w", p, err)
	}
	r, err := oneRun(ctx, tx, selectAsked, jobID, p, string(b))
	if !errors.Is(err, ErrNotFound) {
		return r, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Run{}, fmt.Errorf("enqueue a %s: %w", p, err)
	}
	if r, err = oneRun(ctx, tx, enqueueWith, jobID, id, p, string(b), expected); err != nil {
		return r, err
	}
	return r, audit.Record(ctx, tx, audit.Act{Action: "queued", Entity: "run", EntityID: id, Detail: map[string]any{
		"job_id": jobID, "purpose": p, "request": json.RawMessage(b),
	}})
}

// Backfill asks for a run that pulls a range of a job's stream once more, beside the job's own cursor. Asking twice for
// the same runs once. Errors: [schema.Violations] where the stream cannot be read so, [ErrNotFound].
func (s *Store) Backfill(ctx context.Context, tx pgx.Tx, jobID uuid.UUID, in Range) (Run, error) {
	j, err := s.Get(ctx, tx, jobID)
	if err != nil {
		return Run{}, err
	}
	c, vs, err := s.connectorOf(ctx, tx, j.ConnectionID)
	if err != nil {
		return Run{}, fmt.Errorf("backfill: %w", err)
	}
	st, ok := stream(c.Streams, Pull, j.Entity)
	switch {
	case j.Kind != Pull || !ok:
		vs = append(vs, schema.Violation{Rule: "kind", Message: "only a pull can read a range once more; a push compares everything in any case"})
	case !st.Range && (in.From != nil || in.To != nil):
		vs = append(vs, schema.Violation{Rule: "range", Message: "the connector " + c.Name + " can read this stream as a whole only: leave from and to out"})
	case in.From != nil && in.To != nil && !in.From.Before(*in.To):
		vs = append(vs, schema.Violation{Pointer: "/to", Rule: "range", Message: "must be after from"})
	}
	if len(vs) > 0 {
		return Run{}, vs
	}
	return ask(ctx, tx, jobID, Backfill, in, 0)
}
