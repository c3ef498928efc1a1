package job_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/job"
	"crmhub/core/schema"
)

func TestJobIsDueWhenItsScheduleSays(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	j := f.create("order", "*/15 * * * *")
	due := func(minute int) *time.Time {
		at := time.Date(2026, 5, 4, 10, minute, 0, 0, time.UTC)
		return &at
	}
	f.tx(func(tx pgx.Tx) error {
		check := func(what string, want *time.Time) {
			got, err := f.store.Get(t.Context(), tx, j.ID)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got.NextRunAt); diff != "" {
				t.Errorf("%s: %s", what, diff)
			}
		}
		check("created at 10:07", due(15))
		if _, err := f.store.Pause(t.Context(), tx, j.ID); err != nil {
			t.Fatal(err)
		}
		check("paused", nil)
		if _, err := f.store.Update(t.Context(), tx, j.ID, job.Change{Name: "orders", Timing: job.Timing{Schedule: "*/10 * * * *"}}); err != nil {
			t.Fatal(err)
		}
		check("changed while paused", nil)
		f.pass(5 * time.Minute)
		if _, err := f.store.Resume(t.Context(), tx, j.ID); err != nil {
			t.Fatal(err)
		}
		check("resumed at 10:12", due(20))
		_, err := f.store.Update(t.Context(), tx, j.ID, job.Change{Name: "orders"})
		check("by hand only", nil)
		return err
	})
}

func TestEveryFaultOfAJobIsNamed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create("order", "")
	for name, tc := range map[string]struct {
		in   job.New
		want map[string]string
	}{
		"all at once": {
			job.New{ConnectionID: uuid.New(), Kind: job.Pull, Entity: "order", Timing: job.Timing{
				Schedule: "often", TimeZone: "Mars", Overlap: "maybe", Misfire: "some", JitterSeconds: 3601, After: []uuid.UUID{uuid.New()},
			}},
			map[string]string{
				"/connection_id": "exists", "/schedule": "cron", "/time_zone": "time_zone", "/overlap": "enum", "/misfire": "enum",
				"/jitter_seconds": "range", "/after/0": "exists",
			},
		},
		"cannot push":       {job.New{ConnectionID: f.connection, Kind: job.Push, Entity: "invoice"}, map[string]string{"/entity": "stream"}},
		"no such kind":      {job.New{ConnectionID: f.connection, Kind: "copy", Entity: "order"}, map[string]string{"/kind": "enum"}},
		"there is one":      {job.New{ConnectionID: f.connection, Kind: job.Pull, Entity: "order"}, map[string]string{"/entity": "unique"}},
		"zone, no schedule": {job.New{ConnectionID: f.connection, Kind: job.Push, Entity: "order", Timing: job.Timing{TimeZone: "Mars"}}, map[string]string{"/time_zone": "time_zone"}},
	} {
		err := f.db.As(t.Context(), f.who, func(tx pgx.Tx) error {
			_, err := f.store.Create(t.Context(), tx, tc.in)
			return err
		})
		var vs schema.Violations
		if !errors.As(err, &vs) {
			t.Errorf("%s: got %v, want violations", name, err)
			continue
		}
		got := map[string]string{}
		for _, v := range vs {
			got[v.Pointer] = v.Rule
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestDeletedJobTakesItsRunsAlongUnlessOneExecutes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	orders, invoices := f.create("order", "@every 1m"), f.create("invoice", "")
	f.enqueue(orders)
	f.tx(func(tx pgx.Tx) error {
		_, err := f.store.Update(t.Context(), tx, invoices.ID, job.Change{Name: "Invoices", Timing: job.Timing{After: []uuid.UUID{orders.ID}}})
		return err
	})
	task := f.claim(1)
	remove := func() error {
		return f.db.As(t.Context(), f.who, func(tx pgx.Tx) error { return f.store.Delete(t.Context(), tx, orders.ID) })
	}
	if err := remove(); !errors.Is(err, job.ErrRunning) {
		t.Errorf("while a run executes: %v", err)
	}
	f.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "update runs set status = 'failed', worker = null, finished_at = now() where id = $1", task.ID)
		return err
	})
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	if err := remove(); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("a second time: %v", err)
	}
	f.tx(func(tx pgx.Tx) error {
		left, err := f.store.List(t.Context(), tx, f.connection)
		if len(left) != 1 || len(left[0].After) != 0 || len(f.runs()) != 0 {
			t.Errorf("left are %+v and %d runs", left, len(f.runs()))
		}
		return err
	})
}
