package job_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"crmhub/core/connector"
	"crmhub/core/job"
	"crmhub/core/postgres/postgrestest"
)

// background runs fn until the returned function is called, at the latest when the test ends.
func (f *fixture) background(fn func(ctx context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(f.Context()))
	done := make(chan error, 1)
	go func() { done <- fn(ctx) }()
	stopped := false
	stop = func() {
		cancel()
		if !stopped {
			stopped = true
			if err := <-done; err != nil {
				f.Error(err)
			}
		}
	}
	f.Cleanup(stop)
	return stop
}

func (f *fixture) runner(work job.Work) *job.Runner {
	return job.NewRunner(job.RunnerConfig{
		DB: f.db, Work: map[job.Kind]job.Work{job.Pull: work}, Every: 50 * time.Millisecond,
		Logger: quiet, Registerer: prometheus.NewRegistry(),
	})
}

func TestRunEndsAsItsWorkDid(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err    error
		status job.RunStatus
		want   *job.Failure
	}{
		"done":    {nil, job.Succeeded, nil},
		"suspect": {fmt.Errorf("pull: %w", &job.SuspectError{Message: "nothing came"}), job.Suspect, &job.Failure{Class: "volume", Message: "nothing came"}},
		"remote": {
			fmt.Errorf("pull: %w", &connector.Error{Class: connector.ClassAuth, Message: "no", Code: "401", Remedy: "Renew the token."}),
			job.Failed, &job.Failure{Class: "auth", Message: "no", Code: "401", Remedy: "Renew the token."},
		},
		"else":  {errors.New("odd"), job.Failed, &job.Failure{Class: "internal", Message: "odd"}},
		"panic": {nil, job.Failed, &job.Failure{Class: "internal", Message: "the run panicked: boom"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.enqueue(f.create("order", ""))
			f.background(f.runner(func(context.Context, job.Task) error {
				if name == "panic" {
					panic("boom")
				}
				return tc.err
			}).Run)
			f.eventually("the run ends", func() bool { return f.runs()[0].FinishedAt != nil })
			got := f.runs()[0]
			if got.Status != tc.status {
				t.Errorf("status %s, want %s", got.Status, tc.status)
			}
			if diff := cmp.Diff(tc.want, got.Error, cmpopts.IgnoreFields(job.Failure{}, "Remedy")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAskingTwiceRunsOnceAndAskingMeanwhileRunsOnceMore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	j := f.create("order", "")
	if a, b := f.enqueue(j), f.enqueue(j); a.ID != b.ID {
		t.Error("a second run was queued")
	}
	started, release := make(chan struct{}), make(chan struct{})
	for range 2 { // two processes
		f.background(f.runner(func(ctx context.Context, _ job.Task) error {
			select {
			case started <- struct{}{}:
			case <-ctx.Done():
			}
			select {
			case <-release:
			case <-ctx.Done():
			}
			return ctx.Err()
		}).Run)
	}
	<-started
	f.enqueue(j)
	select {
	case <-started:
		t.Fatal("two runs of one job at a time")
	case <-time.After(300 * time.Millisecond): // several looks of both
	}
	release <- struct{}{}
	<-started
	release <- struct{}{}
	f.eventually("both runs succeeded", func() bool {
		return cmp.Equal([]job.RunStatus{job.Succeeded, job.Succeeded}, f.statuses())
	})
}

// Two workers look at the same moment: the one takes a pull that no matching is in the way of yet, and does not commit before the
// other looks, who would take the matching.
func TestAPullAndAMatchingDoNotBeginAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.enqueue(f.create("order", ""))
	one, dieOne := postgrestest.Worker(t, f.db)
	other, dieOther := postgrestest.Worker(t, f.db)
	defer dieOne()
	defer dieOther()
	var late *job.Task
	done := make(chan error, 1)
	err := f.db.AsSystem(t.Context(), func(tx pgx.Tx) error {
		pull, err := job.ClaimRun(t.Context(), tx, one)
		if err != nil || pull == nil || pull.Job.Kind != job.Pull {
			return fmt.Errorf("claimed %+v: %w", pull, err)
		}
		f.tx(func(tx pgx.Tx) error {
			j, err := f.store.Create(t.Context(), tx, job.New{ConnectionID: f.connection, Kind: job.Match, Entity: "order"})
			if err != nil {
				return err
			}
			_, err = job.Enqueue(t.Context(), tx, j.ID, job.ByHand)
			return err
		})
		go func() {
			done <- f.db.AsSystem(t.Context(), func(tx pgx.Tx) (err error) {
				late, err = job.ClaimRun(t.Context(), tx, other)
				return err
			})
		}()
		f.eventually("the other has looked, or waits", func() (settled bool) {
			if len(done) > 0 {
				return true
			}
			f.tx(func(tx pgx.Tx) error {
				return tx.QueryRow(t.Context(), `select exists (select from pg_locks where locktype = 'advisory' and not granted
					and database = (select oid from pg_database where datname = current_database()))`).Scan(&settled)
			})
			return settled
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || late != nil {
		t.Errorf("beside the pull the other took %+v, %v", late, err)
	}
}

func TestRunOfADeadWorkerIsTakenOver(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.enqueue(f.create("order", ""))
	old, die := postgrestest.Worker(t, f.db)
	first := f.claim(old)
	f.advance(first, job.Counts{Read: 3, Created: 2, Failed: 1}, nil)

	next, _ := postgrestest.Worker(t, f.db)
	if task := f.claim(next); task != nil {
		t.Fatal("a living worker lost its run")
	}
	die()
	tasks := make(chan job.Task, 1)
	f.background(f.runner(func(_ context.Context, task job.Task) error {
		tasks <- task
		f.advance(&task, job.Counts{Read: 1, Updated: 1}, nil)
		return nil
	}).Run)
	task := <-tasks
	if task.ID != first.ID || !task.Resumed {
		t.Errorf("took over %+v, want run %s", task, first.ID)
	}
	f.advance(first, job.Counts{Read: 100}, job.ErrLost) // the dead one is not quite dead
	f.eventually("the run ends", func() bool { return f.runs()[0].Status == job.Succeeded })
	want := job.Counts{Read: 4, Created: 2, Updated: 1, Failed: 1}
	if diff := cmp.Diff(want, f.runs()[0].Counts); diff != "" {
		t.Error(diff)
	}
}

func (f *fixture) advance(t *job.Task, c job.Counts, want error) {
	f.Helper()
	err := f.db.As(f.Context(), f.who, func(tx pgx.Tx) error { return job.Advance(f.Context(), tx, *t, c) })
	if !errors.Is(err, want) {
		f.Errorf("advance gave %v, want %v", err, want)
	}
}

func TestRunIsCancelled(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cancel := func(r job.Run) (got job.Run) {
		f.tx(func(tx pgx.Tx) (err error) {
			got, err = job.RequestCancel(t.Context(), tx, r.ID)
			return err
		})
		return got
	}
	j := f.create("order", "")
	if got := cancel(f.enqueue(j)); got.Status != job.Cancelled || got.FinishedAt == nil {
		t.Errorf("a queued run is %s after its cancelling", got.Status)
	}
	r := f.enqueue(j)
	working := make(chan struct{})
	f.background(f.runner(func(ctx context.Context, task job.Task) error {
		close(working)
		for ctx.Err() == nil {
			err := f.db.As(ctx, f.who, func(tx pgx.Tx) error { return job.Advance(ctx, tx, task, job.Counts{Read: 1}) })
			if err != nil {
				return fmt.Errorf("page: %w", err)
			}
		}
		return ctx.Err()
	}).Run)
	<-working
	if got := cancel(r); !got.CancelRequested {
		t.Error("the request was not kept")
	}
	f.eventually("the run is cancelled", func() bool { return f.runs()[0].Status == job.Cancelled })
	if got := cancel(r); got.Status != job.Cancelled {
		t.Errorf("cancelling what ended made it %s", got.Status)
	}
}

func TestPausedConnectionRunsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.enqueue(f.create("order", ""))
	f.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "update connections set status = 'paused'")
		return err
	})
	w, _ := postgrestest.Worker(t, f.db)
	if task := f.claim(w); task != nil {
		t.Error("a run of a paused connection was claimed")
	}
}

func TestRunsAreListedPageByPage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.create("order", ""), f.create("invoice", "")
	want := []job.Run{f.enqueue(b), f.enqueue(a)}
	want[0], want[1] = want[1], want[0]
	var got []job.Run
	f.tx(func(tx pgx.Tx) error {
		for after := ""; ; {
			p, err := job.ListRuns(t.Context(), tx, job.RunFilter{Connection: f.connection, After: after, Limit: 1})
			if err != nil {
				return err
			}
			got = append(got, p.Items...)
			if after = p.Next; after == "" {
				return nil
			}
		}
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
