package job_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/job"
	"crmhub/core/schema"
)

func TestProposedAreTheJobsThatAConnectionLacks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	plan := job.Plan{Pull: "@every 5m", Reconcile: "0 2 * * *", TimeZone: "Europe/Berlin"}
	orders := f.create("order", "*/15 * * * *") // it is there already
	names := map[uuid.UUID]string{orders.ID: "pull order"}
	say := func(id uuid.UUID, kind job.Kind, entity string, timing job.Timing) string {
		names[id] = fmt.Sprintf("%s %s", kind, entity)
		var after []string
		for _, a := range timing.After {
			after = append(after, names[a])
		}
		return strings.TrimSpace(fmt.Sprintf("%s %s %s after %s", names[id], timing.Schedule, timing.TimeZone, strings.Join(after, ", ")))
	}
	want := []string{
		"pull invoice @every 5m Europe/Berlin after pull order",
		"pull payment @every 5m Europe/Berlin after pull invoice",
		"push order  Europe/Berlin after",
		"reconcile order 0 2 * * * Europe/Berlin after pull order",
		"reconcile invoice 0 2 * * * Europe/Berlin after pull invoice",
	}
	f.tx(func(tx pgx.Tx) error {
		var proposed, made []string
		all, err := f.store.Propose(t.Context(), tx, f.connection, plan)
		if err != nil {
			return err
		}
		for _, p := range all {
			proposed = append(proposed, say(p.ID, p.Kind, p.Entity, p.Timing))
		}
		if diff := cmp.Diff(want, proposed); diff != "" {
			t.Errorf("proposed: %s", diff)
		}
		jobs, err := f.store.CreateProposed(t.Context(), tx, f.connection, plan)
		if err != nil {
			return err
		}
		for _, j := range jobs {
			made = append(made, say(j.ID, j.Kind, j.Entity, j.Timing))
			if j.Name != names[j.ID] || j.Status != job.Active || (j.NextRunAt != nil) != (j.Schedule != "") {
				t.Errorf("made %+v", j)
			}
		}
		if diff := cmp.Diff(want, made); diff != "" {
			t.Errorf("made: %s", diff)
		}
		if jobs, err = f.store.CreateProposed(t.Context(), tx, f.connection, plan); len(jobs) > 0 {
			t.Errorf("made twice: %v", jobs)
		}
		return err
	})
	for pointer, plan := range map[string]job.Plan{"/schedule": {Reconcile: "now and then"}, "/time_zone": {TimeZone: "Mars", Reconcile: "@daily"}} {
		g := newFixture(t)
		err := g.db.As(t.Context(), g.who, func(tx pgx.Tx) error {
			_, err := g.store.CreateProposed(t.Context(), tx, g.connection, plan)
			return err
		})
		if vs, ok := errors.AsType[schema.Violations](err); !ok || vs[0].Pointer != pointer {
			t.Errorf("%s: %v", pointer, err)
		}
	}
	err := f.db.As(t.Context(), f.who, func(tx pgx.Tx) error {
		_, err := f.store.Propose(t.Context(), tx, uuid.New(), plan)
		return err
	})
	if vs, ok := errors.AsType[schema.Violations](err); !ok || vs[0].Rule != "exists" {
		t.Errorf("of no connection: %v", err)
	}
}
