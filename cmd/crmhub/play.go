package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/cmd/crmhub/northwind"
	"crmhub/cmd/crmhub/summary"
	"crmhub/connectors/simulator"
	"crmhub/core/connection"
	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/postgres"
)

const (
	demoKey   = "demo" // the simulated systems' API key
	demoStep  = time.Second
	demoPull  = "@every 1s"
	demoLimit = 5 * time.Minute // after that the summary tells what is missing
	demoBatch = 100
)

// play is what the demo shows: a company's customers, products and orders are entered; the hub brings them to the ERP,
// and the invoices and payments that come of them back.
type play struct {
	*hub
	sim   *simulator.Server
	story io.Writer
	began time.Time
}

func (p *play) run(ctx context.Context) (summary.Summary, error) {
	company, err := northwind.Load(crm.DateOf(p.began))
	if err != nil {
		return summary.Summary{}, err
	}
	if err := p.connect(ctx); err != nil {
		return summary.Summary{}, err
	}
	if err := p.enter(ctx, company); err != nil {
		return summary.Summary{}, err
	}
	return p.watch(ctx, company)
}

func (p *play) who() postgres.Principal {
	return postgres.Principal{Organization: p.first.Organization.ID, Actor: postgres.System}
}

// connect adds both systems with the jobs that pull from them.
func (p *play) connect(ctx context.Context) error {
	for _, n := range []connection.New{
		{Code: "erp", Name: "Simulated ERP", Connector: "simulator-erp", Config: map[string]any{"url": p.sim.ERPURL(), "api_key": demoKey}},
		{Code: "finance", Name: "Simulated finance", Connector: "simulator-finance", Config: map[string]any{"url": p.sim.FinanceURL(), "api_key": demoKey}},
	} {
		err := p.db.As(ctx, p.who(), func(tx pgx.Tx) error {
			added, err := p.connections.Add(ctx, tx, n)
			if err != nil {
				return err
			}
			_, err = p.jobs.CreateProposed(ctx, tx, added.ID, job.Plan{Pull: demoPull})
			return err
		})
		if err != nil {
			return fmt.Errorf("connect %s: %w", n.Code, err)
		}
	}
	return nil
}

// enter saves the company as a person would through the API, only faster: customers first, since orders name them.
func (p *play) enter(ctx context.Context, company *northwind.Company) error {
	fmt.Fprintf(p.story, "Entering %d customers, %d products and %d orders of the Northwind trading company ...\n",
		len(company.Customers), len(company.Products), len(company.Orders))
	for _, save := range []func() error{
		func() error { return enterAll(ctx, p, company.Customers) },
		func() error { return enterAll(ctx, p, company.Contacts) },
		func() error { return enterAll(ctx, p, company.Products) },
		func() error { return enterAll(ctx, p, company.Orders) },
	} {
		if err := save(); err != nil {
			return fmt.Errorf("enter the company: %w", err)
		}
	}
	return nil
}

func enterAll[E crm.Entity](ctx context.Context, p *play, all []E) error {
	for len(all) > 0 {
		batch := make([]crm.Entity, 0, demoBatch)
		for _, e := range all[:min(demoBatch, len(all))] {
			batch = append(batch, e)
		}
		all = all[len(batch):]
		err := p.db.As(ctx, p.who(), func(tx pgx.Tx) error {
			return p.crm.Save(ctx, tx, crm.By{Actor: postgres.System, Origin: "crm"}, batch)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// watch tells how far things are until both sides are at rest and agree, or the time is up.
func (p *play) watch(ctx context.Context, company *northwind.Company) (summary.Summary, error) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return summary.Summary{}, ctx.Err()
		case <-tick.C:
		}
		b, err := p.books(ctx)
		if err != nil {
			return summary.Summary{}, fmt.Errorf("read the books: %w", err)
		}
		erp, finance := p.sim.ERP.Snapshot(), p.sim.Finance.Snapshot()
		s := summary.Summary{
			Comparisons: []summary.Comparison{
				summary.Compare("order", "ERP", b.orders, documents(erp.Orders, byReference)),
				summary.Compare("invoice", "finance", b.invoices, documents(finance.Invoices, byNumber)),
				summary.Compare("payment", "finance", b.payments, documents(finance.Payments, byNumber)),
			},
			Seconds: math.Round(10*time.Since(p.began).Seconds()) / 10,
		}
		all := len(company.Orders)
		p.tell(fmt.Sprintf("%5.1f s  of %d orders: in the ERP %d, invoiced %d, back in the hub %d, paid %d, done %d",
			s.Seconds, all, len(erp.Orders), len(finance.Invoices), len(b.invoices), b.paid, b.completed))
		atRest := b.completed == all && b.paid == all
		if atRest && s.Agree() || time.Since(p.began) > demoLimit {
			p.tell("")
			return s, nil
		}
	}
}

// tell prints a line, in a terminal in the place of the one before; an empty one clears it.
func (p *play) tell(line string) {
	if f, ok := p.story.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			fmt.Fprint(p.story, "\r"+line+"\x1b[K") // and clears the rest of the line
			return
		}
	}
	if line != "" {
		fmt.Fprintln(p.story, line)
	}
}

// books are the hub's documents.
type books struct {
	orders, invoices, payments []summary.Document
	completed                  int // orders
	paid                       int // invoices
}

func (p *play) books(ctx context.Context) (b books, err error) {
	err = p.db.As(ctx, p.who(), func(tx pgx.Tx) error {
		for _, kind := range []crm.Kind{crm.KindOrder, crm.KindInvoice, crm.KindPayment} {
			q := crm.Query{Limit: 1000, Sort: []crm.Sort{{Field: "number"}}}
			for {
				page, err := p.crm.List(ctx, tx, kind, q)
				if err != nil {
					return err
				}
				for _, e := range page.Items {
					b.add(e)
				}
				if q.After = page.Next; q.After == "" {
					break
				}
			}
		}
		return nil
	})
	return b, err
}

func (b *books) add(e crm.Entity) {
	switch e := e.(type) {
	case *crm.Order:
		b.orders = append(b.orders, summary.Document{Number: e.Number, Currency: e.Currency, Total: e.Total})
		if e.Status == "completed" {
			b.completed++
		}
	case *crm.Invoice:
		b.invoices = append(b.invoices, summary.Document{Number: e.Number, Currency: e.Currency, Total: e.Total})
		if e.PaymentStatus == "paid" {
			b.paid++
		}
	case *crm.Payment:
		b.payments = append(b.payments, summary.Document{Number: e.Number, Currency: e.Currency, Total: e.Amount})
	}
}

func byReference(d simulator.Document) string { return d.Reference }
func byNumber(d simulator.Document) string    { return d.Number }

// documents are a system's documents under the number that the hub knows them by.
func documents(stored []simulator.Document, number func(simulator.Document) string) []summary.Document {
	all := make([]summary.Document, len(stored))
	for i, d := range stored {
		all[i] = summary.Document{Number: number(d), Currency: d.Currency, Total: d.Total}
	}
	return all
}
