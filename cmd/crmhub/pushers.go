package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/postgres"
	"crmhub/core/push"
	"crmhub/core/running"
)

// pushers keeps work running for each active connection: a pusher where it can be pushed to, a watch where it can tell when
// there is something to pull. It starts those that appear, restarts those whose configuration or mappings changed or that
// failed, and stops those that were paused or deleted.
type pushers struct {
	*hub
	running running.Set[uuid.UUID]
}

func (p *pushers) run(ctx context.Context) error {
	defer p.running.Stop()
	return postgres.Repeat(ctx, time.Second, p.logger, "connections were not listed", p.adjust)
}

// adjust makes what runs be what should.
func (p *pushers) adjust(ctx context.Context) error {
	members, live, err := p.activeConnections(ctx)
	if err != nil {
		return err
	}
	wanted := make(map[uuid.UUID]running.Work, len(members))
	for _, m := range members {
		wanted[m.ID] = running.Work{As: fmt.Sprint(m.Version, " ", live[m.ID]), Run: func(ctx context.Context) { p.keep(ctx, m) }}
	}
	p.running.Want(ctx, wanted)
	return nil
}

// keep does a connection's work. When it fails, what failed would fail in a moment too: it does not end at once.
func (p *pushers) keep(ctx context.Context, m connection.Connection) {
	err := p.work(ctx, m)
	if err == nil || ctx.Err() != nil {
		return
	}
	p.logger.ErrorContext(ctx, "work for a connection ended and starts again", "connection", m.Code, "error", err)
	select {
	case <-ctx.Done():
	case <-time.After(5 * time.Second):
	}
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
