package simulator

import (
	"cmp"
	"context"
	"maps"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Faults say how often a system misbehaves, and how. The shares are of all requests (those after the commit: of all
// writes that succeeded), between 0 and 1; of several that could hit a request one does. The zero value is a system
// without faults.
type Faults struct {
	Seed uint64 // the same seed gives the same sequence of faults

	TooMany     float64 // 429 with Retry-After, nothing done
	ErrorBefore float64 // 500, nothing done
	CloseBefore float64 // the connection breaks, nothing done
	ErrorAfter  float64 // done, but answered with 500
	HangAfter   float64 // done, but never answered: until the caller gives up, or MaxHang
	CloseAfter  float64 // done, but the connection breaks

	RetryAfter time.Duration // what a 429 asks for, in whole seconds; 0 asks for nothing
	MaxHang    time.Duration // how long a hanging request is kept at most; 1 minute if 0
	Latency    time.Duration // added to every request
	SlowPage   time.Duration // added to every page of a list
	PerSecond  float64       // requests beyond are answered with 429; 0: no limit
}

// Fault names a fault as [Snapshot] counts it.
type Fault string

// The faults.
const (
	TooMany     Fault = "too_many"
	ErrorBefore Fault = "error_before"
	CloseBefore Fault = "close_before"
	ErrorAfter  Fault = "error_after"
	HangAfter   Fault = "hang_after"
	CloseAfter  Fault = "close_after"
)

// trouble makes the faults of one system and counts them.
type trouble struct {
	mu      sync.Mutex
	faults  Faults
	random  *rand.Rand
	limiter *rate.Limiter // nil without a limit
	counts  map[Fault]int
}

func newTrouble(f Faults) *trouble {
	t := &trouble{counts: make(map[Fault]int)}
	t.set(f)
	return t
}

func (t *trouble) set(f Faults) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults = f
	t.random = rand.New(rand.NewPCG(f.Seed, 0)) //nolint:gosec // repeatable on purpose
	t.limiter = nil
	if f.PerSecond > 0 {
		t.limiter = rate.NewLimiter(rate.Limit(f.PerSecond), max(1, int(f.PerSecond)))
	}
}

// counted is how many faults of each sort there were.
func (t *trouble) counted() map[Fault]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.counts)
}

// begin decides what happens to a request before its work: nothing (""), or one of the faults.
func (t *trouble) begin() (Fault, Faults) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.faults
	if t.limiter != nil && !t.limiter.Allow() {
		t.counts[TooMany]++
		return TooMany, f
	}
	return t.draw([]share{{TooMany, f.TooMany}, {ErrorBefore, f.ErrorBefore}, {CloseBefore, f.CloseBefore}}), f
}

// end decides what happens to the answer of a write that succeeded.
func (t *trouble) end() Fault {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.faults
	return t.draw([]share{{ErrorAfter, f.ErrorAfter}, {HangAfter, f.HangAfter}, {CloseAfter, f.CloseAfter}})
}

type share struct {
	fault Fault
	of    float64
}

// draw picks one of the faults by their shares, mostly none ("").
func (t *trouble) draw(shares []share) Fault {
	x := t.random.Float64()
	for _, s := range shares {
		if x < s.of {
			t.counts[s.fault]++
			return s.fault
		}
		x -= s.of
	}
	return ""
}

// around puts the faults around a handler.
func (t *trouble) around(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		fault, f := t.begin()
		wait(r.Context(), f.Latency)
		switch fault {
		case TooMany:
			a := refuse(http.StatusTooManyRequests, "TOO_MANY", "", "slow down")
			if f.RetryAfter > 0 {
				a.header = http.Header{"Retry-After": {strconv.Itoa(int(f.RetryAfter.Seconds()))}}
			}
			a.write(w)
			return
		case ErrorBefore:
			refuse(http.StatusInternalServerError, "INTERNAL", "", "something broke").write(w)
			return
		case CloseBefore:
			breakOff(w)
			return
		}
		a := h(r)
		switch {
		case r.Method == http.MethodGet:
			if a.list {
				wait(r.Context(), f.SlowPage)
			}
		case a.status < http.StatusMultipleChoices:
			switch t.end() {
			case ErrorAfter:
				a = refuse(http.StatusInternalServerError, "INTERNAL", "", "something broke")
			case HangAfter:
				wait(r.Context(), cmp.Or(f.MaxHang, time.Minute))
				breakOff(w)
				return
			case CloseAfter:
				breakOff(w)
				return
			}
		}
		a.write(w)
	}
}

// wait returns after d, or as soon as the caller has gone or the server closes.
func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// breakOff closes the connection without an answer.
func breakOff(http.ResponseWriter) { panic(http.ErrAbortHandler) }
