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

// An order is paid when its invoices have brought in what it is worth, or all that it was billed for once it is billed in
// full (an ERP may round other than we do). Credit notes count with their negative amounts.
const settled = `
select o.id, p.status, s.paid
from orders o
cross join lateral (
	select coalesce(sum(i.total - i.residual), 0) as paid, coalesce(sum(i.residual), 0) as residual
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
cross join lateral (select coalesce(sum(n.paid), 0) as paid, coalesce(sum(n.amount), 0) as amount from order_instalments n where n.order_id = o.id) n
where o.id = any($1) and o.deleted_at is null and (o.payment_status <> p.status or n.paid <> greatest(least(s.paid, n.amount), 0))
order by o.id
for no key update of o`

// settle lets the payment status of orders, and their instalments, follow their invoices, which were just saved. Where an
// ERP tells the status itself, its word and this one are the last by turns, and agree in the end. It reaches every order
// and invoice of the organization: what an order was paid does not depend on who saves an invoice.
func (s *Store) settle(ctx context.Context, tx pgx.Tx, by By, invoices []Entity) error {
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
		return s.settleOrders(ctx, tx, by, ids) // a connection's transaction: two statements less for each batch it pulls
	}
	return postgres.AsHub(ctx, tx, func() error { return s.settleOrders(ctx, tx, by, ids) })
}

func (s *Store) settleOrders(ctx context.Context, tx pgx.Tx, by By, ids []uuid.UUID) error {
	rows, err := tx.Query(ctx, settled, ids)
	if err != nil {
		return fmt.Errorf("settle orders: %w", err)
	}
	status, paid := map[uuid.UUID]string{}, map[uuid.UUID]decimal.Decimal{}
	var moved []uuid.UUID
	var id uuid.UUID
	var is string
	var sum decimal.Decimal
	if _, err = pgx.ForEachRow(rows, []any{&id, &is, &sum}, func() error {
		status[id], paid[id], moved = is, sum, append(moved, id)
		return nil
	}); err != nil {
		return fmt.Errorf("settle orders: %w", err)
	}
	return s.rewrite(ctx, tx, by, KindOrder, moved, func(e Entity) bool {
		o, _ := e.(*Order)
		o.PaymentStatus, o.Instalments = status[o.ID], slices.Clone(o.Instalments) // what is stored stays to compare with
		o.payInstalments(paid[o.ID])
		return true
	})
}
