package console

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/job"
)

// total is a tile of the overview: how many there are, and their sums.
type total struct {
	Label string
	Link  string // "" where no page lists them
	Count int64
	Sums  []crm.Total
}

type overviewPage struct {
	Totals      []total
	Waiting     int64           // open dead letters
	DeadLetters []deadLetterRow // the newest of them
	Connections []connectionRow
	Runs        []runRow // the newest of each job that ran lately
}

// Begun reports whether the hub holds anything yet.
func (p overviewPage) Begun() bool {
	for _, t := range p.Totals {
		if t.Count > 0 {
			return true
		}
	}
	return len(p.Connections) > 0
}

func (c *Console) overview(ctx context.Context, v *visit) error {
	var p overviewPage
	err := v.as(ctx, func(tx pgx.Tx) error {
		customers, err := c.CRM.Count(ctx, tx, crm.KindCustomer)
		if err != nil {
			return err
		}
		sums, err := c.CRM.Totals(ctx, tx)
		if err != nil {
			return err
		}
		p.Totals = []total{
			{Label: "nav.customers", Link: "/customers", Count: customers},
			totalOf(crm.KindOrder, "nav.orders", "/orders", sums),
			totalOf(crm.KindInvoice, "nav.invoices", "/invoices", sums),
			totalOf(crm.KindPayment, "overview.payments", "", sums),
		}
		if p.Waiting, err = job.CountOpen(ctx, tx); err != nil {
			return err
		}
		if p.Waiting > 0 {
			letters, err := c.deadLetterRows(ctx, tx, job.LetterFilter{Status: job.Open, Limit: 5})
			if err != nil {
				return err
			}
			p.DeadLetters = letters.DeadLetters
		}
		if p.Connections, err = c.connectionRows(ctx, tx); err != nil {
			return err
		}
		runs, err := c.runRows(ctx, tx, job.RunFilter{Limit: 200})
		p.Runs = newestOfEach(runs.Runs)
		return err
	})
	if err != nil {
		return err
	}
	return v.show("overview", p)
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

// newestOfEach keeps the first run of each job: a job that runs every minute would fill the page alone.
func newestOfEach(runs []runRow) []runRow {
	seen := map[uuid.UUID]bool{}
	var newest []runRow
	for _, r := range runs {
		if !seen[r.JobID] {
			seen[r.JobID] = true
			newest = append(newest, r)
		}
	}
	return newest
}
