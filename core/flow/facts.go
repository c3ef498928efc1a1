package flow

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/job"
)

// place is where something flows.
type place struct {
	connection uuid.UUID
	entity     string
	direction  job.Kind
}

// facts are what the store knows of all flows.
type facts struct {
	moved   map[place]moved
	letters map[place]int64
	waiting map[place]Push
	runs    map[uuid.UUID]last // by job
}

// moved are the records that came over.
type moved struct{ hour, day int64 }

// last is how a job's runs stand.
type last struct {
	id     *uuid.UUID // of the newest
	status job.RunStatus
	stuck  bool
	ended  job.RunStatus // of the newest that has ended; "" if none has
	goodAt *time.Time    // when the last regular one that went well ended
}

// What did not arrive is no record that came over.
const selectMoved = `
select connection_id, entity, direction, count(*) filter (where at >= now() - interval '1 hour'), count(*)
from exchanges
where at >= now() - interval '24 hours' and outcome in ('linked', 'unchanged', 'created', 'updated')
group by connection_id, entity, direction`

const selectLetters = `
select connection_id, entity, direction, count(*)
from dead_letters
where status = 'open'
group by connection_id, entity, direction`

// What waits is counted up to a bound, and of the longest due it is asked since when: a new entity waits since it was wanted,
// another since the first version that the other side does not have was published. Where that is not known any more, or not
// yet, the link has waited since it was last touched at least.
const selectWaiting = `
select l.connection_id, l.entity, count(*), coalesce(l.counted > 2000, false), min(case
	when l.synced_version = 0 then l.created_at
	when l.place <= 200 then coalesce((
		select min(p.at) from publications p
		where p.entity_id = l.entity_id and p.entity = l.entity and p.version > l.synced_version), l.updated_at) end)
from (
	select l.*, count(*) over (partition by l.connection_id) as counted, row_number() over (partition by l.connection_id order by l.next_attempt_at) as place
	from connections c
	cross join lateral (
		select l.connection_id, l.entity, l.entity_id, l.synced_version, l.created_at, l.updated_at, l.next_attempt_at
		from links l
		where l.connection_id = c.id and l.next_attempt_at is not null
		order by l.next_attempt_at
		limit 2001) l
) l
group by l.connection_id, l.entity, l.counted`

const selectRuns = `
select j.id, newest.id, coalesce(newest.status, ''), coalesce(newest.stuck, false), coalesce(ended.status, ''), good.finished_at
from jobs j
left join lateral (
	select r.id, r.status, r.status = 'running' and r.progress_at < now() - interval '10 minutes' as stuck
	from runs r
	where r.job_id = j.id
	order by r.queued_at desc
	limit 1) newest on true
left join lateral (
	select r.status from runs r
	where r.job_id = j.id and r.status in ('succeeded', 'suspect', 'failed', 'cancelled')
	order by r.queued_at desc
	limit 1) ended on true
left join lateral (
	select r.finished_at from runs r
	where r.job_id = j.id and r.status = 'succeeded' and r.purpose = 'regular'
	order by r.queued_at desc
	limit 1) good on true
where j.kind = 'pull'`

// readFacts asks for all of them in one round trip.
func readFacts(ctx context.Context, tx pgx.Tx) (facts, error) {
	f := facts{moved: map[place]moved{}, letters: map[place]int64{}, waiting: map[place]Push{}, runs: map[uuid.UUID]last{}}
	var b pgx.Batch
	b.Queue(selectMoved).Query(func(rows pgx.Rows) error {
		var at place
		var m moved
		_, err := pgx.ForEachRow(rows, []any{&at.connection, &at.entity, &at.direction, &m.hour, &m.day}, func() error {
			f.moved[at] = m
			return nil
		})
		return err
	})
	b.Queue(selectLetters).Query(func(rows pgx.Rows) error {
		var at place
		var n int64
		_, err := pgx.ForEachRow(rows, []any{&at.connection, &at.entity, &at.direction, &n}, func() error {
			f.letters[at] = n
			return nil
		})
		return err
	})
	b.Queue(selectWaiting).Query(func(rows pgx.Rows) error {
		at := place{direction: job.Push}
		var p Push
		_, err := pgx.ForEachRow(rows, []any{&at.connection, &at.entity, &p.Waiting, &p.More, &p.Since}, func() error {
			f.waiting[at] = p
			return nil
		})
		return err
	})
	b.Queue(selectRuns).Query(func(rows pgx.Rows) error {
		var id uuid.UUID
		var l last
		_, err := pgx.ForEachRow(rows, []any{&id, &l.id, &l.status, &l.stuck, &l.ended, &l.goodAt}, func() error {
			f.runs[id] = l
			return nil
		})
		return err
	})
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return f, fmt.Errorf("read how flows stand: %w", err)
	}
	return f, nil
}
