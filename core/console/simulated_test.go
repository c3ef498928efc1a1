//go:build browser

package console_test

import (
	"testing"

	"github.com/chromedp/chromedp"
)

func TestAdminGoesFromNewConnectionToGreenReconciliation(t *testing.T) {
	s, sim := newSimulatedSite(t)
	s.enters(sim.ERPURL()+"/parties", `{"external_ref": "ALFKI", "name1": "Alfreds Futterkiste", "category": "ORG", "blocked": false, "addresses": []}`)
	s.enters(sim.ERPURL()+"/articles", `{"external_ref": "NW-001", "title": "Chai", "uom": "PCE", "price_per_100": 1800, "vat": 0.2, "phase": "ACTIVE"}`)
	s.enters(sim.ERPURL()+"/orders", `{"external_ref": "PO-1", "party_no": "K10001", "doc_date": "20260105", "currency": "EUR", "positions": [
		{"article_no": "A20001", "text": "Chai", "quantity": 3, "price_per_100": 1800, "rebate": 0.05, "vat_rate": 0.2}]}`)
	b := s.newTab()
	b.signsIn("ann", password)

	b.goes("/sync/connections")
	b.presses("New connection")
	b.sees("What kind of system is it?")
	b.waits(`document.querySelector('main a[href$="connector=simulator-erp"]')`)
	run(b, chromedp.Evaluate[bool](`document.querySelector('main a[href$="connector=simulator-erp"]').click() ?? true`))
	b.fills("name", "Workshop ERP", "code", "erp", "config.url", sim.ERPURL(), "config.api_key", "wrong")
	b.presses("Check and save")
	b.sees("The check failed", "Nothing was saved")
	b.fills("config.api_key", simulatorKey)
	b.presses("Check and save")
	b.sees("The system answered", "What comes next", "Reconcile · Order")
	b.pictured("walk-sync-next")
	b.presses("Check connection")
	b.sees("the credentials are accepted")
	b.presses(run(b, chromedp.Evaluate[string](`[...document.querySelectorAll("main button")].find((e) => e.innerText.startsWith("Create these jobs")).innerText.trim()`)))
	b.sees("Jobs created", "Every 5 minutes", "At 02:00")
	b.pictured("walk-sync-jobs")

	b.presses("Pull all in order")
	b.sees("Runs queued", "Pull · Customer")
	b.presses("Pull · Order")
	b.waits("location.pathname.startsWith('/sync/runs/')")
	b.sees("Succeeded") // the run's page follows it there, after customers and articles
	b.pictured("walk-sync-run")
	b.goes("/orders")
	b.sees("PO-1", "Alfreds Futterkiste")

	for _, entity := range []string{"customer", "product", "order"} {
		b.goes("/sync/reconciliations")
		b.fills("entity", entity)
		b.presses("Compare now")
		b.sees("Run queued")
		b.waits("location.pathname.startsWith('/sync/runs/')")
		b.sees("Succeeded")
	}
	b.goes("/sync/reconciliations")
	b.sees("Customer", "Product", "Order", "equal to the cent")
	if said := run(b, chromedp.Evaluate[string](`[...document.querySelectorAll("main tbody .badge")].map((e) => e.innerText).join(" ")`)); said != "Equal Equal Equal" {
		t.Errorf("the reconciliations say %s", said)
	}
	b.presses("Order")
	b.sees("There are no differences.", "Equal", "equal to the cent")
	b.pictured("walk-sync-reconciled")
}
