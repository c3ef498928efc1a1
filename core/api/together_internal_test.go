package api

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"crmhub/core/crm"
	"crmhub/core/postgres"
)

// trips is a store whose every round trip takes a second.
type trips struct {
	together
	all [][]uuid.UUID
	err error
}

func newTrips() *trips {
	s := &trips{}
	s.atOnce = 1
	s.read = func(ctx context.Context, _ postgres.Principal, _ crm.Kind, ids []uuid.UUID) (map[uuid.UUID]crm.Entity, error) {
		s.mu.Lock()
		s.all = append(s.all, slices.Clone(ids))
		s.mu.Unlock()
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		found := map[uuid.UUID]crm.Entity{}
		for _, id := range ids {
			found[id] = &crm.Customer{Head: crm.Head{ID: id}}
		}
		return found, s.err
	}
	return s
}

// ask reads an entity after some milliseconds, and expects that it is the one.
func (s *trips) ask(ctx context.Context, t *testing.T, wg *sync.WaitGroup, after int, who postgres.Principal) (id uuid.UUID) {
	t.Helper()
	id = uuid.New()
	wg.Go(func() {
		<-time.After(time.Duration(after) * time.Millisecond)
		e, err := s.get(ctx, who, crm.KindCustomer, id)
		switch {
		case ctx.Err() != nil:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("who went away got %v, %v", e, err)
			}
		case !errors.Is(err, s.err):
			t.Errorf("got %v, want %v", err, s.err)
		case err == nil && crm.HeadOf(e).ID != id:
			t.Errorf("got another entity")
		}
	})
	return id
}

func TestReadsMeanwhileGoTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTrips()
		var wg sync.WaitGroup
		me, other := postgres.Principal{Reach: postgres.Everywhere()}, postgres.Principal{Reach: postgres.Everywhere()}
		first, second, third := s.ask(t.Context(), t, &wg, 0, me), s.ask(t.Context(), t, &wg, 100, me), s.ask(t.Context(), t, &wg, 200, me)
		theirs := s.ask(t.Context(), t, &wg, 300, other) // with a reach of his own
		late := s.ask(t.Context(), t, &wg, 1500, me)
		wg.Wait()
		want := [][]uuid.UUID{{first}, {theirs}, {second, third}, {late}}
		if !slices.EqualFunc(s.all, want, slices.Equal) {
			t.Errorf("round trips are %v, want %v", s.all, want)
		}
		if len(s.askers) > 0 {
			t.Error("a round that is done is kept")
		}
		s.all, s.err = nil, errors.New("the server is away")
		for range 2*mostTogether + 1 {
			s.ask(t.Context(), t, &wg, 100, me)
		}
		wg.Wait()
		sizes := make([]int, 0, 4)
		for _, trip := range s.all {
			sizes = append(sizes, len(trip))
		}
		if !slices.Equal(sizes, []int{1, mostTogether, mostTogether}) {
			t.Errorf("round trips bring %v", sizes)
		}
	})
}

func TestAFewRoundTripsAreUnderWayAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTrips()
		s.atOnce = 2
		var wg sync.WaitGroup
		var me postgres.Principal
		first, second := s.ask(t.Context(), t, &wg, 0, me), s.ask(t.Context(), t, &wg, 500, me)
		third, fourth := s.ask(t.Context(), t, &wg, 600, me), s.ask(t.Context(), t, &wg, 700, me) // go when the first is there
		fifth := s.ask(t.Context(), t, &wg, 1100, me)                                             // goes when the second is
		wg.Wait()
		want := [][]uuid.UUID{{first}, {second}, {third, fourth}, {fifth}}
		if !slices.EqualFunc(s.all, want, slices.Equal) {
			t.Errorf("round trips are %v, want %v", s.all, want)
		}
		if len(s.askers) > 0 {
			t.Error("a round that is done is kept")
		}
	})
}

// Who goes away takes nobody along, whether he waited for his round trip or made it.
func TestWhoGoesAwayTakesNobodyAlong(t *testing.T) {
	t.Parallel()
	for name, leaves := range map[string]int{"while the one before is under way": 500, "while his own is": 1500} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newTrips()
				var wg sync.WaitGroup
				var me postgres.Principal
				ctx, leave := context.WithCancel(t.Context())
				time.AfterFunc(time.Duration(leaves)*time.Millisecond, leave)
				s.ask(t.Context(), t, &wg, 0, me)
				s.ask(ctx, t, &wg, 100, me)
				s.ask(t.Context(), t, &wg, 200, me)
				s.ask(t.Context(), t, &wg, 300, me)
				wg.Wait()
				if len(s.askers) > 0 {
					t.Error("a round that is done is kept")
				}
			})
		})
	}
}

// A panic is one request's, the others ask again.
func TestAPanicWhileReadingIsOneRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTrips()
		read, panics := s.read, true
		s.read = func(ctx context.Context, who postgres.Principal, kind crm.Kind, ids []uuid.UUID) (map[uuid.UUID]crm.Entity, error) {
			found, err := read(ctx, who, kind, ids)
			if len(ids) > 1 && panics {
				panics = false
				panic("a fault of ours")
			}
			return found, err
		}
		var wg sync.WaitGroup
		var me postgres.Principal
		s.ask(t.Context(), t, &wg, 0, me)
		wg.Go(func() {
			defer func() {
				if recover() == nil {
					t.Error("nobody was told")
				}
			}()
			<-time.After(100 * time.Millisecond)
			_, _ = s.get(t.Context(), me, crm.KindCustomer, uuid.New())
		})
		s.ask(t.Context(), t, &wg, 200, me)
		wg.Wait()
	})
}
