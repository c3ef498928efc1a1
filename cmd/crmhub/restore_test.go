//go:build system

package main_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crmhub/connectors/simulator"
	"crmhub/core/postgres/private"
)

// A dump that is restored after the ERP went on knows nothing of what was sent meanwhile: orders that waited when it was made, and are
// in the ERP by now; orders that were entered later; changes that came later, of which some still wait on the topics.
func TestARestoredDumpDoublesAndOverwritesNothing(t *testing.T) {
	sim := startSimulator(t, simulator.Config{})
	away := simulator.Faults{ErrorBefore: 1}
	w := newWorld(t)
	w.connectSimulator(sim)
	w.must(w.enter(20))
	inERP := func() {
		t.Helper()
		w.eventually(2*time.Minute, "every order is in the ERP once", func() error { return w.inERP(sim.ERP.Snapshot().Orders) })
	}
	inERP()
	synced := slices.Sorted(maps.Keys(w.orders))

	sim.ERP.SetFaults(away)
	w.must(w.enterFrom(20, 10)) // they wait when the dump is made
	w.amend(synced[0], "waits")
	dump := w.dump()
	sim.ERP.SetFaults(simulator.Faults{})
	inERP()
	w.must(w.enterFrom(30, 15)) // the dump does not know of them
	w.amend(synced[1], "later than the dump")
	inERP()
	sim.ERP.SetFaults(away)
	w.amend(synced[2], "on its topic only")
	<-time.After(2 * time.Second)

	w.kill()
	w.restore(dump)
	sim.ERP.SetFaults(simulator.Faults{})
	lost := w.orders[synced[2]]
	lost.Remark = ""
	w.orders[synced[2]] = lost
	w.start()
	w.must(w.enterFrom(45, 5)) // at once: their numbers must be new ones

	w.eventually(2*time.Minute, "what came later is here", func() error { return errors.Join(w.inERP(sim.ERP.Snapshot().Orders), w.here()) })
	w.amend(synced[2], "after all")
	w.amend(synced[1], "after all")
	w.must(w.enterFrom(50, 5))
	w.eventually(time.Minute, "work goes on", func() error { return errors.Join(w.inERP(sim.ERP.Snapshot().Orders), w.here()) })
}

// here compares what the hub holds with what was entered, by number and remark.
func (w *world) here() error {
	var faults []error
	seen := 0
	for next := "/orders?limit=100"; next != ""; {
		var page struct {
			Items []order
			Next  string
		}
		if _, err := w.call(http.MethodGet, next, nil, &page); err != nil {
			return err
		}
		next = strings.TrimPrefix(page.Next, "/api/v1")
		for _, o := range page.Items {
			want, ok := w.orders[o.Number]
			if !ok || o.Remark != want.Remark || !o.Total.Equal(want.Total) {
				faults = append(faults, fmt.Errorf("order %s %q %s, wanted %q %s", o.Number, o.Remark, o.Total, want.Remark, want.Total))
			}
			want.ID = o.ID
			w.orders[o.Number] = want
			seen++
		}
	}
	if seen != len(w.orders) {
		faults = append(faults, fmt.Errorf("%d orders here, %d were entered", seen, len(w.orders)))
	}
	return errors.Join(faults...)
}

// dump writes what the hub's database holds to a file; the hub goes on.
func (h *hub) dump() string {
	h.t.Helper()
	file := filepath.Join(h.t.TempDir(), "crmhub.dump")
	h.server("pg_dump", "-Fc", "-f", file, "-d", h.databaseURL())
	return file
}

// restore puts a dump in the place of the hub's database. The hub is not running; its server is.
func (h *hub) restore(dump string) {
	h.t.Helper()
	url := h.databaseURL()
	admin := url[:len(url)-len("/crmhub?sslmode=disable")] + "/postgres?sslmode=disable"
	h.server("psql", "-d", admin, "-c", "drop database crmhub with (force)", "-c", "create database crmhub")
	h.server("pg_restore", "--exit-on-error", "-d", url, dump)
}

func (h *hub) databaseURL() string {
	h.t.Helper()
	url, err := private.Attach(filepath.Join(h.dir, "postgres"))
	if err != nil {
		h.t.Fatal(err)
	}
	return url
}

// server runs one of PostgreSQL's programs.
func (h *hub) server(program string, args ...string) {
	h.t.Helper()
	h.findPostgres()
	if out, err := exec.Command(filepath.Join(h.postgres, program), args...).CombinedOutput(); err != nil {
		h.t.Fatalf("%s: %v\n%s", program, err, out)
	}
}
