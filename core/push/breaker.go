package push

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"crmhub/core/connector"
)

const (
	failuresInARow = 5 // calls without a success after which the connection counts as failing
	longestPause   = time.Minute
)

// breaker holds a connection's calls back while the connection as a whole fails: while the remote is away, refuses the
// credentials, or asks for patience. It probes with a harmless call, less and less often.
type breaker struct {
	check  func(context.Context) error
	logger *slog.Logger
	paused prometheus.Gauge
	first  time.Duration

	mu       sync.Mutex
	gate     chan struct{} // closed while calls may pass
	trouble  chan *connector.Error
	failures int
	pause    time.Duration // the next one
}

func newBreaker(check func(context.Context) error, logger *slog.Logger, paused prometheus.Gauge, first time.Duration) *breaker {
	b := &breaker{
		check: check, logger: logger, paused: paused, first: first,
		gate: make(chan struct{}), trouble: make(chan *connector.Error, 1), pause: first,
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
	b.failures, b.pause = 0, b.first
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
	select {
	case <-b.gate:
		b.gate = make(chan struct{})
		b.trouble <- err // it has room: the gate was open, so run has taken what was before
	default:
	}
}

// run probes while the connection is paused, until ctx ends.
func (b *breaker) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-b.trouble:
			b.paused.Set(1)
			b.logger.WarnContext(ctx, "connection paused", "class", err.Class, "error", err)
			if !b.probe(ctx, err) {
				return nil
			}
			b.mu.Lock()
			b.failures = 0
			close(b.gate)
			b.mu.Unlock()
			b.paused.Set(0)
			b.logger.InfoContext(ctx, "connection resumed")
		}
	}
}

// probe returns true when calls may pass again, false when ctx ended.
func (b *breaker) probe(ctx context.Context, err *connector.Error) bool {
	for {
		b.mu.Lock()
		pause := b.pause
		b.pause = min(2*b.pause, longestPause)
		b.mu.Unlock()
		if !sleep(ctx, max(pause, err.RetryAfter)) {
			return false
		}
		if err.Class == connector.ClassQuota { // asking would count, too
			return true
		}
		failed := b.check(ctx)
		if failed == nil {
			return true
		}
		err = connector.AsError(failed)
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
