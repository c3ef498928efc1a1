package api

import (
	"context"
	"slices"
	"sync"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/postgres"
)

// together lets reads by id share round trips. A few go at once; those that the same caller asks of the same kind meanwhile
// go as one after the first that ends. To say who asks costs the server as much as to look a row up, and a program that reads fast
// asks for several at a time. Each read still sees all that was committed before it was asked for.
type together struct {
	read   func(ctx context.Context, who postgres.Principal, kind crm.Kind, ids []uuid.UUID) (map[uuid.UUID]crm.Entity, error)
	atOnce int // round trips of a caller and kind

	mu     sync.Mutex
	askers map[asker]*asking // who has asked and is not answered
}

// asker is who reads what kind. Two principals are one only with the same reach, which a change of roles or of the token makes anew.
type asker struct {
	who  postgres.Principal
	kind crm.Kind
}

// asking are the round trips of an asker.
type asking struct {
	underWay int
	waiting  []*round // in the order of their turns; only the last can be joined
}

// round is one round trip, made by the first who asked for it.
type round struct {
	turn chan struct{} // closed when it may begin; nobody can join any more
	ids  []uuid.UUID
	done chan struct{}

	// Written before done is closed.
	left  bool // by the first, who went away: the others ask again
	found map[uuid.UUID]crm.Entity
	err   error
}

// atOnce is how many round trips of one caller and kind are under way. With one, the server and the hub wait for each other by turns.
const atOnce = 2

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

// join adds an id to a round that waits for its turn, else to a new one, and says whether it is the first there.
func (t *together) join(a asker, id uuid.UUID) (r *round, first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.askers == nil {
		t.askers = map[asker]*asking{}
	}
	all := t.askers[a]
	if all == nil {
		all = &asking{}
		t.askers[a] = all
	}
	if n := len(all.waiting); n > 0 && len(all.waiting[n-1].ids) < mostTogether {
		r = all.waiting[n-1]
		r.ids = append(r.ids, id)
		return r, false
	}
	r = &round{turn: make(chan struct{}), ids: []uuid.UUID{id}, done: make(chan struct{})}
	if all.underWay < t.atOnce {
		all.underWay++
		close(r.turn)
	} else {
		all.waiting = append(all.waiting, r)
	}
	return r, true
}

func (t *together) lead(ctx context.Context, a asker, r *round) {
	r.left = true // unless it ends below; a panic is told to him whom it meets
	defer close(r.done)
	defer t.end(a, r)
	select {
	case <-r.turn:
	case <-ctx.Done():
		return
	}
	r.found, r.err = t.read(ctx, a.who, a.kind, r.ids)
	r.left = r.err != nil && ctx.Err() != nil
}

// end gives the turn of a round to the next, or takes the round out of those that wait for one.
func (t *together) end(a asker, r *round) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.askers[a]
	if i := slices.Index(all.waiting, r); i >= 0 {
		all.waiting = slices.Delete(all.waiting, i, i+1)
		return // others are under way
	}
	if len(all.waiting) > 0 {
		close(all.waiting[0].turn)
		all.waiting = all.waiting[1:]
		return
	}
	if all.underWay--; all.underWay == 0 {
		delete(t.askers, a)
	}
}

// readAll reads entities of a kind in one round trip.
func (s *server) readAll(ctx context.Context, who postgres.Principal, kind crm.Kind, ids []uuid.UUID) (map[uuid.UUID]crm.Entity, error) {
	end, err := s.DB.Turn(ctx, who.Actor)
	if err != nil {
		return nil, err
	}
	defer end()
	var b pgx.Batch
	found := s.CRM.QueueGet(&b, kind, ids)
	return found, s.DB.Look(ctx, who, string(kind), &b)
}
