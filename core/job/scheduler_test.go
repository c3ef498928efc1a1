package job_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"crmhub/core/job"
	"crmhub/core/postgres/postgrestest"
)

func (f *fixture) look(s *job.Scheduler) {
	f.Helper()
	if err := s.EnqueueDue(f.Context()); err != nil {
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
		g.Go(func() error { return s.EnqueueDue(t.Context()) })
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

func TestSchedulerLooksUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create("order", "@every 1m")
	f.pass(time.Minute)
	s := &job.Scheduler{DB: f.db, Logger: quiet, Now: f.clock, Every: 10 * time.Millisecond}
	f.background(s.Run)
	f.eventually("a run is queued", func() bool { return len(f.runs()) == 1 })
}
