package outbox

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"crmhub/core/bus"
	"crmhub/core/postgres"
)

// RelayConfig is what a Relay needs. All fields but Keep are required.
type RelayConfig struct {
	DB         *postgres.DB
	Bus        *bus.Client
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Keep       time.Duration // how long published changes can be published again; 0: 72 hours
}

// Relay publishes what is in the outbox. Any number of processes may run one: one leads, the others stand by.
type Relay struct {
	RelayConfig
	metrics metrics
	wake    chan struct{}
	topics  map[string]bool      // that are known to exist
	ends    ends                 // of the topics, as far as published
	codes   map[uuid.UUID]string // of organizations
	signals signals
}

// signals let tests follow the relay, and break it off.
type signals struct {
	idle       func()       // looked and found nothing
	beforeMove func() error // a page is on its topics and the position has yet to move
	published  func(n int)
}

// NewRelay returns a relay and registers its metrics.
func NewRelay(c RelayConfig) *Relay {
	if c.Keep == 0 {
		c.Keep = 72 * time.Hour
	}
	return &Relay{
		RelayConfig: c,
		metrics:     newMetrics(c.Registerer),
		wake:        make(chan struct{}, 1),
		topics:      map[string]bool{},
		ends:        ends{},
		codes:       map[uuid.UUID]string{},
		signals:     signals{idle: func() {}, beforeMove: func() error { return nil }, published: func(int) {}},
	}
}

// Run publishes until ctx ends, and then returns nil. Outages of Kafka and PostgreSQL are waited out.
func (r *Relay) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.DB.Listen(ctx, channel, r.wakeUp) })
	g.Go(func() error { return r.DB.Lead(ctx, "outbox-relay", r.lead) })
	return g.Wait()
}

func (r *Relay) wakeUp() {
	select {
	case r.wake <- struct{}{}:
	default: // it will look anyway
	}
}

const (
	poll      = time.Second          // how often the relay looks when nobody wakes it
	pace      = 5 * time.Millisecond // and how often at most: what is committed meanwhile goes together
	firstWait = 100 * time.Millisecond
	lastWait  = 5 * time.Second // between attempts during an outage
)

// lead works while this process leads. It ends with ctx and returns no error, since Lead would end with it.
func (r *Relay) lead(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { r.keepPublishing(ctx); return nil })
	g.Go(func() error { r.every(ctx, 10*time.Minute, "purge of published changes", r.purge); return nil })
	g.Go(func() error { r.every(ctx, 10*time.Second, "measuring the outbox", r.measure); return nil })
	err := g.Wait()
	r.metrics.behind(0, 0) // whoever leads now knows
	return err
}

// keepPublishing starts over after each failure, and says when failing begins and ends.
func (r *Relay) keepPublishing(ctx context.Context) {
	wait, failing := firstWait, false
	for ctx.Err() == nil {
		err := r.publish(ctx, func() {
			if failing {
				r.Logger.InfoContext(ctx, "changes are published again")
			}
			wait, failing = firstWait, false
		})
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errOldTerm):
			// The position was moved back, here or by another; or another relay leads, and this one is about to hear that its lock is lost.
			wait = firstWait
		case !failing:
			failing = true
			r.Logger.WarnContext(ctx, "changes cannot be published; trying again until it works", "error", err)
		}
		pause(ctx, wait)
		wait = min(2*wait, lastWait)
	}
}

func (r *Relay) every(ctx context.Context, d time.Duration, what string, do func(context.Context) error) {
	for ctx.Err() == nil {
		if err := do(ctx); err != nil && ctx.Err() == nil {
			r.Logger.WarnContext(ctx, "housekeeping failed", "job", what, "error", err)
		}
		pause(ctx, d)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
