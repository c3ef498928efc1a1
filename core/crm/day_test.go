package crm_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
)

// On New Year's morning in Shanghai it is still last year in UTC.
func TestTodayIsTheOrganizations(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.save(t, &crm.CurrencyRate{Currency: "USD", Date: date(t, "2026-12-31"), Rate: dec("0.8")}, &crm.CurrencyRate{Currency: "USD", Date: date(t, "2027-01-01"), Rate: dec("0.9")})
	customer := &crm.Customer{Name: "Alpha"}
	s.save(t, customer)
	s.store.Now = func() time.Time { return time.Date(2026, 12, 31, 22, 0, 0, 0, time.UTC) }
	for _, tc := range []struct{ zone, day, rate, number string }{
		{"", "2026-12-31", "0.8", "INV-2026-000001"},
		{"Asia/Shanghai", "2027-01-01", "0.9", "INV-2027-000001"},
	} {
		var today crm.Date
		if err := s.as(t, func(ctx context.Context, tx pgx.Tx) (err error) {
			if tc.zone != "" {
				if _, err := tx.Exec(ctx, "insert into pool_settings (time_zone) values ($1)", tc.zone); err != nil {
					return err
				}
			}
			today, err = s.store.Today(ctx, tx)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		draft := &crm.Invoice{CustomerID: customer.ID, Currency: "USD", Total: dec("1"), Untaxed: dec("1")}
		s.save(t, draft)
		if today.String() != tc.day || draft.RateToBase.String() != tc.rate || draft.Number != tc.number {
			t.Errorf("in %q it is %s, an invoice is %s at %s; want %s, %s at %s", tc.zone, today, draft.Number, draft.RateToBase, tc.day, tc.number, tc.rate)
		}
	}
}
