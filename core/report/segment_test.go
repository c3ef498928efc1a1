package report_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"crmhub/core/report"
)

// TestGridCoversEachCellOnce asks of each of the 125 cells which conditions of the definition, read on their own, it fits:
// the first of them is the segment, and there always is one.
func TestGridCoversEachCellOnce(t *testing.T) {
	t.Parallel()
	ladder := []struct {
		segment report.Segment
		fits    func(r, fm int) bool
	}{
		{report.Champion, func(r, fm int) bool { return r >= 4 && fm >= 4 }},
		{report.Loyal, func(r, fm int) bool { return r >= 3 && fm >= 3 }},
		{report.Promising, func(r, fm int) bool { return r >= 4 && fm == 2 }},
		{report.NewCustomer, func(r, _ int) bool { return r >= 4 }},
		{report.NeedsAttention, func(r, _ int) bool { return r == 3 }},
		{report.CannotLose, func(_, fm int) bool { return fm >= 4 }},
		{report.AtRisk, func(_, fm int) bool { return fm == 3 }},
		{report.Hibernating, func(r, _ int) bool { return r == 2 }},
		{report.Lost, func(int, int) bool { return true }},
	}
	cells := map[report.Segment]int{}
	each(func(r, f, m int) {
		for _, step := range ladder {
			if step.fits(r, (f+m+1)/2) {
				if got := report.SegmentOf(r, f, m); got != step.segment {
					t.Errorf("%d%d%d is %s, not %s", r, f, m, got, step.segment)
				}
				cells[step.segment]++
				return
			}
		}
	})
	sum := 0
	for _, step := range ladder {
		if cells[step.segment] == 0 {
			t.Errorf("%s has no cell", step.segment)
		}
		sum += cells[step.segment]
	}
	if sum != 125 {
		t.Errorf("the grid has %d cells", sum)
	}
}

func each(do func(r, f, m int)) {
	for r := 1; r <= 5; r++ {
		for f := 1; f <= 5; f++ {
			for m := 1; m <= 5; m++ {
				do(r, f, m)
			}
		}
	}
}

// TestStatementAndGridAgree holds the statement's scores and segments against SegmentOf, customer by customer.
func TestStatementAndGridAgree(t *testing.T) {
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
		if want := report.SegmentOf(int(r), int(f), int(m)); row["segment"] != string(want) {
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
