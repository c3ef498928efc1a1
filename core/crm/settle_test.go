package crm_test

import (
	"testing"

	"crmhub/core/crm"
	"crmhub/core/postgres"
)

func TestPaymentStatusOfAnOrderFollowsItsInvoices(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	customer := &crm.Customer{Code: "A", Name: "Alpha"}
	s.save(t, customer)
	order := &crm.Order{Number: "O1", CustomerID: customer.ID, Date: date(t, "2026-02-03"), Currency: "EUR", Status: "confirmed"}
	order.Lines = []crm.OrderLine{{Description: "Bolt", Qty: dec("10"), Price: dec("10"), TaxRate: dec("20")}} // 120
	other := &crm.Order{Number: "O2", CustomerID: customer.ID, Date: date(t, "2026-02-03"), Currency: "EUR", Status: "confirmed"}
	s.save(t, order, other)

	invoice := func(number, status, total string) *crm.Invoice {
		return &crm.Invoice{
			Number: number, CustomerID: customer.ID, OrderID: &order.ID, Currency: "EUR", Status: status,
			Untaxed: dec(total), Total: dec(total), IssueDate: new(date(t, "2026-02-04")),
		}
	}
	draft, a, b := invoice("R0", "draft", "120"), invoice("R1", "issued", "80"), invoice("R2", "issued", "40")
	version := headOf(t, order).Version
	for _, step := range []struct {
		name     string
		invoice  *crm.Invoice
		residual string
		payment  string
		want     string
		versions int64
	}{
		{"a draft", draft, "120", "unpaid", "none", 0},
		{"the first is there", a, "80", "unpaid", "none", 0},
		{"a part of the first is paid", a, "30", "partial", "partial", 1},
		{"the first is paid", a, "0", "paid", "partial", 0},
		{"the second is there", b, "40", "unpaid", "partial", 0},
		{"the second is paid", b, "0", "paid", "full", 1},
		{"its payment bounced", b, "40", "unpaid", "partial", 1},
		{"the first's too", a, "80", "unpaid", "none", 1},
	} {
		step.invoice.Residual, step.invoice.PaymentStatus = dec(step.residual), step.payment
		if err := s.trySave(t, s.connection(), step.invoice); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		version += step.versions
		got := s.get(t, order).(*crm.Order)
		if got.PaymentStatus != step.want || got.Version != version || len(got.Lines) != 1 {
			t.Errorf("%s: payment %s in version %d with %d lines, want %s in %d with 1",
				step.name, got.PaymentStatus, got.Version, len(got.Lines), step.want, version)
		}
	}
	if got := headOf(t, s.get(t, other)); got.Version != 1 {
		t.Errorf("another order is at version %d", got.Version)
	}
}

// What an order was paid does not depend on who saves its invoice: here somebody who may not change orders.
func TestOrderIsSettledWhoeverSavesTheInvoice(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	c := &crm.Customer{Name: "c"}
	s.save(t, c)
	o := &crm.Order{CustomerID: c.ID, Date: date(t, "2026-01-01"), Currency: "EUR", Lines: []crm.OrderLine{{Qty: dec("1"), Price: dec("10")}}}
	s.save(t, o)
	v := &crm.Invoice{Number: "R1", CustomerID: c.ID, OrderID: &o.ID, Currency: "EUR", Untaxed: dec("10"), Total: dec("10")}
	s.save(t, v)
	all := s.who.Reach
	s.who.Reach = postgres.NewReach(postgres.Owners{}, map[string]postgres.Scope{
		"customer.read": postgres.ScopeOrganization, "order.read": postgres.ScopeOrganization,
		"invoice.read": postgres.ScopeOrganization, "invoice.change": postgres.ScopeOrganization,
	})
	v.Status, v.IssueDate = "issued", new(date(t, "2026-01-02"))
	s.save(t, v)
	v.Residual, v.PaymentStatus = dec("4"), "partial"
	s.save(t, v)
	o.Remark = "not his"
	wantRules(t, s.trySave(t, s.by(), o), "item 0: no such entity")
	s.who.Reach = all
	if got := s.get(t, o).(*crm.Order); got.PaymentStatus != "partial" || got.Remark != "" || got.Version != 3 { // billed, then paid in part
		t.Errorf("the order is paid %q, remarked %q, version %d", got.PaymentStatus, got.Remark, got.Version)
	}
}
