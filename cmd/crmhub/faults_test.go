//go:build system

package main_test

import (
	"os"
	"strconv"
	"testing"
	"time"

	"crmhub/connectors/simulator"
)

// An ERP that answers 429 and 500, hangs after it has committed and breaks connections gets every order exactly once,
// and the last state of each.
func TestUnreliableERPGetsEveryOrderOnce(t *testing.T) {
	n := number(t, "CRMHUB_TEST_ORDERS", 5000)
	sim := startSimulator(t, simulator.Config{ERP: simulator.Faults{
		Seed: 1, TooMany: .02, ErrorBefore: .02, CloseBefore: .01, ErrorAfter: .02, HangAfter: .002, CloseAfter: .02, MaxHang: 20 * time.Second,
	}})
	w := newWorld(t)
	w.connectSimulator(sim)
	began := time.Now()
	w.must(w.enter(n))
	w.amendEach(10)
	t.Logf("entered %d orders in %v", len(w.orders), time.Since(began))
	w.eventually(8*time.Minute, "every order is in the ERP once", func() error { return w.inERP(sim.ERP.Snapshot().Orders) })
	t.Logf("all there after %v; faults: %v", time.Since(began), sim.ERP.Snapshot().Faults)
}

// number reads a test's size from the environment.
func number(t testing.TB, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}
