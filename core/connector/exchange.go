package connector

import (
	"context"
	"slices"
	"sync"
	"time"
)

// MaxBody is how many bytes of a body an Exchange keeps at most.
const MaxBody = 4 << 10

// Exchange is one request to a remote and what it answered, as people want to see it later. It carries no secret: whoever
// records it has taken them out.
type Exchange struct {
	At       time.Time     // when the request left
	Took     time.Duration // until the answer was read
	Method   string        // GET, POST; "" where the protocol has none
	Path     string        // of the address, without host and query
	Status   int           // of the answer; 0: none came
	Request  []byte        // the bodies, at most MaxBody bytes of each
	Response []byte
	Cut      bool // a body was longer
}

// Recorder collects the exchanges of a call. The zero value is empty and ready; it is safe for concurrent use.
type Recorder struct {
	mu    sync.Mutex
	notes []note
}

// note is an exchange and which writes of a Push it is about; nil is all of them.
type note struct {
	writes   []int
	exchange Exchange
}

type recording struct {
	to     *Recorder
	writes []int
}

type recordingKey struct{}

// Recorded returns a context whose calls are recorded by r. A connector that knows nothing of it records nothing.
func Recorded(ctx context.Context, r *Recorder) context.Context {
	return context.WithValue(ctx, recordingKey{}, recording{to: r})
}

// Unrecorded returns a context whose calls are not recorded: a login, or a look-up that many records share.
func Unrecorded(ctx context.Context) context.Context {
	return context.WithValue(ctx, recordingKey{}, recording{})
}

// About returns a context whose calls are about some of the writes of a Push, by their position.
func About(ctx context.Context, writes ...int) context.Context {
	r, _ := ctx.Value(recordingKey{}).(recording)
	if r.to == nil {
		return ctx
	}
	r.writes = writes
	return context.WithValue(ctx, recordingKey{}, r)
}

// Recording reports whether anybody wants to know about the exchanges under ctx.
func Recording(ctx context.Context) bool {
	r, _ := ctx.Value(recordingKey{}).(recording)
	return r.to != nil
}

// Note hands an exchange to the recorder of ctx, if there is one.
func Note(ctx context.Context, e Exchange) {
	r, _ := ctx.Value(recordingKey{}).(recording)
	if r.to == nil {
		return
	}
	r.to.mu.Lock()
	defer r.to.mu.Unlock()
	r.to.notes = append(r.to.notes, note{r.writes, e})
}

// Of returns what was recorded about the write at a position, in the order it happened; of a call that writes nothing
// (Find, Get, Pull) everything.
func (r *Recorder) Of(write int) []Exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	var some []Exchange
	for _, n := range r.notes {
		if n.writes == nil || slices.Contains(n.writes, write) {
			some = append(some, n.exchange)
		}
	}
	return some
}
