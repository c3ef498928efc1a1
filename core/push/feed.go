package push

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"crmhub/core/bus"
	"crmhub/core/link"
)

// Change is a version of an entity, as its topic tells.
type Change struct {
	Entity  string
	ID      uuid.UUID
	Version int64
	Deleted bool
	At      time.Time
	Data    json.RawMessage // the entity; may be empty for a deletion
}

// Changes are read from the topics of the streams' entities by a consumer group of the connection.
type Changes interface {
	// Next waits for changes and returns up to limit of them, and a function that says they need not come again.
	// The functions are called in the order of the batches. Changes may come again, late and out of order.
	Next(ctx context.Context, limit int) (batch []Change, done func(ctx context.Context) error, err error)
}

// follow is the first feed: what is on the topics. Several batches are under way at a time, and each is committed
// when it and all before it are.
func (p *Pusher) follow(ctx context.Context) error {
	if p.Changes == nil {
		return nil
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(pipeline)
	before := make(chan struct{})
	close(before)
	var failed error
	paced := rate.NewLimiter(rate.Every(pace), 1)
	for p.breaker.pass(gctx) == nil && paced.Wait(gctx) == nil {
		batch, done, err := p.Changes.Next(gctx, batchSize)
		if err != nil {
			if gctx.Err() == nil {
				if errors.Is(err, bus.ErrLogPassed) {
					p.Metrics.passed.WithLabelValues(p.Code).Inc()
				}
				failed = fmt.Errorf("read changes: %w", err)
			}
			break
		}
		ready, turn := make(chan struct{}), before
		before = ready
		g.Go(func() error {
			if err := p.changes(gctx, batch); err != nil || gctx.Err() != nil {
				return err // perhaps not all of it was taken up: neither it nor what came after it is confirmed
			}
			select {
			case <-turn:
			case <-gctx.Done():
				return nil // it comes again, and will be synced already
			}
			if err := done(gctx); err != nil && gctx.Err() == nil {
				p.Logger.WarnContext(gctx, "changes not confirmed: they come again", "error", err)
			}
			close(ready)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return failed
}

// changes pushes the newest version of each entity of a batch.
func (p *Pusher) changes(ctx context.Context, batch []Change) error {
	newest := make(map[uuid.UUID]*item, len(batch))
	byEntity := make(map[string][]*item, 1)
	for _, c := range batch {
		if p.streams[c.Entity] == nil || c.At.Before(p.restored) {
			continue // what is older than a restored database may be newer than what that holds; the sweep knows what it holds
		}
		if seen := newest[c.ID]; seen != nil {
			if seen.version < c.Version {
				seen.version, seen.deleted, seen.data = c.Version, c.Deleted, c.Data
			}
			continue
		}
		it := &item{id: c.ID, version: c.Version, deleted: c.Deleted, data: c.Data}
		newest[c.ID] = it
		byEntity[c.Entity] = append(byEntity[c.Entity], it)
	}
	for _, entity := range p.parents {
		if items := byEntity[entity]; len(items) > 0 {
			s := p.streams[entity]
			if s.Unfit != nil {
				if err := p.want(ctx, s, items); err != nil {
					return err
				}
				continue
			}
			if _, err := p.entities(ctx, s, items); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeUp is the second feed: links that are due.
func (p *Pusher) takeUp(ctx context.Context) error {
	for ctx.Err() == nil {
		if p.breaker.pass(ctx) != nil {
			return nil //nolint:nilerr // it was told to end
		}
		claimed, err := p.due(ctx)
		if err != nil {
			return err
		}
		if claimed > 0 {
			continue
		}
		select {
		case <-ctx.Done():
		case <-p.wake:
		case <-time.After(p.times.poll):
		}
	}
	return nil
}

// due takes up what is due and returns how many links it could claim.
func (p *Pusher) due(ctx context.Context) (int, error) {
	var links []link.Link
	err := p.as(ctx, func(tx pgx.Tx) (err error) {
		links, err = link.Due(ctx, tx, p.Connection, p.fit, dueAhead*batchSize)
		return err
	})
	if err != nil || len(links) == 0 {
		return 0, p.orEnd(ctx, err)
	}
	byEntity := make(map[string][]*item, 1)
	for _, l := range links {
		byEntity[l.Entity] = append(byEntity[l.Entity], &item{id: l.EntityID, version: l.WantedVersion, stored: true})
	}
	claimed := 0
	for _, entity := range p.fit { // parents first, so that their children find them linked
		items := byEntity[entity]
		results := make([]int, dueAhead+1)
		g, gctx := errgroup.WithContext(ctx)
		for i := 0; len(items) > 0; i++ {
			some := items[:min(len(items), batchSize)]
			items = items[len(some):]
			g.Go(func() (err error) {
				results[i], err = p.entities(gctx, p.streams[entity], some)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return 0, err
		}
		for _, n := range results {
			claimed += n
		}
	}
	return claimed, nil
}

// orEnd is err, or nil if it only says that ctx ended.
func (p *Pusher) orEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // it was told to end
	}
	return err
}
