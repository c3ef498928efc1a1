package api

import (
	"context"
	"sync"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/postgres"
)

// together lets reads by id share round trips. The first goes at once; those that the same caller asks of the same kind meanwhile
// go as one after it. To say who asks costs the server as much as to look a row up, and a program that reads fast
// asks for several at a time. Each read still sees all that was committed before it was asked for.
type together struct {
	read func(ctx context.Context, who postgres.Principal, kind crm.Kind, ids []uuid.UUID) (map[uuid.UUID]crm.Entity, error)

	mu   sync.Mutex
	last map[asker]*round // those that are not done
}

// asker is who reads what kind. Two principals are one only with the same reach, which a change of roles or of the token makes anew.
type asker struct {
	who  postgres.Principal
	kind crm.Kind
}

// round is one round trip, made by the first who asked for it.
type round struct {
	before *round // goes first; nil if none is under way
	begun  bool   // nobody can join any more
	ids    []uuid.UUID
	done   chan struct{}

	// Written before done is closed.
	left  bool // by the first, who went away: the others ask again
	found map[uuid.UUID]crm.Entity
	err   error
}

// mostTogether bounds what one round trip brings, for how long the others wait.
const mostTogether = 50

// get returns an entity, deleted ones too, or nil.
func (t *together) get(ctx context.Context, who postgres.Principal, kind crm.Kind, id uuid.UUID) (crm.Entity, error) {
	a := asker{who, kind}
	for {
		r, first := t.join(a, id)
		if first {
			t.lead(ctx, a, r)
		}
		select {
		case <-r.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if !r.left {
			return r.found[id], r.err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// join adds an id to the round that comes next, and says whether it is the first there.
func (t *together) join(a asker, id uuid.UUID) (*round, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.last[a]
	if r != nil && !r.begun && len(r.ids) < mostTogether {
		r.ids = append(r.ids, id)
		return r, false
	}
	if t.last == nil {
		t.last = map[asker]*round{}
	}
	next := &round{before: r, ids: []uuid.UUID{id}, done: make(chan struct{})}
	t.last[a] = next
	return next, true
}

func (t *together) lead(ctx context.Context, a asker, r *round) {
	r.left = true // unless it ends below; a panic is told to him whom it meets
	defer func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		r.begun = true
		if t.last[a] == r {
			delete(t.last, a)
		}
		close(r.done)
	}()
	if r.before != nil {
		select {
		case <-r.before.done:
		case <-ctx.Done():
			return
		}
		r.before = nil
	}
	t.mu.Lock()
	r.begun = true
	t.mu.Unlock()
	r.found, r.err = t.read(ctx, a.who, a.kind, r.ids)
	r.left = r.err != nil && ctx.Err() != nil
}

// readAll reads entities of a kind in one round trip.
func (s *server) readAll(ctx context.Context, who postgres.Principal, kind crm.Kind, ids []uuid.UUID) (map[uuid.UUID]crm.Entity, error) {
	var b pgx.Batch
	found := s.CRM.QueueGet(&b, kind, ids)
	return found, s.DB.Look(ctx, who, string(kind), &b)
}
