package crm

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/postgres"
)

// worth turns an amount of an invoice i into the currency of its order o.
const worth = `case when i.currency = o.currency then 1 else i.rate_to_base / o.rate_to_base end`

// An order is paid when its invoices have brought in what it is worth, or all that it was billed for once it is billed in
// full (an ERP may round other than we do). Credit notes count with their negative amounts, and invoices in another currency
// with what they are worth. $2 are the orders that a person billed: their invoices say how much that is, unless the lines do.
const settled = `
select o.id, p.status, s.paid, b.status
from orders o
cross join lateral (
	select coalesce(round(sum((i.total - i.residual) * ` + worth + `), 4), 0) as paid, coalesce(sum(i.residual), 0) as residual,
		coalesce(round(sum(i.total * ` + worth + `) filter (where i.kind = 'invoice' and i.status <> 'credited_full'), 4), 0) as billed
	from invoices i
	where i.order_id = o.id and i.status not in ('draft', 'cancelled') and i.deleted_at is null
) s
cross join lateral (
	select case
		when s.paid <= 0 then 'none'
		when s.paid >= o.total or o.billing_status = 'full' and s.residual <= 0 then 'full'
		else 'partial'
	end as status
) p
cross join lateral (
	select case
		when o.id <> all($2) or exists (select from order_lines l where l.order_id = o.id and l.qty_billed <> 0) then o.billing_status
		when s.billed <= 0 then 'none'
		when s.billed >= o.total then 'full'
		else 'partial'
	end as status
) b
cross join lateral (select coalesce(sum(n.paid), 0) as paid, coalesce(sum(n.amount), 0) as amount from order_instalments n where n.order_id = o.id) n
where o.id = any($1) and o.deleted_at is null and (o.payment_status <> p.status or o.billing_status <> b.status or n.paid <> greatest(least(s.paid, n.amount), 0))
order by o.id
for no key update of o`

// settle lets the payment status of orders, and their instalments, follow their invoices, which were just saved. Where an
// ERP tells the status itself, its word and this one are the last by turns, and agree in the end. It reaches every order
// and invoice of the organization: what an order was paid does not depend on who saves an invoice. Of those in billed the
// billing status follows, too.
func (s *Store) settle(ctx context.Context, tx pgx.Tx, by By, invoices []Entity, billed ...uuid.UUID) error {
	var ids []uuid.UUID
	for _, e := range invoices {
		if v, ok := e.(*Invoice); ok && v.OrderID != nil {
			ids = append(ids, *v.OrderID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	if by.Actor.Whole() {
		return s.settleOrders(ctx, tx, by, ids, billed) // a connection's transaction: two statements less for each batch it pulls
	}
	return postgres.AsHub(ctx, tx, func() error { return s.settleOrders(ctx, tx, by, ids, billed) })
}

func (s *Store) settleOrders(ctx context.Context, tx pgx.Tx, by By, ids, billed []uuid.UUID) error {
	rows, err := tx.Query(ctx, settled, ids, append([]uuid.UUID{}, billed...)) // none is not null
	if err != nil {
		return fmt.Errorf("settle orders: %w", err)
	}
	type settlement struct {
		paid, billed string
		sum          decimal.Decimal
	}
	now := make(map[uuid.UUID]settlement, len(ids))
	var moved []uuid.UUID
	var id uuid.UUID
	var is settlement
	if _, err = pgx.ForEachRow(rows, []any{&id, &is.paid, &is.sum, &is.billed}, func() error {
		now[id], moved = is, append(moved, id)
		return nil
	}); err != nil {
		return fmt.Errorf("settle orders: %w", err)
	}
	return s.rewrite(ctx, tx, by, KindOrder, moved, func(e Entity) bool {
		o, _ := e.(*Order)
		o.PaymentStatus, o.BillingStatus, o.Instalments = now[o.ID].paid, now[o.ID].billed, slices.Clone(o.Instalments) // what is stored stays to compare with
		o.payInstalments(now[o.ID].sum)
		return true
	})
}
