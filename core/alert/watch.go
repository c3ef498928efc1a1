package alert

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/notify"
	"crmhub/core/postgres"
)

// Watcher opens alerts and resolves them. Any number of processes may run one: one of them works.
type Watcher struct {
	DB     *postgres.DB
	Logger *slog.Logger
}

const every = 15 * time.Second

// Run watches until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	return w.DB.Lead(ctx, "alerts", func(ctx context.Context) error {
		return postgres.Repeat(ctx, every, w.Logger, "alerts were not watched; the next look makes it good", w.look)
	})
}

func (w *Watcher) look(ctx context.Context) error {
	var organizations []uuid.UUID
	err := w.DB.AsSystem(ctx, func(tx pgx.Tx) (err error) {
		rows, _ := tx.Query(ctx, `select id from organizations`)
		organizations, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	if err != nil {
		return fmt.Errorf("list organizations: %w", err)
	}
	for _, id := range organizations {
		err := w.DB.As(ctx, postgres.Principal{Organization: id, Actor: postgres.System}, func(tx pgx.Tx) error { return Look(ctx, tx) })
		if err != nil {
			return fmt.Errorf("watch organization %s: %w", id, err)
		}
	}
	return nil
}

// What holds, one part a kind. A job's last run is the one that ended last; a paused connection or job is nobody's concern. A
// link is late when its time has come and nobody took it up: the breaker of its connection is open, or the pushers do not follow.
// Of documents the newest thousand orders and invoices are looked at: those that a missing rate still falsifies every day.
const conditions = `
select 'run_failed' as kind, j.id::text as subject, j.name || ' (' || c.code || ')' as name,
	jsonb_build_object('run_id', r.id, 'status', r.status, 'at', r.finished_at, 'failed', r.failed, 'error', r.error) as detail
from jobs j
join connections c on c.id = j.connection_id and c.status = 'active'
cross join lateral (
	select * from runs r where r.job_id = j.id and r.status in ('succeeded', 'suspect', 'failed', 'cancelled')
	order by r.queued_at desc limit 1) r
where j.status = 'active' and r.status in ('failed', 'suspect')
union all
select 'push_lag', c.id::text, c.code, jsonb_build_object('since', l.since, 'waiting', l.waiting)
from connections c
cross join lateral (
	select min(next_attempt_at) as since, count(*) as waiting from (
		select next_attempt_at from links l
		where l.connection_id = c.id and l.next_attempt_at < now() - make_interval(mins => $1)
		order by next_attempt_at limit 10000) l) l
where c.status = 'active' and l.waiting > 0
union all
select 'dead_letters', c.id::text, c.code, jsonb_build_object('open', d.open)
from (select connection_id, count(*) as open from dead_letters where status = 'open' group by connection_id) d
join connections c on c.id = d.connection_id
where d.open >= $2
union all
select 'conflicts', c.id::text, c.code, jsonb_build_object('open', f.open)
from (select connection_id, count(*) as open from conflicts where status = 'open' group by connection_id) f
join connections c on c.id = f.connection_id
where f.open >= $3
union all
select 'connection_held', c.id::text, c.code, jsonb_build_object('state', b.state, 'since', b.since, 'class', b.class, 'message', b.message)
from breakers b join connections c on c.id = b.connection_id and c.status = 'active'
where b.state = 'stopped' or b.state <> 'closed' and b.since < now() - interval '1 minute'
union all
select 'reconciliation_differs', r.connection_id::text || ' ' || r.entity, r.entity || ' (' || c.code || ')',
	jsonb_build_object('reconciliation_id', r.id, 'open', d.open)
from (
	select distinct on (connection_id, entity) * from reconciliations
	where verdict in ('equal', 'differs')
	order by connection_id, entity, id desc) r
join connections c on c.id = r.connection_id
cross join lateral (
	select count(*) as open from differences d where d.reconciliation_id = r.id and d.state = 'open') d
where r.verdict = 'differs' and d.open > 0
union all
select 'schema_drift', c.id::text, c.code, jsonb_build_object('open', d.open, 'serious', d.serious)
from (
	select connection_id, count(*) as open, count(*) filter (where rule is not null or detail @> '{"schema": true}') as serious
	from drift_findings
	where resolved_at is null and acknowledged_at is null
	group by connection_id) d
join connections c on c.id = d.connection_id
union all
select 'subscription_failing', s.id::text, s.name, jsonb_build_object('since', s.failing_since, 'cause', s.disabled_cause)
from subscriptions s
where s.status = 'disabled' or s.status = 'active' and s.failing_since < now() - interval '1 hour'
union all
select 'rate_missing', d.currency, d.currency, jsonb_build_object('open', count(*))
from (
	(select currency::text, rate_to_base, date as day from orders where deleted_at is null order by updated_at desc, id desc limit 1000)
	union all
	(select currency::text, rate_to_base, coalesce(issue_date, created_at::date) from invoices where deleted_at is null order by updated_at desc, id desc limit 1000)
) d
join organizations o on o.id = crmhub_organization() and d.currency <> o.base_currency
where d.rate_to_base = 1 and not exists (
	select from currency_rates r where r.base = o.base_currency and r.currency = d.currency and r.date <= d.day and r.rate = 1 and r.deleted_at is null)
group by d.currency`

// Opened, resolved, and seen again: only the first two are returned.
const update = `
with found as materialized (
	select * from (` + conditions + `) f where f.kind <> all($4)
), resolved as (
	update alerts a set resolved_at = now()
	where a.resolved_at is null and not exists (select from found f where f.kind = a.kind and f.subject = a.subject)
	returning a.*
), opened as (
	insert into alerts (kind, subject, name, detail)
	select kind, subject, name, detail from found
	on conflict (organization_id, kind, subject) where resolved_at is null
	do update set name = excluded.name, detail = excluded.detail, seen_at = now()
	returning alerts.*, xmax = 0 as is_new
)
select ` + columns + ` from resolved
union all
select ` + columns + ` from opened where is_new`

// Look compares what holds now with the open alerts of the transaction's organization, and announces what changed.
func Look(ctx context.Context, tx pgx.Tx) error {
	s, err := GetSettings(ctx, tx)
	if err != nil {
		return err
	}
	rows, _ := tx.Query(ctx, update, s.LagMinutes, s.DeadLetters, s.Conflicts, s.Muted)
	changed, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return fmt.Errorf("open and resolve alerts: %w", err)
	}
	events := make([]notify.Event, len(changed))
	for i, a := range changed {
		typ := "alert.opened"
		if a.ResolvedAt != nil {
			typ = "alert.resolved"
		}
		if events[i], err = notify.NewEvent(typ, a.Summary(), a); err != nil {
			return err
		}
	}
	if len(events) == 0 {
		return nil
	}
	return notify.Announce(ctx, tx, events...)
}
