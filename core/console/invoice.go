package console

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
)

var paymentStatuses = []string{"unpaid", "in_payment", "partial", "paid", "reversed"} //nolint:gochecknoglobals // a constant list

func (c *Console) listInvoices(ctx context.Context, v *visit) error {
	l, err := listEntities[*crm.Invoice](ctx, v, listed{
		kind: crm.KindInvoice, statusField: "payment_status",
		statuses: paymentStatuses,
		sortable: []string{"number", "issue_date", "due_date", "total", "residual", "updated_at"},
	})
	if err != nil {
		return err
	}
	return v.show("invoices", l)
}

type invoicePage struct {
	Invoice   *crm.Invoice
	Order     *crm.Order // nil if it bills none
	Links     []linkRow
	Customers map[uuid.UUID]string
}

func (c *Console) showInvoice(ctx context.Context, v *visit) error {
	var p invoicePage
	err := v.as(ctx, func(tx pgx.Tx) (err error) {
		if p.Invoice, p.Links, err = getEntity[*crm.Invoice](ctx, v, tx, crm.KindInvoice); err != nil {
			return err
		}
		if p.Invoice.OrderID != nil {
			orders, err := c.CRM.Get(ctx, tx, crm.KindOrder, []uuid.UUID{*p.Invoice.OrderID})
			if err != nil {
				return err
			}
			if o := orders[*p.Invoice.OrderID]; o != nil {
				if o, err = v.present(o); err != nil {
					return err
				}
				p.Order = o.(*crm.Order) //nolint:forcetypeassert // Get returns the kind asked for
			}
		}
		p.Customers, err = v.customerNames(ctx, tx, []uuid.UUID{p.Invoice.CustomerID})
		return err
	})
	if err != nil {
		return err
	}
	return v.show("invoice", p)
}
