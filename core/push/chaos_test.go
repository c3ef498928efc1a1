package push_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"crmhub/core/connector"
	"crmhub/core/push"
)

// TestAnyMixtureOfFaultsAndDeathsEndsWithOneRecordEach lets pushers die at random points, two at a time, while the
// remote answers as it likes and entities change, and then lets one finish in peace.
func TestAnyMixtureOfFaultsAndDeathsEndsWithOneRecordEach(t *testing.T) {
	t.Parallel()
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			var mu sync.Mutex // of the dice, which many goroutines throw
			dice := rand.New(rand.NewPCG(seed, 1))
			roll := func(n int) int {
				mu.Lock()
				defer mu.Unlock()
				return dice.IntN(n)
			}
			b.stream.Batch, b.stream.Concurrency = 1+roll(8), 1+roll(3)
			b.stream.FindFirst = roll(3) == 0
			peace := false
			b.remote.script = func(int, connector.Write) fault { // called under the remote's lock
				if peace || roll(3) > 0 {
					return fine
				}
				return []fault{committed, vanished, busy, throttled, laterDone}[roll(5)]
			}
			b.remote.lookup = func() *connector.Error {
				if peace || roll(4) > 0 {
					return nil
				}
				return &connector.Error{Class: connector.ClassTransient, Message: "busy"}
			}
			cs := customers(10 + roll(30))
			b.save(cs...)
			for range 6 {
				var lives sync.WaitGroup
				for range 1 + roll(2) {
					p := b.pusher(b.topic)
					steps := roll(20)
					var count sync.Mutex
					p.SetStep(func(push.Step) error {
						count.Lock()
						defer count.Unlock()
						if steps--; steps < 0 {
							return errDied
						}
						return nil
					})
					lives.Go(func() {
						if err := p.Run(t.Context()); !errors.Is(err, errDied) {
							t.Errorf("got %v, want the pusher to die", err)
						}
					})
				}
				for range 30 { // enough for whatever steps were left
					c := cs[roll(len(cs))]
					c.Name = fmt.Sprintf("%s %d", c.Code, roll(1000))
					b.save(c)
				}
				ended := make(chan struct{})
				go func() {
					lives.Wait()
					close(ended)
				}()
				b.until("the pushers have died", func() bool {
					select {
					case <-ended:
						return true
					default:
						c := cs[roll(len(cs))]
						c.Name = fmt.Sprintf("%s %d", c.Code, roll(1000))
						b.save(c) // something to do, so that they come to their end
						return false
					}
				})
				b.topic.rewind()
			}
			b.remote.lock(func() { peace = true })
			b.run(b.pusher(b.topic))
			b.arrived(cs...)
		})
	}
}
