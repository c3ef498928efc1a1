package job_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/job"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

func (f *fixture) letter(remoteID, pointer string) job.DeadLetter {
	return job.DeadLetter{
		ConnectionID: f.connection, Direction: job.Pull, Entity: "order", RemoteID: remoteID, Stage: job.StageSchema, Class: "schema",
		Message: "the record is not valid", Violations: schema.Violations{{Pointer: pointer, Rule: "type", Message: "must be a number"}},
		Payload: json.RawMessage(`{"id": ` + remoteID + `}`), MappingVersion: "v1",
	}
}

func (f *fixture) bury(letters ...job.DeadLetter) {
	f.Helper()
	f.tx(func(tx pgx.Tx) error { return job.Bury(f.Context(), tx, letters) })
}

func (f *fixture) letters(filter job.LetterFilter) (all []job.DeadLetter) {
	f.Helper()
	filter.Limit = 2 // so that pages turn
	f.tx(func(tx pgx.Tx) error {
		for {
			p, err := job.ListDeadLetters(f.Context(), tx, filter)
			if err != nil {
				return err
			}
			all = append(all, p.Items...)
			if filter.After = p.Next; p.Next == "" {
				return nil
			}
		}
	})
	return all
}

func TestTheSameThingFailingAgainIsOneLetter(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.bury(f.letter("7", "/a"), f.letter("8", "/a"))
	again := f.letter("7", "/b")
	f.bury(f.letter("7", "/x"), again) // twice in a page, too
	want := again
	want.Attempts, want.Status = 2, job.Open
	got := f.letters(job.LetterFilter{})
	if len(got) != 2 {
		t.Fatalf("%d letters, want 2", len(got))
	}
	ignore := cmpopts.IgnoreFields(job.DeadLetter{}, "ID", "Fingerprint", "CreatedAt", "UpdatedAt")
	if diff := cmp.Diff(want, got[0], ignore); diff != "" {
		t.Error(diff)
	}
}

func TestEqualCausesHaveOneFingerprint(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	message := func(text string) job.DeadLetter {
		d := f.letter("1", "")
		d.Violations, d.Message, d.Stage = nil, text, job.StageRemote
		return d
	}
	push := f.letter("1", "/lines/0/qty")
	id := uuid.New()
	push.Direction, push.EntityID = job.Push, &id
	for name, tc := range map[string]struct {
		a, b  job.DeadLetter
		equal bool
	}{
		"another record":    {f.letter("1", "/lines/0/qty"), f.letter("2", "/lines/0/qty"), true},
		"another line":      {f.letter("1", "/lines/0/qty"), f.letter("2", "/lines/17/qty"), true},
		"another field":     {f.letter("1", "/lines/0/qty"), f.letter("2", "/lines/0/price"), false},
		"another direction": {f.letter("1", "/lines/0/qty"), push, false},
		"other numbers":     {message(`period "2026-01" is closed for 17`), message(`period "2025-12" is closed for 9`), true},
		"another message":   {message("period closed"), message("customer locked"), false},
	} {
		letters := []job.DeadLetter{tc.a, tc.b}
		letters[1].RemoteID += "0"
		f.bury(letters...)
		if equal := letters[0].Fingerprint == letters[1].Fingerprint; equal != tc.equal {
			t.Errorf("%s: equal is %v", name, equal)
		}
	}
}

func TestLetterIsResolvedWhenTheThingSucceeds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.bury(f.letter("7", "/a"), f.letter("8", "/a"))
	f.tx(func(tx pgx.Tx) error {
		return job.Resolve(t.Context(), tx, job.Things{ConnectionID: f.connection, Direction: job.Pull, Entity: "order", IDs: []string{"7", "9"}})
	})
	f.bury(f.letter("7", "/a")) // and fails anew: that is another letter
	got := map[string]int{}
	for _, d := range f.letters(job.LetterFilter{}) {
		got[d.RemoteID+" "+string(d.Status)]++
	}
	if diff := cmp.Diff(map[string]int{"7 resolved": 1, "7 open": 1, "8 open": 1}, got); diff != "" {
		t.Error(diff)
	}
}

func TestListNarrowsAndTurnsPages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other := f.letter("1", "/b")
	other.Entity, other.Class = "invoice", job.ClassWaiting
	f.bury(f.letter("1", "/a"), f.letter("2", "/a"), f.letter("3", "/b"), other)
	same := f.letters(job.LetterFilter{Entity: "invoice"})[0].Fingerprint
	for name, tc := range map[string]struct {
		filter job.LetterFilter
		want   int
	}{
		"all":            {job.LetterFilter{Status: job.Open, Connection: f.connection}, 4},
		"status":         {job.LetterFilter{Status: job.Dismissed}, 0},
		"entity":         {job.LetterFilter{Entity: "order"}, 3},
		"class":          {job.LetterFilter{Class: job.ClassWaiting}, 1},
		"direction":      {job.LetterFilter{Direction: job.Push}, 0},
		"other":          {job.LetterFilter{Connection: uuid.New()}, 0},
		"by fingerprint": {job.LetterFilter{Fingerprint: same}, 1},
	} {
		if got := len(f.letters(tc.filter)); got != tc.want {
			t.Errorf("%s: %d letters, want %d", name, got, tc.want)
		}
	}
}

func TestDismissingNeedsAReason(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.bury(f.letter("7", "/a"))
	id := f.letters(job.LetterFilter{})[0].ID
	err := f.db.As(t.Context(), f.who, func(tx pgx.Tx) error {
		_, err := job.Dismiss(t.Context(), tx, id, " ")
		return err
	})
	var vs schema.Violations
	if !errors.As(err, &vs) || vs[0].Pointer != "/reason" {
		t.Errorf("got %v, want a violation of /reason", err)
	}
	f.tx(func(tx pgx.Tx) error {
		got, err := job.Dismiss(t.Context(), tx, id, "a test order")
		if got.Status != job.Dismissed || got.Reason != "a test order" || got.ClosedAt == nil {
			t.Errorf("dismissed: %+v", got)
		}
		return err
	})
	err = f.db.As(t.Context(), f.who, func(tx pgx.Tx) error {
		_, err := job.Dismiss(t.Context(), tx, id, "again")
		return err
	})
	if !errors.Is(err, job.ErrNotFound) {
		t.Errorf("dismissing twice gave %v", err)
	}
}

func TestReplayHandsOpenLettersToTheirDirection(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	invoice := f.letter("1", "/a")
	invoice.Entity = "invoice"
	f.bury(f.letter("1", "/a"), f.letter("2", "/a"), f.letter("3", "/a"), invoice)
	var ids []uuid.UUID
	for _, d := range f.letters(job.LetterFilter{}) {
		ids = append(ids, d.ID)
		if d.RemoteID == "3" {
			f.tx(func(tx pgx.Tx) error {
				_, err := job.Dismiss(t.Context(), tx, d.ID, "old")
				return err
			})
		}
	}
	got := map[string]int{}
	replay := func(_ context.Context, _ pgx.Tx, letters []job.DeadLetter) error {
		for _, d := range letters {
			got[d.Entity+" "+d.RemoteID] += len(letters)
		}
		return nil
	}
	f.tx(func(tx pgx.Tx) error {
		n, err := job.ReplayDeadLetters(t.Context(), tx, map[job.Kind]job.Replay{job.Pull: replay}, ids)
		if n != 3 {
			t.Errorf("%d tried, want 3", n)
		}
		return err
	})
	if diff := cmp.Diff(map[string]int{"order 1": 2, "order 2": 2, "invoice 1": 1}, got); diff != "" {
		t.Error(diff)
	}
}

// Whoever may replay needs no right to write what comes in: it is the connection's.
func TestReplayReachesWhatItsStarterDoesNot(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.bury(f.letter("1", "/a"))
	ids := []uuid.UUID{f.letters(job.LetterFilter{})[0].ID}
	reaches := func(tx pgx.Tx) (whole bool) {
		if err := tx.QueryRow(t.Context(), "select crmhub_whole('order.create')").Scan(&whole); err != nil {
			t.Fatal(err)
		}
		return whole
	}
	replayed := false
	replay := func(_ context.Context, tx pgx.Tx, _ []job.DeadLetter) error {
		replayed = reaches(tx)
		return nil
	}
	f.who.Actor = postgres.User(uuid.New())
	f.tx(func(tx pgx.Tx) error {
		_, err := job.ReplayDeadLetters(t.Context(), tx, map[job.Kind]job.Replay{job.Pull: replay}, ids)
		if !replayed || reaches(tx) {
			t.Errorf("the replay reaches everything: %v, its starter afterwards: %v", replayed, reaches(tx))
		}
		return err
	})
}
