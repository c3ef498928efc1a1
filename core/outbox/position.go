package outbox

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"crmhub/core/bus"
)

// errOldTerm means that somebody else took the lead, or that the position was moved back.
var errOldTerm = errors.New("the relay's term is over")

const takePosition = `
update outbox_position p set term = p.term + 1, updated_at = now()
from audit_position s
returning p.xid::text::bigint, p.until::text::bigint, p.seq, p.term,
	greatest(p.xid, p.until, s.xid, s.until) > pg_snapshot_xmax(pg_current_snapshot())`

// On another server transactions have other numbers than those the rows and the positions came with: the relay's, and
// the audit trail's, which reads the same rows. What was not published or not sealed gets the number of this
// transaction; what was both gets one below all, so that no later window meets it again. What was sealed and comes again
// is marked, since the trail takes up a change once. Transactions that run now will commit with numbers from the new
// positions on.
const adoptPosition = `
with here as materialized (
	select p.xid, p.highest_seq, s.xid as sealed_xid, s.until as sealed_until, s.seq as sealed_seq, s.highest_seq as highest_sealed,
		pg_snapshot_xmin(pg_current_snapshot()) as oldest
	from outbox_position p, audit_position s
), found as (
	select o.xid, o.seq, o.xid >= h.xid or o.seq > h.highest_seq as unpublished, h.oldest,
		o.sealed_elsewhere or o.seq <= h.highest_sealed and (o.xid < h.sealed_xid or o.xid < h.sealed_until and o.seq <= h.sealed_seq) as sealed
	from outbox o, here h
), adopted as (
	update outbox o
	set xid = case when f.unpublished or not f.sealed then pg_current_xact_id() else '0'::xid8 end, sealed_elsewhere = f.sealed
	from found f
	where o.xid = f.xid and o.seq = f.seq and (f.unpublished or not f.sealed or f.xid >= f.oldest)
), acts as (
	update audit_acts set xid = pg_current_xact_id()
), audit as (
	update audit_position s set page = page + 1, xid = h.oldest, until = '0', seq = 0 from here h
)
update outbox_position p set xid = h.oldest, until = '0', seq = 0 from here h
returning p.xid::text::bigint, p.until::text::bigint, p.seq`

const lastOfWindow = `
select coalesce(max(seq), 0) from outbox where xid >= $1::text::xid8 and xid < $2::text::xid8`

// takePosition begins a term: whoever published before cannot move the position any more.
func (r *Relay) takePosition(ctx context.Context) (w window, err error) {
	err = r.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		var foreign bool
		if err := tx.QueryRow(ctx, takePosition).Scan(&w.from, &w.until, &w.seq, &w.term, &foreign); err != nil {
			return err
		}
		if foreign {
			r.Logger.WarnContext(ctx, "the database comes from another server; changes not known as published are published again")
			return tx.QueryRow(ctx, adoptPosition).Scan(&w.from, &w.until, &w.seq)
		}
		if w.until == 0 {
			return nil
		}
		return tx.QueryRow(ctx, lastOfWindow, w.from.text(), w.until.text()).Scan(&w.last)
	})
	if err != nil {
		return window{}, fmt.Errorf("take the outbox's position: %w", err)
	}
	if w.seq >= w.last {
		w.close()
	}
	return w, nil
}

const movePosition = `
with moved as (
	update outbox_position
	set xid = $2::text::xid8, until = $3::text::xid8, seq = $4, highest_seq = greatest(highest_seq, $5), updated_at = now()
	where term = $1
	returning 1
)
insert into outbox_ends (topic, partition, next_offset)
select * from unnest($6::text[], $7::integer[], $8::bigint[]) where exists (select from moved)
on conflict (topic, partition) do update set next_offset = excluded.next_offset`

// The journey of a record tells where its changes are. Whose term is over says nothing more.
const notePublished = `
insert into publications (organization_id, entity, entity_id, version, partition, position, at)
select i.organization_id, i.entity, i.entity_id, i.version, i.partition, i.position, $8
from unnest($2::uuid[], $3::text[], $4::uuid[], $5::bigint[], $6::integer[], $7::bigint[])
	as i (organization_id, entity, entity_id, version, partition, position)
where exists (select from outbox_position where term = $1)`

// notePublished queues where the messages of a page went.
func (s sent) notePublished(b *pgx.Batch) {
	n := len(s.messages)
	organizations, entities, ids := make([][16]byte, n), make([]string, n), make([][16]byte, n) // uuid.UUID takes the driver's slow way
	versions, partitions, positions := make([]int64, n), make([]int32, n), make([]int64, n)
	for i, place := range s.Places() {
		e := &s.messages[i].Event
		organizations[i], entities[i], ids[i], versions[i] = s.organizations[i], e.Entity, e.EntityID, e.Version
		partitions[i], positions[i] = int32(place.Partition), place.Offset //nolint:gosec // Kafka's partitions are numbered by 32 bits
	}
	b.Queue(notePublished, s.end.term, organizations, entities, ids, versions, partitions, positions, s.at)
}

// movePosition also notes where the topics end now, and where on them each change is.
func (r *Relay) movePosition(ctx context.Context, p sent, written []bus.Written) error {
	topics, numbers, offsets := make([]string, len(written)), make([]int32, len(written)), make([]int64, len(written))
	for i, w := range written {
		topics[i], numbers[i], offsets[i] = w.Topic, int32(w.Number), w.End //nolint:gosec // Kafka's partitions are numbered by 32 bits
	}
	var b pgx.Batch
	b.Queue(movePosition, p.end.term, p.end.from.text(), p.end.until.text(), p.end.seq, p.highest, topics, numbers, offsets).Exec(func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() == 0 {
			return errOldTerm
		}
		return nil
	})
	p.notePublished(&b)
	if err := r.DB.AskSystem(ctx, &b); err != nil {
		return fmt.Errorf("move the outbox's position: %w", err)
	}
	r.ends.note(written)
	return nil
}

// xid is the number of a transaction, which never wraps around.
type xid int64

func (x xid) text() string { return strconv.FormatInt(int64(x), 10) }
