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
		if err := s.enqueueDue(ctx); err != nil && ctx.Err() == nil {
			s.Logger.ErrorContext(ctx, "due jobs were not enqueued", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

const selectDue = selectJob + `
where status = 'active' and next_run_at <= $1
	and exists (select from connections c where c.organization_id = jobs.organization_id and c.id = jobs.connection_id and c.status = 'active')
order by next_run_at
limit 500`

// Of several processes that saw the same due time, the one that replaces it enqueues the run.
// A job whose last run has not ended yet skips this time.
const enqueueDue = `
with due as (
	update jobs j set next_run_at = i.next
	from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::uuid[]) as i (organization_id, id, seen, next, run_id)
	where j.organization_id = i.organization_id and j.id = i.id and j.next_run_at = i.seen and j.status = 'active'
	returning j.organization_id, j.id, i.run_id
), added as (
	insert into runs (organization_id, id, job_id, cause, queued_by)
	select organization_id, run_id, id, 'schedule', 'system' from due
	where not exists (select from runs r where r.organization_id = due.organization_id and r.job_id = due.id and r.status in ('queued', 'running'))
	on conflict (organization_id, job_id) where status = 'queued' do nothing
	returning 1
)
select count(*), max(pg_notify('crmhub_run', '')::text) from added`

// enqueueDue enqueues a run for each job that is due and sets the time it is due next. Times that passed since the
// last look, were they seconds or days, make one run.
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
			t := schedule.Next(at)
			next[i] = &t
		}
		var added int
		if err := tx.QueryRow(ctx, enqueueDue, organizations, ids, seen, next, runs).Scan(&added, nil); err != nil {
			return fmt.Errorf("enqueue due jobs: %w", err)
		}
		return nil
	})
}
