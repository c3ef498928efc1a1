package pull_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
	"crmhub/core/job"
)

func TestKilledRunIsTakenOverAndNeitherRepeatsNorLoses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.remote.set("party", parties(14)...)
	stuck := make(chan struct{})
	f.remote.script(func(ctx context.Context, r connector.PullRequest) error {
		if string(r.Cursor) != "9" {
			return nil
		}
		select {
		case stuck <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		<-ctx.Done()
		return ctx.Err()
	})
	first := f.process()
	r := f.enqueue("customer")
	<-stuck // the third page was fetched; it may be stored or not
	first.kill()
	f.remote.script(nil)
	f.process()
	f.want(f.ended(r), job.Succeeded, job.Counts{Read: 14, Created: 14})
	if n := f.number("select count(*) from links"); n != 14 {
		t.Errorf("%d changes, want 14", n)
	}
}

func TestFailedRunGoesOnFromItsCursor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process()
	f.remote.set("party", parties(8)...)
	auth := &connector.Error{Class: connector.ClassAuth, Message: "the token has expired", Code: "401", Remedy: "Renew it."}
	calls := 0
	f.remote.script(at(6, func() error { calls++; return auth }))
	r := f.run("customer")
	f.want(r, job.Failed, job.Counts{Read: r.Read, Created: r.Read})
	if diff := cmp.Diff(&job.Failure{Class: "auth", Code: "401", Message: "the token has expired", Remedy: "Renew it."}, r.Error); diff != "" {
		t.Error(diff)
	}
	if calls != 1 {
		t.Errorf("credentials that were refused were tried %d times", calls)
	}
	f.remote.script(nil)
	f.want(f.run("customer"), job.Succeeded, job.Counts{Read: 8 - r.Read, Created: 8 - r.Read})
}

func TestTransientErrorsAreRetried(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process()
	f.remote.set("party", parties(8)...)
	failures := 3
	start := time.Now()
	f.remote.script(at(3, func() error {
		if failures--; failures >= 0 {
			return &connector.Error{Class: connector.ClassQuota, Message: "slow down", RetryAfter: 30 * time.Millisecond}
		}
		return nil
	}))
	f.want(f.run("customer"), job.Succeeded, job.Counts{Read: 8, Created: 8})
	if took := time.Since(start); took < 90*time.Millisecond {
		t.Errorf("three times Retry-After 30 ms took %s", took)
	}
	f.remote.script(at(3, func() error { return errors.New("connection reset") }))
	if r := f.run("customer"); r.Status != job.Failed || r.Error.Class != "transient" {
		t.Errorf("the run %s: %+v", r.Status, r.Error)
	}
}

func TestPullThatFindsFarLessIsSuspect(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		finds    int
		expected int64
		want     job.RunStatus
		stored   int // of the changes over there
	}{
		"nothing":          {0, 0, job.Suspect, 0},
		"less than half":   {4, 0, job.Suspect, 4},
		"less, as it says": {4, 4, job.Suspect, 0},
		"half":             {5, 0, job.Succeeded, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.process()
			f.remote.set("party", parties(10)...)
			f.run("customer")
			less := parties(tc.finds)
			for i := range less {
				less[i].Data["phone"] = "+49 40 999"
			}
			f.remote.set("party", less...)
			f.remote.expected = tc.expected
			// Not asked for by hand: what a person starts after a suspect run is believed.
			f.tx(func(tx pgx.Tx) error {
				_, err := job.Enqueue(t.Context(), tx, f.jobs["customer"].ID, job.BySchedule)
				return err
			})
			f.eventually("both runs end", func() bool { return f.number("select count(*) from runs where finished_at is not null") == 2 })
			f.tx(func(tx pgx.Tx) error {
				status, err := job.LastStatus(t.Context(), tx, f.jobs["customer"].ID)
				if status != tc.want {
					t.Errorf("the run %s, want %s", status, tc.want)
				}
				return err
			})
			if n := f.number("select count(*) from customers where phone = '+49 40 999'"); n != tc.stored {
				t.Errorf("%d changes stored, want %d", n, tc.stored)
			}
			if n := f.number("select count(*) from customers where deleted_at is null"); n != 10 {
				t.Errorf("%d customers left of 10", n)
			}
			if n := f.number("select count(*) from cursors where cursor is null and volume = 0"); n != 1 {
				t.Error("the next run does not begin at the beginning")
			}
			f.want(f.run("customer"), job.Succeeded, f.get(f.last()).Counts) // by hand: believed
			if n := f.number("select coalesce(usual_volume, 0) from cursors"); n != tc.finds {
				t.Errorf("the usual volume is %d, want %d", n, tc.finds)
			}
		})
	}
}

// last is the run enqueued last.
func (f *fixture) last() job.Run {
	f.Helper()
	var p job.RunPage
	f.tx(func(tx pgx.Tx) (err error) {
		p, err = job.ListRuns(f.Context(), tx, job.RunFilter{Limit: 1})
		return err
	})
	return p.Items[0]
}

func TestIncrementalPullThatFindsNothingIsNotSuspect(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process()
	f.remote.set("party", parties(1)...)
	f.run("customer")
	f.remote.set("receipt", receipt(1, "1"), receipt(2, "1"), receipt(3, "1"), receipt(4, "1"))
	f.want(f.run("payment"), job.Succeeded, job.Counts{Read: 4, Created: 4})
	f.want(f.run("payment"), job.Succeeded, job.Counts{})
	f.remote.set("receipt", receipt(1, "1"), receipt(2, "1"), receipt(3, "1"), receipt(4, "1"), receipt(5, "1"))
	f.want(f.run("payment"), job.Succeeded, job.Counts{Read: 1, Created: 1})
}

func TestCancelEndsTheRunWithinAPage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process()
	f.remote.set("party", parties(14)...)
	asked, proceed := make(chan struct{}), make(chan struct{})
	f.remote.script(at(6, func() error { asked <- struct{}{}; <-proceed; return nil }))
	r := f.enqueue("customer")
	<-asked
	f.tx(func(tx pgx.Tx) error {
		_, err := job.RequestCancel(t.Context(), tx, r.ID)
		return err
	})
	close(proceed)
	r = f.ended(r)
	if r.Status != job.Cancelled || r.Read > 6 {
		t.Errorf("the run %s after %d records", r.Status, r.Read)
	}
	f.remote.script(nil)
	f.want(f.run("customer"), job.Succeeded, job.Counts{Read: 14 - r.Read, Created: 14 - r.Read})
}

func TestOneOfTwoProcessesPulls(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process()
	f.process()
	f.remote.set("party", parties(9)...)
	for range 5 {
		f.run("customer")
	}
	if n := f.number("select count(*) from customers"); n != 9 {
		t.Errorf("%d customers, want 9", n)
	}
	if n := f.number("select max(version) from customers"); n != 1 {
		t.Errorf("a customer has %d versions", n)
	}
}

func TestConnectorThatDoesNotMoveIsStopped(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process()
	f.remote.set("party", parties(4)...)
	f.remote.stuck = true
	if r := f.run("customer"); r.Status != job.Failed || r.Error.Class != "config" {
		t.Errorf("the run %s: %+v", r.Status, r.Error)
	}
}

func TestDoubtIsSuspectUntilAPersonAcceptsIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process()
	f.remote.set("receipt")
	f.remote.script(func(_ context.Context, r connector.PullRequest) error {
		if r.Accept {
			return nil
		}
		return &connector.Doubt{Message: "the log begins after the cursor"}
	})
	for _, by := range []struct {
		trigger job.Trigger
		status  job.RunStatus
	}{{job.ByHand, job.Suspect}, {job.BySchedule, job.Suspect}, {job.ByHand, job.Succeeded}} {
		r := f.ended(f.enqueueBy("payment", by.trigger))
		f.want(r, by.status, job.Counts{})
		if by.status == job.Suspect && (r.Error == nil || r.Error.Message != "the log begins after the cursor") {
			t.Errorf("the run says %+v", r.Error)
		}
	}
}
