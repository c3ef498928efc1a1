//go:build system

package main_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"crmhub/connectors/simulator"
)

// A hub that is killed at random moments, again and again, brings every order to the ERP exactly once.
func TestKilledHubBringsEveryOrderOnce(t *testing.T) {
	n := number(t, "CRMHUB_TEST_ORDERS", 500)
	sim := startSimulator(t, simulator.Config{ERP: simulator.Faults{Seed: 2, Latency: 20 * time.Millisecond}})
	w := newWorld(t)
	w.connectSimulator(sim)
	kills := w.enterAndKill(n, 20, 1500*time.Millisecond)
	t.Logf("entered %d orders through %d kills", len(w.orders), kills)
	w.eventually(5*time.Minute, "every order is in the ERP once", func() error { return w.inERP(sim.ERP.Snapshot().Orders) })
}

// enterAndKill enters orders while the hub is killed and started again, at least the given number of times. Between
// a start and a kill the hub has a moment, of random length, to work.
func (w *world) enterAndKill(n, kills int, longest time.Duration) int {
	w.t.Helper()
	random := rand.New(rand.NewPCG(3, 0))
	entered := make(chan error, 1)
	go func() { entered <- w.enter(n) }()
	for killed := 0; ; killed++ {
		select {
		case err := <-entered:
			w.must(err)
			entered = nil
		case <-time.After(50*time.Millisecond + time.Duration(random.Int64N(int64(longest)))):
		}
		if killed >= kills && entered == nil {
			return killed
		}
		w.kill()
		w.start()
	}
}
