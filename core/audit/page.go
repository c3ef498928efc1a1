package audit

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// window is a part of the outbox that is complete, as package outbox explains at its own: the transactions from a number
// to below another, all of which have ended, in the order of seq. What was committed first is sealed first, as far as
// one could know of the other.
type window struct {
	page  int64 // of the position it was read from
	from  xid
	until xid   // 0: it is still to be opened
	seq   int64 // what has been sealed of it
	last  int64 // the last in it
}

// xid is the number of a transaction.
type xid int64

func (x xid) text() string { return strconv.FormatInt(int64(x), 10) }

// openWindow reads where the trail stands, and what comes next: the rest of the window that was begun, else all that
// has ended by now. Acts are deleted as they are sealed, so all there are belong to it. The offset keeps the planner
// from looking for the lowest seq along seq's index, past everything that was sealed before; the limit says that there is
// one position, where a table without statistics is taken for a thousand rows and the statement for worth compiling.
const openWindow = `
select p.page, p.xid::text::bigint, w.until::text::bigint, coalesce(o.first - 1, 0), coalesce(o.last, 0)
from (select * from audit_position limit 1) p
cross join lateral (select case when p.until = '0' then pg_snapshot_xmin(pg_current_snapshot()) else p.until end as until) w
cross join lateral (
	select min(u.seq) as first, max(u.seq) as last
	from (
		(select seq from outbox where xid >= p.xid and xid < w.until and seq > p.seq offset 0)
		union all
		(select seq from audit_acts where xid < w.until offset 0)) u) o`

const pageSize = 1000

// As in package outbox, a page is what the window has in a stretch of seq.
const selectPage = `
select o.seq, o.organization_id, o.created_at, o.actor, o.type, o.entity, o.entity_id, o.version, coalesce(o.diff, o.data)::text, false
from (select * from outbox where seq > $1 and seq <= $2 offset 0) o
where o.xid >= $3::text::xid8 and o.xid < $4::text::xid8 and not o.sealed_elsewhere
union all
select a.seq, a.organization_id, a.created_at, a.actor, a.action, a.entity, a.entity_id, coalesce(a.version, 0), coalesce(a.detail::text, ''), true
from audit_acts a
where a.seq <= $2 and a.xid < $4::text::xid8
order by 1`

// page is what is sealed next.
type page struct {
	organizations []uuid.UUID // whose each entry is
	entries       []Entry
	acts          []int64 // the seqs of those that are acts
	heads         map[uuid.UUID]*head
	highest       int64 // seq of a change
}

// head is the end of a trail.
type head struct {
	number int64
	hash   Hash
	signed bool // it is the last entry, and carries the installation's signature
}

// read returns the next page and moves w behind it. A page without entries means that there is none at present. It writes
// nothing, so that the transaction has no number for which the relay would have to wait.
func (s *Sealer) read(ctx context.Context, w *window) (p page, err error) {
	err = s.DB.AsAuditor(ctx, func(tx pgx.Tx) error {
		if w.until == 0 {
			if err := tx.QueryRow(ctx, openWindow).Scan(&w.page, &w.from, &w.until, &w.seq, &w.last); err != nil {
				return err
			}
		}
		for len(p.entries) == 0 && w.seq < w.last {
			if err := p.fill(ctx, tx, w); err != nil {
				return err
			}
		}
		return s.readHeads(ctx, tx, &p)
	})
	if err != nil {
		return page{}, fmt.Errorf("read what is to be sealed: %w", err)
	}
	if w.seq >= w.last {
		*w = window{page: w.page, from: max(w.from, w.until)}
	}
	return p, nil
}

func (p *page) fill(ctx context.Context, tx pgx.Tx, w *window) error {
	end := min(w.last, w.seq+pageSize)
	rows, err := tx.Query(ctx, selectPage, w.seq, end, w.from.text(), w.until.text())
	if err != nil {
		return err
	}
	var (
		seq    int64
		of, id pgtype.UUID
		e      Entry
		act    bool
	)
	_, err = pgx.ForEachRow(rows, []any{&seq, &of, &e.At, &e.Actor, &e.Action, &e.Entity, &id, &e.Version, (*[]byte)(&e.Detail), &act}, func() error {
		e.EntityID = nil
		if id.Valid {
			entity := uuid.UUID(id.Bytes)
			e.EntityID = &entity
		}
		p.entries, p.organizations = append(p.entries, e), append(p.organizations, of.Bytes)
		if act {
			p.acts = append(p.acts, seq)
		} else {
			p.highest = seq
		}
		return nil
	})
	w.seq = end
	return err
}

const selectHeads = `
select o.id, coalesce(h.number, 0), coalesce(h.hash, ''), coalesce(h.signature, ''), coalesce(l.number, 0), coalesce(l.hash, '')
from unnest($1::uuid[]) as o(id)
left join audit_heads h on h.organization_id = o.id
left join lateral (select a.number, a.hash from audit_log a where a.organization_id = o.id order by a.number desc limit 1) l on true`

// readHeads finds out where the trails of the page end. The end of one that was tampered with is the later of what the
// signed head and the last entry say; it does not count as signed.
func (s *Sealer) readHeads(ctx context.Context, tx pgx.Tx, p *page) error {
	p.heads = map[uuid.UUID]*head{}
	var ids []uuid.UUID
	for _, id := range p.organizations {
		if p.heads[id] == nil {
			p.heads[id] = &head{}
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, selectHeads, ids)
	if err != nil {
		return err
	}
	var (
		id                           uuid.UUID
		number, last                 int64
		headHash, sign, hashAtTheEnd []byte
	)
	_, err = pgx.ForEachRow(rows, []any{(*[16]byte)(&id), &number, &headHash, &sign, &last, &hashAtTheEnd}, func() error {
		h := head{number: number, hash: toHash(headHash)}
		h.signed = number == last && h.hash == toHash(hashAtTheEnd) &&
			(number == 0 || s.Key.Signed(headPlace, signedHead(id, number, h.hash), sign))
		if last > number {
			h.number, h.hash = last, toHash(hashAtTheEnd)
		}
		*p.heads[id] = h
		return nil
	})
	return err
}

// toHash takes bytes that should be a hash; others are as good as none.
func toHash(b []byte) (h Hash) {
	if len(b) == len(h) {
		copy(h[:], b)
	}
	return h
}

// errMoved says that another sealer wrote meanwhile.
var errMoved = errors.New("another process seals the audit trail")

const (
	movePosition = `
update audit_position
set page = page + 1, xid = $2::text::xid8, until = $3::text::xid8, seq = $4, highest_seq = greatest(highest_seq, $5), updated_at = now()
where page = $1`
	deleteActs = `delete from audit_acts where seq = any($1)`
	insertPage = `
insert into audit_log (organization_id, number, at, actor, action, entity, entity_id, version, detail, previous_hash, hash, salt, digest)
select o, n, t, a, c, e, nullif(i, '00000000-0000-0000-0000-000000000000'::uuid), nullif(v, 0), nullif(d, '')::json, p, h, s, g
from unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::bigint[], $9::text[], $10::bytea[], $11::bytea[],
	$12::bytea[], $13::bytea[]) as u(o, n, t, a, c, e, i, v, d, p, h, s, g)`
	upsertHeads = `
insert into audit_heads (organization_id, number, hash, signature)
select * from unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::bytea[])
on conflict (organization_id) do update set number = excluded.number, hash = excluded.hash, signature = excluded.signature, updated_at = now()`
)

// write puts a chained page at the end of its trails, with the position behind it, in one transaction.
func (s *Sealer) write(ctx context.Context, p page, w window) error {
	var b pgx.Batch
	b.Queue(movePosition, w.page, w.from.text(), w.until.text(), w.seq, p.highest).Exec(func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() == 0 {
			return errMoved
		}
		return nil
	})
	b.Queue(deleteActs, p.acts)
	b.Queue(insertPage, p.columns()...)
	b.Queue(upsertHeads, s.signedHeads(p)...)
	err := s.DB.AsAuditor(ctx, func(tx pgx.Tx) error { return tx.SendBatch(ctx, &b).Close() })
	if err != nil {
		return fmt.Errorf("seal %d entries: %w", len(p.entries), err)
	}
	return nil
}

// columns are the parameters of insertPage.
func (p page) columns() []any {
	n := len(p.entries)
	var (
		numbers, versions         = make([]int64, n), make([]int64, n)
		times                     = make([]time.Time, n)
		actors, actions, kinds    = make([]string, n), make([]string, n), make([]string, n)
		ids                       = make([]uuid.UUID, n)
		details                   = make([][]byte, n)
		previousHashes, ownHashes = make([][]byte, n), make([][]byte, n)
		salts, digests            = make([][]byte, n), make([][]byte, n)
	)
	for i := range p.entries {
		e := &p.entries[i]
		numbers[i], versions[i], times[i] = e.Number, e.Version, e.At
		actors[i], actions[i], kinds[i] = e.Actor, e.Action, e.Entity
		if e.EntityID != nil {
			ids[i] = *e.EntityID
		}
		details[i], previousHashes[i], ownHashes[i] = e.Detail, e.PreviousHash[:], e.Hash[:]
		if e.Digest != nil {
			salts[i], digests[i] = e.Salt, e.Digest[:]
		}
	}
	return []any{p.organizations, numbers, times, actors, actions, kinds, ids, versions, details, previousHashes, ownHashes, salts, digests}
}

// signedHeads are the parameters of upsertHeads.
func (s *Sealer) signedHeads(p page) []any {
	var (
		ids                []uuid.UUID
		numbers            []int64
		hashes, signatures [][]byte
	)
	for id, h := range p.heads {
		ids, numbers, hashes = append(ids, id), append(numbers, h.number), append(hashes, h.hash[:])
		signatures = append(signatures, s.Key.Sign(headPlace, signedHead(id, h.number, h.hash)))
	}
	return []any{ids, numbers, hashes, signatures}
}
