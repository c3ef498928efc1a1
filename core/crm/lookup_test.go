package crm_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"crmhub/core/crm"
)

// TestThePriceThatApplies asks for days and quantities, and compares with a look at every price.
func TestThePriceThatApplies(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	product, other := &crm.Product{SKU: "P", Name: "Pump"}, &crm.Product{SKU: "Q", Name: "Valve"}
	s.save(t, product, other)
	price := func(list, currency, amount, from, to, qty string) *crm.Price {
		p := &crm.Price{ProductID: product.ID, PriceList: list, Currency: currency, Amount: dec(amount), MinQty: dec(qty), ValidFrom: date(t, from)}
		if to != "" {
			p.ValidTo = new(date(t, to))
		}
		return p
	}
	prices := []*crm.Price{
		price("standard", "EUR", "10", "2026-01-01", "2026-01-10", "0"), price("standard", "EUR", "11", "2026-01-11", "", "0"),
		price("standard", "EUR", "9", "2026-01-05", "2026-01-15", "10"), price("standard", "EUR", "8", "2026-01-08", "", "10.5"),
		price("standard", "USD", "12", "2026-01-01", "", "0"), price("dealer", "EUR", "7", "2026-01-03", "2026-01-20", "5"),
		price("standard", "EUR", "1", "2026-01-01", "", "0"),
	}
	prices[6].ProductID = other.ID
	for _, p := range prices {
		s.save(t, p)
	}
	gone := price("dealer", "EUR", "2", "2026-01-03", "", "6")
	s.save(t, gone)
	ask := func(q crm.PriceQuestion) (amount string) {
		err := s.as(t, func(ctx context.Context, tx pgx.Tx) error {
			if gone.DeletedAt == nil {
				deleted, err := s.store.Delete(ctx, tx, s.by(), crm.KindPrice, gone.ID, gone.Version)
				if err != nil {
					return err
				}
				gone, _ = deleted.(*crm.Price)
			}
			p, err := s.store.PriceFor(ctx, tx, q)
			if errors.Is(err, crm.ErrNotFound) {
				return nil
			}
			if err == nil {
				amount = p.Amount.String()
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return amount
	}
	rapid.Check(t, func(rt *rapid.T) {
		q := crm.PriceQuestion{
			Product: product.ID, List: rapid.SampledFrom([]string{"standard", "dealer", "none"}).Draw(rt, "list"), Currency: rapid.SampledFrom([]string{"EUR", "USD", "CNY"}).Draw(rt, "currency"),
			Quantity: dec(rapid.SampledFrom([]string{"0", "1", "5", "9.999", "10", "10.5", "100"}).Draw(rt, "quantity")),
			On:       crm.DateOf(time.Date(2025, 12, 30, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 30).Draw(rt, "day"))),
		}
		want, from := "", dec("-1")
		for _, p := range prices {
			if p.ProductID == q.Product && p.PriceList == q.List && p.Currency == q.Currency && p.MinQty.LessThanOrEqual(q.Quantity) && p.MinQty.GreaterThan(from) &&
				!q.On.Before(p.ValidFrom) && (p.ValidTo == nil || !p.ValidTo.Before(q.On)) {
				want, from = p.Amount.String(), p.MinQty
			}
		}
		if got := ask(q); got != want {
			rt.Errorf("%+v costs %q, want %q", q, got, want)
		}
	})
}

func TestCurrenciesAreConvertedByWayOfTheOwn(t *testing.T) {
	t.Parallel()
	s := newShop(t) // in EUR
	rate := func(currency, day, rate string) *crm.CurrencyRate {
		return &crm.CurrencyRate{Currency: currency, Date: date(t, day), Rate: dec(rate)}
	}
	s.save(t, rate("USD", "2026-01-01", "0.9"), rate("USD", "2026-02-01", "0.8"), rate("JPY", "2026-01-15", "0.006"))
	for _, tc := range []struct {
		from, to, day, want string
		of                  []string // currency and day of the rates it is made of
	}{
		{"USD", "EUR", "2026-01-31", "0.9", []string{"USD 2026-01-01"}},
		{"EUR", "USD", "2026-02-01", "1.25", []string{"USD 2026-02-01"}},
		{"USD", "JPY", "2026-02-02", "133.3333333333", []string{"JPY 2026-01-15", "USD 2026-02-01"}},
		{"JPY", "USD", "2026-01-20", "0.0066666667", []string{"JPY 2026-01-15", "USD 2026-01-01"}},
		{"USD", "JPY", "2026-01-14", "", nil},
		{"CNY", "EUR", "2026-01-14", "", nil},
		{"CNY", "CNY", "2026-01-14", "1", nil},
		{"EUR", "EUR", "2026-01-14", "1", nil},
	} {
		var got string
		var of []string
		err := s.as(t, func(ctx context.Context, tx pgx.Tx) error {
			c, err := s.store.Convert(ctx, tx, tc.from, tc.to, date(t, tc.day))
			if errors.Is(err, crm.ErrNotFound) {
				return nil
			}
			got = c.Rate.String()
			for _, r := range c.Rates {
				of = append(of, r.Currency+" "+r.Date.String())
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tc.want, got) + cmp.Diff(tc.of, of); d != "" {
			t.Errorf("%s in %s on %s: %s", tc.from, tc.to, tc.day, d)
		}
	}
}
