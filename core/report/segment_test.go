package report_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"crmhub/core/report"
)

// segmentOf is the segment of three scores by the report's definition: the first that fits.
func segmentOf(r, f, m int) report.Segment {
	fm := (f + m + 1) / 2
	for _, step := range []struct {
		segment report.Segment
		fits    bool
	}{
		{report.Champion, r >= 4 && fm >= 4},
		{report.Loyal, r >= 3 && fm >= 3},
		{report.Promising, r >= 4 && fm == 2},
		{report.NewCustomer, r >= 4},
		{report.NeedsAttention, r == 3},
		{report.CannotLose, fm >= 4},
		{report.AtRisk, fm == 3},
		{report.Hibernating, r == 2},
	} {
		if step.fits {
			return step.segment
		}
	}
	return report.Lost
}

// TestSegmentsAreTheDefinitions holds the segments of the statement against the definition, customer by customer.
func TestSegmentsAreTheDefinitions(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	var customers, orders []map[string]any
	for i := range 300 {
		id := newID()
		customers = append(customers, customerRow(id, id.String()))
		for range 1 + i*i%7 {
			orders = append(orders, orderRow(id, []string{"2026-03-14", "2026-01-10", "2025-11-01", "2025-08-01", "2025-05-01"}[i%5], []string{"1", "10", "70", "300", "2000"}[i/5%5]))
		}
	}
	b.insert(t, "customers", customers...)
	b.insert(t, "orders", orders...)
	seen := map[string]bool{}
	for _, row := range b.behind(t, "rfm", nil, report.Behind{Limit: 1000}) {
		r, f, m := row["r"].(int64), row["f"].(int64), row["m"].(int64)
		if want := segmentOf(int(r), int(f), int(m)); row["segment"] != string(want) {
			t.Errorf("%d%d%d is %v, not %s", r, f, m, row["segment"], want)
		}
		seen[row["segment"].(string)] = true
	}
	if len(seen) < 7 {
		t.Errorf("the books show too few segments to tell: %v", seen)
	}
}

// TestOneCustomerHasAScore: with nobody to compare with, the share of those that do worse is nothing.
func TestOneCustomerHasAScore(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := newID()
	b.insert(t, "customers", customerRow(id, "C"))
	b.insert(t, "orders", orderRow(id, "2026-03-01", "5"))
	rows := b.behind(t, "rfm", report.Parameters{"by": "score"}, report.Behind{})
	if len(rows) != 1 || rows[0]["key"] != "111" {
		t.Errorf("got %v", rows)
	}
}

func (b *books) tryRows(t testing.TB, name string, given report.Parameters, ask report.Behind) (page report.Page, err error) {
	t.Helper()
	r, err := report.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	err = b.as(t, func(ctx context.Context, tx pgx.Tx) (err error) {
		page, err = b.store.Rows(ctx, tx, r, given, ask)
		return err
	})
	return page, err
}
