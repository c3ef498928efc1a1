package link

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Outcome is what became of a claimed link. Make one with Done, Park, Wait, Fail, Lost or Release.
type Outcome struct {
	ID uuid.UUID // of the link

	state         State
	version       int64
	remoteID      string
	remoteVersion string
	snapshot      []byte
	digest        []byte
	delay         time.Duration
	cause         *Cause
	waitsOnEntity string
	waitsOnID     *uuid.UUID
	tried         bool // false: the claim is given back
}

// Agreed is what both sides agree on after a call.
type Agreed struct {
	Version       int64 // of the entity
	RemoteID      string
	RemoteVersion string // "" if the remote has none
	Snapshot      []byte // JSON object of the fields that were sent; null for an absent one. Others keep their last value
	Digest        []byte // of the record
}

// Done says that the remote has the record. An empty RemoteID leaves the link without one: nothing was to be done.
func Done(id uuid.UUID, a Agreed) Outcome {
	return Outcome{
		ID: id, state: Linked, version: a.Version, remoteID: a.RemoteID, remoteVersion: a.RemoteVersion,
		snapshot: a.Snapshot, digest: a.Digest, tried: true,
	}
}

// Park says that the remote certainly did nothing, and that the link is to be tried again after a delay.
func Park(id uuid.UUID, delay time.Duration, cause Cause) Outcome {
	return Outcome{ID: id, state: Parked, delay: delay, cause: &cause, tried: true}
}

// Wait says that nothing was sent since another entity has no record yet. The link is taken up when it has one,
// or after the delay. The other entity should be wanted first, in the same transaction: see [Want].
func Wait(id uuid.UUID, version int64, entity string, entityID uuid.UUID, delay time.Duration, cause Cause) Outcome {
	return Outcome{
		ID: id, state: Waiting, version: version, delay: delay, cause: &cause, tried: true,
		waitsOnEntity: entity, waitsOnID: &entityID,
	}
}

// Fail says that nothing was done and that only a person or a newer version can help.
func Fail(id uuid.UUID, version int64, cause Cause) Outcome {
	return Outcome{ID: id, state: Failed, version: version, cause: &cause, tried: true}
}

// Lost says that a call went out, or was not ruled out by a look-up, and that nobody knows what became of it. It is
// looked into after the delay, which must be long enough for the remote to have acted or not.
func Lost(id uuid.UUID, delay time.Duration, cause Cause) Outcome {
	return Outcome{ID: id, state: Unknown, delay: delay, cause: &cause, tried: true}
}

// Absent says that a look-up found nothing and that nothing was sent: no earlier create is out any more. The link is
// due at once.
func Absent(id uuid.UUID) Outcome { return Outcome{ID: id, state: Pending} }

// Release gives a claim back: nothing was sent, and it counts as no attempt. The cause may be nil.
func Release(a Announced, delay time.Duration, cause *Cause) Outcome {
	o := Outcome{ID: a.ID, state: Pending, delay: delay, cause: cause}
	switch {
	case a.Outstanding():
		o.state = Unknown
	case a.RemoteID != "":
		o.state = Linked
	}
	return o
}

// State is where the link stands with the outcome.
func (o Outcome) State() State { return o.state }

// Cause is why it is not synced; nil if it is, or nobody knows.
func (o Outcome) Cause() *Cause { return o.cause }

// WithRecord adds what was found out in any case: the id of the record. An empty id adds nothing.
func (o Outcome) WithRecord(remoteID string) Outcome {
	o.remoteID = remoteID
	return o
}

// InDoubt is the outcome while an earlier create may still be out: nothing but a look-up may end that, so what would
// be parked, waiting or failed stays unknown. What failed is looked at again after the delay.
func (o Outcome) InDoubt(delay time.Duration) Outcome {
	switch o.state {
	case Failed:
		o.state, o.delay = Unknown, delay
	case Parked, Waiting:
		o.state = Unknown
	case Pending, Sending, Unknown, Linked:
	}
	return o
}

// One statement for all outcomes. Only what is still the worker's claim is touched: a worker that was taken for dead
// changes nothing any more. `tried` distinguishes a failed attempt from a claim given back. A record that is another
// entity's already (taken) leaves the outcome unknown: the entity may be the record's second, so nothing may be
// created for it.
const acknowledge = `
with input as materialized (
	select i.*, i.tried and i.state = 'linked' as done, e.entity_id
	from unnest((select $2::uuid[]), (select $3::text[]), (select $4::bigint[]), (select $5::text[]), (select $6::text[]),
		(select $7::text[]), (select $8::bytea[]), (select $9::float8[]), (select $10::text[]), (select $11::text[]),
		(select $12::uuid[]), (select $13::boolean[]))
		as i (id, state, version, remote_id, remote_version, snapshot, digest, delay, cause, waits_on_entity, waits_on_id, tried)
	cross join lateral (select l.entity_id from links l where l.id = i.id offset 0) e
	order by e.entity_id -- as announce locks them
), held as materialized (
	select l.id, l.connection_id, l.entity, l.entity_id, l.wanted_version, l.synced_version, l.attempts, l.cause as last_cause,
		l.remote_id as known, l.remote_version as known_version, l.snapshot as base, l.record_digest as sent,
		i.state, i.done, i.tried, i.version, i.remote_id, i.remote_version, i.snapshot, i.digest, i.delay, i.cause, i.waits_on_entity, i.waits_on_id,
		i.remote_id is not null and exists (
			select from links o
			where o.connection_id = l.connection_id and o.entity = l.entity and o.remote_id = i.remote_id and o.id <> l.id
		) as taken
	from input i
	cross join lateral (select * from links l where l.id = i.id and l.worker = $1 and l.state = 'sending' for update) l
), written as (
	insert into links as l (id, connection_id, entity, entity_id, state, remote_id, remote_version, synced_version, snapshot, record_digest,
		waits_on_entity, waits_on_id, attempts, cause, next_attempt_at)
	select h.id, h.connection_id, h.entity, h.entity_id,
		case when h.taken then 'unknown' else h.state end,
		case when h.taken then h.known else coalesce(h.remote_id, h.known) end,
		case when h.done and h.remote_id is not null and not h.taken then h.remote_version else h.known_version end,
		case when h.done and not h.taken then greatest(h.synced_version, h.version) else h.synced_version end,
		case when h.done and not h.taken then coalesce(h.base, '{}') || coalesce(h.snapshot::jsonb, '{}') else h.base end,
		case when h.taken then null when h.done then h.digest when h.state = 'unknown' then h.sent end,
		h.waits_on_entity, h.waits_on_id,
		case when h.done and not h.taken then 0 when h.tried then h.attempts + 1 else h.attempts end,
		case when h.taken then $14::jsonb when h.done then null else coalesce(h.cause::jsonb, h.last_cause) end,
		case
			when h.taken then now() + interval '15 minutes'
			when h.done then case when h.wanted_version > greatest(h.version, h.synced_version) then now() end
			when h.state = 'failed' then case when h.wanted_version > h.version then now() end
			when h.state = 'waiting' and h.wanted_version > h.version then now()
			else now() + make_interval(secs => h.delay)
		end
	from held h
	on conflict (organization_id, id) do update set
		worker = null, state = excluded.state, remote_id = excluded.remote_id, remote_version = excluded.remote_version,
		synced_version = excluded.synced_version, snapshot = excluded.snapshot, record_digest = excluded.record_digest,
		waits_on_entity = excluded.waits_on_entity, waits_on_id = excluded.waits_on_id, attempts = excluded.attempts,
		cause = excluded.cause, next_attempt_at = excluded.next_attempt_at, updated_at = now()
	returning l.id, coalesce(l.next_attempt_at <= now(), false) as due
)
select h.id, h.connection_id, h.entity, h.entity_id, h.taken, w.due, h.known is null and h.remote_id is not null and not h.taken
from held h join written w on w.id = h.id`

// Acknowledged is what Acknowledge did.
type Acknowledged struct {
	Kept      int         // outcomes written; the others were no claims of the worker any more
	Due       int         // links that are due at once, since a newer version is wanted
	Released  int         // links that waited on one of these
	Collision []uuid.UUID // links whose record is another entity's already; they stay unknown
}

//nolint:gochecknoglobals // a constant
var collision = []byte(`{"class": "conflict", "message": "the record is linked with another entity already",
	"remedy": "Find out which of the two entities the record is, and delete or merge the other."}`)

// Acknowledge records what became of claimed links, all in one statement, and makes due those that waited for a link
// that got its record now. The statements of with go along in the same round trip; nil is none. If two workers write the same remote id at the same time one of them gets a unique
// violation: the transaction is to be repeated.
func Acknowledge(ctx context.Context, tx pgx.Tx, worker int32, outcomes []Outcome, with *pgx.Batch) (Acknowledged, error) {
	n := len(outcomes)
	if n == 0 {
		return Acknowledged{}, nil
	}
	var (
		ids, waitsOnIDs          = make([]uuid.UUID, n), make([]*uuid.UUID, n)
		states                   = make([]string, n)
		versions                 = make([]int64, n)
		remoteIDs, remoteVersion = make([]*string, n), make([]*string, n)
		snapshots, causes        = make([]*string, n), make([]*string, n)
		waitsOnEntities          = make([]*string, n)
		digests                  = make([][]byte, n)
		delays                   = make([]float64, n)
		tried                    = make([]bool, n)
		seen                     = make(map[string]bool, n) // two entities of a batch may get the same record: the second collides
		twice                    []uuid.UUID
	)
	for i, o := range outcomes {
		ids[i], states[i], versions[i], digests[i] = o.ID, string(o.state), o.version, o.digest
		delays[i], waitsOnIDs[i] = o.delay.Seconds(), o.waitsOnID
		tried[i] = o.tried
		remoteIDs[i], remoteVersion[i] = text(o.remoteID), text(o.remoteVersion)
		snapshots[i], waitsOnEntities[i] = text(string(o.snapshot)), text(o.waitsOnEntity)
		cause := o.cause
		if o.remoteID != "" && seen[o.remoteID] {
			states[i], remoteIDs[i], digests[i], delays[i], tried[i] = string(Unknown), nil, nil, 15*60, true
			causes[i] = text(string(collision))
			twice = append(twice, o.ID)
			continue
		}
		seen[o.remoteID] = true
		if cause != nil {
			b, err := json.Marshal(cause)
			if err != nil {
				return Acknowledged{}, fmt.Errorf("acknowledge: a cause: %w", err)
			}
			causes[i] = text(string(b))
		}
	}
	var b pgx.Batch
	var written []acknowledged
	b.Queue(acknowledge, worker, ids, states, versions, remoteIDs, remoteVersion, snapshots, digests, delays, causes,
		waitsOnEntities, waitsOnIDs, tried, string(collision)).Query(func(rows pgx.Rows) (err error) {
		written, err = pgx.CollectRows(rows, pgx.RowToStructByPos[acknowledged])
		return err
	})
	if with != nil {
		b.QueuedQueries = append(b.QueuedQueries, with.QueuedQueries...)
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return Acknowledged{}, fmt.Errorf("acknowledge %d links: %w", n, err)
	}
	done := Acknowledged{Kept: len(written), Collision: twice}
	var connections, entityIDs []uuid.UUID
	var entities []string
	for _, w := range written {
		if w.Taken {
			done.Collision = append(done.Collision, w.ID)
		}
		if w.Due {
			done.Due++
		}
		if w.Born {
			connections, entities, entityIDs = append(connections, w.Connection), append(entities, w.Entity), append(entityIDs, w.EntityID)
		}
	}
	var err error
	done.Released, err = release(ctx, tx, connections, entities, entityIDs)
	return done, err
}

// acknowledged is a row that acknowledge returns.
type acknowledged struct {
	ID, Connection uuid.UUID
	Entity         string
	EntityID       uuid.UUID
	Taken          bool // its record is another entity's
	Due            bool
	Born           bool // it has a record now and had none before
}

// A statement of its own, so that its snapshot is younger than the locks on the parents: a child that began to wait
// meanwhile has locked its parent (Want) and is seen.
const releaseWaiting = `
with held as materialized (
	select l.id, l.connection_id, l.entity, l.entity_id
	from unnest((select $1::uuid[]), (select $2::text[]), (select $3::uuid[])) as p (connection_id, entity, id)
	cross join lateral (
		select * from links l
		where l.connection_id = p.connection_id and l.waits_on_entity = p.entity and l.waits_on_id = p.id and l.state = 'waiting'
		order by l.entity_id
		for update
	) l
)
insert into links (id, connection_id, entity, entity_id) select * from held
on conflict (organization_id, id) do update set next_attempt_at = now(), updated_at = now()`

func release(ctx context.Context, tx pgx.Tx, connections []uuid.UUID, entities []string, ids []uuid.UUID) (int, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	tag, err := tx.Exec(ctx, releaseWaiting, connections, entities, ids)
	if err != nil {
		return 0, fmt.Errorf("release what waits on %d links: %w", len(ids), err)
	}
	return int(tag.RowsAffected()), nil
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
