package crm

import (
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/schema"
)

// rated are the currency and rate of a document that has one, nil of others.
func rated(e Entity) (currency string, rate *decimal.Decimal) {
	switch e := e.(type) {
	case *Order:
		return e.Currency, &e.RateToBase
	case *Opportunity:
		return e.Currency, &e.RateToBase
	case *Invoice:
		return e.Currency, &e.RateToBase
	}
	return "", nil
}

// queueBase asks for the currency of the organization's books where a person gives rates other than 1.
func (w *writing) queueBase(b *pgx.Batch) {
	if isConnection(w.by.Actor) {
		return
	}
	for _, e := range w.batch {
		if _, rate := rated(e); rate != nil && !rate.IsZero() && !rate.Equal(decimal.NewFromInt(1)) {
			b.Queue("select base_currency from organizations").QueryRow(func(row pgx.Row) error { return row.Scan(&w.facts.base) })
			return
		}
	}
}

// misrated refuses a person's rate by which the currency of the books would not be worth itself. What stands there stops nobody.
func (w *writing) misrated(stored, e Entity) schema.Violations {
	currency, rate := rated(e)
	if rate == nil || isConnection(w.by.Actor) || w.facts.base == "" || currency != w.facts.base || rate.Equal(decimal.NewFromInt(1)) {
		return nil
	}
	if was, old := rated(stored); old != nil && was == currency && old.Equal(*rate) {
		return nil
	}
	return schema.Violations{{Pointer: "/rate_to_base", Rule: "const", Message: "must be 1: the books are kept in " + currency}}
}
