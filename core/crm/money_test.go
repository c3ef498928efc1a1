package crm_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
)

// open is what is open of an invoice, and its payment status.
func (s *shop) open(t testing.TB, v *crm.Invoice) string {
	t.Helper()
	got, _ := s.get(t, v).(*crm.Invoice)
	return got.Residual.String() + " " + got.PaymentStatus
}

func payment(t testing.TB, customer uuid.UUID, amount string, parts ...crm.PaymentAllocation) *crm.Payment {
	t.Helper()
	return &crm.Payment{CustomerID: customer, Date: date(t, "2026-02-05"), Currency: "EUR", Amount: dec(amount), Allocations: parts}
}

func part(v *crm.Invoice, amount string) crm.PaymentAllocation {
	return crm.PaymentAllocation{InvoiceID: v.ID, Amount: dec(amount)}
}

// By whichever door a person lets a payment pay an invoice, that is no longer open: else the debtor is reminded of what he paid.
func TestWhatAPersonAllocatesIsNoLongerOpen(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	v := s.bill(t)
	other := &crm.Invoice{
		CustomerID: v.CustomerID, Currency: "EUR", Status: "issued", IssueDate: new(date(t, "2026-02-04")), Untaxed: dec("30"), Total: dec("30"), Residual: dec("30"),
	}
	if err := s.trySave(t, s.connection(), other); err != nil {
		t.Fatal(err)
	}
	p := payment(t, v.CustomerID, "90", part(v, "60"), part(other, "30"))
	for _, step := range []struct {
		parts        []crm.PaymentAllocation
		status       string
		first, other string
	}{
		{p.Allocations, "draft", "100 unpaid", "30 unpaid"},
		{p.Allocations, "posted", "40 partial", "0 paid"},
		{[]crm.PaymentAllocation{part(v, "90")}, "posted", "10 partial", "30 unpaid"},
		{nil, "posted", "100 unpaid", "30 unpaid"},
	} {
		p.Allocations, p.Status = step.parts, step.status
		s.save(t, p)
		if a, b := s.open(t, v), s.open(t, other); a != step.first || b != step.other {
			t.Errorf("%s with %d allocations: open %s and %s, want %s and %s", step.status, len(step.parts), a, b, step.first, step.other)
		}
	}
}

func TestAPersonAllocatesWhatIsOpenOfTheCustomersInvoices(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	v, foreign := s.bill(t), s.bill(t)
	draft := &crm.Invoice{CustomerID: v.CustomerID, Currency: "EUR", Untaxed: dec("50"), Total: dec("50")}
	s.save(t, draft)
	for name, c := range map[string]struct {
		amount string
		parts  []crm.PaymentAllocation
		want   []string
	}{
		"more than is open":  {"500", []crm.PaymentAllocation{part(v, "100.01")}, []string{"/allocations/0/amount maximum"}},
		"another customer's": {"100", []crm.PaymentAllocation{part(foreign, "10")}, []string{"/allocations/0/invoice_id customer"}},
		"a draft":            {"100", []crm.PaymentAllocation{part(draft, "10")}, []string{"/allocations/0/invoice_id status"}},
		"in two parts":       {"200", []crm.PaymentAllocation{part(v, "60"), part(v, "60")}, []string{"/allocations/0/amount maximum"}},
		"against the grain":  {"100", []crm.PaymentAllocation{part(v, "-10")}, []string{"/allocations/0/amount sign"}},
	} {
		if got := rules(s.trySave(t, s.by(), payment(t, v.CustomerID, c.amount, c.parts...))); len(got) != 1 || got[0] != c.want[0] {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	p := payment(t, v.CustomerID, "100", part(v, "60"))
	s.save(t, p)
	p.Status = "draft"
	wantRules(t, s.trySave(t, s.by(), p), "/status allocated")
	p.Status, p.CustomerID = "posted", foreign.CustomerID
	wantRules(t, s.trySave(t, s.by(), p), "/allocations/0/invoice_id customer")
	if got := s.open(t, v); got != "40 partial" {
		t.Errorf("open after refusals: %s", got)
	}
	// A finance system has told what is open already.
	if err := s.trySave(t, s.connection(), payment(t, v.CustomerID, "10", part(v, "10"))); err != nil {
		t.Fatal(err)
	}
	if got := s.open(t, v); got != "40 partial" {
		t.Errorf("open after finance's own payment: %s", got)
	}
}

// saveAtOnce saves four entities at the same time and returns how many were saved; the others are refused by that rule.
func (s *shop) saveAtOnce(t testing.TB, rule string, one func(i int) crm.Entity) (saved int) {
	t.Helper()
	errs := make([]error, 4)
	var all sync.WaitGroup
	for i := range errs {
		e := one(i)
		all.Go(func() { errs[i] = s.trySave(t, s.by(), e) })
	}
	all.Wait()
	for _, err := range errs {
		if err == nil {
			saved++
		} else {
			wantRules(t, err, rule)
		}
	}
	return saved
}

// Two payments at once cannot pay the same money twice.
func TestPaymentsAtOncePayAnInvoiceOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	v := s.bill(t)
	paid := s.saveAtOnce(t, "/allocations/0/amount maximum", func(int) crm.Entity { return payment(t, v.CustomerID, "60", part(v, "60")) })
	if got := s.open(t, v); paid != 1 || got != "40 partial" {
		t.Errorf("%d payments of 60 paid 100: open %s", paid, got)
	}
}

// Two credit notes at once cannot give back the same money twice.
func TestCreditNotesAtOnceCreditAnInvoiceOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	_, v := s.sold(t)
	credited := s.saveAtOnce(t, "/total minimum", func(i int) crm.Entity {
		number := fmt.Sprint("CN-", i) // who is given one waits for the others anyway
		return &crm.Invoice{Number: number, Type: "credit_note", CustomerID: v.CustomerID, ReversesID: &v.ID, Currency: "EUR", Untaxed: dec("-60"), Total: dec("-60")}
	})
	if credited != 1 {
		t.Errorf("%d credit notes over 60 for an invoice over 100", credited)
	}
}

// sold is a confirmed order over 100 EUR, billed by an issued invoice over all of it.
func (s *shop) sold(t testing.TB) (*crm.Order, *crm.Invoice) {
	t.Helper()
	v := s.bill(t)
	o := &crm.Order{CustomerID: v.CustomerID, Date: date(t, "2026-02-03"), Currency: "EUR", Status: "confirmed"}
	o.Lines = []crm.OrderLine{{Description: "Bolt", Qty: dec("10"), Price: dec("10")}}
	s.save(t, o)
	w := &crm.Invoice{
		CustomerID: v.CustomerID, OrderID: &o.ID, Currency: "EUR", Status: "issued", IssueDate: new(date(t, "2026-02-04")),
		Untaxed: dec("100"), Total: dec("100"), Residual: dec("100"),
	}
	if err := s.trySave(t, s.connection(), w); err != nil {
		t.Fatal(err)
	}
	o, _ = s.get(t, o).(*crm.Order)
	return o, w
}

// An order whose invoice is out is what that invoice says: whoever changes or cancels it settles the invoice first.
func TestAnOrderStaysWhatItsInvoicesSay(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	stranger := &crm.Customer{Name: "Stranger"}
	s.save(t, stranger)
	for name, c := range map[string]struct {
		change func(*crm.Order)
		want   string
	}{
		"cancelled":        {func(o *crm.Order) { o.Status = "cancelled" }, "/status billed"},
		"another customer": {func(o *crm.Order) { o.CustomerID = stranger.ID }, "/customer_id billed"},
		"another currency": {func(o *crm.Order) { o.Currency = "USD" }, "/currency billed"},
		"less than billed": {func(o *crm.Order) { o.Lines[0].Qty = dec("9") }, "/lines billed"},
		"more":             {func(o *crm.Order) { o.Lines[0].Qty = dec("11") }, "<nil>"},
	} {
		o, _ := s.sold(t)
		c.change(o)
		if got := rules(s.trySave(t, s.by(), o)); len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
		o, _ = s.sold(t)
		c.change(o)
		if err := s.trySave(t, s.connection(), o); err != nil {
			t.Errorf("%s, as an ERP says: %v", name, err)
		}
	}
	o, _ := s.sold(t)
	o.Status = "cancelled"
	if err := s.trySave(t, s.connection(), o); err != nil {
		t.Fatal(err)
	}
	wantRules(t, s.as(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := s.store.Delete(ctx, tx, s.by(), crm.KindOrder, o.ID, o.Version)
		return err
	}), " restrict")
	o, v := s.sold(t)
	credit := &crm.Invoice{
		Type: "credit_note", CustomerID: v.CustomerID, OrderID: &o.ID, ReversesID: &v.ID, Currency: "EUR", Status: "issued",
		IssueDate: new(date(t, "2026-02-05")), Untaxed: dec("-100"), Total: dec("-100"), Residual: dec("-100"),
	}
	if err := s.trySave(t, s.connection(), credit); err != nil {
		t.Fatal(err)
	}
	o, _ = s.get(t, o).(*crm.Order)
	o.Status = "cancelled"
	s.save(t, o) // what was credited in full binds no more
}

func TestAnInvoiceInAnotherCurrencyPaysWhatItIsWorth(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	c := &crm.Customer{Name: "c"}
	s.save(t, c)
	for paid, want := range map[string]string{"100": "partial", "15000": "full"} {
		o := &crm.Order{CustomerID: c.ID, Date: date(t, "2026-02-03"), Currency: "USD", RateToBase: dec("0.9"), Status: "confirmed"}
		o.Lines = []crm.OrderLine{{Description: "Bolt", Qty: dec("1"), Price: dec("100")}}
		s.save(t, o)
		v := &crm.Invoice{
			CustomerID: c.ID, OrderID: &o.ID, Currency: "JPY", RateToBase: dec("0.006"), Status: "issued", IssueDate: new(date(t, "2026-02-04")), Untaxed: dec(paid), Total: dec(paid),
		}
		if err := s.trySave(t, s.connection(), v); err != nil {
			t.Fatal(err)
		}
		if got := s.get(t, o).(*crm.Order).PaymentStatus; got != want {
			t.Errorf("100 USD are %s after %s JPY, want %s", got, paid, want)
		}
	}
}

func TestInvoicesOfPeopleFitWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	o, v := s.sold(t)
	stranger := &crm.Customer{Name: "Stranger"}
	s.save(t, stranger)
	invoice := func(customer uuid.UUID, currency, total string) *crm.Invoice {
		return &crm.Invoice{CustomerID: customer, OrderID: &o.ID, Currency: currency, Untaxed: dec(total), Total: dec(total)}
	}
	wantRules(t, s.trySave(t, s.by(), invoice(stranger.ID, "EUR", "10")), "/order_id customer")
	wantRules(t, s.trySave(t, s.by(), invoice(o.CustomerID, "JPY", "10")), "/order_id currency")
	parent := &crm.Customer{Name: "Parent"}
	s.save(t, parent)
	buyer, _ := s.get(t, &crm.Customer{Head: crm.Head{ID: o.CustomerID}}).(*crm.Customer)
	buyer.ParentID = &parent.ID
	s.save(t, buyer)
	s.save(t, invoice(parent.ID, "EUR", "10"), invoice(o.CustomerID, "EUR", "10"))

	credit := func(customer uuid.UUID, currency, total string) *crm.Invoice {
		return &crm.Invoice{Type: "credit_note", CustomerID: customer, ReversesID: &v.ID, Currency: currency, Untaxed: dec(total), Total: dec(total)}
	}
	wantRules(t, s.trySave(t, s.by(), credit(stranger.ID, "EUR", "-10")), "/reverses_id customer")
	wantRules(t, s.trySave(t, s.by(), credit(v.CustomerID, "USD", "-10")), "/reverses_id currency")
	wantRules(t, s.trySave(t, s.by(), credit(v.CustomerID, "EUR", "-100.01")), "/total minimum")
	s.save(t, credit(v.CustomerID, "EUR", "-60"))
	wantRules(t, s.trySave(t, s.by(), credit(v.CustomerID, "EUR", "-40.01")), "/total minimum")
	s.save(t, credit(v.CustomerID, "EUR", "-40"))
}

// What people enter of deliveries and bills moves the order's own statuses, and it is complete once both are.
func TestAnOrderIsCompleteOnceDeliveredAndBilled(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	c := &crm.Customer{Name: "c"}
	s.save(t, c)
	o := &crm.Order{CustomerID: c.ID, Date: date(t, "2026-02-03"), Currency: "EUR", Status: "confirmed"}
	o.Lines = []crm.OrderLine{{Description: "Bolt", Qty: dec("10"), Price: dec("10")}}
	s.save(t, o)
	o.Lines[0].QtyDelivered = dec("-1")
	wantRules(t, s.trySave(t, s.by(), o), "/lines/0/qty_delivered minimum")
	for _, step := range []struct{ delivered, billed, want string }{{"4", "0", "partial none"}, {"10", "4", "full partial"}} {
		o.Lines[0].QtyDelivered, o.Lines[0].QtyBilled = dec(step.delivered), dec(step.billed)
		s.save(t, o)
		if got := o.DeliveryStatus + " " + o.BillingStatus; got != step.want {
			t.Errorf("%s delivered, %s billed: %s, want %s", step.delivered, step.billed, got, step.want)
		}
	}
	o.Status = "in_progress"
	s.save(t, o)
	o.Status = "completed"
	wantRules(t, s.trySave(t, s.by(), o), "/status incomplete")
	o.Lines[0].QtyBilled = dec("10")
	s.save(t, o)
	stranger := &crm.Customer{Name: "Stranger"}
	s.save(t, stranger)
	o.CustomerID = stranger.ID
	wantRules(t, s.trySave(t, s.by(), o), "/customer_id immutable")
}

// Who issues an invoice by hand bills the order with it, unless its lines say how much is billed.
func TestAnInvoiceByHandBillsItsOrder(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	c := &crm.Customer{Name: "c"}
	s.save(t, c)
	o := &crm.Order{CustomerID: c.ID, Date: date(t, "2026-02-03"), Currency: "EUR", Status: "confirmed"}
	o.Lines = []crm.OrderLine{{Description: "Bolt", Qty: dec("10"), Price: dec("10")}}
	s.save(t, o)
	invoice := func(total string) *crm.Invoice {
		v := &crm.Invoice{CustomerID: c.ID, OrderID: &o.ID, Currency: "EUR", IssueDate: new(date(t, "2026-02-04")), Untaxed: dec(total), Total: dec(total)}
		s.save(t, v)
		return v
	}
	a, b := invoice("60"), invoice("40")
	for _, step := range []struct {
		invoice      *crm.Invoice
		status, want string
	}{{a, "issued", "partial"}, {b, "issued", "full"}, {b, "cancelled", "partial"}, {a, "cancelled", "none"}} {
		step.invoice.Status = step.status
		s.save(t, step.invoice)
		if got := s.get(t, o).(*crm.Order).BillingStatus; got != step.want {
			t.Errorf("%s %s: billed %s, want %s", step.invoice.Total, step.status, got, step.want)
		}
	}
}

func TestTheBooksOwnCurrencyIsWorthItself(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	c := &crm.Customer{Name: "c"}
	s.save(t, c)
	o := &crm.Order{CustomerID: c.ID, Date: date(t, "2026-02-03"), Currency: "EUR", RateToBase: dec("7")}
	s.save(t, &crm.Order{CustomerID: c.ID, Date: date(t, "2026-02-03"), Currency: "USD", RateToBase: dec("7")})
	wantRules(t, s.trySave(t, s.by(), o), "/rate_to_base const")
	o = &crm.Order{CustomerID: c.ID, Date: date(t, "2026-02-03"), Currency: "JPY", Lines: []crm.OrderLine{{Qty: dec("1"), Price: dec("300")}}}
	o.Instalments = []crm.OrderInstalment{{DueDate: date(t, "2026-03-01"), Amount: dec("100.5")}}
	wantRules(t, s.trySave(t, s.by(), o), "/instalments/0/amount multipleOf")
}
