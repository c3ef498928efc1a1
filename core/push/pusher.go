// Package push brings committed changes of entities to the records of one connection.
//
// Three feeds name entities that may have to be sent: the changes on the entities' Kafka topics, the links that are
// due (see package link), and a sweep that finds versions nobody ever asked for. All of them end in one function, which
// maps, announces, sends and acknowledges a batch.
//
// Promises: what is sent is a version at least as new as the one that was asked for; a stale or repeated change has no
// effect; calls for one entity never overlap and their versions only grow; a record that fails is parked on its link
// while all others flow; a connection that fails as a whole is probed and costs no record an attempt; and a create is
// never repeated before its outcome is known (README.md says how, crash by crash).
// It leaves to others: what a record looks like (mapping), how a remote is spoken to (connector), and what the remote
// changed (pull).
package push

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/mapping"
	"crmhub/core/postgres"
)

// Mapping turns an entity into a record; a *mapping.Mapping does.
type Mapping interface {
	Push(doc map[string]any, links mapping.Links) (map[string]any, error)
	PushRefs(doc map[string]any) []mapping.Ref
	Fields() []mapping.Field
	Reference() string
	Version() string
}

// Stream is one entity as one kind of record, with its mapping, or with why that cannot be used.
type Stream struct {
	connector.Stream
	Mapping Mapping
	Unfit   error // the mapping does not fit this hub: the entity's changes wait, and a dead letter says so
}

// Config is what a pusher works with. All fields are required but those that name a default.
type Config struct {
	DB           *postgres.DB
	Principal    postgres.Principal // the connection, acting in its organization
	Connection   uuid.UUID
	Version      int64                // of the connection; 0: whatever it is
	Breakers     *connection.Breakers // nil: with their usual pauses
	Code         string               // the connection's, for logs and metrics
	Streams      []Stream
	Session      connector.Session // implements connector.Pusher, and connector.Finder where a stream can find
	CRM          *crm.Store
	Changes      Changes // nil: only the sweep and due links feed
	Logger       *slog.Logger
	Metrics      *Metrics
	Organization string        // its code, for logs
	Timeout      time.Duration // of one call; 0: 30 s
}

// Times of the engine, in fields so that tests can be quick.
type times struct {
	fresh time.Duration // how old an announcement may be when its call begins
	poll  time.Duration // how often due links are looked for when nobody wakes the loop
	sweep time.Duration // how often versions nobody asked for are looked for
	first time.Duration // the first back-off; doubles up to last
	last  time.Duration
}

const (
	batchSize = 500 // changes taken at a time
	pipeline  = 3   // batches of the topics under way at a time
	dueAhead  = 2   // batches of due links under way at a time

	// patience is how long the database is asked to take down what was done at the remote, after ctx's end too.
	patience = 30 * time.Second

	// pace is how long after a batch of the topics the next begins at the earliest. A change after a quiet moment leaves
	// at once; of a steady stream a few go together, which costs a fraction of as many batches of one.
	pace = 10 * time.Millisecond
)

// Pusher pushes over one connection. Any number of them, in any number of processes, may work on the same connection.
type Pusher struct {
	Config

	times   times
	sender  connector.Pusher
	finder  connector.Finder // nil if the session is none
	getter  connector.Getter // nil if the session is none
	streams map[string]*stream
	parents []string // entities of the streams, parents before those that refer to them
	fit     []string // those of them that have a mapping
	breaker *breaker
	wake    chan struct{} // has a value when links became due
	worker  int32

	restored time.Time // when the database last was, if ever

	step func(step) error // set by tests: an error is a crash at that point
}

type stream struct {
	Stream
	slots chan struct{} // one value for each call under way
	grace time.Duration // how long after an announcement the remote may still be acted upon
}

// New checks the configuration and makes a pusher.
func New(c Config) (*Pusher, error) {
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Breakers == nil {
		c.Breakers = &connection.Breakers{DB: c.DB}
	}
	p := &Pusher{
		Config: c,
		times: times{
			fresh: 2 * time.Second, poll: time.Second, sweep: time.Hour, first: time.Second, last: 15 * time.Minute,
		},
		streams: make(map[string]*stream, len(c.Streams)),
		wake:    make(chan struct{}, 1),
	}
	p.Logger = c.Logger.With("organization", c.Organization, "connection", c.Code)
	var ok bool
	if p.sender, ok = c.Session.(connector.Pusher); !ok {
		return nil, fmt.Errorf("push to %s: its connector cannot write", c.Code)
	}
	p.finder, _ = c.Session.(connector.Finder)
	p.getter, _ = c.Session.(connector.Getter)
	for _, s := range c.Streams {
		if s.Find && p.finder == nil {
			return nil, fmt.Errorf("push %s to %s: its connector says it finds records, and has no Find", s.Entity, c.Code)
		}
		if !s.Find && !s.Idempotent {
			return nil, fmt.Errorf("push %s to %s: its connector neither finds records by their reference nor drops repeated creates, "+
				"so none can be created safely", s.Entity, c.Code)
		}
		p.streams[s.Entity] = &stream{Stream: s, slots: make(chan struct{}, max(s.Concurrency, 1))}
	}
	for _, k := range crm.Kinds() {
		if p.streams[string(k)] != nil {
			p.parents = append(p.parents, string(k))
			if p.streams[string(k)].Unfit == nil {
				p.fit = append(p.fit, string(k))
			}
		}
	}
	if len(p.parents) != len(c.Streams) {
		return nil, fmt.Errorf("push to %s: two streams of one entity, or an entity that is unknown", c.Code)
	}
	return p, nil
}

// Run pushes until ctx ends, then lets calls under way finish and returns nil. It returns an error when it lost its
// claims (the session of its worker) or could not go on; starting it again is then safe at any time.
func (p *Pusher) Run(ctx context.Context) error {
	err := p.DB.AsWorker(ctx, p.work)
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("push to %s: %w", p.Code, err)
	}
	return nil
}

// work pushes as a worker.
func (p *Pusher) work(ctx context.Context, worker int32) error {
	p.worker = worker
	for _, s := range p.streams {
		s.grace = p.times.fresh + p.Timeout + s.Settle
	}
	of := connection.Ref{Principal: p.Principal, ID: p.Connection, Version: p.Version}
	p.breaker = newBreaker(p.Breakers, of, p.Logger, p.Metrics.paused.WithLabelValues(p.Code), p.times.poll)
	p.breaker.look(ctx)
	if err := p.afterRestore(ctx); err != nil {
		return p.orEnd(ctx, err)
	}
	if err := p.tellUnfit(ctx); err != nil {
		return p.orEnd(ctx, err)
	}
	defer p.Metrics.paused.DeleteLabelValues(p.Code) // whoever pauses the connection wants to hear no more of it

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.breaker.run(ctx) })
	g.Go(func() error { return p.follow(ctx) })
	g.Go(func() error { return p.takeUp(ctx) })
	g.Go(func() error { return p.sweepAgain(ctx) })
	return g.Wait()
}

func (p *Pusher) as(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return p.DB.As(ctx, p.Principal, fn)
}

func (p *Pusher) wakeUp() {
	select {
	case p.wake <- struct{}{}:
	default: // it will look anyway
	}
}
