package push

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"crmhub/core/connection"
	"crmhub/core/connector"
)

const failuresInARow = 5 // calls without a success after which the connection counts as failing

// breaker holds this pusher's calls back while the connection as a whole fails: while the remote is away, refuses the
// credentials, or asks for patience. What it notices it tells all others that call over the connection, and it looks
// for what they noticed, both beside the batches: those ask a gate in memory. Probing is the [connection.Prober]'s.
type breaker struct {
	shared *connection.Breakers
	of     connection.Ref
	logger *slog.Logger
	paused prometheus.Gauge
	every  time.Duration // how often it looks

	mu       sync.Mutex
	gate     chan struct{}    // closed while calls may pass
	trouble  *connector.Error // not told yet
	failures int
	wake     chan struct{} // has a value when there is trouble to tell
}

func newBreaker(shared *connection.Breakers, of connection.Ref, logger *slog.Logger, paused prometheus.Gauge, every time.Duration) *breaker {
	b := &breaker{
		shared: shared, of: of, logger: logger, paused: paused, every: every, gate: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	close(b.gate)
	paused.Set(0)
	return b
}

// pass blocks while the connection is paused.
func (b *breaker) pass(ctx context.Context) error {
	b.mu.Lock()
	gate := b.gate
	b.mu.Unlock()
	select {
	case <-gate:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *breaker) isOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.shut()
}

// shut reports whether the gate is shut. The caller holds the lock.
func (b *breaker) shut() bool {
	select {
	case <-b.gate:
		return false
	default:
		return true
	}
}

// success says that a call did something: the connection works.
func (b *breaker) success() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures = 0
}

// failure says that a call did nothing because of the connection, probably. Several in a row pause it.
func (b *breaker) failure(err *connector.Error) {
	b.mu.Lock()
	b.failures++
	enough := b.failures >= failuresInARow
	b.mu.Unlock()
	if enough {
		b.trip(err)
	}
}

// trip pauses the connection at once.
func (b *breaker) trip(err *connector.Error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shut() {
		return
	}
	b.gate = make(chan struct{})
	b.trouble = err
	select {
	case b.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// run keeps gate and database in step until ctx ends.
func (b *breaker) run(ctx context.Context) error {
	tick := time.NewTicker(b.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.wake:
		case <-tick.C:
		}
		b.look(ctx)
	}
}

// look tells trouble that nobody knows of, and sets the gate as the database says. While that is away the gate stays as
// it is.
func (b *breaker) look(ctx context.Context) {
	b.mu.Lock()
	trouble := b.trouble
	b.mu.Unlock()
	if trouble != nil {
		b.paused.Set(1)
		b.logger.WarnContext(ctx, "connection paused", "class", trouble.Class, "error", trouble)
		if err := b.shared.Trip(ctx, b.of, trouble); err != nil {
			b.logger.WarnContext(ctx, "others were not told that the connection is paused", "error", err)
			return
		}
	}
	state, err := b.shared.Read(ctx, b.of)
	if err != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.trouble != trouble {
		return // there is more to tell first
	}
	b.trouble = nil
	switch {
	case state.Held() && !b.shut():
		b.gate = make(chan struct{})
		b.paused.Set(1)
		b.logger.WarnContext(ctx, "connection paused", "class", state.Class, "error", state.Message)
	case !state.Held() && b.shut():
		b.failures = 0
		close(b.gate)
		b.paused.Set(0)
		b.logger.InfoContext(ctx, "connection resumed")
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
