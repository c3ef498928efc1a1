package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"crmhub/core/schema"
)

// Task is a run that a worker has claimed, with its job.
type Task struct {
	Run
	Job      Job
	Resumed  bool            // another worker began this run and died
	Position json.RawMessage // where AdvanceTo said it has come; nil at first
	worker   int32
}

// A queued run waits
//   - while another of its job executes or is paused, or a replay while another replay does,
//   - while a run of a job that comes first, asked for no more than five seconds later, is queued or executes: what comes first
//     and runs without a pause does not hold back the others for ever,
//   - a pull while a matching of its stream is queued, executes or is paused, and a matching while a pull executes: the pull would
//     take for new what the matching has not looked at,
//   - while its connection is paused, and a pull or reconciliation while its connection's breaker is not closed.
//
// What a dead worker executed comes first: it was claimed before. A run's pace and its estimate are noted here.
const claim = `
with recursive first (organization_id, job_id, after_id) as (
	select o.organization_id, o.job_id, o.after_id
	from job_order o
	where exists (select from runs r where r.organization_id = o.organization_id and r.job_id = o.job_id and r.status = 'queued')
	union
	select f.organization_id, f.job_id, o.after_id
	from first f join job_order o on o.organization_id = f.organization_id and o.job_id = f.after_id
), next as (
	select r.organization_id, r.id, r.status = 'running' as resumed
	from runs r
	join jobs j on j.organization_id = r.organization_id and j.id = r.job_id
	join connections c on c.organization_id = j.organization_id and c.id = j.connection_id
	left join breakers b on b.organization_id = c.organization_id and b.connection_id = c.id
	where c.status = 'active' and (b.state is null or b.state = 'closed' or j.kind = 'push' or r.purpose = 'replay') and (
		r.status = 'queued' and not exists (
			select from runs o
			where o.organization_id = r.organization_id and o.job_id = r.job_id and o.status in ('running', 'paused')
				and (o.purpose = 'replay') = (r.purpose = 'replay'))
		and (j.kind not in ('pull', 'match') or not exists (
			select from jobs mj join runs o on o.organization_id = mj.organization_id and o.job_id = mj.id
			where mj.organization_id = j.organization_id and mj.connection_id = j.connection_id and mj.entity = j.entity and (
				j.kind = 'pull' and mj.kind = 'match' and o.status in ('queued', 'running', 'paused')
				or j.kind = 'match' and mj.kind = 'pull' and o.status = 'running')))
		and (r.purpose <> 'regular' or not exists (
			select from first f
			join runs o on o.organization_id = f.organization_id and o.job_id = f.after_id and o.status in ('queued', 'running')
				and o.queued_at < r.queued_at + interval '5 seconds'
			join jobs oj on oj.organization_id = o.organization_id and oj.id = o.job_id
			join connections oc on oc.organization_id = oj.organization_id and oc.id = oj.connection_id and oc.status = 'active'
			where f.organization_id = r.organization_id and f.job_id = r.job_id and o.purpose = 'regular'))
		or r.status = 'running' and not worker_alive(r.worker))
	order by r.status desc, r.queued_at, r.id
	limit 1
	for update of r skip locked
), taken as (
	update runs set status = 'running', worker = $1, started_at = coalesce(started_at, now()), progress_at = now(),
		claimed_at = now(), claimed_read = read,
		estimate = case when purpose = 'regular' then coalesce(estimate, (
			select nullif(l.read, 0) from runs l
			where l.organization_id = runs.organization_id and l.job_id = runs.job_id and l.purpose = 'regular' and l.status = 'succeeded'
			order by l.queued_at desc
			limit 1)) end
	from next where runs.organization_id = next.organization_id and runs.id = next.id
	returning runs.*, next.resumed
)
select ` + runColumns + `, r.resumed, j.organization_id, j.id, j.connection_id, j.name, j.kind, j.entity
from taken r join jobs j on j.organization_id = r.organization_id and j.id = r.job_id`

// Workers claim one after the other: of two at once neither would see what the other begins, another run of the job or one that may
// not execute beside it.
const lockClaims = `select pg_advisory_xact_lock(hashtextextended('crmhub claim', 0))`

// claimRun takes the next run for a worker; none gives nil. The transaction is the system's.
func claimRun(ctx context.Context, tx pgx.Tx, worker int32) (*Task, error) {
	if _, err := tx.Exec(ctx, lockClaims); err != nil {
		return nil, fmt.Errorf("claim a run: %w", err)
	}
	var row runRow
	t := Task{worker: worker}
	err := tx.QueryRow(ctx, claim, worker).Scan(append(row.fields(), &t.Resumed,
		&t.Job.Organization, &t.Job.ID, &t.Job.ConnectionID, &t.Job.Name, &t.Job.Kind, &t.Job.Entity)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("claim a run: %w", err)
	}
	if t.Run, err = row.run(); err != nil {
		return nil, fmt.Errorf("claim a run: %w", err)
	}
	t.Position = row.position
	line, said := "The run began.", schema.Say("run_began")
	switch {
	case t.Resumed:
		line, said = "Its worker had ended; another one goes on.", schema.Say("run_taken_over")
	case t.Read > 0 || t.Position != nil:
		line, said = "The run goes on.", schema.Say("run_goes_on")
	}
	return &t, systemLine(ctx, tx, t, Info, line, said)
}

const finish = `
update runs set status = $3, error = $4, progress_at = now(), finished_at = case when $3 <> 'paused' then now() end, pause_requested = false,
	cancel_requested = cancel_requested and $3 <> 'paused'
where id = $1 and status = 'running' and worker = $2`

// finishRun records how a run ended, unless it is no longer the worker's. The transaction is the system's.
func finishRun(ctx context.Context, tx pgx.Tx, t Task, status RunStatus, f *Failure) error {
	tag, err := tx.Exec(ctx, finish, t.ID, t.worker, status, f)
	if err != nil {
		return fmt.Errorf("finish run %s: %w", t.ID, err)
	}
	if tag.RowsAffected() == 0 {
		return nil
	}
	level, line := Info, "The run is "+string(status)+"."
	if f != nil {
		level, line = Error, "The run is "+string(status)+": "+f.Message
	}
	return systemLine(ctx, tx, t, level, line, schema.Say("run_is", status))
}
