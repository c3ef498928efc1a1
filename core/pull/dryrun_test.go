package pull_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/job"
	"crmhub/core/mapping"
)

// kept counts all that a pull could write.
func (f *fixture) kept() int {
	f.Helper()
	return f.Number(`select (select count(*) from customers) + (select coalesce(sum(version), 0) from customers) + (select count(*) from links)
		+ (select count(*) from dead_letters) + (select count(*) from cursors) + (select coalesce(sum(volume), 0) from cursors) + (select count(*) from exchanges)`)
}

func TestDryRunTellsWhatAPullWouldDoAndDoesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	records := parties(4)
	delete(records[2].Data, "name")
	f.remote.set("party", records...)
	p := f.puller(f.DB)
	dry := func(o job.DryOptions) job.DryReport {
		t.Helper()
		before := f.kept()
		r, err := p.DryRun(t.Context(), f.Who, f.job("customer"), o)
		if err != nil {
			t.Fatal(err)
		}
		if after := f.kept(); after != before {
			t.Errorf("the store changed: %d, then %d", before, after)
		}
		return r
	}
	r := dry(job.DryOptions{Limit: 3})
	if r.Read != 3 || r.Created != 2 || r.Failed != 1 || r.Next == "" || len(r.Items[2].Faults) == 0 {
		t.Errorf("at first: %+v", r)
	}
	if r = dry(job.DryOptions{After: r.Next}); r.Read != 1 || r.Created != 1 || r.Next != "" {
		t.Errorf("the next page: %+v", r)
	}
	f.process()
	f.run("customer")
	records[0].Data["name"], records[0].Version = "Renamed", "2"
	f.remote.set("party", records...)
	r = dry(job.DryOptions{Beginning: true})
	if r.Updated != 1 || r.Unchanged != 2 || r.Failed != 1 {
		t.Errorf("then: %+v", r)
	}
	want := []mapping.Difference{{Pointer: "/name", Before: "Customer 1", After: "Renamed"}}
	if diff := cmp.Diff(want, r.Items[0].Differences); diff != "" || r.Items[0].EntityID == nil {
		t.Error(diff)
	}
	if _, err := p.DryRun(t.Context(), f.Who, f.job("customer"), job.DryOptions{After: "§"}); !errors.Is(err, job.ErrDryCursor) {
		t.Errorf("%v", err)
	}
}
