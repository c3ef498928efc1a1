package allocation

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/edit"
	"crmhub/core/money"
	"crmhub/core/schema"
)

// Store allocates payments inside the transaction of the one who writes.
type Store struct {
	CRM    *crm.Store
	Editor *edit.Editor
}

// Seen are the fields that one must see plainly to allocate, by kind: who does not would decide blindly.
func Seen() map[crm.Kind][]string {
	return map[crm.Kind][]string{
		crm.KindPayment: {"number", "amount", "currency", "allocations", "reference", "customer_id", "status", "date"},
		crm.KindInvoice: {"number", "total", "currency", "residual", "customer_id", "status", "due_date"},
	}
}

// Allocate lets a payment pay invoices, besides what it pays already, and lowers what is open of them. seen is the payment's
// version that the author has seen, 0 is any. What does not fit is [schema.Violations], with pointers into add; nothing is
// written then. Other errors are those of [edit.Editor.Change].
func (s *Store) Allocate(ctx context.Context, tx pgx.Tx, a edit.Author, payment uuid.UUID, seen int64, add []crm.PaymentAllocation) (*crm.Payment, error) {
	p, err := s.payment(ctx, tx, a, payment)
	if err != nil {
		return nil, err
	}
	ids := make([]uuid.UUID, len(add))
	for i, one := range add {
		ids[i] = one.InvoiceID
	}
	invoices, err := s.CRM.GetForUpdate(ctx, tx, crm.KindInvoice, ids)
	if err != nil {
		return nil, err
	}
	if err := judge(p, invoices, add).Err(); err != nil {
		return nil, err
	}
	all := slices.Clone(p.Allocations)
	for _, one := range add {
		i := slices.IndexFunc(all, func(b crm.PaymentAllocation) bool { return b.InvoiceID == one.InvoiceID })
		if i < 0 {
			all = append(all, one)
		} else {
			all[i].Amount = all[i].Amount.Add(one.Amount)
		}
		v, _ := invoices[one.InvoiceID].(*crm.Invoice)
		if err := payable(a, v); err != nil {
			return nil, err
		}
	}
	return s.write(ctx, tx, a, p, seen, all)
}

// Reverse takes back what a payment pays of an invoice, and opens the invoice again by as much. It is [crm.ErrNotFound] if
// the payment pays none of it.
func (s *Store) Reverse(ctx context.Context, tx pgx.Tx, a edit.Author, payment uuid.UUID, seen int64, invoice uuid.UUID) (*crm.Payment, error) {
	p, err := s.payment(ctx, tx, a, payment)
	if err != nil {
		return nil, err
	}
	var amount decimal.Decimal
	var left []crm.PaymentAllocation
	for _, one := range p.Allocations {
		if one.InvoiceID == invoice {
			amount = amount.Add(one.Amount)
		} else {
			left = append(left, one)
		}
	}
	if len(left) == len(p.Allocations) {
		return nil, crm.ErrNotFound
	}
	found, err := s.CRM.GetForUpdate(ctx, tx, crm.KindInvoice, []uuid.UUID{invoice})
	if err != nil {
		return nil, err
	}
	v, ok := found[invoice].(*crm.Invoice)
	if !ok {
		return nil, edit.Unchangeable(a, nil, access.Update)
	}
	if open := v.Residual.Add(amount); open.Abs().GreaterThan(v.Total.Abs()) || open.Sign()*v.Total.Sign() < 0 {
		return nil, schema.Violations{{
			Pointer: "/invoice_id", Rule: "maximum",
			Message: fmt.Sprintf("cannot be opened again by %s: %s of its %s are open, as the finance system says", amount, v.Residual, v.Total),
		}}
	}
	if err := payable(a, v); err != nil {
		return nil, err
	}
	return s.write(ctx, tx, a, p, seen, left)
}

// payment returns a payment, locked for the author.
func (s *Store) payment(ctx context.Context, tx pgx.Tx, a edit.Author, id uuid.UUID) (*crm.Payment, error) {
	found, err := s.CRM.GetForUpdate(ctx, tx, crm.KindPayment, []uuid.UUID{id})
	if err != nil {
		return nil, err
	}
	if p, ok := found[id].(*crm.Payment); ok && p.DeletedAt == nil {
		return p, nil
	}
	if found, err = s.CRM.Get(ctx, tx, crm.KindPayment, []uuid.UUID{id}); err != nil {
		return nil, err
	}
	return nil, edit.Unchangeable(a, found[id], access.Update)
}

// payable refuses an author who may not say what is open of an invoice: it follows what is allocated.
func payable(a edit.Author, v *crm.Invoice) error {
	if err := edit.Permit(a.Identity, v, access.Update); err != nil {
		return err
	}
	return a.Unwritable(access.Resource(crm.KindInvoice), map[string]any{"residual": nil, "payment_status": nil}).Err()
}

// write replaces what a locked payment pays.
func (s *Store) write(ctx context.Context, tx pgx.Tx, a edit.Author, p *crm.Payment, seen int64, all []crm.PaymentAllocation) (*crm.Payment, error) {
	list := make([]any, len(all))
	for i, one := range all {
		list[i] = map[string]any{"invoice_id": one.InvoiceID.String(), "amount": one.Amount.String()}
	}
	changed, err := s.Editor.Revise(a, p, seen, map[string]any{"allocations": list})
	if err != nil {
		return nil, err
	}
	if err := s.CRM.Save(ctx, tx, a.By, []crm.Entity{changed}); err != nil {
		return nil, err
	}
	saved, _ := changed.(*crm.Payment)
	return saved, nil
}

// Unallocated is what of a payment pays nothing yet.
func Unallocated(p *crm.Payment) decimal.Decimal {
	open := p.Amount
	for _, one := range p.Allocations {
		open = open.Sub(one.Amount)
	}
	return open
}

// judge says what stands against letting a payment pay more.
func judge(p *crm.Payment, invoices map[uuid.UUID]crm.Entity, add []crm.PaymentAllocation) (vs schema.Violations) {
	fault := func(at, rule, format string, args ...any) {
		vs = append(vs, schema.Violation{Pointer: at, Rule: rule, Message: fmt.Sprintf(format, args...)})
	}
	if p.Status != "posted" {
		fault("/allocations", "status", "a payment that is %s pays nothing", p.Status)
	}
	digits, err := money.Digits(p.Currency)
	if err != nil {
		fault("/allocations", "currency", "%v", err)
	}
	open, given := Unallocated(p), map[uuid.UUID]bool{}
	for i, one := range add {
		at := "/allocations/" + strconv.Itoa(i)
		v, ok := invoices[one.InvoiceID].(*crm.Invoice)
		switch {
		case !ok || v.DeletedAt != nil:
			fault(at+"/invoice_id", "exists", "must be the id of an invoice here that you may change")
			continue
		case given[one.InvoiceID]:
			fault(at+"/invoice_id", "unique", "is named twice")
			continue
		case !slices.Contains(crm.Payable(), v.Status):
			fault(at+"/invoice_id", "status", "must be an issued invoice, this one is %s", v.Status)
			continue
		case v.CustomerID != p.CustomerID:
			fault(at+"/invoice_id", "customer", "must be an invoice of the payment's customer")
			continue
		case v.Currency != p.Currency:
			fault(at+"/invoice_id", "currency", "must be an invoice in %s, the payment's currency", p.Currency)
			continue
		}
		given[one.InvoiceID] = true
		switch {
		case one.Amount.IsZero() || one.Amount.Sign() != p.Amount.Sign():
			fault(at+"/amount", "sign", "must be more than nothing, and in the direction of the payment")
		case one.Amount.Exponent() < -digits && !one.Amount.Equal(one.Amount.Round(digits)):
			fault(at+"/amount", "multipleOf", "must have at most %d decimals, those of %s", digits, p.Currency)
		case one.Amount.Sign() != v.Residual.Sign() || one.Amount.Abs().GreaterThan(v.Residual.Abs()):
			fault(at+"/amount", "maximum", "must be at most the %s that are open of the invoice", v.Residual)
		}
		open = open.Sub(one.Amount)
	}
	if len(vs) == 0 && open.Sign()*p.Amount.Sign() < 0 {
		fault("/allocations", "sum", "must not add up to more than the %s of the payment that pay nothing yet", Unallocated(p))
	}
	return vs
}
