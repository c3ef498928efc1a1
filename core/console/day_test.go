package console_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/crm"
	"crmhub/core/postgres"
)

// What is due, and what new documents are dated, goes by the organization's day, whatever that is in UTC or in the browser.
func TestTheDayIsTheOrganizations(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	now := time.Now()
	zone, there := "Etc/GMT+12", now.Add(-12*time.Hour) // the name means twelve hours behind
	if now.UTC().Hour() >= 12 {
		zone, there = "Pacific/Kiritimati", now.Add(14*time.Hour)
	}
	today := crm.DateOf(there.UTC())
	s.post("/pool/settings", "time_zone", zone, "recycle_hour", "3")
	s.get("/orders/new").wants(t, 200, `name="date" value="`+today.String()+`"`)
	for _, before := range []int{0, 1} {
		day, late := crm.DateOf(today.Time().AddDate(0, 0, -before)), before > 0
		due := &crm.Invoice{CustomerID: s.customer.ID, Currency: "EUR", Status: "issued", IssueDate: &day, DueDate: &day, Untaxed: decimal.NewFromInt(1), Total: decimal.NewFromInt(1), Residual: decimal.NewFromInt(1)}
		s.tx(func(tx pgx.Tx) error {
			return s.crm.Save(s.Context(), tx, crm.By{Actor: postgres.Connection(s.erp.ID), Origin: "erp"}, []crm.Entity{due})
		})
		for _, path := range []string{"/", "/invoices"} {
			if got := strings.Contains(s.get(path).body, `<tr class="late"`); got != late {
				t.Errorf("on %s in %s, due on %s: late on %s is %t", today, zone, day, path, got)
			}
		}
	}
}
