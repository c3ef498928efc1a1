package crm

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/postgres"
)

// Unrated are documents of a kind in a currency that count at 1, and the rate that is kept for their days by now: it was
// entered after they were.
type Unrated struct {
	Kind        Kind
	Currency    string
	Rate        decimal.Decimal
	First, Last Date // their days
	Documents   int64
}

// A document's day is the one whose rate it would have got: of an opportunity, when it was made. What has no rate yet for
// its day stays as it is, and so does what is worth 1.
const unratedDocuments = `
select d.kind, d.id, d.currency, d.day, r.rate
from (
	select 'order' as kind, id, currency, date as day from orders where rate_to_base = 1 and deleted_at is null
	union all
	select 'invoice', id, currency, coalesce(issue_date, created_at::date) from invoices where rate_to_base = 1 and deleted_at is null
	union all
	select 'opportunity', id, currency, created_at::date from opportunities where rate_to_base = 1 and deleted_at is null
) d
join organizations o on o.id = crmhub_organization() and d.currency <> o.base_currency
cross join lateral (
	select c.rate
	from currency_rates c
	where c.currency = d.currency and c.base = o.base_currency and c.date <= d.day and c.deleted_at is null
	order by c.date desc
	limit 1
) r
where r.rate <> 1`

// Unrated says which documents [Store.Rerate] would give a rate, the whole organization's, those of most first.
func (s *Store) Unrated(ctx context.Context, tx pgx.Tx) (found []Unrated, err error) {
	err = postgres.AsHub(ctx, tx, func() error {
		rows, err := tx.Query(ctx, `select kind, currency::text, rate, min(day), max(day), count(*) from (`+unratedDocuments+`) d group by 1, 2, 3 order by count(*) desc, 1, 2, 3`)
		if err != nil {
			return err //nolint:wrapcheck // below
		}
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Unrated])
		return err //nolint:wrapcheck // below
	})
	if err != nil {
		return nil, fmt.Errorf("look up documents without a rate: %w", err)
	}
	return found, nil
}

// Rerate gives documents that count at 1 the rate of their day, which is known by now, as many as limit, each with a version
// and a change. It returns how many of each kind, and whether there are more. What they say does not change: an issued
// invoice, a won opportunity and a completed order are worth something else to the books.
func (s *Store) Rerate(ctx context.Context, tx pgx.Tx, by By, limit int) (done map[Kind]int, more bool, err error) {
	rates, ids := map[uuid.UUID]decimal.Decimal{}, map[Kind][]uuid.UUID{}
	done = map[Kind]int{}
	err = postgres.AsHub(ctx, tx, func() error {
		rows, err := tx.Query(ctx, `select kind, id, rate from (`+unratedDocuments+`) d order by id limit $1`, limit+1)
		if err != nil {
			return err //nolint:wrapcheck // below
		}
		var kind Kind
		var id uuid.UUID
		var rate decimal.Decimal
		_, err = pgx.ForEachRow(rows, []any{&kind, &id, &rate}, func() error {
			if more = len(rates) == limit; !more {
				rates[id], ids[kind] = rate, append(ids[kind], id)
			}
			return nil
		})
		return err //nolint:wrapcheck // below
	})
	if err != nil {
		return nil, false, fmt.Errorf("look up documents without a rate: %w", err)
	}
	one := decimal.NewFromInt(1)
	var settled []uuid.UUID // what an order was paid depends on both rates
	for _, k := range []Kind{KindOrder, KindInvoice, KindOpportunity} {
		err := s.rewrite(ctx, tx, by, k, ids[k], func(e Entity) bool {
			_, rate := rated(e)
			if !rate.Equal(one) {
				return false // somebody was faster
			}
			*rate = rates[e.head().ID]
			done[k]++
			switch e := e.(type) {
			case *Order:
				settled = append(settled, e.ID)
			case *Invoice:
				if e.OrderID != nil {
					settled = append(settled, *e.OrderID)
				}
			}
			return true
		})
		if err != nil {
			return nil, false, err
		}
	}
	slices.SortFunc(settled, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	return done, more, postgres.AsHub(ctx, tx, func() error { return s.settleOrders(ctx, tx, by, slices.Compact(settled), nil) })
}
