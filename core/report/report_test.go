package report_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"crmhub/core/report"
)

func TestEachReportSaysWhatItCounts(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range report.All() {
		if seen[r.Name] {
			t.Errorf("%s is there twice", r.Name)
		}
		seen[r.Name] = true
		texts := map[string]report.Text{"title": r.Title, "definition": r.Definition}
		for _, p := range r.Parameters {
			texts["parameter "+p.Name] = p.Title
		}
		for what, text := range texts {
			if text.En == "" || text.Zh == "" || !strings.ContainsFunc(text.Zh, func(c rune) bool { return c > 0x3000 }) {
				t.Errorf("%s: its %s lacks a language: %+v", r.Name, what, text)
			}
		}
	}
}

func TestParametersAreCheckedAllAtOnce(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	for _, c := range []struct {
		report string
		given  report.Parameters
		want   []string
	}{
		{"booked", report.Parameters{"from": "yesterday", "to": "2026-13-01", "owner_id": "me", "by": "weather", "currency": "eur", "per_currency": "yes", "limit": "+5"}, []string{
			"/by enum", "/currency format", "/from format", "/limit range", "/owner_id format", "/per_currency enum", "/to format",
		}},
		{"booked", report.Parameters{"as_of": "2026-01-01", "colour": "red"}, []string{"/as_of unknown", "/colour unknown"}},
		{"booked", report.Parameters{"from": "2026-02-02", "to": "2026-02-01"}, []string{"/from range"}},
		{"booked", report.Parameters{"from": "2026-12-01"}, []string{"/from range"}}, // today is in March
		{"rfm", report.Parameters{"as_of": "0001-01-01", "days": "0"}, []string{"/as_of range", "/days range"}},
		{"customer-value", report.Parameters{"years": "21", "days": "3661"}, []string{"/days range", "/years range"}},
	} {
		_, err := b.tryRun(t, c.report, c.given)
		if diff := cmp.Diff(c.want, rules(err)); diff != "" {
			t.Errorf("%s %v:\n%s", c.report, c.given, diff)
		}
	}
}

func TestPeriodIsTheLastTwelveMonthsAndComparedWithThoseBefore(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	c := newID()
	b.insert(t, "customers", customerRow(c, "C"))
	b.insert(t, "orders",
		orderRow(c, "2026-03-15", "1"), orderRow(c, "2025-04-01", "2"), // the first and the last day
		orderRow(c, "2026-03-16", "100"), // tomorrow
		orderRow(c, "2025-03-31", "4"),   // the period before: 349 days as well
		orderRow(c, "2024-04-17", "8"), orderRow(c, "2024-04-16", "100"),
	)
	result := b.run(t, "booked", report.Parameters{"by": "customer"})
	want := []report.Row{{"key": c.String(), "label": "C", "currency": "EUR", "revenue": "3", "documents": int64(2), "previous": "12", "change": "-75"}}
	if diff := cmp.Diff(want, result.Rows); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(report.Parameters{"by": "customer", "from": "2025-04-01", "to": "2026-03-15", "limit": "100"}, result.Parameters); diff != "" {
		t.Error(diff)
	}

	months := b.run(t, "booked", report.Parameters{"from": "2025-04-01", "to": "2026-03-31"})
	want = []report.Row{
		{"key": "2025-04", "currency": "EUR", "revenue": "2", "documents": int64(1), "previous": "108", "change": "-98.15"},
		{"key": "2026-03", "currency": "EUR", "revenue": "101", "documents": int64(2), "previous": "4", "change": "2425"},
	}
	if diff := cmp.Diff(want, months.Rows); diff != "" {
		t.Errorf("whole months are compared with whole months:\n%s", diff)
	}
}

func TestOnlyWhatCountsCounts(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	c := newID()
	b.insert(t, "customers", customerRow(c, "C"))
	var orders, invoices []map[string]any
	for i, status := range []string{"draft", "submitted", "cancelled", "confirmed", "in_progress", "completed", "closed_short", "on_hold"} {
		o := with(orderRow(c, "2026-03-01", fmt.Sprint(1<<i)), map[string]any{"status": status})
		if status == "on_hold" {
			o["held_status"] = "confirmed"
		}
		orders = append(orders, o)
	}
	deleted := with(orderRow(c, "2026-03-01", "1000"), map[string]any{"deleted_at": "2026-03-02"})
	for i, status := range []string{"draft", "cancelled", "issued", "credited_partial", "credited_full"} {
		invoices = append(invoices, with(invoiceRow(c, "2026-03-01", fmt.Sprint(1<<i)), map[string]any{"status": status}))
	}
	b.insert(t, "orders", append(orders, deleted)...)
	b.insert(t, "invoices", append(invoices, invoiceRow(c, "2026-03-02", "-3"))...)
	got := map[string]any{}
	for _, name := range []string{"booked", "invoiced"} {
		got[name] = b.run(t, name, nil).Totals[0]["revenue"]
	}
	got["open"] = b.run(t, "receivables-aging", nil).Totals[0]["total"]
	if diff := cmp.Diff(map[string]any{"booked": "248", "invoiced": "25", "open": "25"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAmountsInTheBaseCurrencyAreRoundedDocumentByDocument(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	c := newID()
	b.insert(t, "customers", customerRow(c, "C"))
	dollars := map[string]any{"currency": "USD", "rate_to_base": "0.333"}
	b.insert(t, "orders", with(orderRow(c, "2026-03-01", "0.02"), dollars), with(orderRow(c, "2026-03-02", "0.02"), dollars), orderRow(c, "2026-03-03", "5"))
	base := b.run(t, "booked", report.Parameters{"by": "currency"})
	want := []report.Row{
		{"key": "EUR", "currency": "EUR", "revenue": "5", "documents": int64(1), "previous": nil, "change": nil},
		{"key": "USD", "currency": "EUR", "revenue": "0.02", "documents": int64(2), "previous": nil, "change": nil},
	}
	if diff := cmp.Diff(want, base.Rows); diff != "" {
		t.Error(diff)
	}
	face := b.run(t, "booked", report.Parameters{"by": "customer", "per_currency": "true"})
	totals := []report.Row{
		{"currency": "EUR", "revenue": "5", "documents": int64(1), "previous": nil, "change": nil},
		{"currency": "USD", "revenue": "0.04", "documents": int64(2), "previous": nil, "change": nil},
	}
	if diff := cmp.Diff(totals, face.Totals); diff != "" {
		t.Error(diff)
	}
}

func TestEqualCustomersAreInOneABCClass(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	// 70 % is ahead of the four that have 5 % each, 90 % of the last two.
	for i, untaxed := range []string{"70", "5", "5", "5", "5", "6", "4"} {
		c := newID()
		b.insert(t, "customers", customerRow(c, fmt.Sprintf("C%d", i)))
		b.insert(t, "orders", orderRow(c, "2026-03-01", untaxed))
	}
	want := []report.Row{
		{"key": "A", "currency": "EUR", "customers": int64(6), "revenue": "96", "orders": int64(6), "share": "96"},
		{"key": "C", "currency": "EUR", "customers": int64(1), "revenue": "4", "orders": int64(1), "share": "4"},
	}
	if diff := cmp.Diff(want, b.run(t, "abc", nil).Rows); diff != "" {
		t.Error(diff)
	}
}

func TestScoresAreExplained(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	lead, risky := newID(), newID()
	b.insert(t, "customers",
		with(customerRow(lead, "Lead"), map[string]any{"lifecycle": "lead", "level": "B", "employees": 100, "email": "a@example.com", "last_contact_at": "2026-03-01"}),
		customerRow(risky, "Risky"))
	b.insert(t, "orders", with(orderRow(lead, "2026-03-01", "10"), map[string]any{"status": "submitted"}),
		orderRow(risky, "2025-06-01", "100"), orderRow(risky, "2025-07-01", "100"), orderRow(risky, "2025-08-01", "100"))
	b.insert(t, "invoices", with(invoiceRow(risky, "2026-01-01", "100"), map[string]any{"due_date": "2026-01-31"}), invoiceRow(risky, "2026-01-02", "-31"))

	got := map[string]string{}
	for _, name := range []string{"potential-customers", "at-risk-customers"} {
		for _, row := range b.run(t, name, nil).Rows {
			reasons, err := json.Marshal(row["reasons"])
			if err != nil {
				t.Fatal(err)
			}
			got[fmt.Sprint(row["label"], " ", row["score"])] = strings.NewReplacer(`"reason" : `, "", `"points" : `, "", " ", "").Replace(string(reasons))
		}
	}
	want := map[string]string{
		"Lead 70":   `[{"reason":"quote","points":30},{"reason":"recent_contact","points":20},{"reason":"level","points":5},{"reason":"size","points":10},{"reason":"reachable","points":5}]`,
		"Risky 100": `[{"reason":"silent","points":40},{"reason":"decline","points":30},{"reason":"overdue","points":20},{"reason":"credited","points":10}]`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestRiskBeginsBeyondItsBounds has customers who stand on a bound of a reason, and who are just beyond it. Today is 15 March 2026.
func TestRiskBeginsBeyondItsBounds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		orders  map[string]string // untaxed amounts by day
		credit  string            // by a credit note
		due     string            // of an open invoice
		reasons string
	}{
		"silent for thirty days":                 {orders: map[string]string{"2026-02-12": "1", "2026-02-13": "1"}},
		"silent for one day more":                {orders: map[string]string{"2026-02-11": "1", "2026-02-12": "1"}, reasons: "silent"},
		"silent for twice the time between two":  {orders: map[string]string{"2025-12-24": "1", "2026-01-20": "1"}}, // 27 days; 54 since
		"silent for a day more than that":        {orders: map[string]string{"2025-12-23": "1", "2026-01-19": "1"}, reasons: "silent"},
		"four orders in 99 days, 66 days since":  {orders: map[string]string{"2025-10-01": "1", "2025-11-01": "1", "2025-12-01": "1", "2026-01-08": "1"}},
		"four orders in 100 days, 67 days since": {orders: map[string]string{"2025-09-29": "1", "2025-11-01": "1", "2025-12-01": "1", "2026-01-07": "1"}, reasons: "silent"},
		"half of before":                         {orders: map[string]string{"2025-09-16": "10.02", "2026-03-01": "5.01"}},
		"less than half of before":               {orders: map[string]string{"2025-09-16": "10.02", "2026-03-01": "5.00"}, reasons: "decline"},
		"nothing lately":                         {orders: map[string]string{"2025-03-21": "1", "2025-09-16": "1"}, reasons: "decline"}, // 180 days since, 179 between
		"longer ago than before":                 {orders: map[string]string{"2025-03-20": "9", "2026-03-01": "1"}},
		"due thirty days ago":                    {orders: map[string]string{"2026-03-01": "1", "2026-03-02": "1"}, due: "2026-02-13"},
		"due one day earlier":                    {orders: map[string]string{"2026-03-01": "1", "2026-03-02": "1"}, due: "2026-02-12", reasons: "overdue"},
		"a tenth taken back":                     {orders: map[string]string{"2025-03-16": "50", "2025-03-20": "20", "2025-09-16": "20", "2026-03-01": "10"}, credit: "-10"},
		"more than a tenth taken back":           {orders: map[string]string{"2025-03-16": "50", "2025-03-20": "20", "2025-09-16": "20", "2026-03-01": "10"}, credit: "-10.01", reasons: "credited"},
		"an order too old to count for that":     {orders: map[string]string{"2025-03-15": "50", "2025-03-20": "20", "2025-09-16": "20", "2026-03-01": "10"}, credit: "-10", reasons: "credited"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBooks(t)
			id := newID()
			b.insert(t, "customers", customerRow(id, "C"))
			for day, untaxed := range c.orders {
				b.insert(t, "orders", orderRow(id, day, untaxed))
			}
			if c.credit != "" {
				b.insert(t, "invoices", with(invoiceRow(id, "2026-03-01", c.credit), map[string]any{"residual": "0"}))
			}
			if c.due != "" {
				b.insert(t, "invoices", with(invoiceRow(id, "2026-01-01", "1"), map[string]any{"due_date": c.due}))
			}
			var got []string
			for _, row := range b.behind(t, "at-risk-customers", nil, report.Behind{}) {
				got = append(got, fmt.Sprint(row["reason"]))
			}
			if strings.Join(got, " ") != c.reasons {
				t.Errorf("has %v, want %q", got, c.reasons)
			}
		})
	}
}

func TestOverviewIsThatOfTheRole(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	c := newID()
	b.insert(t, "customers", with(customerRow(c, "C"), map[string]any{"created_at": "2026-03-02"}))
	b.insert(t, "orders", orderRow(c, "2026-03-01", "3"), with(orderRow(c, "2026-02-28", "5"), map[string]any{"status": "completed"}))
	b.insert(t, "invoices", with(invoiceRow(c, "2026-03-01", "7"), map[string]any{"due_date": "2026-03-14"}))
	for role, want := range map[string]string{
		"sales":   "new_customers 1 <nil>, open_orders 1 3, revenue_last_month 1 5, revenue_this_month 1 3",
		"finance": "invoiced_this_month 1 7, overdue 1 7, receivable 1 7",
		"manager": "new_customers 1 <nil>, open_orders 1 3, overdue 1 7, revenue_last_month 1 5, revenue_this_month 1 3",
	} {
		var got []string
		for _, row := range b.run(t, "overview", report.Parameters{"role": role}).Rows {
			got = append(got, fmt.Sprint(row["key"], " ", row["count"], " ", row["amount"]))
		}
		if diff := cmp.Diff(want, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%s:\n%s", role, diff)
		}
	}
}

func TestTargetsAreHeldAgainstWhatTheyAreAbout(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	c, owner, ours, theirs, dollars := newID(), newID(), newID(), newID(), newID()
	b.insert(t, "users", map[string]any{"id": owner, "login": owner.String(), "name": "Erika"})
	b.insert(t, "customers", customerRow(c, "C"))
	b.insert(t, "orders", orderRow(c, "2026-02-28", "10"), with(orderRow(c, "2026-02-01", "20"), map[string]any{"owner_id": owner}), orderRow(c, "2026-03-01", "40"),
		with(orderRow(c, "2026-02-03", "100"), map[string]any{"currency": "USD", "rate_to_base": "0.5"}))
	b.insert(t, "targets",
		map[string]any{"id": ours, "month": "2026-02-01", "measure": "revenue", "amount": "160", "currency": "EUR"},
		map[string]any{"id": theirs, "owner_id": owner, "month": "2026-02-01", "measure": "revenue", "amount": "40", "currency": "EUR"},
		map[string]any{"id": dollars, "month": "2026-02-01", "measure": "revenue", "amount": "50", "currency": "USD"})
	want := []report.Row{
		{"key": ours.String(), "label": "2026-02", "currency": "EUR", "target": "160", "achieved": "80", "reached": "50"},
		{"key": dollars.String(), "label": "2026-02", "currency": "USD", "target": "50", "achieved": "100", "reached": "200"},
		{"key": theirs.String(), "label": "2026-02 Erika", "currency": "EUR", "target": "40", "achieved": "20", "reached": "50"},
	}
	if diff := cmp.Diff(want, b.run(t, "targets", nil).Rows); diff != "" {
		t.Error(diff)
	}
}

// TestReportsSeeTheirOrganizationOnly runs each report of one organization over the books of another.
func TestReportsSeeTheirOrganizationOnly(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	c := newID()
	b.insert(t, "customers", customerRow(c, "C"))
	b.insert(t, "orders", orderRow(c, "2026-03-01", "3"), orderRow(c, "2025-03-01", "3"))
	b.insert(t, "invoices", with(invoiceRow(c, "2026-01-01", "7"), map[string]any{"due_date": "2026-01-14"}))
	b.fillCRM(t, c)
	other := openBooks(t, b.db)
	for _, r := range report.All() {
		if result := b.run(t, r.Name, nil); len(result.Rows) == 0 && r.Name != "targets" && r.Name != "payments-received" && r.Name != "potential-customers" {
			t.Errorf("%s shows nothing of its own organization", r.Name)
		}
		if result := other.run(t, r.Name, nil); len(result.Rows)+len(result.Totals) > 0 {
			t.Errorf("%s shows %v", r.Name, result.Rows)
		}
		if rows := other.behind(t, r.Name, nil, report.Behind{}); len(rows) > 0 {
			t.Errorf("the rows of %s show %v", r.Name, rows)
		}
	}
}

func TestRowsRefuseWhatIsNoNumberOfTheReport(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	text := func(s string) *string { return &s }
	for _, c := range []struct {
		by   string
		ask  report.Behind
		want []string
	}{
		{"month", report.Behind{Measure: "change", Key: text("2026-3"), After: "x"}, []string{"/measure enum", "/key format", "/after cursor"}},
		{"customer", report.Behind{Measure: "previous", Key: text("c1")}, []string{"/key format"}},
		{"customer", report.Behind{Key: text(uuid.Nil.String())}, nil},
		{"category", report.Behind{Key: text("any text is a category")}, nil},
		{"category", report.Behind{Key: text("")}, nil},
	} {
		_, err := b.tryRows(t, "booked", report.Parameters{"by": c.by}, c.ask)
		var got []string
		if err != nil {
			got = rules(err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("by %s %+v:\n%s", c.by, c.ask, diff)
		}
	}
}
