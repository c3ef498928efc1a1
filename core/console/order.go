package console

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
)

var orderStatuses = []string{"draft", "submitted", "confirmed", "in_progress", "on_hold", "completed", "closed_short", "cancelled"} //nolint:gochecknoglobals // a constant list

func (c *Console) listOrders(ctx context.Context, v *visit) error {
	l, err := listEntities[*crm.Order](ctx, v, listed{
		kind: crm.KindOrder, statusField: "status",
		statuses: orderStatuses,
		sortable: []string{"number", "date", "total", "updated_at"},
	})
	if err != nil {
		return err
	}
	return v.show("orders", l)
}

type orderPage struct {
	Order     *crm.Order
	Links     []linkRow
	Customers map[uuid.UUID]string
	Invoices  []*crm.Invoice
}

func (c *Console) showOrder(ctx context.Context, v *visit) error {
	var p orderPage
	err := v.as(ctx, func(tx pgx.Tx) (err error) {
		if p.Order, p.Links, err = getEntity[*crm.Order](ctx, v, tx, crm.KindOrder); err != nil {
			return err
		}
		if p.Customers, err = v.customerNames(ctx, tx, []uuid.UUID{p.Order.CustomerID}); err != nil {
			return err
		}
		p.Invoices, err = related[*crm.Invoice](ctx, v, tx, crm.KindInvoice, "order_id", "issue_date", p.Order.ID)
		return err
	})
	if err != nil {
		return err
	}
	return v.show("order", p)
}
