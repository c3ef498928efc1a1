package job_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"crmhub/core/job"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/schema"
)

// act does to a run what a person may do.
func (f *fixture) act(do func(tx pgx.Tx) (job.Run, error), want error) (r job.Run) {
	f.Helper()
	err := f.db.As(f.Context(), f.who, func(tx pgx.Tx) (err error) {
		r, err = do(tx)
		return err
	})
	if !errors.Is(err, want) {
		f.Fatalf("got %v, want %v", err, want)
	}
	return r
}

func (f *fixture) pause(id uuid.UUID, want error) job.Run {
	f.Helper()
	return f.act(func(tx pgx.Tx) (job.Run, error) { return job.RequestPause(f.Context(), tx, id) }, want)
}

func (f *fixture) resume(id uuid.UUID, want error) job.Run {
	f.Helper()
	return f.act(func(tx pgx.Tx) (job.Run, error) { return job.ResumeRun(f.Context(), tx, id) }, want)
}

func (f *fixture) getRun(id uuid.UUID) job.Run {
	f.Helper()
	return f.act(func(tx pgx.Tx) (job.Run, error) { return job.GetRun(f.Context(), tx, id) }, nil)
}

func (f *fixture) exec(sql string, args ...any) {
	f.Helper()
	f.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(f.Context(), sql, args...)
		return err
	})
}

func TestPausedRunKeepsItsPlaceThroughARestart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	j := f.create("order", "")
	r := f.enqueue(j)
	f.pause(r.ID, job.ErrRunState) // what waits is cancelled, not paused
	w, die := postgrestest.Worker(t, f.db)
	task := f.claim(w)
	f.tx(func(tx pgx.Tx) error {
		return job.AdvanceTo(t.Context(), tx, *task, job.Counts{Read: 5}, json.RawMessage(`{"page": 1}`))
	})
	if got := f.pause(r.ID, nil); !got.PauseRequested || got.Status != job.Running {
		t.Errorf("after the request: %+v", got)
	}
	f.advance(task, job.Counts{Read: 5}, job.ErrPaused)
	f.finish(task, job.ErrPaused)
	die()

	next, _ := postgrestest.Worker(t, f.db)
	fresh := f.enqueue(j)
	if fresh.ID == r.ID {
		t.Error("a run that was asked for is the paused one")
	}
	if got := f.claim(next); got != nil {
		t.Fatalf("%+v was claimed while a run of its job is paused", got)
	}
	f.resume(r.ID, nil)
	got := f.claim(next)
	if got == nil || got.ID != r.ID || got.Read != 5 || string(got.Position) != `{"page": 1}` || got.Resumed {
		t.Fatalf("claimed %+v", got)
	}
	f.finish(got, nil)
	f.resume(r.ID, job.ErrRunState)
	if got := f.claim(next); got == nil || got.ID != fresh.ID {
		t.Errorf("claimed %+v, want the one that waited", got)
	}
}

func TestPauseIsTakenBackInTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.enqueue(f.create("order", ""))
	w, _ := postgrestest.Worker(t, f.db)
	task := f.claim(w)
	f.pause(r.ID, nil)
	f.resume(r.ID, nil)
	f.advance(task, job.Counts{Read: 1}, nil)
}

func TestPausedRunIsCancelled(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.enqueue(f.create("order", ""))
	w, _ := postgrestest.Worker(t, f.db)
	task := f.claim(w)
	f.pause(r.ID, nil)
	f.finish(task, job.ErrPaused)
	got := f.act(func(tx pgx.Tx) (job.Run, error) { return job.RequestCancel(t.Context(), tx, r.ID) }, nil)
	if got.Status != job.Cancelled || got.FinishedAt == nil {
		t.Errorf("it is %+v", got)
	}
}

func TestRunTellsWhenItEnds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	j := f.create("order", "")
	w, _ := postgrestest.Worker(t, f.db)
	first := f.enqueue(j)
	task := f.claim(w)
	f.advance(task, job.Counts{Read: 300}, nil)
	if got := f.getRun(first.ID); got.EndsAt != nil || got.Total() != 0 {
		t.Errorf("nobody knows when the first run ends: %+v", got)
	}
	f.finish(task, nil)

	second := f.enqueue(j)
	task = f.claim(w)
	f.advance(task, job.Counts{Read: 100}, nil)
	at := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	moved := func() {
		f.exec("update runs set claimed_at = $2, progress_at = $3 where id = $1", second.ID, at, at.Add(time.Minute))
	}
	moved()
	got := f.getRun(second.ID)
	if got.Estimate != 300 || got.EndsAt == nil || !got.EndsAt.Equal(at.Add(3*time.Minute)) {
		t.Errorf("a third took a minute: %d expected at %v", got.Estimate, got.EndsAt)
	}
	f.advance(task, job.Counts{Expected: 200}, nil)
	moved()
	got = f.getRun(second.ID)
	if got.Expected != 200 || got.Estimate != 0 || !got.EndsAt.Equal(at.Add(2*time.Minute)) {
		t.Errorf("the other side says 200: %+v", got)
	}
	f.pause(second.ID, nil)
	f.finish(task, job.ErrPaused)
	f.resume(second.ID, nil)
	task = f.claim(w)
	f.advance(task, job.Counts{Read: 50}, nil)
	moved()
	if got = f.getRun(second.ID); !got.EndsAt.Equal(at.Add(2 * time.Minute)) {
		t.Errorf("50 of the last 100 took a minute since it goes on; it ends at %s", got.EndsAt)
	}
}

func TestRunThatDoesNotMoveIsStuck(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.enqueue(f.create("order", ""))
	w, _ := postgrestest.Worker(t, f.db)
	task := f.claim(w)
	registry := prometheus.NewRegistry()
	dog := job.NewWatchdog(f.db, quiet, registry)
	check := func(stuck bool) {
		t.Helper()
		if got := f.getRun(r.ID); got.Stuck != stuck {
			t.Errorf("stuck is %v", got.Stuck)
		}
		if err := dog.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		n := 0
		if stuck {
			n = 1
		}
		want := fmt.Sprintf("# HELP crmhub_runs_stuck Runs that execute and have not moved for ten minutes, in all processes.\n# TYPE crmhub_runs_stuck gauge\ncrmhub_runs_stuck %d\n", n)
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
		f.tx(func(tx pgx.Tx) error {
			p, err := job.ListRuns(t.Context(), tx, job.RunFilter{Stuck: true})
			if len(p.Items) != n {
				t.Errorf("%d runs are listed as stuck, want %d", len(p.Items), n)
			}
			return err
		})
	}
	check(false)
	f.exec("update runs set progress_at = now() - interval '11 minutes'")
	check(true)
	f.advance(task, job.Counts{Read: 1}, nil)
	check(false)
}

func TestLogOfARunIsBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.enqueue(f.create("order", ""))
	w, _ := postgrestest.Worker(t, f.db)
	task := f.claim(w)
	for page := range 4 {
		lines := make([]job.Line, 400)
		for i := range lines {
			lines[i] = job.Line{Level: job.Warn, Message: "failed", RemoteID: fmt.Sprint(400*page + i)}
		}
		f.tx(func(tx pgx.Tx) error { return job.Log(t.Context(), tx, r.ID, lines...) })
	}
	f.finish(task, errors.New("the disk is full"))
	var got []job.Line
	f.tx(func(tx pgx.Tx) (err error) {
		got, err = job.Lines(t.Context(), tx, r.ID, 0, "", 5000)
		return err
	})
	if len(got) != job.MostLines+2 || got[1].RemoteID != "0" || got[job.MostLines-1].RemoteID != fmt.Sprint(job.MostLines-2) {
		t.Fatalf("%d lines", len(got))
	}
	end := got[job.MostLines:]
	if !strings.HasPrefix(end[0].Message, "More lines are left out") || end[1].Level != job.Error || !strings.Contains(end[1].Message, "the disk is full") {
		t.Errorf("it ends %+v", end)
	}
	f.tx(func(tx pgx.Tx) (err error) {
		got, err = job.Lines(t.Context(), tx, r.ID, 0, job.Error, 10)
		return err
	})
	if diff := cmp.Diff([]job.Level{job.Error}, []job.Level{got[0].Level}); len(got) != 1 || diff != "" {
		t.Errorf("errors: %+v", got)
	}
}

func TestSuspectRunIsJudgedOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	j := f.create("order", "")
	w, _ := postgrestest.Worker(t, f.db)
	suspect := func() job.Run {
		r := f.enqueue(j)
		f.finish(f.claim(w), &job.SuspectError{Message: "nothing came"})
		return r
	}
	accept := func(id uuid.UUID, want error) job.Run {
		return f.act(func(tx pgx.Tx) (job.Run, error) { return job.Accept(t.Context(), tx, id) }, want)
	}
	discard := func(id uuid.UUID, want error) job.Run {
		return f.act(func(tx pgx.Tx) (job.Run, error) { return job.Discard(t.Context(), tx, id) }, want)
	}
	r := suspect()
	if got := discard(r.ID, nil); got.Verdict != job.Discarded || got.VerdictBy == "" {
		t.Errorf("discarded: %+v", got)
	}
	accept(r.ID, job.ErrRunState)
	if n := len(f.runs()); n != 1 {
		t.Errorf("discarding asked for %d runs", n-1)
	}
	r = suspect()
	next := accept(r.ID, nil)
	if task := f.claim(w); task.ID != next.ID || !task.Believe {
		t.Errorf("claimed %+v, want one that believes", task)
	}
	discard(next.ID, job.ErrRunState)
	accept(uuid.New(), job.ErrNotFound)
}

func TestBackfillIsAskedForOnceAndWaitsForTheJob(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	j := f.create("order", "")
	from, to := f.now.Add(-48*time.Hour), f.now
	ask := func(r job.Range) job.Run {
		return f.act(func(tx pgx.Tx) (job.Run, error) { return f.store.Backfill(t.Context(), tx, j.ID, r) }, nil)
	}
	some, all := ask(job.Range{From: &from, To: &to}), ask(job.Range{})
	if again := ask(job.Range{From: &from, To: &to}); again.ID != some.ID || all.ID == some.ID {
		t.Error("the same range is asked for twice")
	}
	f.enqueue(j)
	w, _ := postgrestest.Worker(t, f.db)
	var got []job.Purpose
	for task := f.claim(w); task != nil; task = f.claim(w) {
		if task.ID == some.ID && (!task.Range.From.Equal(from) || !task.Range.To.Equal(to)) {
			t.Errorf("the range is %+v", task.Range)
		}
		if next := f.claim(w); next != nil {
			t.Error("two runs of a job execute")
		}
		got = append(got, task.Purpose)
		f.finish(task, nil)
	}
	if diff := cmp.Diff([]job.Purpose{job.Backfill, job.Backfill, job.Regular}, got); diff != "" {
		t.Error(diff)
	}
}

func TestFailedBackfillGoesOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	j := f.create("order", "")
	r := f.act(func(tx pgx.Tx) (job.Run, error) { return f.store.Backfill(t.Context(), tx, j.ID, job.Range{}) }, nil)
	w, _ := postgrestest.Worker(t, f.db)
	task := f.claim(w)
	f.tx(func(tx pgx.Tx) error {
		return job.AdvanceTo(t.Context(), tx, *task, job.Counts{Read: 3}, json.RawMessage("7"))
	})
	f.finish(task, errors.New("away"))
	f.resume(r.ID, nil)
	if got := f.claim(w); got == nil || got.ID != r.ID || string(got.Position) != "7" || got.FinishedAt != nil || got.Error != nil {
		t.Errorf("claimed %+v", got)
	}
	regular := f.enqueue(f.create("invoice", ""))
	f.finish(f.claim(w), errors.New("away"))
	f.resume(regular.ID, job.ErrRunState)
}

func TestWhatCannotBeBackfilledIsSaid(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	orders, invoices := f.create("order", ""), f.create("invoice", "")
	var push job.Job
	f.tx(func(tx pgx.Tx) (err error) {
		push, err = f.store.Create(t.Context(), tx, job.New{ConnectionID: f.connection, Kind: job.Push, Entity: "order"})
		return err
	})
	for name, tc := range map[string]struct {
		j    job.Job
		in   job.Range
		want string
	}{
		"a push":               {push, job.Range{}, "kind"},
		"a range of a whole":   {invoices, job.Range{From: &f.now}, "range"},
		"the end at the start": {orders, job.Range{From: &f.now, To: &f.now}, "range"},
	} {
		err := f.db.As(t.Context(), f.who, func(tx pgx.Tx) error {
			_, err := f.store.Backfill(t.Context(), tx, tc.j.ID, tc.in)
			return err
		})
		var vs schema.Violations
		if !errors.As(err, &vs) || vs[0].Rule != tc.want {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
