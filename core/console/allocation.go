package console

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/access"
	"crmhub/core/allocation"
	"crmhub/core/crm"
	"crmhub/core/schema"
)

// openPaymentRow is a payment of which something is left, with what it may pay.
type openPaymentRow struct {
	*crm.Payment
	Open     decimal.Decimal
	Customer cell
	Proposal *proposalRow // nil where nothing is known
}

type proposalRow struct {
	*allocation.Proposal
	Currency string
	Invoices []proposedRow
}

// Apart is by how much payment and invoices differ, without a sign; zero if they do not.
func (p proposalRow) Apart() decimal.Decimal { return p.Difference.Abs() }

// Short reports whether the payment lacks something.
func (p proposalRow) Short() bool { return p.Difference.IsNegative() }

type proposedRow struct {
	Invoice *crm.Invoice
	Amount  decimal.Decimal
}

type allocationsPage struct {
	pager
	Payments  []openPaymentRow
	Certain   int64 // of those shown
	Faults    []string
	MayMatch  bool
	MayImport bool
}

// openPaymentRows names what is open.
func (v *visit) openPaymentRows(ctx context.Context, tx pgx.Tx, found allocation.Page) ([]openPaymentRow, error) {
	customers := make([]string, len(found.Items))
	for i, one := range found.Items {
		customers[i] = one.Payment.CustomerID.String()
	}
	called, err := v.callCustomers(ctx, tx, customers)
	if err != nil {
		return nil, err
	}
	rows := make([]openPaymentRow, len(found.Items))
	for i, one := range found.Items {
		rows[i] = openPaymentRow{Payment: one.Payment, Open: one.Open, Customer: called(customers[i])}
		if one.Proposal == nil {
			continue
		}
		shown := &proposalRow{Proposal: one.Proposal, Currency: one.Payment.Currency}
		for _, a := range one.Proposal.Allocations {
			shown.Invoices = append(shown.Invoices, proposedRow{found.Invoices[a.InvoiceID], a.Amount})
		}
		rows[i].Proposal = shown
	}
	return rows, nil
}

func (c *Console) listOpenPayments(ctx context.Context, v *visit) error {
	q := allocation.Query{After: v.r.URL.Query().Get("after"), Limit: pageSize}
	p := allocationsPage{MayMatch: v.mayMatch(), MayImport: v.who.May(access.Resource(crm.KindPayment), access.Import) != ""}
	err := v.as(ctx, func(tx pgx.Tx) error {
		found, err := c.allocations.Open(ctx, tx, q)
		if err != nil {
			return err
		}
		p.pager = pagerOf(from(allocationPath), q.After, found.Next)
		p.Payments, err = v.openPaymentRows(ctx, tx, found)
		return err
	})
	if err != nil {
		return err
	}
	for _, one := range p.Payments {
		if one.Proposal != nil && one.Proposal.Certainty == allocation.Certain {
			p.Certain++
		}
	}
	slices.SortStableFunc(p.Payments, func(a, b openPaymentRow) int { return cmp.Compare(rank(a), rank(b)) })
	return v.show("allocations", p)
}

// rank orders open payments by what has to be done about them: the surest first, those without a proposal last.
func rank(p openPaymentRow) int {
	if p.Proposal == nil {
		return len(allocation.Certainties())
	}
	return slices.Index(allocation.Certainties(), p.Proposal.Certainty)
}

func (v *visit) mayMatch() bool {
	return v.who.May(access.Resource(crm.KindPayment), access.Update) != "" && v.who.May(access.Resource(crm.KindInvoice), access.Update) != ""
}

func (c *Console) acceptCertain(ctx context.Context, v *visit) error {
	done, err := get(ctx, v, func(tx pgx.Tx) (allocation.Accepted, error) { return c.allocations.AcceptCertain(ctx, tx, v.author()) })
	if vs := schema.Violations(nil); errors.As(err, &vs) {
		return errClosed // somebody matched one of them at the same time
	}
	if err != nil {
		return err
	}
	if len(done.Payments) == 0 {
		return v.done(allocationPath, "nothing_certain")
	}
	return v.done(allocationPath, "allocated_all")
}

// allocationPage is the page where one payment is matched by hand.
type allocationPage struct {
	openPaymentRow
	Paid     []proposedRow // what it pays already
	Claims   []claimRow    // what it could pay
	Refused  []string
	MayMatch bool
}

type claimRow struct {
	Invoice *crm.Invoice
	Value   string // of the input
	Named   bool   // it is proposed
}

func (c *Console) showAllocation(ctx context.Context, v *visit) error {
	return v.writeAllocation(ctx, nil)
}

func (v *visit) writeAllocation(ctx context.Context, refused error) error {
	if _, other := wrongIn(refused); other != nil {
		return other
	}
	id, err := v.id(crm.ErrNotFound)
	if err != nil {
		return err
	}
	p := allocationPage{MayMatch: v.mayMatch()}
	err = v.as(ctx, func(tx pgx.Tx) error {
		got, err := v.console.CRM.Get(ctx, tx, crm.KindPayment, []uuid.UUID{id})
		if err != nil {
			return err
		}
		payment, ok := got[id].(*crm.Payment)
		if !ok || payment.DeletedAt != nil {
			return crm.ErrNotFound
		}
		found, err := v.console.allocations.Open(ctx, tx, allocation.Query{Payment: id, Limit: 1})
		if err != nil {
			return err
		}
		if len(found.Items) == 0 { // nothing is left of it
			found.Items = []allocation.OpenPayment{{Payment: payment, Open: allocation.Unallocated(payment)}}
		}
		rows, err := v.openPaymentRows(ctx, tx, found)
		if err != nil {
			return err
		}
		p.openPaymentRow = rows[0]
		return v.fillAllocation(ctx, tx, &p)
	})
	if err != nil {
		return err
	}
	fields := v.describe(string(crm.KindPayment), crm.Fields(crm.KindPayment))
	p.Refused = v.refusal(refused, fields)
	v.here = allocationPath + "/" + id.String()
	return v.writeForm("allocation", p, refused)
}

// fillAllocation adds what the payment pays, and the open documents that it could.
func (v *visit) fillAllocation(ctx context.Context, tx pgx.Tx, p *allocationPage) error {
	ids := make([]uuid.UUID, len(p.Allocations))
	for i, a := range p.Allocations {
		ids[i] = a.InvoiceID
	}
	got, err := v.console.CRM.Get(ctx, tx, crm.KindInvoice, ids)
	if err != nil {
		return err
	}
	for _, a := range p.Allocations {
		if invoice, ok := got[a.InvoiceID].(*crm.Invoice); ok {
			p.Paid = append(p.Paid, proposedRow{invoice, a.Amount})
		}
	}
	if p.Open.IsZero() || p.Status != "posted" {
		return nil
	}
	invoices, claims, err := v.console.allocations.OpenInvoices(ctx, tx, p.CustomerID)
	if err != nil {
		return err
	}
	for _, one := range claims {
		if one.Currency != p.Currency || one.Open.Sign() != p.Open.Sign() {
			continue
		}
		row := claimRow{Invoice: invoices[one.ID], Value: v.r.PostFormValue("amount." + one.ID.String())}
		if p.Proposal != nil {
			for _, proposed := range p.Proposal.Invoices {
				if proposed.Invoice.ID == one.ID {
					row.Named = true
					if v.r.Method == http.MethodGet {
						row.Value = proposed.Amount.String()
					}
				}
			}
		}
		p.Claims = append(p.Claims, row)
	}
	return nil
}

// allocate lets a payment pay what the form says: amount.<invoice> is an amount, empty is none.
func (c *Console) allocate(ctx context.Context, v *visit) error {
	id, err := v.id(crm.ErrNotFound)
	if err != nil {
		return err
	}
	if err := v.r.ParseForm(); err != nil {
		return errAddress
	}
	var add []crm.PaymentAllocation
	for name, values := range v.r.Form {
		text, ok := strings.CutPrefix(name, "amount.")
		given := ungroup(values[0])
		if !ok || given == "" {
			continue
		}
		invoice, err := uuid.Parse(text)
		if err != nil {
			return errAddress
		}
		amount, err := decimal.NewFromString(given)
		if err != nil || amount.Exponent() < -4 || amount.NumDigits() > 20 {
			return v.writeAllocation(ctx, schema.Violations{{Pointer: "/amount", Rule: "format", Message: "must be a decimal number"}})
		}
		add = append(add, crm.PaymentAllocation{InvoiceID: invoice, Amount: amount})
	}
	slices.SortFunc(add, func(a, b crm.PaymentAllocation) int {
		return strings.Compare(a.InvoiceID.String(), b.InvoiceID.String())
	})
	if len(add) == 0 {
		return v.writeAllocation(ctx, schema.Violations{{Pointer: "/allocations", Rule: "required", Message: "enter what it pays"}})
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		_, err := c.allocations.Allocate(ctx, tx, v.author(), id, 0, add)
		return err
	})
	if err != nil {
		return v.writeAllocation(ctx, err)
	}
	return v.done(allocationPath+"/"+id.String(), "allocated")
}

func (c *Console) reverseAllocation(ctx context.Context, v *visit) error {
	id, err := v.id(crm.ErrNotFound)
	if err != nil {
		return err
	}
	invoice, err := uuid.Parse(v.r.PostFormValue("invoice"))
	if err != nil {
		return errAddress
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		_, err := c.allocations.Reverse(ctx, tx, v.author(), id, 0, invoice)
		return err
	})
	if err != nil {
		return v.writeAllocation(ctx, err)
	}
	return v.done(allocationPath+"/"+id.String(), "allocation_reversed")
}
