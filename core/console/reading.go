package console

import (
	"context"
	"maps"
	"sync"
	"time"
)

// reading is what all who watch a thing see alike, read once for all of them: no more often than watchedEvery, and so seldom
// that reading takes a twentieth of the time at most. Nobody reads while nobody asks. K says what is watched, and whose it is.
// The zero value is ready.
type reading[K comparable, T any] struct {
	mu sync.Mutex
	of map[K]*held[T]
}

// held is what was read last; whoever holds the turn may read it anew.
type held[T any] struct {
	turn  chan struct{}
	until time.Time
	value T
}

// get returns what was read lately, or reads it. One reader at a time asks; the others wait for what he gets, and if he gets
// nothing, the next one asks.
func (s *reading[K, T]) get(ctx context.Context, what K, read func(context.Context) (T, error)) (T, error) {
	h := s.held(what)
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
	case <-ctx.Done():
		var none T
		return none, ctx.Err() //nolint:wrapcheck // the reader has gone
	}
	began := time.Now()
	if began.Before(h.until) {
		return h.value, nil
	}
	value, err := read(ctx)
	if err != nil {
		return value, err
	}
	// A little less than that, so that who asks every so often always finds something new.
	h.value, h.until = value, began.Add(max(watchedEvery*9/10, 20*time.Since(began)))
	return value, nil
}

func (s *reading[K, T]) held(what K) *held[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.of[what]
	if h == nil {
		if s.of == nil {
			s.of = map[K]*held[T]{}
		}
		maps.DeleteFunc(s.of, func(_ K, h *held[T]) bool { return h.over() })
		h = &held[T]{turn: make(chan struct{}, 1)}
		s.of[what] = h
	}
	return h
}

// over reports whether what was read is old, and nobody reads it anew.
func (h *held[T]) over() bool {
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
		return time.Now().After(h.until)
	default:
		return false
	}
}
