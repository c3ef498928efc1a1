package crm

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"
)

// PriceQuestion is what a price is looked up for.
type PriceQuestion struct {
	Product  uuid.UUID
	List     string // the price list, by its code
	Currency string
	Quantity decimal.Decimal
	On       Date
}

// priceFor needs no tie-break: no two prices of one list, currency and quantity are valid on one day.
const priceFor = `
where product_id = $1 and price_list = $2 and currency = left($3, 3)::char(3) and min_qty <= $4 and valid_from <= $5
	and (valid_to is null or valid_to >= $5) and deleted_at is null
order by min_qty desc
limit 1`

// PriceFor returns the price that applies: of those of the list and currency that are valid on the day and begin at the
// quantity or below, the one that begins highest. [ErrNotFound] if there is none.
func (s *Store) PriceFor(ctx context.Context, tx pgx.Tx, q PriceQuestion) (*Price, error) {
	t := tableOf(KindPrice)
	found, err := t.query(ctx, tx, KindPrice, "select "+names(t.columns, "")+" from prices "+priceFor, q.Product, q.List, q.Currency, q.Quantity, q.On.Time())
	if err != nil {
		return nil, fmt.Errorf("look up the price of %s: %w", q.Product, err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("price of %s on %s: %w", q.Product, q.On, ErrNotFound)
	}
	p, _ := found[0].(*Price)
	return p, nil
}

// BaseCurrency returns the organization's own currency.
func (s *Store) BaseCurrency(ctx context.Context, tx pgx.Tx) (base string, err error) {
	if err := tx.QueryRow(ctx, "select base_currency from organizations").Scan(&base); err != nil {
		return "", fmt.Errorf("look up the base currency: %w", err)
	}
	return base, nil
}

// rateDigits is how many decimals of a rate are kept: those of currency_rates.rate.
const rateDigits = 10

// Conversion is what one unit of a currency is worth in another.
type Conversion struct {
	Rate  decimal.Decimal
	Rates []*CurrencyRate // it was made of: none, one or two
}

const ratesOnDay = `
where currency = any($1::char(3)[]) and base = $2 and date <= $3 and deleted_at is null
order by currency, date desc`

// Convert returns what one unit of a currency is worth in another on a day, by way of the organization's own: each has its
// rate of that day or the latest before. [ErrNotFound] if one has none.
func (s *Store) Convert(ctx context.Context, tx pgx.Tx, from, to string, on Date) (Conversion, error) {
	c := Conversion{Rate: decimal.NewFromInt(1)}
	base, err := s.BaseCurrency(ctx, tx)
	if err != nil || from == to {
		return c, err
	}
	t := tableOf(KindCurrencyRate)
	found, err := t.query(ctx, tx, KindCurrencyRate, "select distinct on (currency) "+names(t.columns, "")+" from currency_rates "+ratesOnDay,
		[]string{from, to}, base, on.Time())
	if err != nil {
		return c, fmt.Errorf("look up rates of %s and %s: %w", from, to, err)
	}
	worth := map[string]decimal.Decimal{base: c.Rate}
	for _, e := range found {
		r, _ := e.(*CurrencyRate)
		worth[r.Currency] = r.Rate
		c.Rates = append(c.Rates, r)
	}
	for _, currency := range []string{from, to} {
		if worth[currency].IsZero() {
			return c, fmt.Errorf("rate of %s on %s: %w", currency, on, ErrNotFound)
		}
	}
	c.Rate = worth[from].DivRound(worth[to], rateDigits)
	return c, nil
}
