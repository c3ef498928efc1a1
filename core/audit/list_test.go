package audit

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
)

func TestListsArePagedAndNarrowed(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	order := uuid.New()
	for v := int64(1); v <= 5; v++ {
		o.append(o.change(order, v, "updated"))
	}
	o.record(Act{Action: "created", Entity: "token", Version: 6})
	// The last version's transaction began first: by time it is the oldest, in the trail of the order it is the newest.
	o.sql("update outbox set created_at = '2026-01-01' where version = 5")
	o.seal(6)
	list := func(f Filter) (versions []int64) {
		o.as(func(tx pgx.Tx) error {
			for pages := 1; ; pages++ {
				p, err := List(t.Context(), tx, f)
				if err != nil {
					return err
				}
				for _, e := range p.Items {
					versions = append(versions, e.Version)
				}
				if f.After = p.Next; p.Next == "" {
					return nil
				}
				if pages > 10 {
					t.Fatal("the pages do not end")
				}
			}
		})
		return versions
	}
	for name, tc := range map[string]struct {
		filter Filter
		want   []int64
	}{
		"all":               {Filter{}, []int64{6, 4, 3, 2, 1, 5}},
		"by pages":          {Filter{Limit: 2}, []int64{6, 4, 3, 2, 1, 5}},
		"of one thing":      {Filter{Entity: "order", EntityID: order, Limit: 2}, []int64{5, 4, 3, 2, 1}},
		"of another kind":   {Filter{Entity: "customer", EntityID: order}, nil},
		"of a kind":         {Filter{Entity: "token"}, []int64{6}},
		"by somebody":       {Filter{Actor: string(o.who.Actor), Limit: 1}, []int64{6, 4, 3, 2, 1, 5}},
		"by nobody":         {Filter{Actor: "system"}, nil},
		"what was done":     {Filter{Action: "created"}, []int64{6}},
		"before a time":     {Filter{To: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)}, []int64{5}},
		"from a time on":    {Filter{From: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), Limit: 3}, []int64{6, 4, 3, 2, 1}},
		"in no time at all": {Filter{From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}, nil},
	} {
		if diff := cmp.Diff(tc.want, list(tc.filter)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	o.as(func(tx pgx.Tx) error {
		if e, err := Get(t.Context(), tx, 6); err != nil || e.Version != 6 {
			t.Errorf("entry 6 is %v, %v", e, err)
		}
		if _, err := Get(t.Context(), tx, 7); !errors.Is(err, ErrNotFound) {
			t.Errorf("entry 7: got %v, want ErrNotFound", err)
		}
		if _, err := List(t.Context(), tx, Filter{After: "x"}); !errors.Is(err, postgres.ErrPlace) {
			t.Errorf("got %v, want postgres.ErrPlace", err)
		}
		return nil
	})
}

func TestDiffHasWhatWasAndIs(t *testing.T) {
	t.Parallel()
	type thing struct {
		Name   string   `json:"name"`
		Config []string `json:"config,omitempty"`
		Count  int      `json:"count"`
	}
	changed, err := Diff(thing{"a", []string{"x"}, 1}, thing{"b", nil, 1})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for name, sides := range changed {
		got[name] = string(sides[0]) + " " + string(sides[1])
	}
	if diff := cmp.Diff(map[string]string{"name": `"a" "b"`, "config": `["x"] null`}, got); diff != "" {
		t.Errorf("diff (-want +got):\n%s", diff)
	}
}
