package console

import (
	"context"

	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
)

var lifecycles = []string{"lead", "potential", "customer", "dormant", "churned", "blacklisted", "other"} //nolint:gochecknoglobals // a constant list

func (c *Console) listCustomers(ctx context.Context, v *visit) error {
	l, err := listEntities[*crm.Customer](ctx, v, listed{
		kind: crm.KindCustomer, statusField: "lifecycle",
		statuses: lifecycles,
		sortable: []string{"name", "code", "updated_at"},
	})
	if err != nil {
		return err
	}
	return v.show("customers", l)
}

type customerPage struct {
	Customer *crm.Customer
	Links    []linkRow
	Orders   []*crm.Order
	Invoices []*crm.Invoice
}

func (c *Console) showCustomer(ctx context.Context, v *visit) error {
	var p customerPage
	err := v.as(ctx, func(tx pgx.Tx) (err error) {
		if p.Customer, p.Links, err = getEntity[*crm.Customer](ctx, v, tx, crm.KindCustomer); err != nil {
			return err
		}
		if p.Orders, err = related[*crm.Order](ctx, v, tx, crm.KindOrder, "customer_id", "date", p.Customer.ID); err != nil {
			return err
		}
		p.Invoices, err = related[*crm.Invoice](ctx, v, tx, crm.KindInvoice, "customer_id", "issue_date", p.Customer.ID)
		return err
	})
	if err != nil {
		return err
	}
	return v.show("customer", p)
}
