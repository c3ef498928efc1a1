package job_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"crmhub/core/job"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/schema"
)

func (f *fixture) look(s *job.Scheduler) {
	f.Helper()
	if err := s.Look(f.Context()); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) statuses() (all []job.RunStatus) {
	f.Helper()
	for _, r := range f.runs() {
		all = append(all, r.Status)
	}
	return all
}

func TestOneOfManyProcessesEnqueuesADueJob(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create("order", "@every 1m")
	f.pass(time.Minute)
	var g errgroup.Group
	for range 8 {
		s := &job.Scheduler{DB: f.db, Logger: quiet, Now: f.clock}
		g.Go(func() error { return s.Look(t.Context()) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]job.RunStatus{job.Queued}, f.statuses()); diff != "" {
		t.Error(diff)
	}
}

func TestMissedTimesMakeOneRun(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create("order", "*/5 * * * *")
	s := &job.Scheduler{DB: f.db, Logger: quiet, Now: f.clock}
	f.look(s)
	if got := f.statuses(); len(got) != 0 {
		t.Errorf("before its time there are runs %v", got)
	}
	f.pass(72 * time.Hour)
	f.look(s)
	w, _ := postgrestest.Worker(t, f.db)
	if task := f.claim(w); task == nil || task.Trigger != job.BySchedule {
		t.Fatalf("claimed %+v", task)
	}
	f.look(s)
	if diff := cmp.Diff([]job.RunStatus{job.Running}, f.statuses()); diff != "" {
		t.Error(diff)
	}
}

func TestJobWhoseRunHasNotEndedSkipsATime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create("order", "@every 1m")
	s := &job.Scheduler{DB: f.db, Logger: quiet, Now: f.clock}
	f.pass(time.Minute)
	f.look(s)
	w, _ := postgrestest.Worker(t, f.db)
	f.claim(w)
	f.pass(time.Minute)
	f.look(s)
	if diff := cmp.Diff([]job.RunStatus{job.Running}, f.statuses()); diff != "" {
		t.Error(diff)
	}
}

func (f *fixture) change(j job.Job, t job.Timing) job.Job {
	f.Helper()
	f.tx(func(tx pgx.Tx) (err error) {
		j, err = f.store.Update(f.Context(), tx, j.ID, job.Change{Name: j.Name, Timing: t})
		return err
	})
	return j
}

func (f *fixture) finish(t *job.Task, err error) {
	f.Helper()
	if err := job.FinishRun(f.Context(), f.db, *t, err); err != nil {
		f.Fatal(err)
	}
}

func TestOverlapPolicies(t *testing.T) {
	t.Parallel()
	for policy, want := range map[job.Overlap]struct {
		statuses []job.RunStatus // newest first
		cancels  bool
	}{
		job.Skip:      {[]job.RunStatus{job.Running}, false},
		job.Queue:     {[]job.RunStatus{job.Queued, job.Running}, false},
		job.CancelOld: {[]job.RunStatus{job.Queued, job.Running}, true},
	} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.change(f.create("order", ""), job.Timing{Schedule: "* * * * *", Overlap: policy})
			s := &job.Scheduler{DB: f.db, Logger: quiet, Now: f.clock}
			w, _ := postgrestest.Worker(t, f.db)
			f.pass(time.Minute)
			f.look(s)
			old := f.claim(w)
			for range 3 { // however often it comes due
				f.pass(time.Minute)
				f.look(s)
			}
			if diff := cmp.Diff(want.statuses, f.statuses()); diff != "" {
				t.Error(diff)
			}
			if task := f.claim(w); task != nil {
				t.Error("two runs of a job execute")
			}
			var asked error
			if want.cancels {
				asked = job.ErrCancelled
			}
			f.advance(old, job.Counts{Read: 1}, asked)
			f.finish(old, asked)
			if task := f.claim(w); (task != nil) != (policy != job.Skip) {
				t.Errorf("claimed %+v after the old run's end", task)
			}
		})
	}
}

func TestMisfirePolicies(t *testing.T) {
	t.Parallel()
	const hourly = "0 * * * *" // created at 10:07
	for name, tc := range map[string]struct {
		misfire job.Misfire
		away    time.Duration
		want    []string // the times that got a run
		next    string
	}{
		"none":                            {job.MisfireNone, 5 * time.Hour, nil, "04 16:00"},
		"none, and one is just due":       {job.MisfireNone, 5*time.Hour - 7*time.Minute + 30*time.Second, []string{"04 11:00"}, "04 16:00"},
		"none, but it was hardly missed":  {job.MisfireNone, 53*time.Minute + 59*time.Second, []string{"04 11:00"}, "04 12:00"},
		"once":                            {job.MisfireOnce, 5 * time.Hour, []string{"04 11:00"}, "04 16:00"},
		"all":                             {job.MisfireAll, 3 * time.Hour, []string{"04 11:00", "04 12:00", "04 13:00"}, "04 14:00"},
		"all, and all are far too many":   {job.MisfireAll, 1000 * time.Hour, nil, "15 03:00"},
		"all, and nothing was missed yet": {job.MisfireAll, 53*time.Minute + 10*time.Second, []string{"04 11:00"}, "04 12:00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			j := f.change(f.create("order", ""), job.Timing{Schedule: hourly, Misfire: tc.misfire})
			s := &job.Scheduler{DB: f.db, Logger: quiet, Now: f.clock}
			f.pass(tc.away)
			w, _ := postgrestest.Worker(t, f.db)
			var got []string
			for range 2 * job.MostMissed {
				f.look(s)
				f.look(s) // a missed time waits for the run before
				task := f.claim(w)
				if task == nil {
					break
				}
				got = append(got, task.DueAt.UTC().Format("02 15:04"))
				f.finish(task, nil)
			}
			if tc.away > 100*time.Hour {
				if len(got) != job.MostMissed {
					t.Errorf("%d missed times were made up for, want %d", len(got), job.MostMissed)
				}
				got = nil
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			f.tx(func(tx pgx.Tx) (err error) {
				j, err = f.store.Get(t.Context(), tx, j.ID)
				return err
			})
			if next := j.NextRunAt.UTC().Format("02 15:04"); next != tc.next {
				t.Errorf("it is due next at %s, want %s", next, tc.next)
			}
		})
	}
}

// Jobs that are due in the same second are spread, each by as much every time, and none by more than was said.
func TestJitterIsAJobsOwnAndBounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		seconds := rapid.IntRange(0, job.MostJitter).Draw(t, "jitter")
		id := uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 60*24*60).Draw(t, "minutes")) * time.Minute)
		s, vs := job.ParseSchedule("*/20 * * * *", "Europe/Berlin")
		if len(vs) > 0 {
			t.Fatal(vs)
		}
		first := job.Due(s, at, id, seconds)
		late := first.Sub(s.Next(first.Add(-time.Duration(max(seconds, 1)) * time.Second)))
		if late < 0 || late >= time.Duration(max(seconds, 1))*time.Second || !first.After(at) {
			t.Fatalf("after %s it is due at %s, %s late, with a jitter of %d s", at, first, late, seconds)
		}
		if second := job.Due(s, first, id, seconds); second.Sub(first) != 20*time.Minute {
			t.Fatalf("due at %s and then at %s", first, second)
		}
	})
}

func TestRunsWaitForThoseThatComeFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	orders, invoices := f.create("order", ""), f.create("invoice", "")
	var payments job.Job // between the two, and never asked for
	f.tx(func(tx pgx.Tx) (err error) {
		payments, err = f.store.Create(t.Context(), tx, job.New{ConnectionID: f.connection, Kind: job.Push, Entity: "order", Timing: job.Timing{After: []uuid.UUID{orders.ID}}})
		return err
	})
	f.change(invoices, job.Timing{After: []uuid.UUID{payments.ID}})
	f.enqueue(invoices)
	w, _ := postgrestest.Worker(t, f.db)
	f.enqueue(orders)
	first := f.claim(w)
	if first == nil || first.Job.ID != orders.ID {
		t.Fatalf("claimed %+v, want the orders", first)
	}
	if task := f.claim(w); task != nil {
		t.Fatalf("claimed %+v while what comes first executes", task)
	}
	f.finish(first, errors.New("it failed")) // that it ended is enough
	if task := f.claim(w); task == nil || task.Job.ID != invoices.ID {
		t.Fatalf("claimed %+v, want the invoices", task)
	}
}

func TestAllJobsOfAConnectionRunInOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	invoices, orders := f.create("invoice", ""), f.create("order", "")
	f.change(invoices, job.Timing{After: []uuid.UUID{orders.ID}})
	f.tx(func(tx pgx.Tx) error {
		runs, err := f.store.EnqueueAll(t.Context(), tx, f.connection, job.Pull)
		if len(runs) != 2 {
			t.Errorf("%d runs", len(runs))
		}
		return err
	})
	w, _ := postgrestest.Worker(t, f.db)
	var got []string
	for task := f.claim(w); task != nil; task = f.claim(w) {
		got = append(got, task.Job.Entity)
		if next := f.claim(w); next != nil {
			t.Error("both execute")
		}
		f.finish(task, nil)
	}
	if diff := cmp.Diff([]string{"order", "invoice"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestJobsCannotWaitForEachOther(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	orders, invoices := f.create("order", ""), f.create("invoice", "")
	f.change(invoices, job.Timing{After: []uuid.UUID{orders.ID}})
	for _, tc := range []struct {
		j     job.Job
		after []uuid.UUID
		want  string
	}{
		{orders, []uuid.UUID{invoices.ID}, "/after/0: the jobs would wait for each other: pull order (erp) after pull invoice (erp) after pull order (erp)"},
		{orders, []uuid.UUID{orders.ID}, "/after/0: the jobs would wait for each other: pull order (erp) after pull order (erp)"},
		{invoices, []uuid.UUID{orders.ID, orders.ID}, "/after/1: it is named twice"},
	} {
		err := f.db.As(t.Context(), f.who, func(tx pgx.Tx) error {
			_, err := f.store.Update(t.Context(), tx, tc.j.ID, job.Change{Name: "x", Timing: job.Timing{After: tc.after}})
			return err
		})
		var vs schema.Violations
		if !errors.As(err, &vs) || len(vs) != 1 || vs[0].Pointer+": "+vs[0].Message != tc.want {
			t.Errorf("got %v, want %s", err, tc.want)
		}
	}
}

func TestSchedulerLooksUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create("order", "@every 1m")
	f.pass(time.Minute)
	s := &job.Scheduler{DB: f.db, Logger: quiet, Now: f.clock, Every: 10 * time.Millisecond}
	f.background(s.Run)
	f.eventually("a run is queued", func() bool { return len(f.runs()) == 1 })
}

// A clock that was an hour ahead and is set right leaves no job waiting for that hour, in this process or the next.
func TestClockThatGoesBackDelaysNoJob(t *testing.T) {
	t.Parallel()
	for name, restarted := range map[string]bool{"in a process": false, "between two processes": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.create("order", "* * * * *")
			s := &job.Scheduler{DB: f.db, Logger: quiet, Now: f.clock}
			w, _ := postgrestest.Worker(t, f.db)
			f.pass(time.Hour)
			f.look(s)
			f.finish(f.claim(w), nil)
			f.pass(-time.Hour)
			if restarted {
				s = &job.Scheduler{DB: f.db, Logger: quiet, Now: f.clock}
			}
			f.look(s)
			f.pass(time.Minute)
			f.look(s)
			if f.claim(w) == nil {
				t.Error("the job waits for an hour that was there already")
			}
		})
	}
}
