package crm_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
)

func TestPricesDoNotOverlap(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	product, other := &crm.Product{SKU: "P", Name: "Pump"}, &crm.Product{SKU: "Q", Name: "Valve"}
	s.save(t, product, other)
	price := func(from, to string) *crm.Price {
		p := &crm.Price{ProductID: product.ID, Currency: "EUR", Amount: dec("10"), ValidFrom: date(t, from)}
		if to != "" {
			p.ValidTo = new(date(t, to))
		}
		return p
	}
	spring := price("2026-03-01", "2026-05-31")
	s.save(t, spring)
	elsewhere, inBulk, inDollars := price("2026-04-01", ""), price("2026-04-01", ""), price("2026-04-01", "")
	elsewhere.ProductID, inBulk.MinQty, inDollars.Currency = other.ID, dec("10"), "USD"
	s.save(t, elsewhere, inBulk, inDollars, price("2026-06-01", ""), price("2026-02-01", "2026-02-28"))
	for _, p := range []*crm.Price{price("2026-05-31", "2026-05-31"), price("2026-01-01", ""), price("2026-07-01", "2026-07-02")} {
		wantRules(t, s.trySave(t, s.by(), p), "/valid_from overlap")
	}
	wantRules(t, s.trySave(t, s.by(), price("2026-05-01", "2026-04-30")), "/valid_to minimum")
	spring.Amount = dec("11")
	s.save(t, spring)
	err := s.as(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := s.store.Delete(ctx, tx, s.by(), crm.KindPrice, spring.ID, spring.Version)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.save(t, price("2026-04-01", "2026-04-30"))
}

func TestPricesOfTwoWritersDoNotOverlap(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	product := &crm.Product{SKU: "P", Name: "Pump"}
	s.save(t, product)
	const writers = 4
	errs := make(chan error)
	for range writers {
		go func() {
			errs <- s.trySave(t, s.by(), &crm.Price{ProductID: product.ID, Currency: "EUR", Amount: dec("10"), ValidFrom: date(t, "2026-01-01")})
		}()
	}
	won := 0
	for range writers {
		if err := <-errs; err == nil {
			won++
		} else {
			wantRules(t, err, "/valid_from overlap")
		}
	}
	if won != 1 {
		t.Errorf("%d writers won", won)
	}
}

func TestDocumentsTakeTheRateOfTheirDay(t *testing.T) {
	t.Parallel()
	s := newShop(t) // in EUR
	rate := func(currency, day, rate string) *crm.CurrencyRate {
		return &crm.CurrencyRate{Currency: currency, Date: date(t, day), Rate: dec(rate)}
	}
	s.save(t, rate("USD", "2026-01-01", "0.9"), rate("USD", "2026-02-01", "0.8"), rate("JPY", "2026-01-15", "0.006"))
	for _, tc := range []struct{ currency, day, want string }{
		{"USD", "2025-12-31", ""},
		{"USD", "2026-01-01", "0.9"},
		{"USD", "2026-01-31", "0.9"},
		{"USD", "2026-03-01", "0.8"},
		{"JPY", "2026-03-01", "0.006"},
		{"CNY", "2026-03-01", ""},
		{"EUR", "2025-01-01", "1"},
	} {
		err := s.as(t, func(ctx context.Context, tx pgx.Tx) error {
			got, err := s.store.Rate(ctx, tx, tc.currency, date(t, tc.day))
			if tc.want == "" && errors.Is(err, crm.ErrNotFound) {
				return nil
			}
			if err == nil && got.String() != tc.want {
				t.Errorf("%s on %s: %s, want %s", tc.currency, tc.day, got, tc.want)
			}
			return err
		})
		if err != nil {
			t.Errorf("%s on %s: %v", tc.currency, tc.day, err)
		}
	}

	customer := &crm.Customer{Name: "Alpha"}
	s.save(t, customer)
	order := func(currency, day, given string) *crm.Order {
		return &crm.Order{CustomerID: customer.ID, Currency: currency, Date: date(t, day), RateToBase: dec(given)}
	}
	orders := []*crm.Order{
		order("usd", "2026-01-20", "0"), order("USD", "2026-02-20", "0.5"), order("EUR", "2026-02-20", "0"), order("CNY", "2026-02-20", "0"), order("JPY", "2026-02-20", "0"),
	}
	var batch []crm.Entity
	for _, o := range orders {
		batch = append(batch, o)
	}
	s.save(t, batch...)
	var got []string
	for _, o := range orders {
		got = append(got, s.get(t, o).(*crm.Order).RateToBase.String())
	}
	if diff := cmp.Diff([]string{"0.9", "0.5", "1", "1", "0.006"}, got); diff != "" {
		t.Errorf("rates (-want +got):\n%s", diff)
	}
	wantRules(t, s.trySave(t, s.by(), rate("USD", "2026-01-01", "0.7")), "/date unique")
	wantRules(t, s.trySave(t, s.by(), rate("EUR", "2026-01-01", "1")), "/currency const")
	wantRules(t, s.trySave(t, s.by(), rate("USD", "2026-01-02", "-1")), "/rate minimum")
}

func TestInstalmentsFollowWhatWasPaid(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	customer := &crm.Customer{Name: "Alpha"}
	s.save(t, customer)
	part := func(day, amount string) crm.OrderInstalment {
		return crm.OrderInstalment{DueDate: date(t, day), Amount: dec(amount)}
	}
	order := &crm.Order{
		CustomerID: customer.ID, Date: date(t, "2026-01-01"), Currency: "EUR", Status: "confirmed", Lines: []crm.OrderLine{{Qty: dec("1"), Price: dec("100")}},
		Instalments: []crm.OrderInstalment{part("2026-02-01", "30"), part("2026-03-01", "70")},
	}
	s.save(t, order)
	invoice := &crm.Invoice{
		Number: "R1", CustomerID: customer.ID, OrderID: &order.ID, Currency: "EUR", Status: "issued", Untaxed: dec("100"), Total: dec("100"), IssueDate: new(date(t, "2026-01-02")),
	}
	states := func() (out []string) {
		for _, n := range s.get(t, order).(*crm.Order).Instalments {
			out = append(out, n.Paid.String()+" "+n.Status)
		}
		return out
	}
	for _, step := range []struct {
		residual string
		want     []string
	}{
		{"100", []string{"0 unpaid", "0 unpaid"}},
		{"80", []string{"20 partial", "0 unpaid"}},
		{"60", []string{"30 paid", "10 partial"}},
		{"0", []string{"30 paid", "70 paid"}},
		{"75", []string{"25 partial", "0 unpaid"}},
	} {
		invoice.Residual, invoice.PaymentStatus = dec(step.residual), ""
		if err := s.trySave(t, s.connection(), invoice); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, states()); diff != "" {
			t.Errorf("%s open (-want +got):\n%s", step.residual, diff)
		}
	}
	// A new plan knows at once what came in.
	now := s.get(t, order).(*crm.Order)
	now.Instalments = []crm.OrderInstalment{part("2026-02-01", "10"), part("2026-03-01", "40")}
	s.save(t, now)
	if diff := cmp.Diff([]string{"10 paid", "15 partial"}, states()); diff != "" {
		t.Errorf("a new plan (-want +got):\n%s", diff)
	}

	now.Instalments = []crm.OrderInstalment{part("2026-02-01", "100.01")}
	wantRules(t, s.trySave(t, s.by(), now), "/instalments sum")
	now.Instalments = []crm.OrderInstalment{part("2026-02-01", "100")}
	s.save(t, now)
	now.Lines[0].Price = dec("90") // the ERP says so
	if err := s.trySave(t, s.connection(), now); err != nil {
		t.Errorf("a plan made here stops the ERP: %v", err)
	}
}
