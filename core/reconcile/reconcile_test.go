package reconcile_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/connector"
	"crmhub/core/job"
	"crmhub/core/link"
	"crmhub/core/reconcile"
	"crmhub/core/schema"
	"crmhub/core/secret"
)

// parties gives the remote n parties and pulls them; the ids are returned.
func (w *world) parties(n int) []string {
	w.T.Helper()
	ids := make([]string, n)
	for i := range n {
		ids[i] = w.remote.Put("party", "", map[string]any{"code": code(i), "name": fmt.Sprint("Customer ", i)})
	}
	w.pull("customer")
	return ids
}

func receipt(number, payer, date, currency, amount string) map[string]any {
	return map[string]any{"number": number, "payer": payer, "date": date, "currency": currency, "amount": amount}
}

func TestFieldsAreShownWithWhatWasAgreed(t *testing.T) {
	t.Parallel()
	w := newHouse(t).world(t)
	ids := w.parties(3)
	c := w.Customers()[code(1)]
	c.Name = "Ours"
	w.Save(c)
	w.remote.Put("party", ids[1], map[string]any{"code": code(1), "name": "Theirs", "note": "new"})

	r, found := w.reconcile("customer")
	want := []reconcile.Difference{{
		ReconciliationID: r.ID, Kind: reconcile.Different, EntityID: &c.ID, RemoteID: ids[1], Title: code(1), State: reconcile.Open,
		Fields: []reconcile.Field{{Field: "name", Ours: "Ours", Theirs: "Theirs", Agreed: "Customer 1"}, {Field: "remark", Theirs: "new"}},
	}}
	ignore := cmp.Options{cmpopts.IgnoreFields(reconcile.Difference{}, "ID", "FoundAt"), cmpopts.IgnoreUnexported(reconcile.Difference{})}
	if diff := cmp.Diff(want, found, ignore); diff != "" {
		t.Error(diff)
	}
	counts := reconcile.Counts{Ours: 3, Theirs: 3, Equal: 2, Different: 1}
	if r.Verdict != reconcile.Differs || r.Counts != counts {
		t.Errorf("%+v", r)
	}

	// The remark only comes from there: ours cannot be pushed.
	done := w.mend(r, reconcile.Errand{Action: reconcile.Push, Kind: reconcile.Different})
	if done.Done != 0 || len(done.Refused) != 1 || done.Refused[0].Reason != "remark comes from there and is never sent" {
		t.Errorf("%+v", done)
	}
}

func TestAPartialReadIsNoProof(t *testing.T) {
	t.Parallel()
	w := newHouse(t).world(t)
	w.parties(20)
	w.remote.Script(func(call int) error {
		if call == 1 {
			return &connector.Error{Class: connector.ClassAuth, Message: "the credentials ran out"}
		}
		return nil
	})
	r, found := w.reconcile("customer")
	if r.Verdict != reconcile.Failed || r.FinishedAt == nil || len(found) > 0 || !strings.Contains(r.Message, "the credentials ran out") || r.Counts != (reconcile.Counts{}) {
		t.Errorf("%+v with %d differences", r, len(found))
	}
	if n := w.Number("select count(*) from reconciled_records"); n != 0 {
		t.Errorf("%d records are left of what was read", n)
	}
}

func TestFarLessThanIsLinkedIsSuspect(t *testing.T) {
	t.Parallel()
	w := newHouse(t).world(t)
	for _, id := range w.parties(10)[:6] {
		w.remote.Remove("party", id)
	}
	r, found := w.reconcile("customer")
	if r.Verdict != reconcile.Suspect || len(found) > 0 || r.Message != "4 records of customer were found, where 10 are linked" {
		t.Errorf("%+v with %d differences", r, len(found))
	}
	var believing job.Run
	w.Tx(func(tx pgx.Tx) (err error) {
		believing, err = job.Accept(t.Context(), tx, r.RunID)
		return err
	})
	w.Ended(believing)
	if r, found := w.result(believing); r.Verdict != reconcile.Differs || len(found) != 6 || r.Counts.MissingThere != 6 {
		t.Errorf("%+v with %d differences", r, len(found))
	}
}

// A system that never rests gives no list without a doubt. Who accepts that has a comparison, and its report says so.
func TestAListThatNeverRestsIsComparedOnceSomebodyAcceptsIt(t *testing.T) {
	t.Parallel()
	w := newHouse(t).world(t)
	w.parties(10)
	w.remote.Script(func(int) error { return &connector.Doubt{Message: "the list changed each time"} })
	r, _ := w.reconcile("customer")
	if r.Verdict != reconcile.Suspect || r.Message != "the list changed each time" {
		t.Errorf("%+v", r)
	}
	var believing job.Run
	w.Tx(func(tx pgx.Tx) (err error) {
		believing, err = job.Accept(t.Context(), tx, r.RunID)
		return err
	})
	w.Ended(believing)
	r, found := w.result(believing)
	if r.Verdict != reconcile.Equal || len(found) > 0 || !strings.Contains(r.Message, "accepted") || r.Said == nil || r.Said.Code != "believed" {
		t.Errorf("%+v with %d differences", r, len(found))
	}
}

// A page that shifts while the stream is read leaves records out and gives others twice: neither is a difference.
func TestShiftingPagesAreNoDifference(t *testing.T) {
	t.Parallel()
	w := newHouse(t).world(t)
	ids := w.parties(25)
	w.remote.Script(func(call int) error {
		if call == 1 { // the record at the page's border moves into the page that was read
			w.remote.Remove("party", ids[0])
		}
		if call == 2 { // and now one of it comes twice
			w.remote.Put("party", ids[0], map[string]any{"code": code(0), "name": "Customer 0"})
		}
		return nil
	})
	r, found := w.reconcile("customer")
	if r.Verdict != reconcile.Equal || len(found) > 0 || r.Counts != (reconcile.Counts{Ours: 25, Theirs: 25, Equal: 25}) || w.remote.Asked() != 1 {
		t.Errorf("%d records asked for, %+v\n%+v", w.remote.Asked(), r, found)
	}
}

// What was changed on both sides, and is equal again, while the run was reading.
func TestWhatChangesMeanwhileIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	w := newHouse(t).world(t)
	ids := w.parties(15)
	c := w.Customers()[code(2)]
	w.remote.Script(func(call int) error {
		switch call {
		case 0:
			c.Name = "Renamed"
			w.Save(c)
		case 1:
			w.remote.Put("party", ids[2], map[string]any{"code": code(2), "name": "Renamed"})
		}
		return nil
	})
	r, found := w.reconcile("customer")
	if r.Verdict != reconcile.Equal || len(found) > 0 || r.Counts.Equal != 15 || r.Counts.Moving != 0 {
		t.Errorf("%+v\n%+v", r, found)
	}
}

func TestSumsAreEqualToTheCent(t *testing.T) {
	t.Parallel()
	w := newHouse(t).world(t)
	payer := w.parties(1)[0]
	var ids []string
	for i, amount := range []string{"100.00", "0.10", "0.20", "7.77", "50"} {
		date, currency := "2026-10-31", "EUR"
		if i > 2 {
			date, currency = "2026-11-01", "CNY"
		}
		ids = append(ids, w.remote.Put("receipt", "", receipt(fmt.Sprint("R", i), payer, date, currency, amount)))
	}
	w.pull("payment")
	sum := func(currency, month string, n int64, ours, theirs string, m int64) reconcile.Sum {
		s := reconcile.Sum{
			Currency: currency, Month: month, OursCount: n, Ours: decimal.RequireFromString(ours), TheirsCount: m, Theirs: decimal.RequireFromString(theirs),
		}
		s.Equal = s.Ours.Equal(s.Theirs) && n == m
		return s
	}
	check := func(want ...reconcile.Sum) (r reconcile.Reconciliation, found []reconcile.Difference) {
		t.Helper()
		r, found = w.reconcile("payment")
		if diff := cmp.Diff(want, r.Sums, cmp.Comparer(decimal.Decimal.Equal)); diff != "" {
			t.Error(diff)
		}
		return r, found
	}
	if r, _ := check(sum("EUR", "2026-10", 3, "100.30", "100.30", 3), sum("CNY", "2026-11", 2, "57.77", "57.77", 2)); r.Verdict != reconcile.Equal {
		t.Errorf("%+v", r)
	}

	w.remote.Put("receipt", ids[0], receipt("R0", payer, "2026-10-31", "EUR", "100.01"))
	w.remote.Put("receipt", ids[3], receipt("R3", payer, "2026-12-01", "CNY", "7.77"))
	w.remote.Remove("receipt", ids[4])
	r, found := check(
		sum("EUR", "2026-10", 3, "100.30", "100.31", 3), sum("CNY", "2026-11", 2, "57.77", "0", 0), sum("CNY", "2026-12", 0, "0", "7.77", 1),
	)
	if r.Verdict != reconcile.Differs || r.Counts.Different != 2 || r.Counts.MissingThere != 1 || len(found) != 3 {
		t.Errorf("%+v", r)
	}
}

func TestMendingIsRefusedForWhatChangedSince(t *testing.T) {
	t.Parallel()
	w := newHouse(t).world(t)
	ids := w.parties(4)
	w.remote.Put("party", ids[1], map[string]any{"code": code(1), "name": "Theirs"})
	r, _ := w.reconcile("customer")
	c := w.Customers()[code(1)]
	c.Name = "Changed since"
	w.Save(c)
	done := w.mend(r, reconcile.Errand{Action: reconcile.Pull, Kind: reconcile.Different})
	if done.Done != 0 || len(done.Refused) != 1 || w.Customers()[code(1)].Name != "Changed since" {
		t.Errorf("%+v", done)
	}
}

func TestMendingSaysWhatIsNoOpenDifference(t *testing.T) {
	t.Parallel()
	w := newHouse(t).world(t)
	ids := w.parties(4)
	w.remote.Put("party", ids[1], map[string]any{"code": code(1), "name": "Theirs"})
	w.remote.Put("party", ids[2], map[string]any{"code": code(2), "name": "Theirs"})
	r, found := w.reconcile("customer")
	w.mend(r, reconcile.Errand{Action: reconcile.Ignore, IDs: []uuid.UUID{found[0].ID}, Reason: "an alias"})
	other, _ := w.reconcile("customer")
	unknown := uuid.New()
	in := reconcile.Errand{Action: reconcile.Ignore, IDs: []uuid.UUID{unknown, found[0].ID, found[1].ID, unknown}, Reason: "an alias"}
	want := []link.Refused{{ID: unknown, Reason: "it is no difference of this reconciliation"}, {ID: found[0].ID, Reason: "it is ignored already"}}
	done := w.mend(r, in)
	if diff := cmp.Diff(want, done.Refused); done.Done != 1 || diff != "" {
		t.Errorf("%d done; refused (-want +got):\n%s", done.Done, diff)
	}
	if done := w.mend(other, in); done.Done != 0 || len(done.Refused) != 3 || done.Refused[1].Reason != want[0].Reason {
		t.Errorf("of another reconciliation: %+v", done)
	}
}

func TestWhatIsIgnoredStaysIgnored(t *testing.T) {
	t.Parallel()
	w := newHouse(t).world(t)
	ids := w.parties(4)
	w.remote.Put("party", ids[1], map[string]any{"code": code(1), "name": "Theirs"})
	r, _ := w.reconcile("customer")
	var vs schema.Violations
	err := w.DB.As(t.Context(), w.Who, func(tx pgx.Tx) error {
		_, err := w.reconciler.Mend(t.Context(), tx, r.ID, reconcile.Errand{Action: reconcile.Ignore, Kind: reconcile.Different, Reason: " "}, "")
		return err
	})
	if !errors.As(err, &vs) || vs[0].Pointer != "/reason" {
		t.Errorf("ignored without a reason: %v", err)
	}
	w.mend(r, reconcile.Errand{Action: reconcile.Ignore, Kind: reconcile.Different, Reason: "an alias"})
	if r, found := w.reconcile("customer"); r.Verdict != reconcile.Equal || r.Counts.Ignored != 1 || len(found) != 1 || found[0].Reason != "an alias" {
		t.Errorf("%+v %+v", r, found)
	}
	w.remote.Put("party", ids[1], map[string]any{"code": code(1), "name": "Something else"})
	if r, _ := w.reconcile("customer"); r.Verdict != reconcile.Differs || r.Counts.Ignored != 0 {
		t.Errorf("another difference is ignored too: %+v", r)
	}
}

func TestWhatIsUnlinkedStaysApart(t *testing.T) {
	t.Parallel()
	w := newHouse(t).world(t)
	ids := w.parties(4)
	w.remote.Remove("party", ids[2])
	r, _ := w.reconcile("customer")
	if done := w.mend(r, reconcile.Errand{Action: reconcile.Unlink, Kind: reconcile.MissingThere}); done.Done != 1 {
		t.Errorf("%+v", done)
	}
	c := w.Customers()[code(2)]
	c.Name = "Changed"
	w.Save(c)
	w.Tx(func(tx pgx.Tx) error { // as its pusher's sweep does
		_, err := link.Want(t.Context(), tx, w.Connection.ID, "customer", []link.Version{{EntityID: c.ID, Version: c.Version}})
		return err
	})
	w.push()
	if l := w.LinkOf(c.ID); l.State != link.Unlinked || l.RemoteID != "" {
		t.Errorf("%+v", l)
	}
	if n := len(w.remote.All("party")); n != 3 {
		t.Errorf("%d records", n)
	}
	if r, found := w.reconcile("customer"); r.Verdict != reconcile.Equal || len(found) > 0 {
		t.Errorf("%+v %+v", r, found)
	}
	var taken *link.TakenError
	w.Tx(func(tx pgx.Tx) error {
		_, err := link.Connect(t.Context(), tx, w.Connection.ID, "customer", c.ID, ids[0])
		if !errors.As(err, &taken) || taken.By.RemoteID != ids[0] {
			t.Errorf("a record that is taken: %v", err)
		}
		other := w.remote.Put("party", "", map[string]any{"code": code(2), "name": "Changed"})
		_, err = link.Connect(t.Context(), tx, w.Connection.ID, "customer", c.ID, other)
		return err
	})
	if r, _ := w.reconcile("customer"); r.Verdict != reconcile.Equal || r.Counts.Equal != 4 {
		t.Errorf("%+v", r)
	}
}

func TestAReportVerifiesAndTamperingShows(t *testing.T) {
	t.Parallel()
	w := newHouse(t).world(t)
	ids := w.parties(5)
	w.remote.Put("party", ids[1], map[string]any{"code": code(1), "name": "Theirs"})
	w.remote.Remove("party", ids[2])
	r, _ := w.reconcile("customer")
	var file bytes.Buffer
	w.Tx(func(tx pgx.Tx) error {
		return reconcile.Report(t.Context(), tx, w.Key, reconcile.Names{Organization: "acme", Connection: "erp"}, r.ID, time.Unix(1e9, 0), &file)
	})
	key, _ := w.Key.Notary().Public().(ed25519.PublicKey)
	v, err := reconcile.Verify(bytes.NewReader(file.Bytes()), key)
	if err != nil || v.ID != r.ID || v.Differences != 2 || v.Counts != r.Counts || v.Organization != "acme" || !v.SignedAt.Equal(time.Unix(1e9, 0)) {
		t.Errorf("%+v: %v", v, err)
	}
	otherMaterial := bytes.Repeat([]byte{1}, 32)
	other, err := secret.NewKey(otherMaterial)
	if err != nil {
		t.Fatal(err)
	}
	otherKey, _ := other.Notary().Public().(ed25519.PublicKey)
	lines := bytes.SplitAfter(file.Bytes(), []byte("\n"))
	for name, tc := range map[string]struct {
		file []byte
		key  ed25519.PublicKey
		want error
	}{
		"a value changed":      {bytes.Replace(file.Bytes(), []byte("Theirs"), []byte("Others"), 1), key, reconcile.ErrForged},
		"a line gone":          {bytes.Join([][]byte{lines[0], lines[1], lines[3]}, nil), key, reconcile.ErrForged},
		"lines swapped":        {bytes.Join([][]byte{lines[0], lines[2], lines[1], lines[3]}, nil), key, reconcile.ErrForged},
		"the end gone":         {bytes.Join(lines[:3], nil), key, reconcile.ErrForged},
		"cut within a line":    {file.Bytes()[:file.Len()-9], key, reconcile.ErrForged},
		"the time changed":     {bytes.Replace(file.Bytes(), []byte(`"signed_at":"2001`), []byte(`"signed_at":"2002`), 1), key, reconcile.ErrForged},
		"another installation": {file.Bytes(), otherKey, reconcile.ErrOtherKey},
		"something else":       {[]byte("{}\n"), key, reconcile.ErrNoReport},
		"nothing":              {nil, key, reconcile.ErrNoReport},
	} {
		if _, err := reconcile.Verify(bytes.NewReader(tc.file), tc.key); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

func TestErrandsAreChecked(t *testing.T) {
	t.Parallel()
	w := newHouse(t).world(t)
	w.parties(1)
	r, _ := w.reconcile("customer")
	for name, tc := range map[string]struct {
		in   reconcile.Errand
		want string
	}{
		"no action":    {reconcile.Errand{Action: "burn", Kind: reconcile.Different}, "/action"},
		"nothing":      {reconcile.Errand{Action: reconcile.Push}, "/ids"},
		"both":         {reconcile.Errand{Action: reconcile.Push, Kind: reconcile.Different, IDs: []uuid.UUID{r.ID}}, "/ids"},
		"unknown kind": {reconcile.Errand{Action: reconcile.Push, Kind: "odd"}, "/kind"},
	} {
		err := w.DB.As(t.Context(), w.Who, func(tx pgx.Tx) error {
			_, err := w.reconciler.Mend(t.Context(), tx, r.ID, tc.in, "")
			return err
		})
		var vs schema.Violations
		if !errors.As(err, &vs) || vs[0].Pointer != tc.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	err := w.DB.As(t.Context(), w.Who, func(tx pgx.Tx) error {
		_, err := w.reconciler.Mend(t.Context(), tx, uuid.New(), reconcile.Errand{Action: reconcile.Push, Kind: reconcile.Different}, "")
		return err
	})
	if !errors.Is(err, reconcile.ErrNotFound) {
		t.Error(err)
	}
}

func FuzzVerify(f *testing.F) {
	key, err := secret.NewKey(make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	public, _ := key.Notary().Public().(ed25519.PublicKey)
	f.Add([]byte("{\"format\":\"crmhub.reconciliation.v1\"}\n{\"sha256\":\"\",\"signature\":\"AA==\",\"public_key\":\"AA==\"}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := reconcile.Verify(bytes.NewReader(b), public); err == nil {
			t.Errorf("%q verifies", b)
		}
	})
}
