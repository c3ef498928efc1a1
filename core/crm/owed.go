package crm

import (
	"context"
	"fmt"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/money"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// owed refuses what a person says of an invoice and what makes no sense by itself, and lets its payment status follow what
// is open where that alone was changed. The finance system's own word counts as it comes: it may know of more than we do.
// What stands there already stops nobody.
func (v *Invoice) owed(actor postgres.Actor, stored *Invoice, pays bool) schema.Violations {
	if isConnection(actor) || !fits(v.Residual) || !fits(v.Total) {
		return nil // Validate tells what does not fit
	}
	var f faults
	var old Invoice
	if stored != nil {
		old = *stored
	}
	amounts := []amount{{"/untaxed", v.Untaxed, old.Untaxed}, {"/tax", v.Tax, old.Tax}, {"/total", v.Total, old.Total}, {"/residual", v.Residual, old.Residual}}
	if v.Status == "draft" {
		amounts = amounts[:3] // a draft's residual is its total
	}
	f.countable(v.Currency, amounts)
	moved := !v.Residual.Equal(old.Residual) || (stored == nil || old.Status == "draft") && !v.Total.Equal(old.Total)
	if moved && (v.Residual.Sign()*v.Total.Sign() < 0 || v.Residual.Abs().GreaterThan(v.Total.Abs())) {
		f.tell("/residual", "range", "field_residual", "must be between 0 and %s, the total", v.Total)
		return f.violations
	}
	if stored != nil && moved && v.PaymentStatus == old.PaymentStatus && consistent(old.PaymentStatus) {
		v.PaymentStatus = v.paid()
	}
	if (moved || v.PaymentStatus != old.PaymentStatus) && consistent(v.PaymentStatus) && v.PaymentStatus != v.paid() {
		f.add("/payment_status", "consistent", "must be %s, since %s of %s is open", v.paid(), v.Residual, v.Total)
	}
	if pays && v.Status == "cancelled" && old.Status != "cancelled" {
		f.add("/status", "allocated", "cannot be cancelled while payments pay it: take that back first")
	}
	return f.violations
}

// consistent reports whether a payment status says how much is open; the others say what happens to it.
func consistent(status string) bool {
	return status == "unpaid" || status == "partial" || status == "paid"
}

// owed refuses what a person says of a payment and what makes no sense by itself, like that of [Invoice].
func (p *Payment) owed(actor postgres.Actor, stored *Payment) schema.Violations {
	if isConnection(actor) {
		return nil
	}
	var f faults
	var old Payment
	if stored != nil {
		old = *stored
	}
	amounts := []amount{{"/amount", p.Amount, old.Amount}}
	if stored == nil || differing(stored, p, []string{"allocations"}, "") != nil {
		for i, a := range p.Allocations {
			amounts = append(amounts, amount{at: "/allocations/" + strconv.Itoa(i) + "/amount", is: a.Amount})
		}
	}
	f.countable(p.Currency, amounts)
	if p.Status != "posted" && old.Status == "posted" && len(p.Allocations) > 0 {
		f.add("/status", "allocated", "cannot be %s while it pays invoices: take that back first", p.Status)
	}
	return f.violations
}

// amount is what one says now, and what was said before.
type amount struct {
	at      string
	is, was decimal.Decimal
}

// countable refuses amounts that are new and have more decimals than their currency counts in.
func (c *faults) countable(currency string, amounts []amount) {
	digits, err := money.Digits(currency)
	if err != nil {
		return // Validate tells
	}
	for _, a := range amounts {
		if fits(a.is) && !a.is.Equal(a.was) && !a.is.Equal(a.is.Truncate(digits)) {
			c.tell(a.at, "multipleOf", "field_currency_decimals", "must have at most %d decimals, those of %s", digits, currency)
		}
	}
}

const paying = `
select distinct a.invoice_id
from payment_allocations a
join payments p on p.id = a.payment_id
where a.invoice_id = any($1) and p.status = 'posted' and p.deleted_at is null`

// readPaying reads which of the invoices that are to be cancelled are paid by payments.
func (w *writing) readPaying(ctx context.Context, tx pgx.Tx) error {
	var ids []uuid.UUID
	for _, e := range w.batch {
		if v, _ := e.(*Invoice); v.Status == "cancelled" && v.Version > 0 {
			ids = append(ids, v.ID)
		}
	}
	if len(ids) == 0 || isConnection(w.by.Actor) {
		return nil
	}
	err := postgres.AsHub(ctx, tx, func() (err error) {
		w.facts.paying, err = readSet(ctx, tx, paying, ids)
		return err
	})
	if err != nil {
		return fmt.Errorf("look up what pays invoices: %w", err)
	}
	return nil
}

// readSet returns which of some entities a statement finds.
func readSet(ctx context.Context, tx pgx.Tx, sql string, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	rows, err := tx.Query(ctx, sql, ids)
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller says what was looked up
	}
	found := make(map[uuid.UUID]bool)
	var id uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error { found[id] = true; return nil })
	return found, err //nolint:wrapcheck // as above
}
