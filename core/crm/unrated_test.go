package crm_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
)

// Documents that were entered before the rate of their day was count at 1, until somebody says that they are to have it.
func TestDocumentsGetTheRateThatCameLater(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	c := &crm.Customer{Name: "c"}
	s.save(t, c)
	order := func(day, currency string) *crm.Order {
		o := &crm.Order{CustomerID: c.ID, Date: date(t, day), Currency: currency, Status: "confirmed", Lines: []crm.OrderLine{{Qty: dec("1"), Price: dec("100")}}}
		s.save(t, o)
		return o
	}
	early, march, own, paid := order("2026-01-31", "USD"), order("2026-03-01", "USD"), order("2026-03-01", "EUR"), order("2026-03-01", "EUR")
	agreed := &crm.Order{CustomerID: c.ID, Date: date(t, "2026-03-01"), Currency: "USD", RateToBase: dec("0.7")}
	s.save(t, agreed)
	v := &crm.Invoice{
		CustomerID: c.ID, OrderID: &paid.ID, Currency: "JPY", Status: "issued", IssueDate: new(date(t, "2026-03-02")), Untaxed: dec("100"), Total: dec("100"),
	}
	if err := s.trySave(t, s.connection(), v); err != nil {
		t.Fatal(err)
	}
	if got := s.get(t, paid).(*crm.Order).PaymentStatus; got != "full" {
		t.Fatalf("100 EUR are %s by 100 JPY at 1", got)
	}
	s.save(t, &crm.CurrencyRate{Currency: "USD", Date: date(t, "2026-02-01"), Rate: dec("0.9")}, &crm.CurrencyRate{Currency: "USD", Date: date(t, "2026-04-01"), Rate: dec("0.8")},
		&crm.CurrencyRate{Currency: "JPY", Date: date(t, "2026-02-01"), Rate: dec("0.006")})

	var found []crm.Unrated
	var counts []map[crm.Kind]int
	rerate := func() (more bool) {
		if err := s.as(t, func(ctx context.Context, tx pgx.Tx) (err error) {
			if found, err = s.store.Unrated(ctx, tx); err != nil {
				return err
			}
			done, left, err := s.store.Rerate(ctx, tx, s.by(), 1)
			counts, more = append(counts, done), left
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return more
	}
	more := rerate()
	want := []crm.Unrated{
		{Kind: crm.KindInvoice, Currency: "JPY", Rate: dec("0.006"), First: date(t, "2026-03-02"), Last: date(t, "2026-03-02"), Documents: 1},
		{Kind: crm.KindOrder, Currency: "USD", Rate: dec("0.9"), First: date(t, "2026-03-01"), Last: date(t, "2026-03-01"), Documents: 1},
	}
	if diff := cmp.Diff(want, found, cmpopts.EquateComparable(crm.Date{})); diff != "" || !more {
		t.Errorf("found (-want +got), more %v:\n%s", more, diff)
	}
	if rerate() || len(found) != 1 || rerate() || len(found) != 0 {
		t.Errorf("still to do: %v", found)
	}
	if diff := cmp.Diff([]map[crm.Kind]int{{crm.KindOrder: 1}, {crm.KindInvoice: 1}, {}}, counts); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}
	for _, o := range []struct {
		order   *crm.Order
		rate    string
		version int64
	}{{early, "1", 1}, {march, "0.9", 2}, {own, "1", 1}, {agreed, "0.7", 1}} {
		if got := s.get(t, o.order).(*crm.Order); !got.RateToBase.Equal(dec(o.rate)) || got.Version != o.version {
			t.Errorf("%s of %s: rate %s in version %d, want %s in %d", got.Currency, got.Date, got.RateToBase, got.Version, o.rate, o.version)
		}
	}
	if got := s.get(t, v).(*crm.Invoice); !got.RateToBase.Equal(dec("0.006")) {
		t.Errorf("the issued invoice counts at %s", got.RateToBase)
	}
	if got := s.get(t, paid).(*crm.Order).PaymentStatus; got != "partial" {
		t.Errorf("100 EUR are %s by 100 JPY at 0.006", got)
	}
}
