package job_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"crmhub/core/job"
	"crmhub/core/schema"
)

// replays runs replays until the test ends: odd records succeed, the record 13 cannot even be tried.
func (f *fixture) replays() (stop func()) {
	replay := func(ctx context.Context, tx pgx.Tx, letters []job.DeadLetter) error {
		done := job.Things{ConnectionID: f.connection, Direction: job.Pull, Entity: letters[0].Entity}
		var again []job.DeadLetter
		for _, d := range letters {
			switch d.RemoteID[len(d.RemoteID)-1] {
			case '1', '3', '5', '7', '9':
				done.IDs = append(done.IDs, d.RemoteID)
			default:
				d.Message = "still not valid"
				again = append(again, d)
			}
			if d.RemoteID == "13" {
				return errors.New("its payload is no record")
			}
		}
		return errors.Join(job.Bury(ctx, tx, again), job.Resolve(ctx, tx, done))
	}
	return f.background(job.NewRunner(job.RunnerConfig{
		DB: f.db, Replay: map[job.Kind]job.Replay{job.Pull: replay}, Every: 50 * time.Millisecond, Logger: quiet, Registerer: prometheus.NewRegistry(),
	}).Run)
}

func (f *fixture) enqueueReplay(s job.Scope) (runs []job.Run) {
	f.Helper()
	f.tx(func(tx pgx.Tx) (err error) {
		runs, err = job.EnqueueReplay(f.Context(), tx, s)
		return err
	})
	return runs
}

func TestGroupIsReplayedAsARunAndOneThatCannotBeTriedIsLeft(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	letters := make([]job.DeadLetter, 0, 500)
	for i := range 500 {
		letters = append(letters, f.letter(fmt.Sprint(i), fmt.Sprintf("/lines/%d/qty", i)))
	}
	f.bury(letters...)
	f.bury(f.letter("1001", "/other"))
	runs := f.enqueueReplay(job.Scope{Fingerprint: letters[0].Fingerprint})
	if len(runs) != 1 || runs[0].Expected != 500 || runs[0].Purpose != job.Replaying {
		t.Fatalf("%+v", runs)
	}
	if again := f.enqueueReplay(job.Scope{Fingerprint: letters[0].Fingerprint}); again[0].ID != runs[0].ID {
		t.Error("asking twice runs twice")
	}
	f.replays()
	f.eventually("the replay ends", func() bool { return f.getRun(runs[0].ID).FinishedAt != nil })
	got := f.getRun(runs[0].ID)
	if diff := cmp.Diff(job.Counts{Read: 500, Updated: 249, Failed: 251, Expected: 500}, got.Counts); got.Status != job.Succeeded || diff != "" {
		t.Errorf("the run %s: %s", got.Status, diff)
	}
	f.tx(func(tx pgx.Tx) error {
		lines, err := job.Lines(t.Context(), tx, got.ID, 0, job.Warn, 10)
		if len(lines) != 1 || !strings.Contains(lines[0].Message, "its payload is no record") {
			t.Errorf("the log says %+v", lines)
		}
		return err
	})
}

func TestReplaySinceATimeReachesEveryEntityAndNothingOlder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	invoice := f.letter("5", "/a")
	invoice.Entity = "invoice" // it has no job yet
	f.bury(f.letter("1", "/a"), f.letter("3", "/b"), invoice)
	f.exec("update dead_letters set updated_at = updated_at - interval '1 day' where remote_id = '1'")
	since := time.Now().Add(-time.Hour)
	if runs := f.enqueueReplay(job.Scope{Since: &since}); len(runs) != 2 {
		t.Errorf("%d runs, want one an entity", len(runs))
	}
	f.replays()
	f.eventually("both are resolved", func() bool { return len(f.letters(job.LetterFilter{Status: job.Resolved})) == 2 })
	if open := f.letters(job.LetterFilter{Status: job.Open}); len(open) != 1 || open[0].RemoteID != "1" {
		t.Errorf("open: %+v", open)
	}
	if runs := f.enqueueReplay(job.Scope{Fingerprint: "none"}); len(runs) != 0 {
		t.Errorf("for nothing there are runs %+v", runs)
	}
}

func TestScopeOfEverythingIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.bury(f.letter("1", "/a"))
	var vs schema.Violations
	err := f.db.As(t.Context(), f.who, func(tx pgx.Tx) error {
		_, err := job.EnqueueReplay(t.Context(), tx, job.Scope{})
		return err
	})
	if !errors.As(err, &vs) {
		t.Errorf("replay: %v", err)
	}
	err = f.db.As(t.Context(), f.who, func(tx pgx.Tx) error {
		_, err := job.DismissAll(t.Context(), tx, job.Scope{}, "x")
		return err
	})
	if !errors.As(err, &vs) {
		t.Errorf("dismiss: %v", err)
	}
}

func TestLettersAreGroupedByCause(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.bury(f.letter("1", "/lines/0/qty"), f.letter("2", "/lines/7/qty"), f.letter("3", "/name"))
	f.bury(f.letter("2", "/lines/1/qty"))
	var got []job.LetterCause
	f.tx(func(tx pgx.Tx) error {
		for after := ""; ; {
			p, err := job.ListCauses(t.Context(), tx, job.LetterFilter{Status: job.Open, Connection: f.connection, After: after, Limit: 1})
			if err != nil {
				return err
			}
			got = append(got, p.Items...)
			if after = p.Next; after == "" {
				return nil
			}
		}
	})
	cause := func(pointer string, n, attempts int64, latest string) job.LetterCause {
		return job.LetterCause{
			ConnectionID: f.connection, Direction: job.Pull, Entity: "order", Stage: job.StageSchema, Class: "schema", Message: "the record is not valid",
			Violations: schema.Violations{{Pointer: pointer, Rule: "type", Message: "must be a number"}}, Count: n, Attempts: attempts, RemoteID: latest,
		}
	}
	ignore := cmpopts.IgnoreFields(job.LetterCause{}, "Fingerprint", "FirstSeen", "LastSeen", "Latest")
	if diff := cmp.Diff([]job.LetterCause{cause("/lines/*/qty", 2, 3, "2"), cause("/name", 1, 1, "3")}, got, ignore); diff != "" {
		t.Error(diff)
	}
	if !got[0].FirstSeen.Before(got[0].LastSeen) || got[0].Latest == uuid.Nil {
		t.Errorf("first seen %s, last seen %s", got[0].FirstSeen, got[0].LastSeen)
	}
}

func TestGroupIsDismissedForAReason(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	letters := []job.DeadLetter{f.letter("1", "/a"), f.letter("2", "/a"), f.letter("3", "/b")}
	f.bury(letters...)
	err := f.db.As(t.Context(), f.who, func(tx pgx.Tx) error {
		_, err := job.DismissAll(t.Context(), tx, job.Scope{Fingerprint: letters[0].Fingerprint}, " ")
		return err
	})
	var vs schema.Violations
	if !errors.As(err, &vs) || vs[0].Pointer != "/reason" {
		t.Errorf("without a reason: %v", err)
	}
	f.tx(func(tx pgx.Tx) error {
		n, err := job.DismissAll(t.Context(), tx, job.Scope{Fingerprint: letters[0].Fingerprint}, "test data")
		if n != 2 {
			t.Errorf("%d dismissed", n)
		}
		return err
	})
	var open []string
	for _, d := range f.letters(job.LetterFilter{Status: job.Open}) {
		open = append(open, d.RemoteID)
	}
	if !slices.Equal(open, []string{"3"}) {
		t.Errorf("open are %v", open)
	}
}
