package main

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"crmhub/core/connection"
	"crmhub/core/push"
)

// pushers keeps one pusher running for each active connection that can be pushed to: it starts those that appear,
// restarts those whose configuration changed or that failed, and stops those that were paused or deleted.
type pushers struct {
	*hub
	running map[uuid.UUID]*pushing
}

// pushing is a pusher under way.
type pushing struct {
	version int64 // of the connection it was started with
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
	members, err := p.activeConnections(ctx)
	if err != nil {
		return err
	}
	wanted := make(map[uuid.UUID]connection.Member, len(members))
	for _, m := range members {
		wanted[m.ID] = m
	}
	for id, r := range p.running {
		m, ok := wanted[id]
		if !ok || m.Version != r.version || r.ended() {
			r.stop()
			delete(p.running, id)
		}
	}
	for id, m := range wanted {
		if p.running[id] == nil {
			p.start(ctx, m)
		}
	}
	return nil
}

func (p *pushers) start(ctx context.Context, m connection.Member) {
	streams := p.streams(m.Connector)
	if len(streams) == 0 {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &pushing{version: m.Version, cancel: cancel, done: make(chan struct{})}
	p.running[m.ID] = r
	go func() {
		defer close(r.done)
		if err := p.push(ctx, m, streams); err != nil && ctx.Err() == nil {
			p.logger.ErrorContext(ctx, "pushing ended and starts again", "connection", m.Code, "error", err)
			// Not at once: what failed now fails in a moment too.
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Second):
			}
		}
	}()
}

func (p *pushers) push(ctx context.Context, m connection.Member, streams []push.Stream) error {
	session, err := p.connections.Open(m.Connection)
	if err != nil {
		return err
	}
	defer func() { _ = session.Close() }() // nothing is under way any more
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

// streams are what a connector can be pushed and has a mapping for.
func (p *pushers) streams(connectorName string) []push.Stream {
	var streams []push.Stream
	for _, s := range p.connectors[connectorName].Streams {
		if m, ok := p.mappings.For(connectorName, s.Entity); ok && s.Push {
			streams = append(streams, push.Stream{Stream: s, Mapping: m})
		}
	}
	return streams
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
