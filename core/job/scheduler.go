package job

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
)

// Scheduler enqueues the runs that are due. Any number of processes may run one.
type Scheduler struct {
	DB     *postgres.DB
	Logger *slog.Logger
	Every  time.Duration    // how often it looks; 0: once a second
	Now    func() time.Time // nil: time.Now

	looked time.Time // when it looked last, by the clock
}

// Run looks for due jobs until ctx ends. A failure to look is logged and looked for again.
func (s *Scheduler) Run(ctx context.Context) error {
	every := s.Every
	if every == 0 {
		every = time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := s.look(ctx); err != nil && ctx.Err() == nil {
			s.Logger.ErrorContext(ctx, "due jobs were not enqueued", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look enqueues what is due. Where the clock went back, or may have since another process looked, jobs that were scheduled by
// what it said before would rest until it says so again: they are scheduled by what it says now.
func (s *Scheduler) look(ctx context.Context) error {
	at := now(s.Now).Round(0) // as a wall clock, which goes back
	if at.Before(s.looked) || s.looked.IsZero() {
		if err := s.realign(ctx, at); err != nil {
			return err
		}
	}
	s.looked = at
	return s.enqueueDue(ctx)
}

const (
	selectAhead = selectJob + ` where status = 'active' and next_run_at > $1`
	bringBack   = `
update jobs j set next_run_at = i.next
from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[]) as i (organization_id, id, seen, next)
where j.organization_id = i.organization_id and j.id = i.id and j.next_run_at = i.seen`
)

// realign brings jobs back whose next time is later than the next after at.
func (s *Scheduler) realign(ctx context.Context, at time.Time) error {
	return s.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		jobs, err := postgres.All(ctx, tx, "list jobs", scanJob, selectAhead, at)
		if err != nil {
			return err
		}
		var organizations, ids []uuid.UUID
		var seen, next []time.Time
		for _, j := range jobs {
			schedule, vs := ParseSchedule(j.Schedule, j.TimeZone)
			if len(vs) > 0 {
				continue
			}
			if due := schedule.due(at, delay(j.ID, j.JitterSeconds)); !due.IsZero() && due.Before(*j.NextRunAt) {
				organizations, ids, seen, next = append(organizations, j.Organization), append(ids, j.ID), append(seen, *j.NextRunAt), append(next, due)
			}
		}
		if len(ids) == 0 {
			return nil
		}
		if _, err := tx.Exec(ctx, bringBack, organizations, ids, seen, next); err != nil {
			return fmt.Errorf("schedule jobs by a clock that went back: %w", err)
		}
		s.Logger.WarnContext(ctx, "the clock went back; jobs are scheduled by what it says now", "jobs", len(ids))
		return nil
	})
}

const selectDue = selectJob + `
where status = 'active' and next_run_at <= $1
	and exists (select from connections c where c.organization_id = jobs.organization_id and c.id = jobs.connection_id and c.status = 'active')
order by next_run_at
limit 500`

// Of several processes that saw the same due time, the one that replaces it enqueues the run.
// A run that makes up for a missed time waits for the one before; the time stays until then.
const enqueueDue = `
with due as (
	update jobs j set next_run_at = i.next
	from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::uuid[], $6::boolean[], $7::boolean[])
		as i (organization_id, id, seen, next, run_id, runs, waits)
	where j.organization_id = i.organization_id and j.id = i.id and j.next_run_at = i.seen and j.status = 'active'
		and not (i.waits and exists (
			select from runs r
			where r.organization_id = j.organization_id and r.job_id = j.id and r.purpose = 'regular' and r.status in ('queued', 'running', 'paused')))
	returning j.organization_id, j.id, j.overlap, i.run_id, i.seen, i.runs
), cancelled as (
	update runs r set cancel_requested = true
	from due
	where due.runs and due.overlap = 'cancel_old'
		and r.organization_id = due.organization_id and r.job_id = due.id and r.purpose = 'regular' and r.status = 'running'
	returning 1
), added as (
	insert into runs (organization_id, id, job_id, cause, queued_by, due_at)
	select organization_id, run_id, id, 'schedule', 'system', seen from due
	where due.runs and not exists (
		select from runs r
		where r.organization_id = due.organization_id and r.job_id = due.id and r.purpose = 'regular'
			and (r.status in ('queued', 'paused') or r.status = 'running' and due.overlap = 'skip'))
	on conflict (organization_id, job_id) where status = 'queued' and purpose = 'regular' and started_at is null do nothing
	returning 1
)
select count(*), max(pg_notify('crmhub_run', '')::text) from added`

// enqueueDue enqueues a run for each job that is due and sets the time it is due next.
func (s *Scheduler) enqueueDue(ctx context.Context) error {
	return s.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		at := now(s.Now)
		rows, _ := tx.Query(ctx, selectDue, at)
		jobs, err := pgx.CollectRows(rows, scanJob)
		if err != nil || len(jobs) == 0 {
			return err
		}
		n := len(jobs)
		organizations, ids, runs := make([]uuid.UUID, n), make([]uuid.UUID, n), make([]uuid.UUID, n)
		seen, next := make([]time.Time, n), make([]*time.Time, n)
		begins, waits := make([]bool, n), make([]bool, n)
		for i, j := range jobs {
			organizations[i], ids[i], seen[i] = j.Organization, j.ID, *j.NextRunAt
			if runs[i], err = uuid.NewV7(); err != nil {
				return err
			}
			schedule, vs := ParseSchedule(j.Schedule, j.TimeZone)
			if len(vs) > 0 { // it was checked when it was stored: the job keeps next_run_at null until somebody mends it
				s.Logger.ErrorContext(ctx, "job has no valid schedule any more", "job", j.ID, "error", vs)
				continue
			}
			o := schedule.occur(j, at)
			next[i], begins[i], waits[i] = &o.next, o.runs, o.waits
		}
		var added int
		if err := tx.QueryRow(ctx, enqueueDue, organizations, ids, seen, next, runs, begins, waits).Scan(&added, nil); err != nil {
			return fmt.Errorf("enqueue due jobs: %w", err)
		}
		return nil
	})
}

// looksAway is how late a due time may be noticed before it counts as missed.
const looksAway = time.Minute

// occurrence is what follows from a due time.
type occurrence struct {
	next  time.Time // when the job is due again; not after now if missed times are left
	runs  bool
	waits bool // for the end of the run before
}

// occur decides what a job that is due does at a time.
func (s Schedule) occur(j Job, at time.Time) occurrence {
	own := delay(j.ID, j.JitterSeconds)
	o := occurrence{next: s.due(at, own), runs: true}
	if !j.NextRunAt.Before(at.Add(-looksAway)) {
		return o
	}
	switch j.Misfire {
	case MisfireNone:
		// A time that nobody missed may have come since.
		o.runs = !s.due(at.Add(-looksAway), own).After(at)
	case MisfireAll:
		o.waits = true
		var last []time.Time // those after the one that is due, up to now
		for t := s.due(*j.NextRunAt, own); !t.After(at) && !t.IsZero(); t = s.due(t, own) {
			if last = append(last, t); len(last) == 2*MostMissed {
				last = append(last[:0], last[MostMissed:]...)
			}
		}
		if len(last) > 0 {
			o.next = last[max(0, len(last)-MostMissed+1)]
		}
	case MisfireOnce:
	}
	return o
}
