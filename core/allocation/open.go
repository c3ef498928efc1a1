package allocation

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/crm"
	"crmhub/core/edit"
	"crmhub/core/postgres"
)

// Query asks for payments of which something is left; zero fields do not narrow.
type Query struct {
	Payment  uuid.UUID
	Customer uuid.UUID
	After    string // Next of the page before
	Limit    int    // 0: 50; at most 500
}

// OpenPayment is a payment of which something is left, and what it may pay.
type OpenPayment struct {
	Payment  *crm.Payment
	Open     decimal.Decimal
	Proposal *Proposal // nil where nothing is known
}

// Page is a part of the list of open payments.
type Page struct {
	postgres.Page[OpenPayment]
	Invoices map[uuid.UUID]*crm.Invoice // those that proposals name
}

// What is left of a payment is no column: it would have to be kept equal with its allocations.
const openPayments = `
select p.id
from payments p
left join lateral (select sum(a.amount) as amount from payment_allocations a where a.payment_id = p.id) a on true
where p.deleted_at is null and p.status = 'posted' and p.amount <> coalesce(a.amount, 0)
	and ($1::uuid is null or p.id = $1) and ($2::uuid is null or p.customer_id = $2)
	and ($3::uuid is null or (p.date, p.id) < (select b.date, b.id from payments b where b.id = $3))
order by p.date desc, p.id desc
limit $4`

// The payment reference is what a file of the invoice asked the payer to write; see package inbox.
const openInvoices = `
select i.id, array_remove(array[o.number, o.client_ref, b.payment_reference], null)
from invoices i
left join orders o on o.id = i.order_id
left join lateral (select x.payment_reference from invoice_inbox x where x.invoice_id = i.id limit 1) b on true
where i.customer_id = any($1) and i.residual <> 0 and i.status = any($2) and i.deleted_at is null
order by i.due_date, i.id`

// Open lists payments of which something is left, the newest first, as far as the caller sees payments and invoices. What
// is proposed for the payments of a page takes into account all open payments of their customers.
func (s *Store) Open(ctx context.Context, tx pgx.Tx, q Query) (page Page, err error) {
	after, err := postgres.PlaceID(q.After)
	if err != nil {
		return page, err
	}
	size := postgres.PageSize(q.Limit)
	ids, err := openIDs(ctx, tx, q.Payment, q.Customer, after, size+1)
	if err != nil {
		return page, err
	}
	cut := postgres.Cut(ids, size, uuid.UUID.String)
	ids, page.Next = cut.Items, cut.Next
	found, err := s.CRM.Get(ctx, tx, crm.KindPayment, ids)
	if err != nil {
		return page, err
	}
	var customers []uuid.UUID
	for _, id := range ids {
		if p, ok := found[id].(*crm.Payment); ok {
			page.Items = append(page.Items, OpenPayment{Payment: p, Open: Unallocated(p)})
			customers = append(customers, p.CustomerID)
		}
	}
	invoices, claims, err := s.OpenInvoices(ctx, tx, customers...)
	if err != nil {
		return page, err
	}
	page.Invoices = map[uuid.UUID]*crm.Invoice{}
	payments := make([]Payment, len(page.Items))
	for i, one := range page.Items {
		payments[i] = asked(one.Payment)
	}
	for _, proposal := range Propose(payments, claims) {
		for i := range page.Items {
			if page.Items[i].Payment.ID == proposal.PaymentID {
				page.Items[i].Proposal = &proposal
			}
		}
		for _, one := range proposal.Allocations {
			page.Invoices[one.InvoiceID] = invoices[one.InvoiceID]
		}
	}
	return page, nil
}

func openIDs(ctx context.Context, tx pgx.Tx, payment, customer uuid.UUID, after *uuid.UUID, limit int) ([]uuid.UUID, error) {
	return postgres.All(ctx, tx, "list open payments", pgx.RowTo[uuid.UUID], openPayments, postgres.OrNull(payment), postgres.OrNull(customer), after, limit)
}

// OpenInvoices are the open invoices and credit notes of customers, and what proposals look at of them in the order of
// their days.
func (s *Store) OpenInvoices(ctx context.Context, tx pgx.Tx, customers ...uuid.UUID) (map[uuid.UUID]*crm.Invoice, []Invoice, error) {
	rows, err := tx.Query(ctx, openInvoices, customers, crm.Payable())
	if err != nil {
		return nil, nil, fmt.Errorf("list open invoices: %w", err)
	}
	var ids []uuid.UUID
	references := map[uuid.UUID][]string{}
	var id uuid.UUID
	var named []string
	if _, err = pgx.ForEachRow(rows, []any{&id, &named}, func() error {
		ids, references[id] = append(ids, id), named
		named = nil
		return nil
	}); err != nil {
		return nil, nil, fmt.Errorf("list open invoices: %w", err)
	}
	found, err := s.CRM.Get(ctx, tx, crm.KindInvoice, ids)
	if err != nil {
		return nil, nil, err
	}
	invoices := make(map[uuid.UUID]*crm.Invoice, len(ids))
	claims := make([]Invoice, 0, len(ids))
	for _, id := range ids {
		v, ok := found[id].(*crm.Invoice)
		if !ok {
			continue
		}
		invoices[id] = v
		claims = append(claims, Invoice{
			ID: v.ID, CustomerID: v.CustomerID, Number: v.Number, Currency: v.Currency, Total: v.Total, Open: v.Residual, Due: v.DueDate, References: references[id],
		})
	}
	return invoices, claims, nil
}

func asked(p *crm.Payment) Payment {
	return Payment{ID: p.ID, CustomerID: p.CustomerID, Currency: p.Currency, Date: p.Date, Open: Unallocated(p), Texts: []string{p.Reference, p.Remark, p.Number}}
}

// certainAtOnce is how many payments [Store.AcceptCertain] looks at.
const certainAtOnce = 500

// Accepted is what [Store.AcceptCertain] did.
type Accepted struct {
	Payments []*crm.Payment
	Left     int // open payments that were looked at and need a person
}

// AcceptCertain accepts the proposals that are [Certain] of the newest 500 open payments, all or none of them.
func (s *Store) AcceptCertain(ctx context.Context, tx pgx.Tx, a edit.Author) (Accepted, error) {
	page, err := s.Open(ctx, tx, Query{Limit: certainAtOnce})
	if err != nil {
		return Accepted{}, err
	}
	var done Accepted
	for _, one := range page.Items {
		if one.Proposal == nil || one.Proposal.Certainty != Certain {
			done.Left++
			continue
		}
		p, err := s.Allocate(ctx, tx, a, one.Payment.ID, one.Payment.Version, one.Proposal.Allocations)
		if err != nil {
			return Accepted{}, fmt.Errorf("accept what is certain of payment %s: %w", one.Payment.Number, err)
		}
		done.Payments = append(done.Payments, p)
	}
	return done, nil
}
