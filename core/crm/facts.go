package crm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/postgres"
)

// facts are what the rules of a batch need to know of other rows. They are read before anything is checked, by a few
// statements whatever the size of the batch.
type facts struct {
	pipelines map[uuid.UUID]*Pipeline
	pipeline  *Pipeline // the default one, nil if there is none
	paid      map[uuid.UUID]decimal.Decimal
	optedOut  map[uuid.UUID]bool      // contacts who want no marketing
	base      string                  // the organization's currency
	zone      *time.Location          // its time zone, see [writing.year]
	declared  []CustomField           // of the kind written
	above     map[uuid.UUID]uuid.UUID // of customers and product categories, see readTree
	paying    map[uuid.UUID]bool      // invoices that payments pay, of those to be cancelled
	owing     map[uuid.UUID]*owing    // invoices that payments are to pay
	billed    map[uuid.UUID][]billed  // of orders, what their invoices come to by currency
	origins   map[uuid.UUID]*origin   // orders and invoices that invoices are for
}

// learn reads the facts of a kind, and fills in what a writer may leave to the hub: pipelines and rates.
func (s *Store) learn(ctx context.Context, tx pgx.Tx, w *writing) (err error) {
	switch w.kind {
	case KindOpportunity:
		err = s.readPipelines(ctx, tx, w)
	case KindOrder:
		if err = w.readPaid(ctx, tx); err == nil {
			err = w.readBilled(ctx, tx)
		}
	case KindInvoice:
		if err = w.readPaying(ctx, tx); err == nil {
			err = w.readOrigins(ctx, tx)
		}
	case KindPayment:
		err = w.readOwing(ctx, tx)
	case KindCampaignMember:
		err = w.readOptOuts(ctx, tx)
	case KindProductCategory, KindCustomer:
		err = w.readTree(ctx, tx)
	case KindCurrencyRate:
		err = s.readBase(ctx, tx, w)
	}
	return err
}

// readPipelines reads the pipelines that the batch names and the default one, which those get that name none.
func (s *Store) readPipelines(ctx context.Context, tx pgx.Tx, w *writing) error {
	var ids []uuid.UUID
	var without []*Opportunity
	for _, e := range w.batch {
		o, _ := e.(*Opportunity)
		if o.PipelineID == nil {
			without = append(without, o)
		} else {
			ids = append(ids, *o.PipelineID)
		}
	}
	t := tableOf(KindPipeline)
	found, err := t.query(ctx, tx, KindPipeline, "select "+names(t.columns, "")+" from pipelines where id = any($1) or is_default and deleted_at is null", ids)
	if err != nil {
		return fmt.Errorf("look up pipelines: %w", err)
	}
	w.facts.pipelines = make(map[uuid.UUID]*Pipeline, len(found))
	for _, e := range found {
		w.facts.add(e)
	}
	if len(without) == 0 {
		return nil
	}
	if w.facts.pipeline == nil {
		if err := s.beginPipeline(ctx, tx, w); err != nil {
			return err
		}
	}
	for _, o := range without {
		if w.facts.pipeline != nil {
			o.PipelineID = &w.facts.pipeline.ID
		}
	}
	return nil
}

func (f *facts) add(e Entity) {
	p, _ := e.(*Pipeline)
	f.pipelines[p.ID] = p
	if p.IsDefault && p.DeletedAt == nil {
		f.pipeline = p
	}
}

// localeOf is the language of who writes; of the organization's first user, who founded it, where no person does.
const localeOf = `
with writer as (select case
	when $1 like 'user:%' then substr($1, 6)::uuid
	when $1 like 'token:%' then (select t.user_id from api_tokens t where t.id = substr($1, 7)::uuid)
end as id)
select u.locale from users u order by u.id is not distinct from (select id from writer) desc, u.created_at, u.id limit 1`

// beginPipeline gives an organization that has no pipeline its first one.
func (s *Store) beginPipeline(ctx context.Context, tx pgx.Tx, w *writing) error {
	if n, err := s.Count(ctx, tx, KindPipeline); err != nil || n > 0 {
		return err
	}
	var locale string
	if err := tx.QueryRow(ctx, localeOf, string(w.by.Actor)).Scan(&locale); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("look up the language of an organization: %w", err)
	}
	p := StandardPipeline(locale)
	if err := s.Save(ctx, tx, w.by, []Entity{p}); err != nil {
		return err
	}
	w.facts.add(p)
	return nil
}

const paidOrders = `
select o.id, round(sum((i.total - i.residual) * ` + worth + `), 4)
from invoices i
join orders o on o.id = i.order_id
where i.order_id = any($1) and i.status not in ('draft', 'cancelled') and i.deleted_at is null
group by o.id`

// readPaid reads what came in for the orders that have a payment plan, whoever may see the invoices.
func (w *writing) readPaid(ctx context.Context, tx pgx.Tx) error {
	var ids []uuid.UUID
	for _, e := range w.batch {
		if o, _ := e.(*Order); o.Version > 0 && len(o.Instalments) > 0 {
			ids = append(ids, o.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	w.facts.paid = make(map[uuid.UUID]decimal.Decimal)
	err := postgres.AsHub(ctx, tx, func() error {
		rows, err := tx.Query(ctx, paidOrders, ids)
		if err != nil {
			return err //nolint:wrapcheck // below
		}
		var id uuid.UUID
		var paid decimal.Decimal
		_, err = pgx.ForEachRow(rows, []any{&id, &paid}, func() error { w.facts.paid[id] = paid; return nil })
		return err //nolint:wrapcheck // below
	})
	if err != nil {
		return fmt.Errorf("look up what was paid: %w", err)
	}
	return nil
}

func (w *writing) readOptOuts(ctx context.Context, tx pgx.Tx) error {
	var ids []uuid.UUID
	for _, e := range w.batch {
		if m, _ := e.(*CampaignMember); m.Version == 0 && m.ContactID != nil {
			ids = append(ids, *m.ContactID)
		}
	}
	var err error
	if w.facts.optedOut, err = readSet(ctx, tx, "select id from contacts where id = any($1) and opt_out", ids); err != nil {
		return fmt.Errorf("look up who opted out: %w", err)
	}
	return nil
}

func (s *Store) readBase(ctx context.Context, tx pgx.Tx, w *writing) (err error) {
	if w.facts.base, err = s.BaseCurrency(ctx, tx); err != nil {
		return err
	}
	for _, e := range w.batch {
		if r, ok := e.(*CurrencyRate); ok {
			r.Base = w.facts.base
		}
	}
	return nil
}

// queueRates gives documents without a rate the one of their day, where the organization keeps rates.
func (w *writing) queueRates(b *pgx.Batch) {
	var wanted []*decimal.Decimal
	var currencies []string
	var days []Date
	want := func(rate *decimal.Decimal, currency string, day Date) {
		if rate.IsZero() {
			wanted, currencies, days = append(wanted, rate), append(currencies, strings.ToUpper(strings.TrimSpace(currency))), append(days, day)
		}
	}
	for _, e := range w.batch {
		switch e := e.(type) {
		case *Order:
			want(&e.RateToBase, e.Currency, e.Date)
		case *Opportunity:
			want(&e.RateToBase, e.Currency, Date{})
		case *Invoice:
			day := Date{} // today
			if e.IssueDate != nil {
				day = *e.IssueDate
			}
			want(&e.RateToBase, e.Currency, day)
		}
	}
	if len(wanted) == 0 {
		return
	}
	queueRates(b, w.at, currencies, days, func(rates []decimal.Decimal) {
		for i, rate := range rates {
			*wanted[i] = rate // zero, where there is none, stays the type's business
		}
	})
}

const ratesOnDays = `
select coalesce(r.rate, 0)
from unnest($1::text[], $2::date[]) with ordinality as w (currency, day, n)
cross join (select ($3::timestamptz at time zone ` + Zone + `)::date as day) t
left join lateral (
	select c.rate
	from currency_rates c
	where c.currency = left(w.currency, 3)::char(3) and c.base = (select base_currency from organizations) and c.date <= coalesce(w.day, t.day) and c.deleted_at is null
	order by c.date desc
	limit 1
) r on true
order by w.n`

// queueRates asks for the rate of each currency on each day, a zero day being the organization's at that time; 0 where none is known.
func queueRates(b *pgx.Batch, at time.Time, currencies []string, days []Date, take func([]decimal.Decimal)) {
	on := make([]*time.Time, len(days))
	for i, d := range days {
		if !d.IsZero() {
			day := d.Time()
			on[i] = &day
		}
	}
	b.Queue(ratesOnDays, currencies, on, at).Query(func(rows pgx.Rows) error {
		rates, err := pgx.CollectRows(rows, pgx.RowTo[decimal.Decimal])
		if err == nil {
			take(rates)
		}
		return err
	})
}

// Rate returns what one unit of a currency is worth in the organization's own on a day: its rate of that day or the
// latest before; 1 for the organization's own. Without any it is [ErrNotFound].
func (s *Store) Rate(ctx context.Context, tx pgx.Tx, currency string, on Date) (decimal.Decimal, error) {
	var base string
	var rate decimal.Decimal
	var b pgx.Batch
	b.Queue("select base_currency from organizations").QueryRow(func(row pgx.Row) error { return row.Scan(&base) })
	queueRates(&b, s.now(), []string{currency}, []Date{on}, func(rates []decimal.Decimal) { rate = rates[0] })
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return decimal.Zero, fmt.Errorf("look up the rate of %s: %w", currency, err)
	}
	if currency == base {
		return decimal.NewFromInt(1), nil
	}
	if rate.IsZero() {
		return decimal.Zero, fmt.Errorf("rate of %s on %s: %w", currency, on, ErrNotFound)
	}
	return rate, nil
}
