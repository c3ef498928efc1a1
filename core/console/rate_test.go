package console_test

import (
	"net/http"
	"testing"

	"crmhub/core/crm"
)

// Who enters a rate late is shown which documents it is for, and gives it to them by a click.
func TestDocumentsGetARateThatCameLater(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.get("/currency-rates/missing").wants(t, 200, "No document lacks a rate")
	order := s.sell("O-9", "2026-03-01", "USD", "250")
	s.enter("/currency-rates", "currency", "USD", "date", "2026-02-01", "rate", "0.9")
	s.get("/currency-rates/missing").wants(t, 200, "Give them the rate of their day", "<td class=\"num\">0.9</td>", "USD")
	if to := s.post("/currency-rates/apply"); to != "/currency-rates/missing?done=rates_given" {
		t.Errorf("sent to %s", to)
	}
	if o, _ := s.stored(crm.KindOrder, "/orders/"+order.ID.String()).(*crm.Order); o.RateToBase.String() != "0.9" {
		t.Errorf("the order counts at %s", o.RateToBase)
	}
	s.seller()
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		path := map[string]string{http.MethodGet: "/currency-rates/missing", http.MethodPost: "/currency-rates/apply"}[method]
		s.do(method, path, nil).wants(t, http.StatusForbidden)
	}
}
