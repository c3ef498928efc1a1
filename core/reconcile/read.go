package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"crmhub/core/connector"
	"crmhub/core/drift"
	"crmhub/core/job"
	"crmhub/core/schema"
)

const (
	storing       = 2 // pages compared with the store at a time
	storeAttempts = 3
)

// page is a page of records, mapped.
type page struct {
	records  []connector.Record
	docs     []map[string]any
	faults   []error
	read     int
	expected int64
}

// read compares every record of the stream with its entity. While some pages are compared the next is fetched.
func (c *comparison) read(ctx context.Context) (Counts, error) {
	pages := make(chan *page)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(pages)
		return c.produce(gctx, pages)
	})
	var mu sync.Mutex
	var total Counts
	for range storing {
		g.Go(func() error {
			for p := range pages {
				counts, sums, err := c.comparePage(gctx, p)
				if err != nil {
					return err
				}
				mu.Lock()
				total.Theirs += counts.Theirs
				total.Ours += counts.Ours
				total.Equal += counts.Equal
				mu.Unlock()
				c.sums.merge(sums)
			}
			return nil
		})
	}
	err := g.Wait()
	if err == nil {
		err = ctx.Err()
	}
	return total, err
}

// produce fetches and maps pages until the last.
func (c *comparison) produce(ctx context.Context, pages chan<- *page) (err error) {
	defer func() {
		if p := recover(); p != nil { // a connector at fault ends its run, not the hub
			err = fmt.Errorf("the connector %s panicked: %v", c.connection.Connector, p)
		}
	}()
	shapes := drift.NewObserver(c.connection.ID, c.task.ID, c.mapping)
	defer func() { c.noteShapes(ctx, shapes) }()
	var cursor json.RawMessage
	for {
		got, err := c.Puller.Read(ctx, c.connection, string(c.kind), c.session, cursor, c.task.Believe)
		if err != nil {
			return err
		}
		if got.More && string(got.Cursor) == string(cursor) {
			return connector.Misconfigured(schema.Say("cursor_stands"), "the connector gave a page that does not move its cursor")
		}
		if shapes.See(got.Records) {
			c.noteShapes(ctx, shapes)
		}
		p := &page{records: latest(got.Records), read: len(got.Records), expected: got.Expected}
		if p.docs, p.faults, err = c.Puller.Translate(ctx, c.connection, string(c.kind), p.records); err != nil {
			return err
		}
		select {
		case pages <- p:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !got.More {
			return nil
		}
		cursor = got.Cursor
	}
}

// noteShapes saves how the records looked. That they could not be saved is no reason to compare nothing.
func (c *comparison) noteShapes(ctx context.Context, shapes *drift.Observer) {
	if !shapes.Pending() || ctx.Err() != nil {
		return
	}
	if err := c.as(ctx, func(tx pgx.Tx) error { return shapes.Save(ctx, tx) }); err != nil && ctx.Err() == nil { // a stop is no fault
		c.log.WarnContext(ctx, "how the records looked is not known", "run", c.task.ID, "error", err)
	}
}

// latest leaves of records that came twice the later one, and none that is gone; the order is that of ids, in which rows are
// locked.
func latest(records []connector.Record) []connector.Record {
	last := make(map[string]int, len(records))
	for i, r := range records {
		last[r.ID] = i
	}
	some := make([]connector.Record, 0, len(records))
	for i, r := range records {
		if last[r.ID] == i && !r.Deleted {
			some = append(some, r)
		}
	}
	slices.SortFunc(some, func(a, b connector.Record) int { return strings.Compare(a.ID, b.ID) })
	return some
}

// A record that an earlier page had already is not counted again: pages shift when something is deleted while they are read.
const markRead = `
insert into reconciled_records (reconciliation_id, remote_id)
select $1, i from unnest($2::text[]) i
on conflict do nothing
returning remote_id`

// comparePage compares a page with the store and keeps what differs, in one transaction with the run's counts.
func (c *comparison) comparePage(ctx context.Context, p *page) (counts Counts, s *sums, err error) {
	for attempt := 1; ; attempt++ {
		counts, s = Counts{}, &sums{}
		err = c.as(ctx, func(tx pgx.Tx) error {
			fresh, err := c.mark(ctx, tx, p)
			if err != nil {
				return err
			}
			found, err := c.pairs(ctx, tx, fresh)
			if err != nil {
				return err
			}
			var differences []*Difference
			for _, f := range found {
				counts.Theirs++
				if f.living() {
					counts.Ours++
				}
				d := c.judge(f)
				s.add(f.ours, f.theirs, 1)
				if d == nil {
					counts.Equal++
					continue
				}
				differences = append(differences, d)
			}
			if err := c.agreed(ctx, tx, differences); err != nil {
				return err
			}
			if err := c.keep(ctx, tx, differences); err != nil {
				return err
			}
			return job.Advance(ctx, tx, c.task, job.Counts{Read: int64(p.read), Unchanged: counts.Equal, Expected: p.expected})
		})
		if err == nil || errors.Is(err, job.ErrCancelled) || errors.Is(err, job.ErrPaused) || errors.Is(err, job.ErrLost) || ctx.Err() != nil || attempt == storeAttempts {
			return counts, s, err
		}
		c.log.WarnContext(ctx, "a page was not compared and is compared again", "attempt", attempt, "error", err)
	}
}

// mark notes the page's records as read, and returns those that were not before.
func (c *comparison) mark(ctx context.Context, tx pgx.Tx, p *page) (*page, error) {
	ids := make([]string, len(p.records))
	for i, r := range p.records {
		ids[i] = r.ID
	}
	rows, _ := tx.Query(ctx, markRead, c.id, ids)
	fresh, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(fresh) == len(ids) {
		return p, err
	}
	is := make(map[string]bool, len(fresh))
	for _, id := range fresh {
		is[id] = true
	}
	some := &page{read: p.read, expected: p.expected}
	for i, r := range p.records {
		if is[r.ID] {
			some.records, some.docs, some.faults = append(some.records, r), append(some.docs, p.docs[i]), append(some.faults, p.faults[i])
		}
	}
	return some, nil
}
