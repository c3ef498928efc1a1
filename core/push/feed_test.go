package push_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"crmhub/core/push"
)

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
