package console

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
)

// reading is what everybody of an organization sees alike, read once for all who watch it: no more often than every, and so
// seldom that reading takes a twentieth of the time at most. Nobody reads while nobody asks. The zero value but for every is
// ready.
type reading[T any] struct {
	every time.Duration

	mu sync.Mutex
	of map[uuid.UUID]*held[T]
}

// held is what was read last; whoever holds the turn may read it anew.
type held[T any] struct {
	turn  chan struct{}
	until time.Time
	value T
}

// get returns what was read lately, or reads it. One reader at a time asks; the others wait for what he gets, and if he gets
// nothing, the next one asks.
func (s *reading[T]) get(ctx context.Context, organization uuid.UUID, read func(context.Context) (T, error)) (T, error) {
	h := s.held(organization)
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
	// A little less than every, so that who asks every so often always finds something new.
	h.value, h.until = value, began.Add(max(s.every*9/10, 20*time.Since(began)))
	return value, nil
}

func (s *reading[T]) held(organization uuid.UUID) *held[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.of[organization]
	if h == nil {
		if s.of == nil {
			s.of = map[uuid.UUID]*held[T]{}
		}
		h = &held[T]{turn: make(chan struct{}, 1)}
		s.of[organization] = h
	}
	return h
}
