package rest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

const (
	maxWindow = 1_000_000       // calls that a window can count
	longQuota = 2 * time.Minute // a longer wait for a quota is the engine's
)

// windowPlan allows n calls in any time of the given length.
type windowPlan struct {
	n   int
	per time.Duration
}

// window counts calls exactly: a bucket that fills evenly would let twice as many through in the worst case, or few at a time.
type window struct {
	plan windowPlan

	mutex sync.Mutex
	calls []time.Time // the last n, from next on the oldest first
	next  int
}

// take counts a call, or says how long to wait for one to fall out of the window.
func (w *window) take(now time.Time) (wait time.Duration) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if len(w.calls) < w.plan.n {
		w.calls = append(w.calls, now)
		return 0
	}
	if wait = w.plan.per - now.Sub(w.calls[w.next]); wait > 0 {
		return wait
	}
	w.calls[w.next] = now
	w.next = (w.next + 1) % len(w.calls)
	return 0
}

// pace waits until the remote's quotas allow a call. One that is used up for long is an error of class quota.
func (s *session) pace(ctx context.Context) error {
	if err := s.limiter.Wait(ctx); err != nil {
		return err
	}
	for _, w := range s.windows {
		for {
			wait := w.take(time.Now())
			if wait <= 0 {
				break
			}
			deadline, limited := ctx.Deadline()
			if wait > longQuota || limited && time.Now().Add(wait).After(deadline) {
				return &connector.Error{
					Class: connector.ClassQuota, RetryAfter: wait,
					Message: fmt.Sprintf("the %d calls that the remote allows in %s are used up", w.plan.n, w.plan.per),
					Said:    schema.Say("calls_used_up", w.plan.n, w.plan.per),
				}
			}
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return ctx.Err()
			}
		}
	}
	return nil
}
