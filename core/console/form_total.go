package console

import (
	"fmt"

	"github.com/shopspring/decimal"

	"crmhub/core/access"
	"crmhub/core/crm"
)

// totals are what an order's lines come to, computed as the store will when it is saved. What is no number yet counts nothing. A visitor who may
// not see an order's amounts is told none.
func (f *form) totals(items []any) []total {
	o := crm.Order{}
	o.Currency, _ = f.doc["currency"].(string)
	number := func(line map[string]any, name string) decimal.Decimal {
		if line[name] == nil {
			return decimal.Decimal{}
		}
		d, err := decimal.NewFromString(fmt.Sprint(line[name]))
		if err != nil {
			return decimal.Decimal{}
		}
		return d
	}
	for _, item := range items {
		m, _ := item.(map[string]any)
		o.Lines = append(o.Lines, crm.OrderLine{
			Qty: number(m, "qty"), Price: number(m, "price"), DiscountPct: number(m, "discount_pct"), TaxRate: number(m, "tax_rate"),
		})
	}
	o.Normalize()
	var all []total
	for _, sum := range []struct {
		name   string
		amount decimal.Decimal
	}{{"untaxed", o.Untaxed}, {"tax", o.Tax}, {"total", o.Total}} {
		if !f.who.Hides(access.Resource(crm.KindOrder), sum.name) {
			all = append(all, total{f.say("field." + sum.name), formatAmount(sum.amount, o.Currency)})
		}
	}
	return all
}
