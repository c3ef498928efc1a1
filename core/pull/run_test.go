package pull_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
	"crmhub/core/drift"
	"crmhub/core/job"
	"crmhub/core/postgres"
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
	f.want(f.Ended(r), job.Succeeded, job.Counts{Read: 14, Created: 14})
	if n := f.Number("select count(*) from links"); n != 14 {
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

// TestRunWhosePlaceIsForgottenReadsAllAndCountsItOnce has the remote begin anew where a run failed: what counts as usual, by
// which the next run is believed or not, is one whole list.
func TestRunWhosePlaceIsForgottenReadsAllAndCountsItOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process()
	f.remote.set("party", parties(8)...)
	f.remote.script(at(6, func() error { return &connector.Error{Class: connector.ClassData, Message: "the cursor has expired"} }))
	stored := f.run("customer").Read
	f.remote.script(nil)
	f.remote.forgets = true
	f.want(f.run("customer"), job.Succeeded, job.Counts{Read: 8, Created: 8 - stored, Unchanged: stored})
	if n := f.Number("select usual_volume from cursors"); n != 8 {
		t.Errorf("%d records are usual, not 8", n)
	}
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
			r := f.run("customer")
			if r.Status != tc.want {
				t.Errorf("the run %s, want %s", r.Status, tc.want)
			}
			if n := f.Number("select count(*) from customers where phone = '+49 40 999'"); n != tc.stored {
				t.Errorf("%d changes stored, want %d", n, tc.stored)
			}
			if n := f.Number("select count(*) from customers where deleted_at is null"); n != 10 {
				t.Errorf("%d customers left of 10", n)
			}
			if n := f.Number("select count(*) from cursors where cursor is null and volume = 0"); n != 1 {
				t.Error("the next run does not begin at the beginning")
			}
			if tc.want == job.Succeeded {
				return
			}
			if again := f.run("customer"); again.Status != job.Suspect {
				t.Errorf("without anybody's word the next run %s", again.Status)
			}
			f.Tx(func(tx pgx.Tx) (err error) {
				r, err = job.Accept(t.Context(), tx, r.ID)
				return err
			})
			if r = f.Ended(r); r.Status != job.Succeeded {
				t.Errorf("the accepted run %s", r.Status)
			}
			if n := f.Number("select coalesce(usual_volume, 0) from cursors"); n != tc.finds {
				t.Errorf("the usual volume is %d, want %d", n, tc.finds)
			}
		})
	}
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
	f.Tx(func(tx pgx.Tx) error {
		_, err := job.RequestCancel(t.Context(), tx, r.ID)
		return err
	})
	close(proceed)
	r = f.Ended(r)
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
	if n := f.Number("select count(*) from customers"); n != 9 {
		t.Errorf("%d customers, want 9", n)
	}
	if n := f.Number("select max(version) from customers"); n != 1 {
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

func TestPausedRunGoesOnAtItsPageAfterARestart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.process()
	f.remote.set("party", parties(14)...)
	asked, proceed := make(chan struct{}), make(chan struct{})
	f.remote.script(at(6, func() error { asked <- struct{}{}; <-proceed; return nil }))
	r := f.enqueue("customer")
	<-asked
	f.Tx(func(tx pgx.Tx) error {
		_, err := job.RequestPause(t.Context(), tx, r.ID)
		return err
	})
	close(proceed)
	f.Eventually("it is paused", func() bool { return f.Get(r).Status == job.Held })
	read := f.Get(r).Read
	first.kill()
	f.process()
	if n := f.Number("select count(*) from customers"); int64(n) != read || n > 6 {
		t.Errorf("%d customers while paused after %d records", n, read)
	}
	f.remote.script(nil)
	f.Tx(func(tx pgx.Tx) error {
		_, err := job.ResumeRun(t.Context(), tx, r.ID)
		return err
	})
	f.want(f.Ended(r), job.Succeeded, job.Counts{Read: 14, Created: 14})
}

func dated(day int, r connector.Record) connector.Record {
	r.UpdatedAt = time.Date(2026, 5, day, 12, 0, 0, 0, time.UTC)
	return r
}

func TestBackfillReadsItsRangeAgainAndLeavesTheCursor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	process := f.process()
	f.remote.set("party", parties(1)...)
	f.run("customer")
	var all []connector.Record
	for day := 1; day <= 20; day++ {
		all = append(all, dated(day, receipt(day, "1")))
	}
	f.remote.set("receipt", all...)
	f.want(f.run("payment"), job.Succeeded, job.Counts{Read: 20, Created: 20})
	cursor := f.Number("select (cursor #>> '{}')::integer from cursors where entity = 'payment'")

	backfill := func(in job.Range) (r job.Run) {
		f.Tx(func(tx pgx.Tx) (err error) {
			r, err = (&job.Store{Connectors: f.Connections.Connectors}).Backfill(t.Context(), tx, f.job("payment").ID, in)
			return err
		})
		return r
	}
	from, to := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC), time.Date(2026, 5, 14, 12, 0, 0, 0, time.UTC)
	// The process dies on the way: the next one goes on at the page.
	stuck := make(chan struct{})
	f.remote.script(func(ctx context.Context, in connector.PullRequest) error {
		if string(in.Cursor) != "6" {
			return nil
		}
		stuck <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	r := backfill(job.Range{From: &from, To: &to})
	<-stuck
	process.kill()
	f.remote.script(nil)
	f.process()
	f.want(f.Ended(r), job.Succeeded, job.Counts{Read: 10, Unchanged: 10})
	if again := f.Number("select (cursor #>> '{}')::integer from cursors where entity = 'payment'"); again != cursor {
		t.Errorf("the cursor moved from %d to %d", cursor, again)
	}
	f.want(f.Ended(backfill(job.Range{})), job.Succeeded, job.Counts{Read: 20, Unchanged: 20})
	f.want(f.run("payment"), job.Succeeded, job.Counts{})
}

func TestRunsOfAConnectionThatIsAwayWaitAndDoNotHammer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process()
	f.remote.set("party", parties(5)...)
	f.remote.set("receipt", receipt(1, "1"), receipt(2, "2"))
	away := &connector.Error{Class: connector.ClassTransient, Message: "connection refused"}
	calls := 0
	f.remote.script(func(context.Context, connector.PullRequest) error {
		f.remote.mu.Lock()
		defer f.remote.mu.Unlock()
		if f.remote.down != nil {
			calls++
		}
		return f.remote.down
	})
	count := func(n *int) (got int) {
		f.remote.mu.Lock()
		defer f.remote.mu.Unlock()
		return *n
	}
	f.remote.mu.Lock()
	f.remote.down = away
	f.remote.mu.Unlock()
	if r := f.run("customer"); r.Status != job.Failed || r.Error.Message != "connection refused" {
		t.Errorf("the run %s: %+v", r.Status, r.Error)
	}
	waiting := []job.Run{f.enqueue("customer"), f.enqueue("payment")}
	f.Eventually("it was probed in vain", func() bool { return count(&f.remote.checks) > 5 })
	if n := count(&calls); n > 6 {
		t.Errorf("%d calls to a system that is away", n)
	}
	for _, r := range waiting {
		if got := f.Get(r); got.Status != job.Queued {
			t.Errorf("a run is %s meanwhile", got.Status)
		}
	}
	f.remote.mu.Lock()
	f.remote.down = nil
	f.remote.mu.Unlock()
	for _, r := range waiting {
		if got := f.Ended(r); got.Status != job.Succeeded {
			t.Errorf("afterwards a run %s: %+v", got.Status, got.Error)
		}
	}
	if n := f.Number("select count(*) from payments"); n != 2 {
		t.Errorf("%d payments, want 2", n)
	}
}

func TestLogOfARunHasTheCauseOfEachRecordThatFailed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process()
	broken := party(2, "Two")
	broken.Data["name"] = 7
	f.remote.set("party", party(1, "One"), broken)
	r := f.run("customer")
	var lines []job.Line
	f.Tx(func(tx pgx.Tx) (err error) {
		lines, err = job.Lines(t.Context(), tx, r.ID, 0, "", 10)
		return err
	})
	if len(lines) != 3 || lines[1].RemoteID != "2" || lines[1].Level != job.Warn || !strings.Contains(lines[1].Message, "/name") {
		t.Errorf("the log: %+v", lines)
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
	var doubted job.Run
	for _, by := range []job.Trigger{job.BySchedule, job.ByHand} {
		doubted = f.Ended(f.Enqueue(job.Pull, "payment", by))
		f.want(doubted, job.Suspect, job.Counts{})
		if doubted.Error == nil || doubted.Error.Message != "the log begins after the cursor" {
			t.Errorf("the run says %+v", doubted.Error)
		}
	}
	var accepting job.Run
	f.Tx(func(tx pgx.Tx) (err error) {
		accepting, err = job.Accept(t.Context(), tx, doubted.ID)
		return err
	})
	f.want(f.Ended(accepting), job.Succeeded, job.Counts{})
	f.want(f.run("payment"), job.Suspect, job.Counts{}) // one run was to believe, not all that follow
}

func TestPullNoticesThatRecordsChangeTheirShape(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pageSize = 40
	f.process()
	f.remote.set("party", parties(60)...)
	f.want(f.run("customer"), job.Succeeded, job.Counts{Read: 60, Created: 60})
	others := parties(60)
	for _, r := range others {
		r.Data["branch"] = "north"
	}
	f.remote.set("party", others...)
	r := f.run("customer")
	f.want(r, job.Succeeded, job.Counts{Read: 60, Unchanged: 60})
	var found postgres.Page[drift.Finding]
	f.Tx(func(tx pgx.Tx) (err error) {
		found, err = drift.List(t.Context(), tx, drift.Filter{Connection: f.Connection.ID})
		return err
	})
	if len(found.Items) != 1 {
		t.Fatalf("found %+v", found)
	}
	if news := found.Items[0]; news.Kind != drift.NewField || news.Pointer != "/branch" || news.Count != 60 || news.RunID != r.ID {
		t.Errorf("found %+v", news)
	}
}
