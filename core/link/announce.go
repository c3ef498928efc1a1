package link

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Claimant is who sends: a living worker, for one entity of one connection.
type Claimant struct {
	Connection uuid.UUID
	Entity     string
	Worker     int32
	// Grace is how long after the announcement a call may still begin, run, and act on the remote. If the worker dies,
	// nobody touches its links before that.
	Grace time.Duration
}

// Intent is a version of an entity that is about to be sent.
type Intent struct {
	EntityID  uuid.UUID
	Version   int64
	Reference string // what a create carries
	Digest    []byte // of the record; nil never equals
}

// Verdict says what Announce decided about an intent.
type Verdict string

// The verdicts.
const (
	// Claimed means the link is the worker's: it must be acknowledged, whatever happens.
	Claimed Verdict = "claimed"
	// Busy means not now: another call is under way or its outcome unknown, the link is parked, or a newer version is
	// wanted already. The version is noted, and the link will be due.
	Busy Verdict = "busy"
	// Synced means the remote has this version or a newer one, or is not to have any: see [Unlinked].
	Synced Verdict = "synced"
	// Unchanged means the remote has this very record already; the link is synced now.
	Unchanged Verdict = "unchanged"
)

// Announced is a link as Announce found it, and the verdict.
type Announced struct {
	Verdict       Verdict
	ID            uuid.UUID
	EntityID      uuid.UUID
	RemoteID      string
	RemoteVersion string
	Reference     string // what a create must carry: older than the intent's if an earlier create may be out
	State         State  // before
	Attempts      int    // before
	Digest        []byte // of the record last sent
	WantedVersion int64
}

// Outstanding reports whether an earlier call may have been done without anybody's knowing.
func (a Announced) Outstanding() bool { return a.State == Sending || a.State == Unknown }

// A row is taken only by whom its state allows, decided on the row as locked. wanted_version is raised in any case,
// and with it the link becomes due unless it is scheduled already: that is how a change that cannot be sent now is
// remembered.
//
// record_digest becomes the digest of what is about to be sent. Where an earlier create may be out, it stays only if
// that carried the same record, for a look-up compares what it finds with it.
//
// Here and below rows are found by lateral subqueries and changed by "on conflict", never by a join: as long as a
// table has no statistics, on a new database or after a first load, the planner would take an organization for a
// handful of rows and read them all for each batch. And arrays are passed on as (select $1): the planner would count the
// elements of a parameter and plan each batch anew, which takes longer than a small batch does.
const announce = `
with input as (
	select * from unnest((select $4::uuid[]), (select $5::uuid[]), (select $6::bigint[]), (select $7::text[]), (select $8::bytea[]))
		as i (new_id, entity_id, version, reference, digest)
	order by entity_id
), held as materialized (
	select i.new_id, i.entity_id, i.version, i.reference as new_reference, i.digest, l.*,
		case
			when l.id is null then 'new'
			when i.version <= l.synced_version and l.state = 'linked' or l.state = 'unlinked' then 'synced'
			when i.version < l.wanted_version then 'busy'
			when case l.state
				when 'pending' then true
				when 'linked' then true
				when 'parked' then l.next_attempt_at <= now()
				when 'unknown' then l.next_attempt_at <= now()
				when 'sending' then l.next_attempt_at <= now() and not worker_alive(l.worker)
				else i.version > l.wanted_version or l.next_attempt_at <= now()
			end is not true then 'busy'
			when l.state = 'linked' and l.record_digest = i.digest then 'unchanged'
			else 'claimed'
		end as verdict
	from input i
	left join lateral (
		select l.id, l.state, l.worker, l.remote_id, l.remote_version, l.reference, l.record_digest, l.attempts, l.wanted_version,
			l.synced_version, l.sent_at, l.next_attempt_at
		from links l
		where l.connection_id = $1 and l.entity = $2 and l.entity_id = i.entity_id
		for update
	) l on true
), taken as (
	insert into links as l (id, connection_id, entity, entity_id, wanted_version, synced_version, state, worker, sent_at, reference,
		record_digest, next_attempt_at)
	select h.id, $1, $2, h.entity_id,
		greatest(h.wanted_version, h.version),
		case when h.verdict = 'unchanged' then h.version else h.synced_version end,
		case when h.verdict = 'claimed' then 'sending' else h.state end,
		case when h.verdict = 'claimed' then $3::integer else h.worker end,
		case when h.verdict = 'claimed' then now() else h.sent_at end,
		case
			when h.verdict <> 'claimed' then h.reference
			when h.remote_id is not null or h.state in ('sending', 'unknown') then coalesce(h.reference, h.new_reference)
			else h.new_reference
		end,
		case
			when h.verdict <> 'claimed' then h.record_digest
			when h.state in ('sending', 'unknown') and h.record_digest is distinct from h.digest then null
			else h.digest
		end,
		case
			when h.verdict = 'claimed' then now() + make_interval(secs => $9)
			when h.verdict in ('synced', 'unchanged') then null
			else coalesce(h.next_attempt_at, now())
		end
	from held h
	where h.verdict in ('claimed', 'unchanged') or h.version > h.wanted_version or (h.verdict = 'synced' and h.next_attempt_at is not null)
	on conflict (organization_id, id) do update set
		wanted_version = excluded.wanted_version, synced_version = excluded.synced_version, state = excluded.state,
		worker = excluded.worker, sent_at = excluded.sent_at, reference = excluded.reference, record_digest = excluded.record_digest,
		next_attempt_at = excluded.next_attempt_at, updated_at = now()
	returning l.id, l.reference
), made as (
	insert into links as l (id, connection_id, entity, entity_id, reference, state, wanted_version, worker, sent_at, record_digest, next_attempt_at)
	select h.new_id, $1, $2, h.entity_id, h.new_reference, 'sending', h.version, $3, now(), h.digest, now() + make_interval(secs => $9)
	from held h
	where h.verdict = 'new'
	on conflict (organization_id, connection_id, entity, entity_id) do update
		set wanted_version = excluded.wanted_version, next_attempt_at = coalesce(l.next_attempt_at, now())
		where l.wanted_version < excluded.wanted_version
	returning l.id
)
select h.verdict, h.id, h.entity_id, coalesce(h.remote_id, ''), coalesce(h.remote_version, ''),
	coalesce(t.reference, h.reference, ''), h.state, h.attempts, h.record_digest, greatest(h.version, h.wanted_version)
from held h left join taken t on t.id = h.id
where h.verdict <> 'new'
union all
select 'claimed', h.new_id, h.entity_id, '', '', coalesce(h.new_reference, ''), 'pending', 0, null, h.version
from held h join made m on m.id = h.new_id`

// Announce says, before anything leaves, what is about to be sent, in one statement for the whole batch: it makes the
// missing links, notes the versions as wanted, and claims those that are free. The batch must be committed before the
// first call. The intents are of different entities. Each gets a verdict, by entity id, when the batch was sent.
func Announce(b *pgx.Batch, by Claimant, intents []Intent) (map[uuid.UUID]Announced, error) {
	n := len(intents)
	ids, entities, versions := make([]uuid.UUID, n), make([]uuid.UUID, n), make([]int64, n)
	references, digests := make([]*string, n), make([][]byte, n)
	for i, in := range intents {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("announce: %w", err)
		}
		ids[i], entities[i], versions[i], digests[i] = id, in.EntityID, in.Version, in.Digest
		if in.Reference != "" {
			references[i] = &in.Reference
		}
	}
	announced := make(map[uuid.UUID]Announced, n)
	b.Queue(announce, by.Connection, by.Entity, by.Worker, ids, entities, versions, references, digests, by.Grace.Seconds()).Query(func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, scanAnnounced)
		if err != nil {
			return fmt.Errorf("announce %d of %s: %w", n, by.Entity, err)
		}
		for _, a := range found {
			announced[a.EntityID] = a
		}
		for _, in := range intents {
			if _, ok := announced[in.EntityID]; !ok {
				// Somebody made the link in between and wants at least this version.
				announced[in.EntityID] = Announced{Verdict: Busy, EntityID: in.EntityID, WantedVersion: in.Version}
			}
		}
		return nil
	})
	return announced, nil
}

func scanAnnounced(row pgx.CollectableRow) (a Announced, err error) {
	err = row.Scan(&a.Verdict, &a.ID, &a.EntityID, &a.RemoteID, &a.RemoteVersion, &a.Reference, &a.State, &a.Attempts, &a.Digest,
		&a.WantedVersion)
	return a, err
}

const renew = `
with held as materialized (
	select l.id, l.connection_id, l.entity, l.entity_id
	from unnest($2::uuid[]) as i (id)
	cross join lateral (select * from links l where l.id = i.id and l.worker = $1 and l.state = 'sending' for update) l
)
insert into links (id, connection_id, entity, entity_id) select * from held
on conflict (organization_id, id) do update set sent_at = now(), next_attempt_at = now() + make_interval(secs => $3)
returning id`

// Renew begins the grace of claimed links anew, for calls that could not begin at once. It returns the links that are
// still the worker's; the others must not be sent.
func Renew(ctx context.Context, tx pgx.Tx, by Claimant, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	rows, _ := tx.Query(ctx, renew, by.Worker, ids, by.Grace.Seconds())
	still, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("renew claims: %w", err)
	}
	ours := make(map[uuid.UUID]bool, len(still))
	for _, id := range still {
		ours[id] = true
	}
	return ours, nil
}
