package northwind_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"crmhub/cmd/crmhub/northwind"
	"crmhub/core/crm"
)

func TestLoadGivesAWholeAndValidCompany(t *testing.T) {
	t.Parallel()
	today, err := crm.ParseDate("2026-03-01")
	if err != nil {
		t.Fatal(err)
	}
	c, err := northwind.Load(today)
	if err != nil {
		t.Fatal(err)
	}
	lines, untaxed := 0, decimal.Zero
	for _, o := range c.Orders {
		o.Normalize()
		lines += len(o.Lines)
		untaxed = untaxed.Add(o.Untaxed)
	}
	// The counts are the original's, and so is the sum of its lines and freights, rounded line by line.
	got := map[string]any{
		"customers": len(c.Customers), "contacts": len(c.Contacts), "products": len(c.Products), "orders": len(c.Orders),
		"lines without freight": lines - len(c.Orders), "untaxed": untaxed.String(),
		"oldest": c.Orders[0].Date.String(), "newest": c.Orders[len(c.Orders)-1].Date.String(),
	}
	want := map[string]any{
		"customers": 91, "contacts": 91, "products": 77, "orders": 830, "lines without freight": 2155, "untaxed": "1330735.98",
		"oldest": "2024-04-28", "newest": "2026-02-28",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var all []crm.Entity
	for _, e := range c.Customers {
		all = append(all, e)
	}
	for _, e := range c.Contacts {
		all = append(all, e)
	}
	for _, e := range c.Products {
		all = append(all, e)
	}
	for _, e := range c.Orders {
		all = append(all, e)
	}
	for _, e := range all {
		e.Normalize()
		if err := e.Validate().Err(); err != nil {
			t.Errorf("%s %s: %v", e.Kind(), crm.HeadOf(e).ID, err)
		}
	}
}
