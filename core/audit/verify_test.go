package audit

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"crmhub/core/secret"
)

// fill makes a trail of n entries, of changes and acts with all that an entry may have or lack.
func (o *office) fill(n int) {
	o.Helper()
	for i := 1; i <= n; i++ {
		if i%3 == 0 {
			o.record(Act{Action: "signed_in", Entity: "session"})
			continue
		}
		o.append(o.change(uuid.New(), int64(i), "created"))
	}
	o.seal(n)
}

// tampered says what Verify finds once somebody with all rights has done things to the trail, which are undone.
func (o *office) tampered(t rapid.TB, do func(ctx context.Context, tx pgx.Tx) error) (r Report) {
	t.Helper()
	undo := errors.New("undone")
	ctx := o.Context()
	err := o.db.As(ctx, o.who, func(tx pgx.Tx) error {
		if err := asSuperuser(ctx, tx, "alter table audit_log drop constraint audit_log_pkey"); err != nil {
			return err
		}
		if err := do(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "set local role crmhub_app"); err != nil {
			return err
		}
		var err error
		if r, err = recompute(ctx, tx, o.key, o.who.Organization, Range{}); err != nil {
			return err
		}
		return undo
	})
	if !errors.Is(err, undo) {
		t.Fatal(err)
	}
	return r
}

func TestEachWayOfTamperingIsFoundWhereItBegins(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.fill(9)
	for name, tc := range map[string]struct {
		sql  []string
		want Fault
	}{
		"changed":                     {[]string{"update audit_log set actor = 'system' where number = 4"}, Fault{4, Changed}},
		"a blank more in the detail":  {[]string{"update audit_log set detail = (' ' || detail::text)::json where number = 4"}, Fault{4, Changed}},
		"the first":                   {[]string{"delete from audit_log where number = 1"}, Fault{1, Missing}},
		"one":                         {[]string{"delete from audit_log where number = 5"}, Fault{5, Missing}},
		"the end":                     {[]string{"delete from audit_log where number > 6"}, Fault{7, Truncated}},
		"all":                         {[]string{"delete from audit_log"}, Fault{1, Truncated}},
		"the end and its head":        {[]string{"delete from audit_log where number > 6", rewindHead}, Fault{6, Rewritten}},
		"the head":                    {[]string{"delete from audit_heads"}, Fault{9, Rewritten}},
		"one before the first":        {[]string{copyOf(4, 0)}, Fault{0, Inserted}},
		"one twice":                   {[]string{copyOf(4, 4)}, Fault{4, Inserted}},
		"one more in between":         {[]string{"update audit_log set number = number + 1 where number > 4", copyOf(4, 5)}, Fault{5, Changed}},
		"one more at the end":         {[]string{copyOf(4, 10)}, Fault{10, Changed}},
		"two in each other's place":   {[]string{"update audit_log set number = 11 - number where number in (5, 6)"}, Fault{5, Changed}},
		"one away, the rest moved up": {[]string{"delete from audit_log where number = 5", "update audit_log set number = number - 1 where number > 5"}, Fault{5, Changed}},
		"its hash":                    {[]string{"update audit_log set hash = set_byte(hash, 0, get_byte(hash, 0) # 1) where number = 4"}, Fault{4, Changed}},
		"a hash of another length":    {[]string{"update audit_log set previous_hash = '' where number = 4"}, Fault{4, Changed}},
		"time without end":            {[]string{"update audit_log set at = 'infinity' where number = 4"}, Fault{4, Changed}},
	} {
		got := o.tampered(t, func(ctx context.Context, tx pgx.Tx) error { return asSuperuser(ctx, tx, tc.sql...) })
		if got.Fault == nil || *got.Fault != tc.want || got.Intact {
			t.Errorf("%s: got %+v, want %+v", name, got.Fault, tc.want)
		}
	}
	for name, tc := range map[string]struct {
		forge func(entries []Entry, forge func(*Entry)) []Entry
		want  Fault
	}{
		"one with its hash": {func(entries []Entry, forge func(*Entry)) []Entry {
			entries[3].Actor = "system"
			forge(&entries[3])
			return entries
		}, Fault{4, Changed}},
		"all from one on": {func(entries []Entry, forge func(*Entry)) []Entry {
			entries[3].Actor = "system"
			relink(entries, 3, forge)
			return entries
		}, Fault{9, Rewritten}},
		"one less and all from there on": {func(entries []Entry, forge func(*Entry)) []Entry {
			entries = append(entries[:3], entries[4:]...)
			relink(entries, 3, forge)
			return entries
		}, Fault{9, Truncated}},
		"one more and all from there on": {func(entries []Entry, forge func(*Entry)) []Entry {
			entries = append(entries[:4:4], entries[3:]...)
			relink(entries, 4, forge)
			return entries
		}, Fault{10, Inserted}},
		"one more with a hash, the others as they were": {func(entries []Entry, forge func(*Entry)) []Entry {
			more := entries[3]
			more.Number, more.PreviousHash = 5, entries[3].Hash
			forge(&more)
			entries = append(entries[:4:4], append([]Entry{more}, entries[4:]...)...)
			for i := 5; i < len(entries); i++ { // they keep whom they follow
				entries[i].Number++
				forge(&entries[i])
			}
			return entries
		}, Fault{5, Inserted}},
	} {
		got := o.tampered(t, o.replace(tc.forge))
		if got.Fault == nil || *got.Fault != tc.want {
			t.Errorf("%s, forged: got %+v, want %+v", name, got.Fault, tc.want)
		}
	}
}

const rewindHead = "update audit_heads set number = 6, hash = (select hash from audit_log where number = 6)"

func copyOf(number, to int) string {
	return fmt.Sprintf(`insert into audit_log select organization_id, %d, at, actor, action, entity, entity_id, version, detail, previous_hash, hash
		from audit_log where number = %d`, to, number)
}

// relink gives the entries from an index on the numbers and hashes that follow from those before.
func relink(entries []Entry, from int, forge func(*Entry)) {
	for i := from; i < len(entries); i++ {
		entries[i].Number = int64(i + 1)
		if i > 0 {
			entries[i].PreviousHash = entries[i-1].Hash
		}
		forge(&entries[i])
	}
}

func (o *office) forge(e *Entry) { e.Hash = new(chain).hash(o.who.Organization, e) }

// replace puts forged entries in place of the trail.
func (o *office) replace(forge func([]Entry, func(*Entry)) []Entry) func(ctx context.Context, tx pgx.Tx) error {
	entries := forge(o.trail(), o.forge)
	return func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "delete from audit_log"); err != nil {
			return err
		}
		p := page{entries: entries}
		for range entries {
			p.organizations = append(p.organizations, o.who.Organization)
		}
		_, err := tx.Exec(ctx, insertPage, p.columns()...)
		return err
	}
}

// Whatever somebody with all rights but without the key does to the rows, it is found.
func TestNoTamperingGoesUnnoticed(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	const n = 12
	o.fill(n)
	columns := map[string][]string{
		"at":            {"at + interval '1 microsecond'", "at - interval '1 year'"},
		"actor":         {"overlay(actor placing 'x' from 1 + ? % length(actor) for 1)", "actor || ' '", "''"},
		"action":        {"overlay(action placing 'x' from 1 + ? % length(action) for 1)", "upper(action)"},
		"entity":        {"entity || 's'", "substr(entity, 2)"},
		"entity_id":     {"case when entity_id is null then gen_random_uuid() end", "gen_random_uuid()"},
		"version":       {"coalesce(version, 0) + 1", "case when version is null then 7 end"},
		"detail":        {"case when detail is null then 'null'::json end", "to_json(1)", "(' ' || detail::text)::json", "'{}'", "to_json(coalesce(detail::text, ''))"},
		"number":        {"number + 1", "number - 1", "-number", "number + 100"},
		"hash":          {"set_byte(hash, ? % 32, (get_byte(hash, ? % 32) + 1 + ? % 255) % 256)", "''", "hash || '\\x00'"},
		"previous_hash": {"set_byte(previous_hash, ? % 32, (get_byte(previous_hash, ? % 32) + 1) % 256)", "hash"},
	}
	var names []string
	for name := range columns {
		names = append(names, name)
	}
	rapid.Check(t, func(t *rapid.T) {
		row := rapid.IntRange(1, n).Draw(t, "row")
		var statement string
		switch rapid.SampledFrom([]string{"change", "change", "change", "remove", "insert", "swap", "move"}).Draw(t, "how") {
		case "change":
			column := rapid.SampledFrom(names).Draw(t, "column")
			value := rapid.SampledFrom(columns[column]).Draw(t, "value")
			value = strings.ReplaceAll(value, "?", fmt.Sprint(rapid.IntRange(0, 1000).Draw(t, "at")))
			statement = fmt.Sprintf("update audit_log set %s = %s where number = %d", column, value, row)
		case "remove":
			statement = fmt.Sprintf("delete from audit_log where number between %d and %d", row, row+rapid.IntRange(0, n).Draw(t, "more"))
		case "insert":
			statement = copyOf(row, rapid.IntRange(0, n+3).Draw(t, "to"))
		case "swap":
			other := rapid.IntRange(1, n).Filter(func(i int) bool { return i != row }).Draw(t, "other")
			statement = fmt.Sprintf("update audit_log set number = %d - number where number in (%d, %d)", row+other, row, other)
		case "move":
			statement = fmt.Sprintf("update audit_log set number = number + 1 where number >= %d", row)
		}
		var same bool
		r := o.tampered(t, func(ctx context.Context, tx pgx.Tx) error {
			const all = "select coalesce(md5(string_agg(a::text, '' order by number, hash)), '') from audit_log a"
			var before, after string
			err := errors.Join(tx.QueryRow(ctx, all).Scan(&before), asSuperuser(ctx, tx, statement), tx.QueryRow(ctx, all).Scan(&after))
			same = before == after
			return err
		})
		if r.Intact != same {
			t.Fatalf("%s\n%+v", statement, r)
		}
	})
	if r := o.verify(Range{}); !r.Intact || r.Entries != n {
		t.Errorf("untouched: %+v", r)
	}
}

// The sealer must not sign what somebody put in place of its own.
func TestSealerDoesNotSignWhatItDidNotLeave(t *testing.T) {
	t.Parallel()
	forged := func(o *office) {
		entries := o.trail()
		entries[0].Actor = "system"
		relink(entries, 0, o.forge)
		err := o.db.AsSystem(t.Context(), func(tx pgx.Tx) error {
			if err := asSuperuser(t.Context(), tx, "delete from audit_heads"); err != nil {
				return err
			}
			return o.replace(func([]Entry, func(*Entry)) []Entry { return entries })(t.Context(), tx)
		})
		if err != nil {
			t.Fatal(err)
		}
		last := entries[len(entries)-1]
		o.sql(fmt.Sprintf(`insert into audit_heads values ('%s', %d, '\x%s', '\x00')`, o.who.Organization, last.Number, last.Hash))
	}
	for name, tc := range map[string]struct {
		tamper func(o *office)
		want   Fault
	}{
		"a chain and a head of somebody's own": {forged, Fault{4, Unsigned}},
		"no head":                              {func(o *office) { o.sql("delete from audit_heads") }, Fault{4, Unsigned}},
		"the end cut off":                      {func(o *office) { o.sql("delete from audit_log where number = 3") }, Fault{3, Missing}},
		"more at the end":                      {func(o *office) { o.sql(copyOf(1, 4)) }, Fault{4, Changed}},
		"another key": {func(o *office) {
			o.key, _ = secret.NewKey([]byte(strings.Repeat("k", 32)))
			o.sealer = o.newSealer(o.db)
		}, Fault{4, Unsigned}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			o.fill(3)
			tc.tamper(o)
			o.record(Act{Action: "created", Entity: "token"})
			o.seal(2) // that, and the note that the trail did not end as it was left
			if r := o.verify(Range{}); r.Fault == nil || *r.Fault != tc.want {
				t.Errorf("got %+v, want %+v", r.Fault, tc.want)
			}
			o.record(Act{Action: "revoked", Entity: "token"})
			o.seal(1)
			entries := o.trail()
			if r := o.verify(Range{From: entries[len(entries)-2].Number}); !r.Intact || r.Entries != 2 {
				t.Errorf("from then on: %+v", r)
			}
		})
	}
}

func TestPartsOfATrailAreVerifiedOneAfterAnother(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	if r := o.verify(Range{}); !r.Intact || r.Entries != 0 {
		t.Errorf("no trail: %+v", r)
	}
	o.fill(7)
	trail := o.trail()
	var got []Report
	for from := int64(1); ; {
		r := o.verify(Range{From: from, Limit: 3})
		got = append(got, r)
		if !r.More {
			break
		}
		from = r.Last + 1
	}
	want := []Report{
		{Intact: true, Entries: 3, Last: 3, Hash: trail[2].Hash, More: true},
		{Intact: true, Entries: 3, Last: 6, Hash: trail[5].Hash, More: true},
		{Intact: true, Entries: 1, Last: 7, Hash: trail[6].Hash},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reports (-want +got):\n%s", diff)
	}
	if r := o.verify(Range{From: 100}); !r.Intact || r.Entries != 0 {
		t.Errorf("from behind the end: %+v", r)
	}
	if r := o.verify(Range{Noted: &trail[3].Hash}); !r.Intact {
		t.Errorf("with a hash noted down: %+v", r.Fault)
	}
	if r := o.verify(Range{Noted: &Hash{1}}); r.Fault == nil || *r.Fault != (Fault{7, Rewritten}) {
		t.Errorf("with a hash of another trail: %+v", r)
	}
}

// An auditor recomputes the trail by the statement in the README, which shares nothing with the code but the description.
func TestStatementInTheREADMEFindsNothingWrong(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.fill(9)
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```sql\n")
	statement, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("the README has no statement")
	}
	broken := func(tx pgx.Tx) (n int) {
		rows, err := tx.Query(t.Context(), statement)
		if err == nil {
			var numbers []int64
			numbers, err = pgx.CollectRows(rows, pgx.RowTo[int64])
			n = len(numbers)
		}
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	o.as(func(tx pgx.Tx) error {
		if n := broken(tx); n != 0 {
			t.Errorf("%d entries of an intact trail are wrong", n)
		}
		return nil
	})
	o.tampered(t, func(ctx context.Context, tx pgx.Tx) error {
		if err := asSuperuser(ctx, tx, "update audit_log set actor = 'x' where number = 4", "delete from audit_log where number = 7"); err != nil {
			return err
		}
		if n := broken(tx); n != 2 {
			t.Errorf("%d entries are wrong, want the one changed and the one after the missing one", n)
		}
		return nil
	})
}

func FuzzHashReadsWhatItWrote(f *testing.F) {
	f.Add([]byte(strings.Repeat("0f", 32)))
	f.Add([]byte("0f"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var h Hash
		if err := h.UnmarshalText(text); err != nil {
			if _, wrong := hex.DecodeString(string(text)); wrong == nil && len(text) == 64 {
				t.Errorf("%q was refused", text)
			}
			return
		}
		if got := h.String(); got != strings.ToLower(string(text)) {
			t.Errorf("%q was read as %s", text, got)
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add("2026-09-01T08:00:00Z_7")
	f.Add("_")
	f.Fuzz(func(t *testing.T, after string) {
		at, number, err := Filter{After: after}.after()
		if err == nil && after != "" && number < 1 {
			t.Errorf("%q is read as %v, %d", after, at, number)
		}
	})
}
