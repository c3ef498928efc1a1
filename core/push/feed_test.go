package push_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/link"
	"crmhub/core/push"
)

func TestChangesArriveOnceEach(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	stop := b.run(b.pusher(b.topic))
	cs := customers(60)
	b.save(cs...)
	b.synced(cs...)
	for _, c := range cs[:30] {
		c.Name += "!"
	}
	b.save(cs[:30]...)
	b.synced(cs...)
	if err := stop(); err != nil {
		t.Error(err)
	}
	b.holds(namesOf(cs))
}

func TestNewConnectionGetsWhatWasThereBefore(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	cs := customers(1200)
	b.save(cs...)
	b.run(b.pusher(nil))
	b.until("all are there", func() bool { return len(b.remote.names()) == 1200 })
	b.holds(namesOf(cs))
}

func TestStaleRepeatedAndDisorderedChangesDoNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.run(b.pusher(b.topic))
	c := customer("C1", "one")
	b.save(c)
	first := b.change(c)
	c.Name = "two"
	b.save(c)
	second := b.change(c)
	b.synced(c)
	calls := b.calls()
	b.topic.add(first, second, first)
	b.topic.add(second)
	b.until("all is confirmed", func() bool { return b.topic.confirmed() })
	if got := b.calls(); got != calls {
		t.Errorf("%d needless calls", got-calls)
	}
	b.holds(map[string]string{"C1": "two"})
}

func (b *bench) calls() (n int) {
	b.remote.lock(func() { n = b.remote.calls })
	return n
}

func (t *topic) confirmed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.done == len(t.changes)
}

func TestChangeOfWhatIsNotMappedIsNotSent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.run(b.pusher(b.topic))
	c := customer("C1", "one")
	b.save(c)
	b.synced(c)
	c.Remark = "called today"
	b.save(c)
	b.synced(c)
	if n := b.calls(); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
}

func TestEndThatNoTopicToldIsFoundByTheSweep(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	stop := b.run(b.pusher(b.topic))
	a, never := customer("A", "a"), customer("B", "b")
	b.save(a)
	b.synced(a)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	by := crm.By{Actor: b.who.Actor, Origin: "crm"}
	b.tx(func(tx pgx.Tx) error {
		if err := b.store.Save(b.Context(), tx, by, []crm.Entity{never}); err != nil {
			return err
		}
		for _, c := range []*crm.Customer{a, never} {
			if _, err := b.store.Delete(b.Context(), tx, by, crm.KindCustomer, c.ID, c.Version); err != nil {
				return err
			}
		}
		return nil
	})
	b.run(b.pusher(newTopic()))
	b.until("it is gone there", func() bool { return len(b.remote.names()) == 0 })
	if links := b.links(link.Filter{}); len(links) != 1 {
		t.Errorf("%d links, want that of what was there", len(links))
	}
}

func TestTwoPushersOfOneConnectionShareTheWork(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	again := newTopic()
	b.run(b.pusher(b.topic))
	b.run(b.pusher(again))
	cs := customers(200)
	for round := range 4 {
		for _, c := range cs {
			c.Name = fmt.Sprintf("%s at %d", c.Code, round)
		}
		b.save(cs...)
		for _, c := range cs {
			again.add(b.change(c))
		}
	}
	b.arrived(cs...)
}

// batches gives one change at a time, each of a customer of its own, and notes which were confirmed.
type batches struct {
	given     func(n int) // called when the nth, from 0, is about to be given
	most      int         // none after so many
	mu        sync.Mutex
	next      int
	confirmed []int
}

func (f *batches) Next(ctx context.Context, _ int) ([]push.Change, func(context.Context) error, error) {
	n := f.next
	if n == f.most {
		<-ctx.Done()
		return nil, nil, ctx.Err()
	}
	f.next++
	f.given(n)
	return []push.Change{{Entity: "customer", ID: uuid.New(), Version: 1, Data: []byte(`{"code":"C1","name":"one"}`)}}, func(context.Context) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.confirmed = append(f.confirmed, n)
		return nil
	}, nil
}

func TestChangesNotTakenUpBeforeTheEndAreNotConfirmed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for range 20 { // it was a matter of chance
		ctx, cancel := context.WithCancel(t.Context())
		f := &batches{most: 1, given: func(int) { cancel() }}
		if err := b.pusher(f).Run(ctx); err != nil {
			t.Fatal(err)
		}
		if len(f.confirmed) > 0 {
			t.Fatal("a change was confirmed that no link knows of")
		}
	}
}

func TestNothingIsConfirmedBeforeWhatCameBeforeIt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var mapped atomic.Int32
	second := make(chan struct{})
	overtook := sync.OnceFunc(func() { close(second) })
	f := &batches{most: 2, given: func(int) {}}
	p := b.pusher(f)
	p.SetStep(func(s push.Step) error {
		switch s {
		case push.Steps()[0]:
			if mapped.Add(1) == 1 { // one of the two is overtaken by the other, and fails then
				<-second
				return errDied
			}
		case push.Steps()[len(push.Steps())-1]:
			overtook()
		}
		return nil
	})
	if err := p.Run(t.Context()); !errors.Is(err, errDied) {
		t.Fatalf("it ended with %v", err)
	}
	if len(f.confirmed) > 0 && f.confirmed[0] == 1 {
		t.Error("the second batch was confirmed, the first was not")
	}
}
