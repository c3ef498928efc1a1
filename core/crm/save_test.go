package crm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/postgres"
)

func TestSaveSetsTheHead(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	now := time.Date(2026, 1, 2, 3, 4, 5, 678912345, time.FixedZone("", 3600))
	s.store.Now = func() time.Time { return now }
	c := &crm.Customer{Head: crm.Head{Origin: "forged", CreatedBy: "forged", DeletedAt: &now}, Name: "A"}
	s.save(t, c)
	created := time.Date(2026, 1, 2, 2, 4, 5, 678912000, time.UTC)
	want := crm.Head{ID: c.ID, Version: 1, Origin: "crm", CreatedAt: created, CreatedBy: string(s.who.Actor), UpdatedAt: created, UpdatedBy: string(s.who.Actor)}
	if diff := cmp.Diff(want, c.Head); diff != "" || c.ID == uuid.Nil {
		t.Errorf("after insert (-want +got):\n%s", diff)
	}
	now = now.Add(time.Hour)
	c.CreatedBy = "forged"
	if err := s.trySave(t, s.connection(), c); err != nil {
		t.Fatal(err)
	}
	want.Version, want.Origin, want.UpdatedAt, want.UpdatedBy = 2, "erp", created.Add(time.Hour), string(s.connection().Actor)
	if diff := cmp.Diff(want, c.Head); diff != "" {
		t.Errorf("after update (-want +got):\n%s", diff)
	}
}

func TestFailedSaveLeavesTheHeadsAlone(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a, b := &crm.Customer{Name: "A", Code: "X"}, &crm.Customer{Name: "B", Code: "X"}
	err := s.trySave(t, s.by(), a, b)
	wantRules(t, err, "/code unique")
	if diff := cmp.Diff([]crm.Head{{}, {}}, []crm.Head{a.Head, b.Head}); diff != "" {
		t.Errorf("heads (-want +got):\n%s", diff)
	}
}

func TestStaleWriteIsRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	first := &crm.Customer{Name: "A"}
	s.save(t, first)
	second := *first
	s.save(t, first)

	err := s.trySave(t, s.by(), &crm.Customer{Name: "other"}, &second)
	var item *crm.ItemError
	var stale *crm.StaleError
	if !errors.Is(err, crm.ErrStale) || !errors.As(err, &item) || !errors.As(err, &stale) {
		t.Fatalf("got %v, want a StaleError of an item", err)
	}
	if diff := cmp.Diff(crm.StaleError{ID: first.ID, Seen: 1, Stored: 2}, *stale); diff != "" || item.Index != 1 {
		t.Errorf("item %d (-want +got):\n%s", item.Index, diff)
	}
}

func TestOfTwoWritersOneWins(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	c := &crm.Customer{Name: "A"}
	s.save(t, c)
	const writers = 4
	errs := make(chan error, writers)
	for i := range writers {
		mine := *c
		mine.Name = fmt.Sprint("writer ", i)
		go func() { errs <- s.trySave(t, s.by(), &mine) }()
	}
	won := 0
	for range writers {
		switch err := <-errs; {
		case err == nil:
			won++
		case !errors.Is(err, crm.ErrStale):
			t.Error(err)
		}
	}
	if v := headOf(t, s.get(t, c)).Version; won != 1 || v != 2 {
		t.Errorf("%d writers won, version is %d", won, v)
	}
}

func TestUnknownOrDeletedEntityIsNotFound(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	gone := &crm.Customer{Name: "A"}
	s.save(t, gone)
	remove := func() error {
		return s.as(t, func(ctx context.Context, tx pgx.Tx) error {
			_, err := s.store.Delete(ctx, tx, s.by(), crm.KindCustomer, gone.ID, 1)
			return err
		})
	}
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	gone.Version = 2
	unknown := &crm.Customer{Head: crm.Head{ID: uuid.New(), Version: 1}, Name: "B"}
	for name, err := range map[string]error{"unknown": s.trySave(t, s.by(), unknown), "deleted": s.trySave(t, s.by(), gone), "deleted twice": remove()} {
		if !errors.Is(err, crm.ErrNotFound) {
			t.Errorf("%s: got %v, want ErrNotFound", name, err)
		}
	}
	if headOf(t, s.get(t, gone)).DeletedAt == nil {
		t.Error("Get does not say that it is deleted")
	}
}

func TestDocumentThatCountsCannotBeDeleted(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for _, e := range s.examples(t) {
		err := s.as(t, func(ctx context.Context, tx pgx.Tx) error {
			_, err := s.store.Delete(ctx, tx, s.by(), e.Kind(), headOf(t, e).ID, 1)
			return err
		})
		switch e.Kind() {
		case crm.KindOrder, crm.KindInvoice, crm.KindPayment, crm.KindContract:
			wantRules(t, err, "/status immutable")
		case crm.KindPipeline:
			wantRules(t, err, "/stages restrict")
		case crm.KindCustomer:
			wantRules(t, err, " restrict") // whose documents these are
		default:
			if err != nil {
				t.Errorf("%s: %v", e.Kind(), err)
			}
		}
	}
}

// What is published is what a reader gets.
func TestEveryWriteIsAChangeInTheOutbox(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	by := s.by()
	by.TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	c := &crm.Customer{Name: "A", Ext: crm.Ext(`{"long":1,"b":{"y":2,"x":1}}`)}
	if err := s.trySave(t, by, c); err != nil {
		t.Fatal(err)
	}
	created := asJSON(t, s.get(t, c))
	s.save(t, c)
	updated := asJSON(t, s.get(t, c))
	err := s.as(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := s.store.Delete(ctx, tx, s.connection(), crm.KindCustomer, c.ID, 2)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	deleted := asJSON(t, s.get(t, c))

	type row struct {
		Entity, Type, Origin, Trace string
		ID                          uuid.UUID
		Version                     int64
		Data                        string
	}
	var got []row
	err = s.db.AsSystem(t.Context(), func(tx pgx.Tx) error {
		rows, err := tx.Query(t.Context(), "select entity, type, origin, coalesce(traceparent, ''), entity_id, version, data::text from outbox order by seq")
		if err != nil {
			return err
		}
		got, err = pgx.CollectRows(rows, pgx.RowToStructByPos[row])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []row{
		{"customer", "created", "crm", by.TraceParent, c.ID, 1, created},
		{"customer", "updated", "crm", "", c.ID, 2, updated},
		{"customer", "deleted", "erp", "", c.ID, 3, deleted},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if !json.Valid([]byte(deleted)) || created == updated || updated == deleted {
		t.Error("the versions do not differ")
	}
}

func TestListsOfAnEntityAreReplaced(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a := &crm.Customer{Name: "A", Addresses: []crm.CustomerAddress{{Kind: "bill"}, {Kind: "ship"}}}
	b := &crm.Customer{Name: "B", Addresses: []crm.CustomerAddress{{Kind: "other"}}}
	s.save(t, a, b)
	a.Addresses = []crm.CustomerAddress{{Kind: "ship", Address: crm.Address{City: "Köln"}}}
	b.Addresses = nil
	c := &crm.Customer{Name: "C", Addresses: []crm.CustomerAddress{{Kind: "bill"}}}
	s.save(t, a, b, c)
	for _, e := range []crm.Entity{a, b, c} {
		if diff := cmp.Diff(asJSON(t, e), asJSON(t, s.get(t, e))); diff != "" {
			t.Errorf("(-saved +read):\n%s", diff)
		}
	}
}

func TestNumbersAreGivenOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.save(t, &crm.Customer{Name: "by hand", Code: "C-000002"})
	a, b, c := &crm.Customer{Name: "a"}, &crm.Customer{Name: "b", Code: " B "}, &crm.Customer{Name: "c"}
	s.save(t, a, b, c)
	if diff := cmp.Diff([]string{"C-000001", "B", "C-000003"}, []string{a.Code, b.Code, c.Code}); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
	order := func(day string) *crm.Order {
		return &crm.Order{CustomerID: a.ID, Date: date(t, day), Currency: "EUR"}
	}
	x, y, z := order("2025-12-31"), order("2026-01-01"), order("2025-01-01")
	s.save(t, x, y, z)
	if diff := cmp.Diff([]string{"SO-2025-000001", "SO-2026-000001", "SO-2025-000002"}, []string{x.Number, y.Number, z.Number}); diff != "" {
		t.Errorf("numbers (-want +got):\n%s", diff)
	}
	other := openShop(t, s.db)
	mine := &crm.Customer{Name: "a"}
	other.save(t, mine)
	if mine.Code != "C-000001" {
		t.Errorf("another organization begins with %s", mine.Code)
	}
}

func TestParallelWritersGetDifferentNumbers(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	errs := make(chan error)
	const writers = 5
	for range writers {
		go func() { errs <- s.trySave(t, s.by(), &crm.Customer{Name: "x"}, &crm.Customer{Name: "y"}) }()
	}
	for range writers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	page := s.list(t, crm.KindCustomer, crm.Query{Sort: []crm.Sort{{Field: "code"}}})
	var codes, want []string
	for i, e := range page.Items {
		codes = append(codes, e.(*crm.Customer).Code)
		want = append(want, fmt.Sprintf("C-%06d", i+1))
	}
	if diff := cmp.Diff(want, codes); diff != "" || len(codes) != 2*writers {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
}

func TestIssuedInvoiceNeverChanges(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	examples := s.examples(t)
	issued, _ := examples[4].(*crm.Invoice)
	customer := &crm.Customer{Name: "other"}
	s.save(t, customer)

	for name, tc := range map[string]struct {
		change func(v *crm.Invoice)
		want   []string
	}{
		"amounts": {func(v *crm.Invoice) { v.Untaxed, v.Total, v.Lines = dec("9"), dec("10.3"), nil }, []string{"/untaxed immutable", "/total immutable", "/lines immutable"}},
		"a line":  {func(v *crm.Invoice) { v.Lines[0].Description = "Bat" }, []string{"/lines immutable"}},
		"customer and dates": {func(v *crm.Invoice) {
			v.CustomerID, v.DueDate, v.IssueDate = customer.ID, nil, new(date(t, "2026-02-05"))
		}, []string{"/customer_id immutable", "/issue_date immutable", "/due_date immutable"}},
		"back to draft": {func(v *crm.Invoice) { v.Status = "draft" }, []string{"/status transition"}},
	} {
		v, _ := s.get(t, issued).(*crm.Invoice)
		tc.change(v)
		for _, by := range []crm.By{s.by(), s.connection()} {
			err := s.trySave(t, by, v)
			if diff := cmp.Diff(tc.want, rules(err)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
	paid, _ := s.get(t, issued).(*crm.Invoice)
	paid.Residual, paid.PaymentStatus, paid.Remark, paid.OwnerID = dec("0"), "paid", "thanks", nil
	s.save(t, paid)
	if diff := cmp.Diff(asJSON(t, paid), asJSON(t, s.get(t, paid))); diff != "" {
		t.Errorf("what happens to it (-saved +read):\n%s", diff)
	}
	// The database holds the rule as well, whoever writes.
	err := s.as(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "update invoices set total = total + 1, tax = tax + 1")
		return err
	})
	if _, constraint := postgres.ErrorCode(err); constraint != "invoice_immutable" {
		t.Errorf("got %v, want the trigger's refusal", err)
	}
}

func TestPaymentPaysInvoicesOfItsCurrencyUpToItsAmount(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	examples := s.examples(t)
	invoice, _ := examples[4].(*crm.Invoice)
	pay := func(currency, amount string, parts ...string) error {
		p := &crm.Payment{CustomerID: invoice.CustomerID, Date: date(t, "2026-01-01"), Currency: currency, Amount: dec(amount)}
		for _, part := range parts {
			p.Allocations = append(p.Allocations, crm.PaymentAllocation{InvoiceID: invoice.ID, Amount: dec(part)})
		}
		return s.trySave(t, s.connection(), p)
	}
	for name, tc := range map[string]struct {
		err  error
		want []string
	}{
		"too much":       {pay("CNY", "10", "6", "4.01"), []string{"/allocations sum"}},
		"other currency": {pay("EUR", "10", "1", "2"), []string{"/allocations/0/invoice_id currency", "/allocations/1/invoice_id currency"}},
		"nothing":        {pay("CNY", "0", "0"), []string{"/amount required", "/allocations/0/amount required"}},
		"refund":         {pay("CNY", "-10", "-10.01"), []string{"/allocations sum"}},
		"all of it":      {pay("CNY", "10", "6", "4"), []string{"<nil>"}},
		"with a credit":  {pay("CNY", "10", "11", "-1"), []string{"<nil>"}},
		"no invoice":     {pay("CNY", "10"), []string{"<nil>"}},
	} {
		if diff := cmp.Diff(tc.want, rules(tc.err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestSaveNamesEveryReferenceThatIsMissing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	nowhere := uuid.New()
	order := &crm.Order{
		CustomerID: nowhere, ContactID: &nowhere, OwnerID: &nowhere, Date: date(t, "2026-01-01"), Currency: "EUR",
		Lines: []crm.OrderLine{{Qty: dec("1")}, {Qty: dec("1"), ProductID: &nowhere}},
	}
	wantRules(t, s.trySave(t, s.by(), order), "/customer_id exists", "/contact_id exists", "/owner_id exists", "/lines/1/product_id exists")

	parent := &crm.Customer{Head: crm.Head{ID: uuid.New()}, Name: "group"}
	child := &crm.Customer{Name: "branch", ParentID: &parent.ID}
	s.save(t, child, parent)
	child.ParentID = &child.ID
	wantRules(t, s.trySave(t, s.by(), child), "/parent_id tree")
}

func TestKeysAreUnique(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	uscc := "91350100M000100Y43"
	s.save(t, &crm.Customer{Code: "A", Name: "A", USCC: uscc})
	s.save(t, &crm.Product{SKU: "P", Name: "P"})
	wantRules(t, s.trySave(t, s.by(), &crm.Customer{Code: "A", Name: "B"}), "/code unique")
	wantRules(t, s.trySave(t, s.by(), &crm.Customer{Name: "B", USCC: uscc}), "/uscc unique")
	wantRules(t, s.trySave(t, s.by(), &crm.Product{SKU: "P", Name: "Q"}), "/sku unique")
	id := uuid.New()
	s.save(t, &crm.Customer{Head: crm.Head{ID: id}, Name: "C"})
	wantRules(t, s.trySave(t, s.by(), &crm.Customer{Head: crm.Head{ID: id}, Name: "D"}), "/id unique")
	same := &crm.Customer{Head: crm.Head{ID: uuid.New()}, Name: "D"}
	wantRules(t, s.trySave(t, s.by(), same, same), "/id unique")

	var item *crm.ItemError
	if err := s.trySave(t, s.by(), &crm.Product{SKU: "P", Name: "Q"}); !errors.As(err, &item) || item.Index != 0 {
		t.Errorf("an error of the only item names it: %v", err)
	}
}

// Nobody sells to a customer who is in the recycle bin; what referred to him before stays as it is, and another system may
// tell of what was.
func TestPeopleDoNotReferToWhatIsDeleted(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	c := &crm.Customer{Name: "Gone"}
	s.save(t, c)
	old := &crm.Order{CustomerID: c.ID, Date: date(t, "2026-01-01"), Currency: "EUR"}
	s.save(t, old)
	if err := s.as(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := s.store.Delete(ctx, tx, s.by(), crm.KindCustomer, c.ID, 1)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	order := func() *crm.Order {
		return &crm.Order{CustomerID: c.ID, Date: date(t, "2026-01-01"), Currency: "EUR"}
	}
	wantRules(t, s.trySave(t, s.by(), order()), "/customer_id deleted")
	if err := s.trySave(t, s.connection(), order()); err != nil {
		t.Errorf("as an ERP says: %v", err)
	}
	old.Remark = "still his"
	s.save(t, old)
}
