package postgres

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/semaphore"
)

// turns keep connections for others. Without them whoever reads much that takes long has them all, and everybody waits for him. One reader has
// a quarter of them, all readers together three quarters: who writes does not wait, and the hub's own work goes on.
type turns struct {
	each int64
	all  *semaphore.Weighted

	mu sync.Mutex
	of map[Actor]*share
}

// share is one caller's, while he has turns or waits for one.
type share struct {
	*semaphore.Weighted
	asking int
}

func newTurns(connections int32) *turns {
	each := max(int64(connections)/4, 1)
	return &turns{each: each, all: semaphore.NewWeighted(max(int64(connections)-each, 1)), of: map[Actor]*share{}}
}

// Turn waits until somebody may read once more; end says that he is done. A door takes one for each request that reads, before its first transaction and
// outside of any. Who has his share waits for one of his own to end, in order, and nobody else waits for him.
func (db *DB) Turn(ctx context.Context, a Actor) (end func(), err error) {
	t := db.turns
	own := t.join(a)
	if err := own.Acquire(ctx, 1); err != nil {
		t.leave(a, own)
		return nil, fmt.Errorf("wait for a turn of the caller's own: %w", err)
	}
	if err := t.all.Acquire(ctx, 1); err != nil {
		own.Release(1)
		t.leave(a, own)
		return nil, fmt.Errorf("wait for a turn: %w", err)
	}
	return func() {
		t.all.Release(1)
		own.Release(1)
		t.leave(a, own)
	}, nil
}

func (t *turns) join(a Actor) *share {
	t.mu.Lock()
	defer t.mu.Unlock()
	own := t.of[a]
	if own == nil {
		own = &share{Weighted: semaphore.NewWeighted(t.each)}
		t.of[a] = own
	}
	own.asking++
	return own
}

func (t *turns) leave(a Actor, own *share) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if own.asking--; own.asking == 0 {
		delete(t.of, a)
	}
}
