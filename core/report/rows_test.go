package report_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"crmhub/core/postgres/postgrestest"
	"crmhub/core/report"
)

// TestRowsAddUpToTheNumber draws a company's books, a report, parameters, one of its numbers, and adds up what lies behind it.
func TestRowsAddUpToTheNumber(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	rapid.Check(t, func(rt *rapid.T) {
		b := openBooks(t, db)
		ids := b.draw(t, rt)
		r, err := report.Find(rapid.SampledFrom(names()).Draw(rt, "report"))
		if err != nil {
			rt.Fatal(err)
		}
		given := drawParameters(rt, r, ids)
		result := b.run(t, r.Name, given)

		numbers := append(result.Rows, result.Totals...)
		if len(numbers) == 0 {
			return
		}
		row := rapid.SampledFrom(numbers).Draw(rt, "row")
		ask := report.Behind{Limit: rapid.IntRange(1, 4).Draw(rt, "limit")}
		if key, ok := row["key"]; ok {
			text, _ := key.(string)
			ask.Key = &text
		}
		one := maps.Clone(given)
		if given["per_currency"] == "true" || r.Name == "payments-received" {
			one["currency"], _ = row["currency"].(string)
		}
		for _, c := range measuresOf(result) {
			ask.Measure = c.Name
			var sum decimal.Decimal
			items := b.behind(t, r.Name, one, ask)
			for _, item := range items {
				if r.Name == "targets" && item["currency"] != row["currency"] {
					continue // targets have a currency each, which is no parameter
				}
				sum = sum.Add(dec(item[c.Name]))
			}
			if want := dec(row[c.Name]); !sum.Equal(want) {
				rt.Fatalf("%s %v: %s of row %v is %s, its %d rows add up to %s", r.Name, given, c.Name, row, want, len(items), sum)
			}
			if row[c.Name] == nil && len(items) > 0 && r.Name != "targets" {
				rt.Fatalf("%s %v: %s of row %v is nothing, but has %d rows", r.Name, given, c.Name, row, len(items))
			}
		}
	})
}

// What is shown of many groups is what comes first of all, and the totals count all.
func TestFirstRowsAreThoseOfAll(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	rapid.Check(t, func(rt *rapid.T) {
		b := openBooks(t, db)
		r, err := report.Find(rapid.SampledFrom([]string{"receivables-aging", "dso"}).Draw(rt, "report"))
		if err != nil {
			rt.Fatal(err)
		}
		given := drawParameters(rt, r, b.draw(t, rt))
		given["by"], given["limit"] = "customer", "1000"
		all := b.run(t, r.Name, given)
		given["limit"] = fmt.Sprint(rapid.IntRange(1, 4).Draw(rt, "at most"))
		first := b.run(t, r.Name, given)
		if n := len(first.Rows); n > len(all.Rows) || n < len(all.Rows) && (!first.Truncated || fmt.Sprint(n) != given["limit"]) {
			rt.Fatalf("%v shows %d of %d rows", given, n, len(all.Rows))
		}
		if diff := cmp.Diff(all.Rows[:len(first.Rows)], first.Rows); diff != "" {
			rt.Fatalf("%v (-of all +first):\n%s", given, diff)
		}
		if diff := cmp.Diff(all.Totals, first.Totals); diff != "" {
			rt.Fatalf("%v (-of all +first):\n%s", given, diff)
		}
		for _, c := range measuresOf(all) {
			sums := map[any]decimal.Decimal{}
			for _, row := range all.Rows {
				sums[row["currency"]] = sums[row["currency"]].Add(dec(row[c.Name]))
			}
			for _, total := range all.Totals {
				if !sums[total["currency"]].Equal(dec(total[c.Name])) {
					rt.Fatalf("%v: rows add up to %v of %s, the total is %v", given, sums, c.Name, total)
				}
			}
		}
	})
}

// What is added up day by day is what the rows by customer come to, and what comes first is the same without the totals.
func TestOpenByDayIsOpenByCustomer(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	rapid.Check(t, func(rt *rapid.T) {
		b := openBooks(t, db)
		r, err := report.Find("receivables-aging")
		if err != nil {
			rt.Fatal(err)
		}
		given := drawParameters(rt, r, b.draw(t, rt))
		given["limit"], given["per_currency"], given["by"] = "1000", "true", "customer"
		byCustomer := b.run(t, r.Name, given)
		var leading report.Result
		if err := b.as(t, func(ctx context.Context, tx pgx.Tx) (err error) {
			leading, err = b.store.Leading(ctx, tx, r, given)
			return err
		}); err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(byCustomer.Rows, leading.Rows); diff != "" || len(leading.Totals) > 0 {
			rt.Fatalf("%v (-run +leading, which has %d totals):\n%s", given, len(leading.Totals), diff)
		}
		given["by"] = "currency"
		byCurrency := b.run(t, r.Name, given)
		if len(byCurrency.Rows) != len(byCustomer.Totals) {
			rt.Fatalf("%v: %d currencies, and %d totals by customer", given, len(byCurrency.Rows), len(byCustomer.Totals))
		}
		for _, total := range byCustomer.Totals {
			i := slices.IndexFunc(byCurrency.Rows, func(row report.Row) bool { return row["key"] == total["currency"] })
			if i < 0 {
				rt.Fatalf("%v: nothing in %v", given, total["currency"])
			}
			for _, c := range measuresOf(byCurrency) {
				if !dec(byCurrency.Rows[i][c.Name]).Equal(dec(total[c.Name])) {
					rt.Fatalf("%v: %s is %v, the total by customer %v", given, c.Name, byCurrency.Rows[i], total)
				}
			}
		}
	})
}

// The largest debtors are found whichever came last, and with them nothing else that they owe. What is paid tomorrow is owed today.
func TestLargestDebtorsAreShown(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	for i, untaxed := range []string{"5", "3", "4", "1", "9"} {
		c := newID()
		b.insert(t, "customers", customerRow(c, fmt.Sprintf("C%d", i)))
		b.insert(t, "invoices", invoiceRow(c, "2026-03-01", untaxed), with(invoiceRow(c, "2026-03-01", "0.5"), map[string]any{"currency": "USD"}))
	}
	c := newID()
	b.insert(t, "customers", customerRow(c, "Tomorrow"))
	invoice, payment := with(invoiceRow(c, "2026-03-01", "7"), map[string]any{"residual": "1"}), entity(map[string]any{
		"number": "P", "customer_id": c, "date": "2026-03-16", "currency": "EUR", "amount": "6", "status": "posted",
	})
	b.insert(t, "invoices", invoice)
	b.insert(t, "payments", payment)
	b.insert(t, "payment_allocations", map[string]any{"payment_id": payment["id"], "seq": 1, "invoice_id": invoice["id"], "amount": "6"})
	for name, total := range map[string]string{"receivables-aging": "total", "dso": "open"} {
		result := b.run(t, name, report.Parameters{"by": "customer", "per_currency": "true", "limit": "2"})
		var got []string
		for _, row := range append(result.Rows, result.Totals...) {
			got = append(got, fmt.Sprint(row["label"], " ", row[total], " ", row["currency"]))
		}
		want := []string{"C4 9 EUR", "Tomorrow 7 EUR", "<nil> 29 EUR", "<nil> 2.5 USD"}
		if diff := cmp.Diff(want, got); diff != "" || !result.Truncated {
			t.Errorf("%s, truncated: %v (-want +got):\n%s", name, result.Truncated, diff)
		}
	}
}

func names() (names []string) {
	for _, r := range report.All() {
		names = append(names, r.Name)
	}
	return names
}

// measuresOf are the columns that records contribute to.
func measuresOf(result report.Result) (measures []report.Column) {
	for _, c := range result.Columns {
		switch c.Type {
		case report.TypeAmount, report.TypeInteger, report.TypeDecimal:
			if c.Name != "key" && !c.Derived {
				measures = append(measures, c)
			}
		}
	}
	return measures
}

// drawParameters draws what a report is asked for; ids are those that a parameter may name.
func drawParameters(rt *rapid.T, r report.Report, ids map[string][]uuid.UUID) report.Parameters {
	given := report.Parameters{}
	for _, p := range r.Parameters {
		if !rapid.Bool().Draw(rt, "give "+p.Name) {
			continue
		}
		switch {
		case p.Type == "choice":
			given[p.Name] = rapid.SampledFrom(p.Choices).Draw(rt, p.Name)
		case p.Name == "from":
			given[p.Name] = rapid.SampledFrom([]string{"2025-06-01", "2025-11-17", "2026-01-01"}).Draw(rt, p.Name)
		case p.Name == "to", p.Name == "as_of":
			given[p.Name] = rapid.SampledFrom([]string{"2026-01-31", "2026-02-20", "2026-03-15"}).Draw(rt, p.Name)
		case p.Type == "id":
			given[p.Name] = rapid.SampledFrom(ids[p.Name]).Draw(rt, p.Name).String()
		case p.Name == "currency":
			given[p.Name] = rapid.SampledFrom([]string{"EUR", "USD", "JPY"}).Draw(rt, p.Name)
		case p.Type == "boolean":
			given[p.Name] = "true"
		case p.Name == "limit":
			given[p.Name] = "3"
		}
	}
	return given
}

// draw fills the books with documents of all kinds and returns ids that parameters may name.
func (b *books) draw(t *testing.T, rt *rapid.T) map[string][]uuid.UUID {
	var owners []uuid.UUID
	var users, customers, addresses, products, orders, orderLines, invoices, invoiceLines, payments, allocations, targets []map[string]any
	company, sales := newID(), newID()
	b.insert(t, "departments", departmentRow(company, nil, "/"+company.String()+"/"), departmentRow(sales, &company, "/"+company.String()+"/"+sales.String()+"/"))
	for i, department := range []any{company, sales, nil} {
		id := newID()
		owners = append(owners, id)
		users = append(users, map[string]any{"id": id, "login": id.String(), "name": fmt.Sprintf("User %d", i), "department_id": department})
	}
	var customerIDs, productIDs, invoiceIDs []uuid.UUID
	one := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(rt, name) }
	owner := func() any {
		if rapid.IntRange(0, 3).Draw(rt, "owned") == 0 {
			return nil
		}
		return rapid.SampledFrom(owners).Draw(rt, "owner")
	}
	days := []string{"2024-12-31", "2025-03-02", "2025-06-30", "2025-09-09", "2025-11-30", "2025-12-31", "2026-01-01", "2026-02-14", "2026-02-28", "2026-03-01", "2026-03-15", "2026-04-04"}
	amount := func(name string) decimal.Decimal { return decimal.New(rapid.Int64Range(1, 999_999).Draw(rt, name), -2) }
	for i := range 5 {
		id := newID()
		customerIDs = append(customerIDs, id)
		customers = append(customers, with(customerRow(id, fmt.Sprintf("C%d", i)), map[string]any{
			"owner_id": owner(), "lifecycle": one("lifecycle", "customer", "lead", "potential"), "phone": "+49 30 1", "level": one("level", "A", "B", "C"),
		}))
		if rapid.Bool().Draw(rt, "address") {
			addresses = append(addresses, map[string]any{"customer_id": id, "seq": 1, "kind": "bill", "country": one("country", "DE", "US"), "province": one("province", "BE", "WA")})
		}
	}
	for i := range 3 {
		id := newID()
		productIDs = append(productIDs, id)
		row := entity(map[string]any{"id": id, "sku": fmt.Sprintf("P%d", i), "name": fmt.Sprintf("Product %d", i)})
		if i > 0 {
			row["category"] = fmt.Sprintf("Category %d", i)
		}
		products = append(products, row)
	}
	currencies := map[string]string{"EUR": "1", "USD": "0.9137", "JPY": "0.0061234567"}
	for range rapid.IntRange(0, 14).Draw(rt, "orders") {
		cur := one("currency", "EUR", "USD", "JPY")
		first, second := amount("first line"), amount("second line")
		row := with(orderRow(rapid.SampledFrom(customerIDs).Draw(rt, "customer"), one("date", days...), first.Add(second).String()), map[string]any{
			"currency": cur, "rate_to_base": currencies[cur], "owner_id": owner(),
			"status": one("status", "draft", "submitted", "confirmed", "confirmed", "completed", "closed_short", "cancelled"),
		})
		orders = append(orders, row)
		if rapid.IntRange(0, 4).Draw(rt, "lines") > 0 {
			for seq, untaxed := range []decimal.Decimal{first, second} {
				line := map[string]any{"order_id": row["id"], "seq": seq + 1, "description": "x", "qty": 1, "price": untaxed.String(), "untaxed": untaxed.String(), "tax": 0}
				if rapid.Bool().Draw(rt, "product") {
					line["product_id"] = rapid.SampledFrom(productIDs).Draw(rt, "product")
				}
				orderLines = append(orderLines, line)
			}
		}
	}
	for range rapid.IntRange(0, 14).Draw(rt, "invoices") {
		cur, sign := one("currency", "EUR", "USD", "JPY"), decimal.NewFromInt(1)
		if rapid.IntRange(0, 4).Draw(rt, "credit") == 0 {
			sign = decimal.NewFromInt(-1)
		}
		untaxed := amount("untaxed").Mul(sign)
		row := with(invoiceRow(rapid.SampledFrom(customerIDs).Draw(rt, "customer"), one("issued", days...), untaxed.String()), map[string]any{
			"currency": cur, "rate_to_base": currencies[cur], "owner_id": owner(), "status": one("status", "draft", "issued", "issued", "credited_partial", "cancelled"),
		})
		if rapid.Bool().Draw(rt, "due") {
			row["due_date"] = one("due", days...)
		}
		if rapid.Bool().Draw(rt, "paid") {
			row["residual"] = "0"
		}
		invoices, invoiceIDs = append(invoices, row), append(invoiceIDs, row["id"].(uuid.UUID))
		if row["status"] == "draft" || rapid.Bool().Draw(rt, "lines") {
			invoiceLines = append(invoiceLines, map[string]any{
				"invoice_id": row["id"], "seq": 1, "product_id": rapid.SampledFrom(productIDs).Draw(rt, "product"), "description": "x",
				"qty": 1, "price": untaxed.String(), "untaxed": untaxed.String(), "tax": 0,
			})
		}
	}
	for range rapid.IntRange(0, 6).Draw(rt, "payments") {
		id := newID()
		paid := amount("paid").String()
		payments = append(payments, entity(map[string]any{
			"id": id, "number": id.String(), "customer_id": rapid.SampledFrom(customerIDs).Draw(rt, "payer"), "date": one("paid on", days...),
			"method": one("method", "wire", "cash"), "currency": one("currency", "EUR", "USD"), "amount": paid, "status": one("status", "draft", "posted", "posted"), "owner_id": owner(),
		}))
		if len(invoiceIDs) > 0 {
			allocations = append(allocations, map[string]any{"payment_id": id, "seq": 1, "invoice_id": rapid.SampledFrom(invoiceIDs).Draw(rt, "settles"), "amount": paid})
		}
	}
	for _, month := range []string{"2025-12-01", "2026-02-01", "2026-03-01"} {
		target := map[string]any{"id": newID(), "month": month, "measure": one("measure", "revenue", "orders", "invoiced", "won"), "amount": "1000"}
		if target["measure"] != "orders" {
			target["currency"] = one("currency", "EUR", "USD")
		}
		switch one("whose", "the organization's", "somebody's", "a department's") {
		case "somebody's":
			target["owner_id"] = rapid.SampledFrom(owners).Draw(rt, "target of")
		case "a department's":
			target["department_id"] = rapid.SampledFrom([]uuid.UUID{company, sales}).Draw(rt, "target of")
		}
		targets = append(targets, target)
	}
	for _, part := range []struct {
		table string
		rows  []map[string]any
	}{
		{"users", users},
		{"customers", customers},
		{"customer_addresses", addresses},
		{"products", products},
		{"orders", orders},
		{"order_lines", orderLines},
		{"invoices", invoices},
		{"invoice_lines", invoiceLines},
		{"payments", payments},
		{"payment_allocations", allocations},
		{"targets", targets},
	} {
		b.insert(t, part.table, part.rows...)
	}
	ids := map[string][]uuid.UUID{"owner_id": owners, "customer_id": customerIDs}
	b.drawSales(t, rt, ids)
	b.drawService(t, rt, ids)
	return ids
}
