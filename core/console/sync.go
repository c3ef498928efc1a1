package console

import (
	"context"

	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
)

// total is a tile of the sync overview: how many there are, and their sums.
type total struct {
	Label string
	Link  string // "" where no page lists them
	Count int64
	Sums  []crm.Total
}

type syncPage struct {
	Totals []total
	Now    nowStanding // streamed from then on
}

// Begun reports whether the hub holds anything yet.
func (p syncPage) Begun() bool {
	for _, t := range p.Totals {
		if t.Count > 0 {
			return true
		}
	}
	return len(p.Now.Flows) > 0
}

func (c *Console) syncOverview(ctx context.Context, v *visit) error {
	var p syncPage
	var s standing
	err := v.as(ctx, func(tx pgx.Tx) (err error) {
		if p.Totals, err = v.totals(ctx, tx); err != nil {
			return err
		}
		s, err = c.readStanding(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	p.Now = v.shown(s)
	return v.show("sync", p)
}

// totals are the tiles of what the visitor may see.
func (v *visit) totals(ctx context.Context, tx pgx.Tx) ([]total, error) {
	var all []total
	if v.who.May(access.Resource(crm.KindCustomer), access.Read) != "" {
		customers, err := v.console.CRM.Count(ctx, tx, crm.KindCustomer)
		if err != nil {
			return nil, err
		}
		all = append(all, total{Label: "kinds.customer", Link: "/customers", Count: customers})
	}
	sums, err := v.console.CRM.Totals(ctx, tx)
	if err != nil {
		return nil, err
	}
	for _, t := range []struct {
		kind              crm.Kind
		label, to, amount string
	}{
		{crm.KindOrder, "kinds.order", "/orders", "total"},
		{crm.KindInvoice, "kinds.invoice", "/invoices", "total"},
		{crm.KindPayment, "kinds.payment", "/payments", "amount"},
	} {
		r := access.Resource(t.kind)
		if v.who.May(r, access.Read) == "" {
			continue
		}
		shown := totalOf(t.kind, t.label, t.to, sums)
		if v.who.Hides(r, t.amount) || v.who.Hides(r, "residual") {
			shown.Sums = nil
		}
		all = append(all, shown)
	}
	return all, nil
}

// totalOf gathers the sums of one kind, a currency each.
func totalOf(kind crm.Kind, label, to string, sums []crm.Total) total {
	t := total{Label: label, Link: to}
	for _, s := range sums {
		if s.Kind == kind {
			t.Count += s.Count
			t.Sums = append(t.Sums, s)
		}
	}
	return t
}
