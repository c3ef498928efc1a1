package pull_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/link"
	"crmhub/core/mapping"
)

func (f *fixture) want(r job.Run, status job.RunStatus, c job.Counts) {
	f.Helper()
	if r.Status != status {
		f.Errorf("the run %s (%+v), want %s", r.Status, r.Error, status)
	}
	if diff := cmp.Diff(c, r.Counts); diff != "" {
		f.Error("counts:", diff)
	}
}

// link is the link of a record.
func (f *fixture) link(entity, remoteID string) (l link.Link) {
	f.Helper()
	f.Tx(func(tx pgx.Tx) error {
		ref := mapping.Ref{Entity: entity, ID: remoteID}
		found, err := link.ByRemote(f.Context(), tx, f.Connection.ID, []mapping.Ref{ref})
		l = found[ref]
		return err
	})
	return l
}

func TestRecordsBecomeEntitiesLinkedAndPublished(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process()
	f.remote.set("party", parties(8)...)
	f.want(f.run("customer"), job.Succeeded, job.Counts{Read: 8, Created: 8})

	c := f.Customers()["C0005"]
	if c == nil || c.Name != "Customer 5" || c.Phone != "+49 30 12345" || c.Origin != "erp" ||
		c.CreatedBy != string(f.Connection.Principal().Actor) {
		t.Errorf("stored %+v", c)
	}
	l := f.link("customer", "5")
	if l.EntityID != c.ID || l.State != link.Linked || l.SyncedVersion != c.Version || l.RemoteVersion != "1" || l.NextAttemptAt != nil {
		t.Errorf("linked %+v", l)
	}
	if n := f.Number("select count(*) from links where next_attempt_at is not null"); n != 0 {
		t.Errorf("%d records would echo back", n)
	}
}

func TestPullingAgainChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process()
	padded := party(9, "  Blank at both ends ")
	f.remote.set("party", append(parties(4), padded, padded)...) // and a record twice in a page
	f.want(f.run("customer"), job.Succeeded, job.Counts{Read: 6, Created: 5})
	before := f.Customers()
	f.want(f.run("customer"), job.Succeeded, job.Counts{Read: 6, Unchanged: 5})
	if diff := cmp.Diff(before, f.Customers()); diff != "" {
		t.Error(diff)
	}
	if n := f.Number("select count(*) from links where next_attempt_at is not null"); n != 0 {
		t.Errorf("%d records would echo back", n)
	}
}

func TestRemoteChangeArrivesAndLocalChangeGoesBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process()
	f.remote.set("party", party(1, "One"))
	f.run("customer")

	mine := f.Customers()["C0001"]
	mine.Name = "One of ours"
	f.save(mine)
	theirs := party(1, "One")
	theirs.Data["phone"], theirs.Version = "+86 10 12345", "2"
	f.remote.set("party", theirs)
	f.want(f.run("customer"), job.Succeeded, job.Counts{Read: 1, Updated: 1})

	c := f.Customers()["C0001"]
	if c.Name != "One of ours" || c.Phone != "+86 10 12345" || c.Version != 3 {
		t.Errorf("merged %+v", c)
	}
	l := f.link("customer", "1")
	if l.WantedVersion != 3 || l.SyncedVersion >= 3 || l.NextAttemptAt == nil || l.RemoteVersion != "2" {
		t.Errorf("the name does not go back: %+v", l)
	}
}

func TestNullEmptiesAFieldAndAbsenceLeavesIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process()
	r := party(1, "One")
	r.Data["note"] = "pays late"
	f.remote.set("party", r)
	f.run("customer")

	r = party(1, "One")
	delete(r.Data, "phone")
	f.remote.set("party", r)
	f.want(f.run("customer"), job.Succeeded, job.Counts{Read: 1, Unchanged: 1})

	r = party(1, "One")
	r.Data["phone"], r.Data["note"] = nil, nil
	f.remote.set("party", r)
	f.want(f.run("customer"), job.Succeeded, job.Counts{Read: 1, Updated: 1})
	if c := f.Customers()["C0001"]; c.Phone != "" || c.Remark != "" {
		t.Errorf("after nulls: %+v", c)
	}
	if n := f.Number("select count(*) from links where next_attempt_at is not null"); n != 0 {
		t.Error("an emptied field would echo back")
	}
}

// Most systems have customers before they have a field for our code.
func TestARecordWithoutOurCodeIsGivenOneAndKeepsIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process()
	for n, code := range []any{nil, "", nil} {
		r := party(1, fmt.Sprintf("Name %d", n))
		r.Version, r.Data["code"] = fmt.Sprint(n), code
		f.remote.set("party", r)
		if run := f.run("customer"); run.Created+run.Updated != 1 {
			t.Fatalf("with the code %v: %+v, %v", code, run.Counts, f.letters(job.Open))
		}
		if c := f.Customers()["C-000001"]; c == nil || c.Name != fmt.Sprintf("Name %d", n) {
			t.Errorf("with the code %v: %v", code, f.Customers())
		}
	}
}

func TestFieldChangedOnBothSidesIsKeptForAPerson(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process()
	f.remote.set("party", party(1, "One"))
	f.run("customer")
	mine := f.Customers()["C0001"]
	mine.Name = "Ours"
	f.save(mine)
	f.remote.set("party", party(1, "Theirs"))
	f.run("customer")
	f.run("customer") // the same conflict is not noted twice

	type conflict struct{ Field, Base, Ours, Theirs, Status string }
	read := func() (all []conflict) {
		f.Tx(func(tx pgx.Tx) (err error) {
			rows, _ := tx.Query(t.Context(), "select field, base #>> '{}', ours #>> '{}', theirs #>> '{}', status from conflicts")
			all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[conflict])
			return err
		})
		return all
	}
	if diff := cmp.Diff([]conflict{{"name", "One", "Ours", "Theirs", "open"}}, read()); diff != "" {
		t.Error(diff)
	}
	if c := f.Customers()["C0001"]; c.Name != "Ours" {
		t.Errorf("the conflict overwrote the name with %q", c.Name)
	}
	f.remote.set("party", party(1, "Ours")) // somebody gave in
	f.run("customer")
	if diff := cmp.Diff([]conflict{{"name", "One", "Ours", "Theirs", "converged"}}, read()); diff != "" {
		t.Errorf("a conflict that is none any more:\n%s", diff)
	}
}

func TestUnlinkedRecordIsMatchedByItsKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process()
	c := f.save(&crm.Customer{Code: "C0002", Name: "Customer 2", Industry: "steel"})
	f.remote.set("party", parties(3)...)
	f.want(f.run("customer"), job.Succeeded, job.Counts{Read: 3, Created: 2, Updated: 1})
	if l := f.link("customer", "2"); l.EntityID != c.ID {
		t.Errorf("record 2 is linked with %s, want %s", l.EntityID, c.ID)
	}
	if got := f.Customers()["C0002"]; got.Phone != "+49 30 12345" || got.Industry != "steel" {
		t.Errorf("merged %+v", got)
	}
}

func TestTwoRecordsDoNotShareAnEntity(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process()
	f.save(&crm.Customer{Code: "C0001", Name: "Customer 1"})
	twin := party(2, "Twin")
	twin.Data["code"] = "C0001"
	f.remote.set("party", party(1, "Customer 1"), twin)
	f.want(f.run("customer"), job.Succeeded, job.Counts{Read: 2, Updated: 1, Failed: 1})
	got := f.letters(job.Open)
	if len(got) != 1 || got[0].RemoteID != "2" || got[0].Stage != job.StageMerge || got[0].Class != "conflict" {
		t.Errorf("letters %+v", got)
	}
}

func TestBadRecordsBecomeDeadLettersAndTheirNeighboursGoOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process()
	all := parties(7)
	all[1].Data["name"] = 17             // not what its schema says
	all[3].Data["phone"] = "call me"     // refused by the store
	all[4].Data["code"] = "C0001"        // taken, which only the database tells
	all[5].Data["boss"] = "no such boss" // waits
	f.remote.set("party", all...)
	f.want(f.run("customer"), job.Succeeded, job.Counts{Read: 7, Created: 3, Failed: 4})

	type fault struct{ Stage, Class, Pointer, Rule string }
	got := map[string]fault{}
	for _, d := range f.letters(job.Open) {
		w := fault{Stage: string(d.Stage), Class: d.Class}
		if len(d.Violations) > 0 {
			w.Pointer, w.Rule = d.Violations[0].Pointer, d.Violations[0].Rule
		}
		got[d.RemoteID] = w
	}
	want := map[string]fault{
		"2": {"schema", "schema", "/name", "type"},
		"4": {"store", "data", "/phone", "format"},
		"5": {"merge", "conflict", "", ""},
		"6": {"mapping", "waiting", "", ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	f.remote.set("party", parties(7)...) // mended over there
	f.want(f.run("customer"), job.Succeeded, job.Counts{Read: 7, Created: 4, Unchanged: 3})
	if open := f.letters(job.Open); len(open) != 0 {
		t.Errorf("still open: %+v", open)
	}
}

func TestUnreadableRecordBecomesADeadLetterUntilItComesWhole(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.process()
	place := map[string]any{"topic": "erp.customer.v1", "partition": json.Number("0"), "offset": json.Number("7")}
	f.remote.set("party", party(1, "One"), connector.Record{ID: "2", Data: place, Err: errors.New("the value is no JSON")}, party(3, "Three"))
	f.want(f.run("customer"), job.Succeeded, job.Counts{Read: 3, Created: 2, Failed: 1})
	want := job.DeadLetter{RemoteID: "2", Stage: job.StageSchema, Class: "schema", Message: "the value is no JSON"}
	check := func() []job.DeadLetter {
		t.Helper()
		letters := f.letters(job.Open)
		if len(letters) != 1 {
			t.Fatalf("%d dead letters", len(letters))
		}
		l := letters[0]
		if diff := cmp.Diff(want, job.DeadLetter{RemoteID: l.RemoteID, Stage: l.Stage, Class: l.Class, Message: l.Message}); diff != "" {
			t.Error(diff)
		}
		if !strings.Contains(string(l.Payload), "erp.customer.v1") {
			t.Errorf("the letter does not say where it lies: %s", l.Payload)
		}
		return letters
	}
	letters := check()
	f.Tx(func(tx pgx.Tx) error { return p.puller.Replay(t.Context(), tx, letters) })
	check()
	f.remote.set("party", party(2, "Two"))
	f.want(f.run("customer"), job.Suspect, job.Counts{Read: 1, Created: 1})
	if left := f.letters(job.Open); len(left) != 0 {
		t.Errorf("%d dead letters are left", len(left))
	}
}

func TestRecordThatCameBeforeWhatItRefersToIsTakenUpWhenThatCame(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process()
	child, boss, top := party(1, "Child"), party(2, "Boss"), party(3, "Top")
	child.Data["boss"], boss.Data["boss"] = "2", "3"
	f.remote.set("receipt", receipt(1, "1"))
	f.want(f.run("payment"), job.Succeeded, job.Counts{Read: 1, Failed: 1})
	f.remote.set("party", child, boss, top)
	f.want(f.run("customer"), job.Succeeded, job.Counts{Read: 3, Created: 3}) // of the payment its own run says what became of it
	if open := f.letters(job.Open); len(open) != 0 {
		t.Errorf("still open: %+v", open)
	}
	all := f.Customers()
	if p := all["C0001"].ParentID; p == nil || *p != all["C0002"].ID {
		t.Errorf("the child's parent is %v", p)
	}
	if n := f.Number("select count(*) from payments"); n != 1 {
		t.Errorf("%d payments, want 1", n)
	}
}

func TestDeletionCountsWhereTheRemoteOwnsTheEntity(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process()
	f.remote.set("party", parties(1)...)
	f.run("customer")
	f.remote.set("receipt", receipt(1, "1"), receipt(2, "1"))
	f.run("payment")

	gone := connector.Record{ID: "1", Deleted: true}
	f.remote.set("receipt", receipt(1, "1"), receipt(2, "1"), gone, connector.Record{ID: "99", Deleted: true})
	f.want(f.run("payment"), job.Succeeded, job.Counts{Read: 2, Updated: 1, Unchanged: 1})
	if n := f.Number("select count(*) from payments where deleted_at is null"); n != 1 {
		t.Errorf("%d payments, want 1", n)
	}
	if n := f.Number("select count(*) from links where wanted_version > synced_version"); n != 0 {
		t.Error("the deletion would echo back")
	}

	f.remote.set("party", connector.Record{ID: "1", Deleted: true})
	f.want(f.run("customer"), job.Succeeded, job.Counts{Read: 1, Failed: 1})
	if got := f.letters(job.Open); len(got) != 1 || got[0].Class != "conflict" {
		t.Errorf("letters %+v", got)
	}
	if n := f.Number("select count(*) from customers where deleted_at is null"); n != 1 {
		t.Error("a customer of ours was deleted from outside")
	}
}

func TestReplayBringsInWhatWasMended(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.process()
	odd := party(1, "One")
	odd.Data["code"] = "TAKEN"
	f.save(&crm.Customer{Code: "TAKEN", Name: "Ours"})
	f.remote.set("party", odd, func() connector.Record { r := party(2, "Two"); r.Data["code"] = "TAKEN"; return r }())
	f.run("customer")
	letters := f.letters(job.Open)
	if len(letters) != 1 {
		t.Fatalf("%d letters, want 1", len(letters))
	}
	f.Tx(func(tx pgx.Tx) error { // the first link was wrong
		_, err := tx.Exec(t.Context(), "delete from links")
		return err
	})
	ids := f.IDs("select id from dead_letters")
	f.Tx(func(tx pgx.Tx) error {
		_, err := job.ReplayDeadLetters(t.Context(), tx, map[job.Kind]job.Replay{job.Pull: p.puller.Replay}, ids)
		return err
	})
	if got := f.letters(job.Resolved); len(got) != 1 {
		t.Errorf("%d letters resolved, want 1", len(got))
	}
	if l := f.link("customer", letters[0].RemoteID); l.RemoteVersion != "1" {
		t.Errorf("linked %+v", l)
	}
}

// at scripts a callback for when the page after n records is asked for.
func at(n int, do func() error) func(context.Context, connector.PullRequest) error {
	return func(_ context.Context, r connector.PullRequest) error {
		if string(r.Cursor) == fmt.Sprint(n) {
			return do()
		}
		return nil
	}
}

// TestWhatTheDatabaseCannotKeepIsADeadLetter has one page with what JSON can carry and PostgreSQL cannot: the neighbours come in.
func TestWhatTheDatabaseCannotKeepIsADeadLetter(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process()
	odd := func(id, name string, value any) connector.Record {
		r := party(9, "Customer 9")
		r.ID, r.Data[name] = id, value
		return r
	}
	all := append(parties(2),
		odd("10", "name", "a\x00b"), odd("11", "unmapped", "a\x00b"), odd("12", "a\x00b", true), odd("13\x00", "x", "y"),
		odd(strings.Repeat("14", 2000), "x", "y"), odd("15", "unmapped", json.Number("1e999999999")), odd("16", "unmapped", []any{map[string]any{"x": json.Number("1e-999999")}}),
		odd("17", "unmapped", json.Number(strings.Repeat("9", 200000))),
	)
	f.remote.set("party", append(all, party(3, "Customer 3"))...)
	f.want(f.run("customer"), job.Succeeded, job.Counts{Read: 11, Created: 3, Failed: 8})
	if n := f.Number("select count(*) from dead_letters where status = 'open' and class = 'schema' and violations <> '[]'"); n != 8 {
		t.Errorf("%d dead letters, not 8", n)
	}
}
