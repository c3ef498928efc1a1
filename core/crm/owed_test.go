package crm_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/postgres"
)

// bill is an issued invoice over 100 EUR of a customer of its own, all of it open.
func (s *shop) bill(t testing.TB) *crm.Invoice {
	t.Helper()
	c := &crm.Customer{Name: "Alpha"}
	s.save(t, c)
	v := &crm.Invoice{
		CustomerID: c.ID, Currency: "EUR", Status: "issued", IssueDate: new(date(t, "2026-02-04")), Untaxed: dec("100"), Total: dec("100"), Residual: dec("100"),
	}
	if err := s.trySave(t, s.connection(), v); err != nil {
		t.Fatal(err)
	}
	return v
}

// What a person says is open of an invoice has to make sense by itself; a finance system's word counts as it comes.
func TestPeopleSayWhatIsOpenWithinTheInvoice(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for _, c := range []struct {
		residual, payment string
		want              string // the rule that it breaks
		status            string // of payment, afterwards
	}{
		{residual: "500", want: "/residual range"},
		{residual: "-1", want: "/residual range"},
		{residual: "10.001", want: "/residual multipleOf"},
		{residual: "40", payment: "paid", want: "/payment_status consistent"},
		{residual: "100", payment: "paid", want: "/payment_status consistent"},
		{residual: "40", status: "partial"}, // as was not said
		{residual: "0", status: "paid"},
		{residual: "0", payment: "in_payment", status: "in_payment"},
	} {
		v := s.bill(t)
		v.Residual = dec(c.residual)
		if c.payment != "" {
			v.PaymentStatus = c.payment
		}
		err := s.trySave(t, s.by(), v)
		if c.want != "" {
			wantRules(t, err, c.want)
			continue
		}
		if err != nil {
			t.Errorf("%s open, %q: %v", c.residual, c.payment, err)
		} else if got := s.get(t, v).(*crm.Invoice); got.PaymentStatus != c.status {
			t.Errorf("%s open, %q: is %s, want %s", c.residual, c.payment, got.PaymentStatus, c.status)
		}
	}
	v := s.bill(t)
	v.Residual, v.PaymentStatus = dec("-3"), "paid"
	if err := s.trySave(t, s.connection(), v); err != nil {
		t.Errorf("an overpaid invoice of finance: %v", err)
	}
	v.Remark = "paid too much"
	s.save(t, v) // what stands there stops nobody
}

func TestPeopleWriteAmountsThatTheCurrencyHas(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	c := &crm.Customer{Name: "Alpha"}
	s.save(t, c)
	payment := func(amount, currency string) *crm.Payment {
		return &crm.Payment{CustomerID: c.ID, Date: date(t, "2026-02-04"), Currency: currency, Amount: dec(amount)}
	}
	wantRules(t, s.trySave(t, s.by(), payment("0.005", "EUR")), "/amount multipleOf")
	wantRules(t, s.trySave(t, s.by(), payment("10.5", "JPY")), "/amount multipleOf")
	invoice := &crm.Invoice{CustomerID: c.ID, Currency: "JPY", Untaxed: dec("1.5"), Total: dec("1.5")}
	wantRules(t, s.trySave(t, s.by(), invoice),
		"/untaxed multipleOf", "/total multipleOf")
	s.save(t, payment("0.005", "KWD"), payment("10.50", "EUR"), payment("-3", "JPY"))
	odd := payment("0.005", "EUR")
	if err := s.trySave(t, s.connection(), odd); err != nil {
		t.Errorf("an odd payment of finance: %v", err)
	}
	odd.Remark = "as the bank says"
	s.save(t, odd)
}

// Money that pays an invoice does not vanish with a status, on either side.
func TestWhatPaysIsTakenBackBeforeItIsCancelled(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	v := s.bill(t)
	p := &crm.Payment{CustomerID: v.CustomerID, Date: date(t, "2026-02-05"), Currency: "EUR", Amount: dec("100")}
	p.Allocations = []crm.PaymentAllocation{{InvoiceID: v.ID, Amount: dec("60")}}
	s.save(t, p)
	p.Status = "cancelled"
	wantRules(t, s.trySave(t, s.by(), p), "/status allocated")
	v, _ = s.get(t, v).(*crm.Invoice)
	v.Status = "cancelled"
	wantRules(t, s.trySave(t, s.by(), v), "/status allocated")
	p.Status, p.Allocations = "posted", nil
	s.save(t, p)
	v, _ = s.get(t, v).(*crm.Invoice)
	v.Status = "cancelled"
	s.save(t, v)
	p.Status = "cancelled"
	s.save(t, p)

	v = s.bill(t)
	p = &crm.Payment{CustomerID: v.CustomerID, Date: date(t, "2026-02-05"), Currency: "EUR", Amount: dec("100")}
	p.Allocations = []crm.PaymentAllocation{{InvoiceID: v.ID, Amount: dec("60")}}
	s.save(t, p)
	v, _ = s.get(t, v).(*crm.Invoice)
	p.Status, v.Status = "cancelled", "cancelled"
	for _, e := range []crm.Entity{p, v} {
		if err := s.trySave(t, s.connection(), e); err != nil {
			t.Errorf("finance cancels a %s: %v", e.Kind(), err)
		}
	}
}

// A plan's instalments stay paid when somebody changes the order who does not see its invoices.
func TestInstalmentsStayPaidWhoeverChangesTheOrder(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	c := &crm.Customer{Name: "c"}
	s.save(t, c)
	o := &crm.Order{CustomerID: c.ID, Date: date(t, "2026-01-01"), Currency: "EUR", Lines: []crm.OrderLine{{Qty: dec("1"), Price: dec("10")}}}
	o.Instalments = []crm.OrderInstalment{{DueDate: date(t, "2026-02-01"), Amount: dec("6")}, {DueDate: date(t, "2026-03-01"), Amount: dec("4")}}
	s.save(t, o)
	v := &crm.Invoice{CustomerID: c.ID, OrderID: &o.ID, Currency: "EUR", Status: "issued", IssueDate: new(date(t, "2026-01-02")), Untaxed: dec("10"), Total: dec("10"), Residual: dec("3")}
	if err := s.trySave(t, s.connection(), v); err != nil {
		t.Fatal(err)
	}
	o = s.get(t, o).(*crm.Order)
	all := s.who.Reach
	s.who.Reach = postgres.NewReach(postgres.Owners{}, map[string]postgres.Scope{
		"customer.read": postgres.ScopeOrganization, "order.read": postgres.ScopeOrganization, "order.change": postgres.ScopeOrganization,
	})
	o.Remark = "call before delivery"
	s.save(t, o)
	s.who.Reach = all
	got := s.get(t, o).(*crm.Order)
	if got.Instalments[0].Status != "paid" || !got.Instalments[1].Paid.Equal(dec("1")) {
		t.Errorf("7 of 10 came in, but the plan says %+v", got.Instalments)
	}
}

// Who owes or is owed cannot go, whatever the one who deletes sees of it.
func TestCustomerWithDocumentsThatCountStays(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	all := s.who.Reach
	remove := func(by crm.By, id uuid.UUID, version int64) error {
		return s.as(t, func(ctx context.Context, tx pgx.Tx) error {
			_, err := s.store.Delete(ctx, tx, by, crm.KindCustomer, id, version)
			return err
		})
	}
	v := s.bill(t)
	s.who.Reach = postgres.NewReach(postgres.Owners{}, map[string]postgres.Scope{
		"customer.read": postgres.ScopeOrganization, "customer.change": postgres.ScopeOrganization,
	})
	wantRules(t, remove(s.by(), v.CustomerID, 1), " restrict")
	s.who.Reach = all
	if err := remove(s.connection(), v.CustomerID, 1); err != nil {
		t.Errorf("the ERP's word that it is gone: %v", err)
	}

	c := &crm.Customer{Name: "c"}
	s.save(t, c)
	o := &crm.Order{CustomerID: c.ID, Date: date(t, "2026-01-01"), Currency: "EUR", Status: "confirmed", Lines: []crm.OrderLine{{Qty: dec("1"), Price: dec("10")}}}
	s.save(t, o)
	wantRules(t, remove(s.by(), c.ID, 1), " restrict")
	o.Status = "cancelled"
	s.save(t, o)
	if err := remove(s.by(), c.ID, 1); err != nil {
		t.Errorf("a customer whose only order is cancelled: %v", err)
	}
}

// What was delivered, billed and paid stays what was ordered; the rest of the order may change.
func TestPeopleDoNotChangeWhatAClosedOrderComesTo(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	c := &crm.Customer{Name: "c"}
	s.save(t, c)
	for _, status := range []string{"completed", "closed_short", "cancelled"} {
		o := &crm.Order{CustomerID: c.ID, Date: date(t, "2026-01-01"), Currency: "EUR", Status: status, Lines: []crm.OrderLine{{Qty: dec("1"), Price: dec("10")}}}
		if err := s.trySave(t, s.connection(), o); err != nil {
			t.Fatal(err)
		}
		o.Lines = []crm.OrderLine{{Qty: dec("1"), Price: dec("1")}}
		wantRules(t, s.trySave(t, s.by(), o), "/lines immutable")
		o.Lines = []crm.OrderLine{{Description: "Bolt", Qty: dec("2"), Price: dec("5")}}
		o.Remark = "as delivered"
		s.save(t, o)
		o.Lines[0].Price = dec("6")
		if err := s.trySave(t, s.connection(), o); err != nil {
			t.Errorf("the ERP's word on an order that is %s: %v", status, err)
		}
	}
	o := &crm.Order{CustomerID: c.ID, Date: date(t, "2026-01-01"), Currency: "EUR", Status: "completed", Lines: []crm.OrderLine{{Qty: dec("1"), Price: dec("10")}}}
	if err := s.trySave(t, s.connection(), o); err != nil {
		t.Fatal(err)
	}
	o.Status, o.Lines = "in_progress", append(o.Lines, crm.OrderLine{Qty: dec("1"), Price: dec("2")})
	s.save(t, o) // it is taken up again
}
