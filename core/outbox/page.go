package outbox

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"crmhub/core/bus"
)

// window is a part of the outbox that is complete: the changes whose number (xid) is from one to below another, all
// of whose transactions have ended. The number is the highest that any transaction had when the change was written, so
// it is not below that of the change's own transaction, nor below that of a change written before.
// Within a window changes are in the order they were written in (seq), which is that of an entity's versions: who changes
// an entity first waits for whoever changed it before, and only then writes to the outbox. For the same reason no change
// in a later window belongs before one of this: it was written before, so its number is no higher.
type window struct {
	term  int64
	from  xid
	until xid   // 0: the window is still to be opened
	seq   int64 // what has been read of it
	last  int64 // the last of its changes
}

// close goes to where the next window begins.
func (w *window) close() { *w = window{term: w.term, from: max(w.from, w.until)} }

// page is the changes to publish next.
type page struct {
	messages      []bus.Message
	organizations []uuid.UUID // of the messages
	end           window      // the position once they are published
	highest       int64       // seq among them
}

const (
	pageSize = 4000
	partSize = 1000
)

// The transactions below the oldest that still runs have all ended, and later ones have higher numbers. The offset keeps
// the planner from looking for the lowest seq along seq's index, past everything that was published before.
const openWindow = `
select p.term, pg_snapshot_xmin(pg_current_snapshot())::text::bigint, coalesce(o.first - 1, 0), coalesce(o.last, 0)
from outbox_position p, (
	select min(w.seq) as first, max(w.seq) as last
	from (select seq from outbox where xid >= $1::text::xid8 and xid < pg_snapshot_xmin(pg_current_snapshot()) offset 0) w) o`

// A page is what the window has in a stretch of seq, so that reading a window of millions stays proportional to it. The
// subquery keeps the planner on the index of seq and its order, whatever it believes of the window's size.
const selectPage = `
select o.seq, o.organization_id, o.event_id, o.entity, o.entity_id, o.version, o.type, o.origin, coalesce(o.traceparent, ''),
	o.created_at, o.data
from (select * from outbox where seq > $1 and seq <= $2 order by seq offset 0) o
where o.xid >= $3::text::xid8 and o.xid < $4::text::xid8
order by o.seq`

// read returns the next page and moves w behind it. A page without messages means that there is none at present.
func (r *Relay) read(ctx context.Context, w *window) (p page, err error) {
	if w.until == 0 {
		if err := r.open(ctx, w); err != nil {
			return page{}, fmt.Errorf("read the outbox: %w", err)
		}
	}
	for len(p.messages) == 0 && w.seq < w.last {
		if err := r.fill(ctx, &p, w); err != nil {
			return page{}, fmt.Errorf("read the outbox: %w", err)
		}
	}
	if w.seq >= w.last {
		w.close()
	}
	p.end = *w
	return p, nil
}

func (r *Relay) open(ctx context.Context, w *window) error {
	var term int64
	var b pgx.Batch
	b.Queue(openWindow, w.from.text()).QueryRow(func(row pgx.Row) error { return row.Scan(&term, &w.until, &w.seq, &w.last) })
	if err := r.DB.AskSystem(ctx, &b); err != nil {
		return err
	}
	if term != w.term {
		return errOldTerm
	}
	return nil
}

// fill puts what the window has in the next stretch on the page, and moves w behind it. Parts of a long stretch are read at
// the same time: reading is the relay's slowest part, and much of it is waiting.
func (r *Relay) fill(ctx context.Context, p *page, w *window) error {
	end := min(w.last, w.seq+pageSize)
	parts := make([]stretch, (end-w.seq+partSize-1)/partSize)
	g, all := errgroup.WithContext(ctx)
	for i := range parts {
		from := w.seq + int64(i)*partSize
		g.Go(func() (err error) {
			parts[i], err = r.stretch(all, w, from, min(end, from+partSize))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	w.seq = end
	for _, part := range parts {
		p.messages, p.organizations = append(p.messages, part.messages...), append(p.organizations, part.organizations...)
		p.highest = max(p.highest, part.highest)
	}
	return r.address(ctx, p.messages, p.organizations)
}

// stretch is the changes of a window in a stretch of seq.
type stretch struct {
	messages      []bus.Message
	organizations []uuid.UUID // of the messages
	highest       int64       // seq
}

func (r *Relay) stretch(ctx context.Context, w *window, from, to int64) (s stretch, err error) {
	s.messages, s.organizations = make([]bus.Message, 0, to-from), make([]uuid.UUID, 0, to-from)
	var b pgx.Batch
	b.Queue(selectPage, from, to, w.from.text(), w.until.text()).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			n := len(s.messages)
			s.messages, s.organizations = s.messages[:n+1], s.organizations[:n+1]
			e := &s.messages[n].Event
			// As [16]byte, since uuid.UUID takes the driver's slow way.
			if err := rows.Scan(&s.highest, (*[16]byte)(&s.organizations[n]), (*[16]byte)(&e.ID), &e.Entity, (*[16]byte)(&e.EntityID), &e.Version,
				&e.Type, &e.Origin, &e.TraceParent, &e.Time, &e.Data); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	err = r.DB.AskSystem(ctx, &b)
	return s, err
}

// address fills in the organizations' codes, and with them the topics. A code never changes.
func (r *Relay) address(ctx context.Context, messages []bus.Message, organizations []uuid.UUID) error {
	for i, id := range organizations {
		code, known := r.codes[id]
		if !known {
			var b pgx.Batch
			b.Queue("select code from organizations where id = $1", id).QueryRow(func(row pgx.Row) error { return row.Scan(&code) })
			if err := r.DB.AskSystem(ctx, &b); err != nil {
				return fmt.Errorf("look up organization %s: %w", id, err)
			}
			r.codes[id] = code
		}
		m := &messages[i]
		m.Event.Organization, m.Topic = code, bus.Topic(code, m.Event.Entity)
	}
	return nil
}
