package console_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

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

// patience is how long a page may take: machines that test are busy.
const patience = 2 * time.Minute

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
	matcher := matching.New(matching.Config{DB: s.db, Connections: s.connections, Entities: s.crm, Puller: puller, Logger: quiet})
	reconciler := reconcile.New(reconcile.Config{DB: s.db, Connections: s.connections, Revisions: revisions, Entities: s.crm, Puller: puller, Logger: quiet})
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
