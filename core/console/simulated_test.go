//go:build browser

package console_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/prometheus/client_golang/prometheus"

	"crmhub/connectors"
	"crmhub/connectors/simulator"
	"crmhub/core/connection"
	"crmhub/core/console"
	"crmhub/core/job"
	"crmhub/core/mapping"
	"crmhub/core/matching"
	"crmhub/core/pull"
	"crmhub/core/reconcile"
	"crmhub/core/revision"
	"crmhub/core/schema"
)

const simulatorKey = "browser-test-key"

// newSimulatedSite is a console before the engine, with the connectors that are shipped, and a simulated ERP to connect.
func newSimulatedSite(t *testing.T) (*site, *simulator.Server) {
	t.Helper()
	sim, err := simulator.Start(t.Context(), simulator.Config{APIKey: simulatorKey, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() })
	set, err := connectors.Load("")
	if err != nil {
		t.Fatal(err)
	}
	schemas, err := schema.Load(set.Schemas)
	if err != nil {
		t.Fatal(err)
	}
	mappings, err := mapping.Load(set.Mappings, schemas)
	if err != nil {
		t.Fatal(err)
	}
	s := bareSite(t)
	s.connections = &connection.Store{Connectors: set.ByName(), Key: s.key, Logger: quiet, DB: s.db}
	s.jobs = &job.Store{Connectors: set.ByName()}
	revisions := &revision.Store{Shipped: mappings, Schemas: schemas, Connections: s.connections, CRM: s.crm}
	puller := pull.New(pull.Config{DB: s.db, Connections: s.connections, Revisions: revisions, Entities: s.crm, Logger: quiet, Registerer: prometheus.NewRegistry()})
	matcher := matching.New(matching.Config{DB: s.db, Connections: s.connections, Entities: s.crm, Records: puller, Logger: quiet})
	reconciler := reconcile.New(reconcile.Config{DB: s.db, Connections: s.connections, Revisions: revisions, Entities: s.crm, Records: puller, Logger: quiet})
	replay := map[job.Kind]job.Replay{job.Pull: puller.Replay}
	runner := job.NewRunner(job.RunnerConfig{
		DB: s.db, Logger: quiet, Registerer: prometheus.NewRegistry(), Replay: replay,
		Work: map[job.Kind]job.Work{job.Pull: puller.Run, job.Reconcile: reconciler.Run, job.Match: matcher.Run},
	})
	s.serve(console.Config{
		Schemas: schemas, Revisions: revisions, Matcher: matcher, Reconciler: reconciler, Replay: replay,
		DryRuns: map[job.Kind]job.DryRun{job.Pull: puller.DryRun},
	})
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s, sim
}

// enters stores a record in a simulated system.
func (s *site) enters(url, record string) {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodPost, url, strings.NewReader(record))
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Api-Key", simulatorKey)
	answer, err := (&http.Client{Timeout: patience}).Do(r)
	if err != nil {
		s.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusCreated {
		s.Fatalf("%s: %s %v", url, answer.Status, err)
	}
}

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
	b.sees("Which kind of system is it?")
	b.waits(`document.querySelector('main a[href$="connector=simulator-erp"]')`)
	run(b, chromedp.Evaluate[bool](`document.querySelector('main a[href$="connector=simulator-erp"]').click() ?? true`))
	b.fills("name", "Workshop ERP", "code", "erp", "config.url", sim.ERPURL(), "config.api_key", "wrong")
	b.presses("Check and save")
	b.sees("The check failed", "Nothing is saved")
	b.fills("config.api_key", simulatorKey)
	b.presses("Check and save")
	b.sees("The system answered", "What comes next", "Reconcile · Order")
	b.pictured("walk-sync-next")
	b.presses("Check connection")
	b.sees("accepts the credentials")
	b.presses(run(b, chromedp.Evaluate[string](`[...document.querySelectorAll("main button")].find((e) => e.innerText.startsWith("Create these jobs")).innerText.trim()`)))
	b.sees("The jobs are created", "Every 5 minutes", "At 02:00")
	b.pictured("walk-sync-jobs")

	b.presses("Pull all in order")
	b.sees("The runs are queued", "Pull · Customer")
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
		b.sees("The run is queued")
		b.waits("location.pathname.startsWith('/sync/runs/')")
		b.sees("Succeeded")
	}
	b.goes("/sync/reconciliations")
	b.sees("Customer", "Product", "Order", "equal to the cent")
	if said := run(b, chromedp.Evaluate[string](`[...document.querySelectorAll("main tbody .badge")].map((e) => e.innerText).join(" ")`)); said != "Equal Equal Equal" {
		t.Errorf("the reconciliations say %s", said)
	}
	b.presses("Order")
	b.sees("There is no difference.", "Equal", "equal to the cent")
	b.pictured("walk-sync-reconciled")
}
