package crm

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Payable are the statuses of invoices that can be paid.
func Payable() []string { return []string{"issued", "credited_partial"} }

// owing is what the hub knows of an invoice that a payment is to pay.
type owing struct {
	customer        uuid.UUID
	status          string
	total, residual decimal.Decimal
}

const owingInvoices = `
select i.id, i.customer_id, i.status, i.total, i.residual
from invoices i
where i.id = any($1) and i.deleted_at is null
order by i.id
for no key update of i`

// readOwing reads the invoices that the batch pays otherwise than before, and locks them: two payments at once would
// both find the same amount open. What a finance system says of its payments is in its invoices already.
func (w *writing) readOwing(ctx context.Context, tx pgx.Tx) error {
	if isConnection(w.by.Actor) {
		return nil
	}
	var ids []uuid.UUID
	for _, e := range w.batch {
		p, _ := e.(*Payment)
		old, _ := w.stored[p.ID].(*Payment)
		for id := range p.pays(old) {
			ids = append(ids, id)
		}
		if old != nil && old.CustomerID != p.CustomerID {
			for _, a := range p.Allocations {
				ids = append(ids, a.InvoiceID)
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	w.facts.owing = make(map[uuid.UUID]*owing, len(ids))
	err := postgres.AsHub(ctx, tx, func() error {
		rows, err := tx.Query(ctx, owingInvoices, ids)
		if err != nil {
			return err //nolint:wrapcheck // below
		}
		var id uuid.UUID
		var o owing
		_, err = pgx.ForEachRow(rows, []any{&id, &o.customer, &o.status, &o.total, &o.residual}, func() error {
			w.facts.owing[id] = new(o)
			return nil
		})
		return err //nolint:wrapcheck // below
	})
	if err != nil {
		return fmt.Errorf("look up what is open of invoices: %w", err)
	}
	return nil
}

// pays is by how much p pays more of each invoice than it did, less where negative. Only what is posted pays.
func (p *Payment) pays(old *Payment) map[uuid.UUID]decimal.Decimal {
	more := make(map[uuid.UUID]decimal.Decimal)
	if p.Status == "posted" || p.Status == "" { // as a new one is unless said otherwise
		for _, a := range p.Allocations {
			more[a.InvoiceID] = more[a.InvoiceID].Add(a.Amount)
		}
	}
	if old != nil && old.Status == "posted" {
		for _, a := range old.Allocations {
			more[a.InvoiceID] = more[a.InvoiceID].Sub(a.Amount)
		}
	}
	for id, amount := range more {
		if amount.IsZero() {
			delete(more, id)
		}
	}
	return more
}

// misallocated refuses what a person lets a payment pay and what is not open, or not the payer's. Invoices that are paid
// as before stop nobody. What fits is noted, so that the next payment of the batch finds the less open.
func (p *Payment) misallocated(actor postgres.Actor, old *Payment, invoices map[uuid.UUID]*owing) schema.Violations {
	if isConnection(actor) {
		return nil
	}
	var f faults
	more, given := p.pays(old), map[uuid.UUID]bool{}
	payer := old == nil || old.CustomerID == p.CustomerID
	for i, a := range p.Allocations {
		at, v := "/allocations/"+strconv.Itoa(i), invoices[a.InvoiceID]
		change, changed := more[a.InvoiceID]
		if !fits(a.Amount) || v == nil || payer && !changed {
			continue // Validate and missing tell the rest
		}
		switch {
		case v.customer != p.CustomerID:
			f.add(at+"/invoice_id", "customer", "must be an invoice of the payment's customer")
		case change.Sign() == a.Amount.Sign() && !slices.Contains(Payable(), v.status):
			f.add(at+"/invoice_id", "status", "must be an issued invoice, this one is %s", v.status)
		case a.Amount.Sign() != p.Amount.Sign():
			f.add(at+"/amount", "sign", "must be more than nothing, and in the direction of the payment")
		case !given[a.InvoiceID] && !v.takes(change):
			f.tell(at+"/amount", "maximum", "field_open_at_most", "must be at most the %s that are open of the invoice", v.residual.Add(a.Amount.Sub(change)))
		}
		given[a.InvoiceID] = true
	}
	for id, change := range more {
		if v := invoices[id]; v != nil && !given[id] && !v.takes(change) {
			f.add("/allocations", "maximum", "cannot give back %s: %s of the invoice's %s are open, as the finance system says", change.Neg(), v.residual, v.total)
		}
	}
	if len(f.violations) == 0 {
		for id, change := range more {
			if v := invoices[id]; v != nil {
				v.residual = v.residual.Sub(change)
			}
		}
	}
	return f.violations
}

// takes reports whether as much can be paid of an invoice, or given back: what is open stays between nothing and the total.
func (v *owing) takes(amount decimal.Decimal) bool {
	open := v.residual.Sub(amount)
	if v.residual.Sign()*v.total.Sign() < 0 || v.residual.Abs().GreaterThan(v.total.Abs()) {
		return open.Abs().LessThan(v.residual.Abs()) // stands oddly, as the finance system says: it may become less odd
	}
	return open.Sign()*v.total.Sign() >= 0 && open.Abs().LessThanOrEqual(v.total.Abs())
}

// payInvoices lowers what is open of the invoices that a person's payments pay, and lets their orders follow.
func (s *Store) payInvoices(ctx context.Context, tx pgx.Tx, w *writing) error {
	if isConnection(w.by.Actor) {
		return nil
	}
	more := make(map[uuid.UUID]decimal.Decimal)
	for _, e := range w.batch {
		p, _ := e.(*Payment)
		old, _ := w.stored[p.ID].(*Payment)
		for id, amount := range p.pays(old) {
			more[id] = more[id].Add(amount)
		}
	}
	ids := make([]uuid.UUID, 0, len(more))
	for id, amount := range more {
		if !amount.IsZero() {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	var paid []Entity
	err := s.rewrite(ctx, tx, w.by, KindInvoice, ids, func(e Entity) bool {
		v, _ := e.(*Invoice)
		v.Residual = v.Residual.Sub(more[v.ID])
		v.PaymentStatus = v.paid()
		paid = append(paid, v)
		return true
	})
	if err != nil {
		return err
	}
	return s.settle(ctx, tx, w.by, paid)
}
