package main

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/postgres"
	"crmhub/core/push"
)

// pushers keeps work running for each active connection: a pusher where it can be pushed to, a watch where it can tell when
// there is something to pull. It starts those that appear, restarts those whose configuration or mappings changed or that
// failed, and stops those that were paused or deleted.
type pushers struct {
	*hub
	running map[uuid.UUID]*pushing
}

// pushing is a connection's work under way.
type pushing struct {
	version int64  // of the connection it was started with
	live    string // mappings of its own that the connection had then
	cancel  context.CancelFunc
	done    chan struct{}
}

func (p *pushers) run(ctx context.Context) error {
	p.running = map[uuid.UUID]*pushing{}
	defer p.stopAll()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if err := p.adjust(ctx); err != nil && ctx.Err() == nil {
			p.logger.ErrorContext(ctx, "list connections failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// adjust compares what runs with what should.
func (p *pushers) adjust(ctx context.Context) error {
	members, live, err := p.activeConnections(ctx)
	if err != nil {
		return err
	}
	wanted := make(map[uuid.UUID]connection.Connection, len(members))
	for _, m := range members {
		wanted[m.ID] = m
	}
	for id, r := range p.running {
		m, ok := wanted[id]
		if !ok || m.Version != r.version || live[id] != r.live || r.ended() {
			r.stop()
			delete(p.running, id)
		}
	}
	for id, m := range wanted {
		if p.running[id] == nil {
			p.start(ctx, m, live[id])
		}
	}
	return nil
}

func (p *pushers) start(ctx context.Context, m connection.Connection, live string) {
	ctx, cancel := context.WithCancel(ctx)
	r := &pushing{version: m.Version, live: live, cancel: cancel, done: make(chan struct{})}
	p.running[m.ID] = r
	go func() {
		defer close(r.done)
		if err := p.work(ctx, m); err != nil && ctx.Err() == nil {
			p.logger.ErrorContext(ctx, "work for a connection ended and starts again", "connection", m.Code, "error", err)
			// Not at once: what failed now fails in a moment too.
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Second):
			}
		}
	}()
}

// work pushes to a connection and watches it, until ctx ends or one of them fails.
func (p *pushers) work(ctx context.Context, m connection.Connection) error {
	streams, err := postgres.Get(ctx, p.db, m.Principal(), func(tx pgx.Tx) ([]push.Stream, error) { return pushed(ctx, tx, p.revisions, m) })
	if err != nil {
		return err
	}
	session, err := p.connections.Open(m)
	if err != nil {
		return err
	}
	defer func() { _ = session.Close() }() // nothing is under way any more
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		<-ctx.Done() // where there is nothing to do, too
		return ctx.Err()
	})
	if len(streams) > 0 {
		g.Go(func() error { return p.push(ctx, m, session, streams) })
	}
	if watcher, ok := session.(connector.Watcher); ok {
		g.Go(func() error {
			return p.db.Lead(ctx, "watch "+m.ID.String(), func(ctx context.Context) error { return p.puller.Watch(ctx, m, watcher) })
		})
	}
	return g.Wait()
}

func (p *pushers) push(ctx context.Context, m connection.Connection, session connector.Session, streams []push.Stream) error {
	changes := push.OpenTopics(ctx, p.bus, m.OrganizationCode, m.Code, streams)
	defer func() { _ = changes.Close() }() // its offsets are committed
	pusher, err := push.New(push.Config{
		DB: p.db, Principal: m.Principal(), Connection: m.ID, Version: m.Version, Breakers: p.breakers, Code: m.Code, Organization: m.OrganizationCode,
		Streams: streams, Session: session, CRM: p.crm, Changes: changes, Logger: p.logger, Metrics: p.pushMetrics,
	})
	if err != nil {
		return err
	}
	return pusher.Run(ctx)
}

func (p *pushers) stopAll() {
	var wg sync.WaitGroup
	for _, r := range p.running {
		wg.Go(r.stop)
	}
	wg.Wait()
}

// ended reports whether the pusher gave up.
func (r *pushing) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// stop ends the pusher and waits until it has.
func (r *pushing) stop() {
	r.cancel()
	<-r.done
}
