package report_test

import (
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/cmd/crmhub/northwind"
	"crmhub/core/crm"
	"crmhub/core/report"
)

// golden are results computed by testdata/golden.py, without this package. Rows are sorted, and written as in the file.
type golden struct {
	Computed string
	Cases    []struct {
		Report     string
		Parameters report.Parameters
		Columns    string
		Rows       []string
		Totals     string
	}
}

func (b *books) compare(t *testing.T, file string) {
	t.Helper()
	doc, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want golden
	if err := json.Unmarshal(doc, &want); err != nil || len(want.Cases) == 0 {
		t.Fatalf("%s: %d cases, %v", file, len(want.Cases), err)
	}
	for _, c := range want.Cases {
		columns := strings.Split(c.Columns, " | ")
		result := b.run(t, c.Report, c.Parameters)
		if result.Truncated != (c.Parameters["limit"] == "5") {
			t.Errorf("%s %v: truncated is %v", c.Report, c.Parameters, result.Truncated)
		}
		var rows []string
		for _, row := range result.Rows {
			rows = append(rows, written(row, columns))
		}
		slices.Sort(rows)
		if diff := cmp.Diff(c.Rows, rows); diff != "" {
			t.Errorf("%s %v:\n%s", c.Report, c.Parameters, diff)
		}
		var totals []string
		for _, row := range result.Totals {
			totals = append(totals, written(row, slices.DeleteFunc(slices.Clone(columns), func(c string) bool { return c == "key" || c == "label" })))
		}
		if diff := cmp.Diff([]string{c.Totals}, totals); diff != "" {
			t.Errorf("%s %v: totals\n%s", c.Report, c.Parameters, diff)
		}
	}
}

func written(row report.Row, columns []string) string {
	parts := make([]string, len(columns))
	for i, c := range columns {
		if row[c] != nil {
			parts[i] = fmt.Sprint(row[c])
		}
	}
	return strings.Join(parts, " | ")
}

// TestRealPurchases are those of every tenth customer of CDNOW, an online shop, from January 1997 to June 1998.
func TestRealPurchases(t *testing.T) {
	t.Parallel()
	file, err := os.Open("testdata/cdnow-sample.csv.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	purchases, err := csv.NewReader(unzipped).ReadAll()
	if err != nil || len(purchases) != 6937 {
		t.Fatalf("%d purchases, %v", len(purchases), err)
	}
	b := newBooks(t)
	ids := map[string]uuid.UUID{}
	var customers, orders []map[string]any
	for _, p := range purchases {
		id, ok := ids[p[0]]
		if !ok {
			id = newID()
			ids[p[0]] = id
			customers = append(customers, customerRow(id, "CDNOW "+p[0]))
		}
		orders = append(orders, orderRow(id, p[1], p[2]))
	}
	b.insert(t, "customers", customers...)
	b.insert(t, "orders", orders...)
	b.compare(t, "testdata/cdnow.golden.json")
}

// TestRealCompany is Northwind with its dates as they were, its dollars at a rate of 0.87, and an invoice for each order.
func TestRealCompany(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	dayAfter, err := crm.ParseDate("1998-05-07")
	if err != nil {
		t.Fatal(err)
	}
	company, err := northwind.Load(dayAfter)
	if err != nil {
		t.Fatal(err)
	}
	var customers, products, orders []crm.Entity
	for _, c := range company.Customers {
		customers = append(customers, c)
	}
	for _, p := range company.Products {
		products = append(products, p)
	}
	for _, o := range company.Orders {
		o.RateToBase = dec("0.87")
		orders = append(orders, o)
	}
	err = b.as(t, func(ctx context.Context, tx pgx.Tx) error {
		var store crm.Store
		for _, batch := range [][]crm.Entity{customers, products, orders} {
			if err := store.Save(ctx, tx, crm.By{Actor: b.who.Actor, Origin: "crm"}, batch); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var invoices, payments, allocations []map[string]any
	const day = 24 * time.Hour
	for _, o := range company.Orders {
		due, paid := crm.DateOf(o.Date.Time().Add(30*day)), crm.DateOf(o.Date.Time().Add(45*day))
		invoice := with(invoiceRow(o.CustomerID, o.Date.String(), o.Untaxed.String()), map[string]any{"currency": "USD", "rate_to_base": "0.87", "due_date": due})
		if n, err := strconv.Atoi(o.Number); err != nil {
			t.Fatal(err)
		} else if n%7 != 0 {
			id := newID()
			invoice["residual"], invoice["payment_status"] = "0", "paid"
			payments = append(payments, entity(map[string]any{
				"id": id, "number": o.Number, "customer_id": o.CustomerID, "date": paid, "currency": "USD", "amount": o.Untaxed.String(), "status": "posted",
			}))
			allocations = append(allocations, map[string]any{"payment_id": id, "seq": 1, "invoice_id": invoice["id"], "amount": o.Untaxed.String()})
		}
		invoices = append(invoices, invoice)
	}
	b.insert(t, "invoices", invoices...)
	b.insert(t, "payments", payments...)
	b.insert(t, "payment_allocations", allocations...)
	b.compare(t, "testdata/northwind.golden.json")
}

// TestDrawnCompany is one that golden_crm.py drew: opportunities that were lost, opened again, in dollars or deleted, with
// the stages they went through, campaigns with whoever answered, tickets and feedback.
func TestDrawnCompany(t *testing.T) {
	t.Parallel()
	file, err := os.Open("testdata/crm.books.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var drawn map[string][]map[string]any
	decoder := json.NewDecoder(unzipped)
	decoder.UseNumber()
	if err := decoder.Decode(&drawn); err != nil {
		t.Fatal(err)
	}
	b := newBooks(t)
	b.insert(t, "users", drawn["users"]...)
	for _, table := range []string{"customers", "contacts", "pipelines"} {
		b.insertEntities(t, table, drawn[table])
	}
	b.insert(t, "contact_customers", drawn["contact_customers"]...)
	b.insert(t, "pipeline_stages", drawn["pipeline_stages"]...)
	for _, table := range []string{"currency_rates", "campaigns", "campaign_members", "opportunities", "tickets", "feedback"} {
		b.insertEntities(t, table, drawn[table])
	}
	b.insert(t, "campaign_events", drawn["campaign_events"]...)
	b.insert(t, "opportunity_stage_log", drawn["opportunity_stage_log"]...)
	b.compare(t, "testdata/crm.golden.json")
}

func (b *books) insertEntities(t *testing.T, table string, rows []map[string]any) {
	t.Helper()
	for i := range rows {
		rows[i] = entity(rows[i])
	}
	b.insert(t, table, rows...)
}
