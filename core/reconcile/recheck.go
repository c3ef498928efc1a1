package reconcile

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/job"
)

const (
	clocks      = 5 * time.Minute // how far the remote's clock may be from ours
	getAttempts = 4
)

// recheck looks once more at what changed while the streams were read. A record that can be asked for is compared again as it
// is now; what cannot is neither equal nor different, but moving. What is missing there is always asked for: a list that
// shifts while it is read page by page leaves records out.
func (c *comparison) recheck(ctx context.Context, counts *Counts) error {
	return c.eachFound(ctx, []Kind{MissingHere, MissingThere, Different, Unlinked, Duplicate}, func(some []*Difference) error {
		var now []*present
		err := c.as(ctx, func(tx pgx.Tx) (err error) {
			now, err = c.present(ctx, tx, some)
			return err
		})
		if err != nil {
			return err
		}
		var ask, moving, dropped []*present
		for _, p := range now {
			switch c.next(p) {
			case asks:
				ask = append(ask, p)
			case moves:
				moving = append(moving, p)
			case drops:
				dropped = append(dropped, p)
			case stays:
			}
		}
		if err := c.get(ctx, ask); err != nil {
			return err
		}
		there, err := c.translate(ctx, ask)
		if err != nil {
			return err
		}
		if len(ask)+len(moving)+len(dropped) == 0 {
			return nil
		}
		return c.as(ctx, func(tx pgx.Tx) error {
			counts.Moving += int64(len(moving))
			for _, p := range append(moving, dropped...) {
				if err := c.takeBack(ctx, tx, p.difference, counts); err != nil {
					return err
				}
			}
			if err := c.judgeAgain(ctx, tx, ask, there, counts); err != nil {
				return err
			}
			return job.Advance(ctx, tx, c.task, job.Counts{})
		})
	})
}

// present is a difference with how its entity, record and link stand by now.
type present struct {
	difference *Difference
	entityID   uuid.UUID
	entityAt   time.Time // its last change
	remoteID   string    // as linked now, else as it was
	linkedAt   time.Time // the link's last change; zero without one
	linked     bool
	read       bool // the record it is linked with now came with a page
	record     *connector.Record
}

const linksNow = `
select l.id, l.entity_id, coalesce(l.remote_id, ''), l.updated_at, exists (
	select from reconciled_records r where r.reconciliation_id = $5 and r.remote_id = l.remote_id)
from links l
where l.connection_id = $1 and l.entity = $2 and l.remote_id = any($3)
union
select l.id, l.entity_id, coalesce(l.remote_id, ''), l.updated_at, exists (
	select from reconciled_records r where r.reconciliation_id = $5 and r.remote_id = l.remote_id)
from links l
where l.connection_id = $1 and l.entity = $2 and l.entity_id = any($4)`

// present reads how things stand.
func (c *comparison) present(ctx context.Context, tx pgx.Tx, some []*Difference) ([]*present, error) {
	remoteIDs, entityIDs := make([]string, 0, len(some)), make([]uuid.UUID, 0, len(some))
	for _, d := range some {
		if d.RemoteID != "" {
			remoteIDs = append(remoteIDs, d.RemoteID)
		}
		if d.EntityID != nil {
			entityIDs = append(entityIDs, *d.EntityID)
		}
	}
	type row struct {
		linked
		Read bool
	}
	byRecord, byEntity := map[string]row{}, map[uuid.UUID]row{}
	rows, _ := tx.Query(ctx, linksNow, c.connection.ID, c.kind, remoteIDs, entityIDs, c.id)
	var r row
	_, err := pgx.ForEachRow(rows, []any{&r.ID, &r.EntityID, &r.RemoteID, &r.UpdatedAt, &r.Read}, func() error {
		byRecord[r.RemoteID], byEntity[r.EntityID] = r, r
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("links as they are now: %w", err)
	}
	entities, err := c.Entities.Get(ctx, tx, c.kind, entityIDs)
	if err != nil {
		return nil, err
	}
	all := make([]*present, len(some))
	for i, d := range some {
		p := &present{difference: d, remoteID: d.RemoteID}
		if d.EntityID != nil {
			p.entityID = *d.EntityID
			if e := entities[p.entityID]; e != nil {
				p.entityAt = crm.HeadOf(e).UpdatedAt
			}
		}
		l, ok := byRecord[d.RemoteID]
		if d.RemoteID == "" {
			l, ok = byEntity[p.entityID]
		}
		if ok {
			p.linkedAt, p.read = l.UpdatedAt, l.Read
			if l.RemoteID != "" {
				p.linked, p.remoteID = true, l.RemoteID
			}
		}
		all[i] = p
	}
	return all, nil
}

// step is what becomes of a difference that is looked at again.
type step int

const (
	stays step = iota
	asks       // its record is asked for
	moves      // it changed, and nobody can say how it stands
	drops      // it is part of another pair by now, which is looked at itself
)

func (c *comparison) next(p *present) step {
	d := p.difference
	changed := !p.entityAt.Before(c.started) || !p.linkedAt.Before(c.started)
	theirsAt := time.Time{}
	if d.record != nil {
		theirsAt = d.record.UpdatedAt
	}
	ask := func(suspicious bool) step {
		switch {
		case !suspicious:
			return stays
		case c.getter != nil:
			return asks
		default:
			return moves
		}
	}
	switch d.Kind {
	case MissingThere:
		switch {
		case d.RemoteID == "" && p.linked && p.read:
			return drops
		case d.RemoteID == "" && !p.linked && changed:
			return moves // it is on its way
		case d.RemoteID == "":
			return ask(p.linked)
		case c.getter != nil:
			return asks
		}
		return ask(changed)
	case Different:
		return ask(changed || !theirsAt.Before(c.started) || c.getter != nil && theirsAt.After(c.started.Add(-clocks)))
	default:
		return ask(p.linked && d.EntityID == nil || p.linked && !p.linkedAt.Before(c.started) ||
			c.getter != nil && theirsAt.After(c.started.Add(-clocks)))
	}
}

// get asks for records, some at a time.
func (c *comparison) get(ctx context.Context, ask []*present) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, c.stream.Concurrency))
	for _, p := range ask {
		g.Go(func() (err error) {
			p.record, err = c.getOne(ctx, p.remoteID)
			return err
		})
	}
	return g.Wait()
}

func (c *comparison) getOne(ctx context.Context, id string) (*connector.Record, error) {
	wait := 500 * time.Millisecond
	for attempt := 1; ; attempt++ {
		r, err := c.getter.Get(ctx, c.stream.Record, id)
		if err == nil {
			if r != nil && r.Deleted {
				r = nil
			}
			return r, nil
		}
		remote := connector.AsError(err)
		if ctx.Err() != nil || !remote.Retryable() || attempt == getAttempts {
			return nil, fmt.Errorf("read %s again: %w", c.stream.Record, remote)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(max(wait, min(remote.RetryAfter, time.Minute))):
		}
		wait *= 2
	}
}

// takeBack forgets a difference and what it had added to sums and counts.
func (c *comparison) takeBack(ctx context.Context, tx pgx.Tx, d *Difference, counts *Counts) error {
	c.sums.add(d.Ours, d.Theirs, -1)
	if d.Kind == Different || d.Kind == MissingThere || d.Kind == Unlinked {
		counts.Ours--
	}
	if d.Kind != MissingThere {
		counts.Theirs--
	}
	_, err := tx.Exec(ctx, `delete from differences where id = $1`, d.ID)
	return err
}

// translate maps the records that are there.
func (c *comparison) translate(ctx context.Context, asked []*present) (*page, error) {
	there := &page{}
	for _, p := range asked {
		if p.record != nil {
			there.records = append(there.records, *p.record)
		}
	}
	var err error
	there.docs, there.faults, err = c.Puller.Translate(ctx, c.connection, string(c.kind), there.records)
	return there, err
}

// judgeAgain compares records that were asked for, those that are there, with their entities as they are now.
func (c *comparison) judgeAgain(ctx context.Context, tx pgx.Tx, asked []*present, there *page, counts *Counts) error {
	var gone []*pair
	for _, p := range asked {
		if err := c.takeBack(ctx, tx, p.difference, counts); err != nil {
			return err
		}
		if p.record == nil && p.entityID != uuid.Nil && p.difference.Kind != Duplicate {
			gone = append(gone, &pair{remoteID: p.remoteID, entityID: p.entityID})
		}
	}
	pairs, err := c.pairs(ctx, tx, there)
	if err != nil {
		return err
	}
	if err := c.entities(ctx, tx, gone); err != nil {
		return err
	}
	unlinkedStill := map[string]*Difference{}
	for _, p := range asked {
		if k := p.difference.Kind; (k == Unlinked || k == Duplicate) && p.record != nil {
			unlinkedStill[p.record.ID] = p.difference
		}
	}
	var differences []*Difference
	for _, p := range append(pairs, gone...) {
		d := c.judge(p)
		if old := unlinkedStill[p.remoteID]; old != nil && p.link == nil && d != nil && d.Kind == MissingHere {
			d.Kind, d.EntityID, d.Message, d.Said, d.Ours = old.Kind, old.EntityID, old.Message, old.Said, old.Ours
			p.ours = old.Ours
			if d.Kind == Unlinked {
				counts.Ours++
			}
		} else if p.living() {
			counts.Ours++
		}
		c.sums.add(p.ours, p.theirs, 1)
		if p.record != nil {
			counts.Theirs++
		}
		switch {
		case d != nil:
			differences = append(differences, d)
		case p.record != nil:
			counts.Equal++
		}
	}
	if err := c.agreed(ctx, tx, differences); err != nil {
		return err
	}
	return c.keep(ctx, tx, differences)
}

const found = `
select id, kind, entity_id, coalesce(remote_id, ''), coalesce(title, ''), coalesce(message, ''), fields, ours, theirs, record, said
from differences
where reconciliation_id = $1 and kind = any($2) and id > $3 and found_at < $4
order by id
limit $5`

// eachFound walks through what was found before it began, a page at a time.
func (c *comparison) eachFound(ctx context.Context, kinds []Kind, fn func([]*Difference) error) error {
	var once sync.Once
	var until time.Time
	for after := uuid.Nil; ; {
		var some []*Difference
		err := c.as(ctx, func(tx pgx.Tx) (err error) {
			once.Do(func() { err = tx.QueryRow(ctx, `select clock_timestamp()`).Scan(&until) })
			if err != nil {
				return err
			}
			rows, _ := tx.Query(ctx, found, c.id, kinds, after, until, walk)
			some, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (*Difference, error) {
				d := &Difference{}
				err := row.Scan(&d.ID, &d.Kind, &d.EntityID, &d.RemoteID, &d.Title, &d.Message, &d.Fields, &d.Ours, &d.Theirs, &d.record, &d.Said)
				return d, err
			})
			return err
		})
		if err != nil {
			return err
		}
		if len(some) > 0 {
			if err := fn(some); err != nil {
				return err
			}
		}
		if len(some) < walk {
			return nil
		}
		after = some[walk-1].ID
	}
}

func (d *Difference) asRecord() connector.Record {
	return connector.Record{ID: d.RemoteID, Version: d.record.Version, UpdatedAt: d.record.UpdatedAt, Data: d.record.Data}
}
