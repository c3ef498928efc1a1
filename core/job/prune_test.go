package job_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"crmhub/core/job"
)

func TestOldRunsAreDeletedButTheLatest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	orders, invoices := f.create("order", ""), f.create("invoice", "")
	add := func(j job.Job, name string, days int, status string, created int) {
		f.tx(func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), `insert into runs (id, job_id, cause, status, created, queued_by, started_at, finished_at)
				values (gen_random_uuid(), $1, 'schedule', $2, $3, $4, now(), case when $2 <> 'running' then now() - make_interval(days => $5) end)`,
				j.ID, status, created, name, days)
			return err
		})
	}
	add(orders, "did nothing lately", 6, "succeeded", 0)
	add(orders, "did nothing", 8, "succeeded", 0)
	add(orders, "did something", 8, "succeeded", 3)
	add(orders, "failed", 100, "failed", 0)
	add(orders, "failed long ago", 181, "failed", 0)
	add(orders, "did something long ago", 181, "succeeded", 3)
	add(orders, "executes", 0, "running", 0)
	add(invoices, "the only one", 300, "succeeded", 0)
	if err := (&job.Pruner{DB: f.db, Logger: quiet}).Prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, r := range f.runs() {
		got[r.QueuedBy] = true
	}
	want := map[string]bool{"did nothing lately": true, "did something": true, "failed": true, "executes": true, "the only one": true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("runs left (-want +got):\n%s", diff)
	}
}
