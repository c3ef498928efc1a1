// Package hubtest is where the tests of the engine begin: an organization with a connection to another system, the mappings
// between them, and what people and jobs do there. It is for tests only.
//
// A [Hub] is a database with the stores on it, and one connector; a [World] is an organization in it with one connection. [Remote]
// is a system in memory to connect with. What a package tests it wires itself, on the hub's stores.
package hubtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"path"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/mapping"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/revision"
	"crmhub/core/schema"
	"crmhub/core/secret"
	"crmhub/schemas"
)

// Hub is a database, and what every process of a hub has on it.
type Hub struct {
	testing.TB
	URL         string // of the database, for further pools
	DB          *postgres.DB
	Key         secret.Key
	Connections *connection.Store // of the connector "test"
	Jobs        job.Store
	Entities    *crm.Store
	Revisions   *revision.Store
	Logger      *slog.Logger

	remotes sync.Map // connector.Session by the name that a connection is configured with
}

// New returns a hub whose connector has these streams. Files are mappings and the schemas of records, by their paths in the
// folders of the same names: test/customer.yaml, test/party.json.
func New(t testing.TB, files map[string]string, streams ...connector.Stream) *Hub {
	t.Helper()
	h := &Hub{TB: t, URL: postgrestest.URL(t), Entities: &crm.Store{}, Logger: slog.New(slog.DiscardHandler)}
	h.DB = postgrestest.Open(t, h.URL)
	var err error
	if h.Key, err = secret.NewKey(bytes.Repeat([]byte{7}, 32)); err != nil {
		t.Fatal(err)
	}
	test := connector.Connector{
		Name: "test", Config: json.RawMessage(`{"type": "object"}`), Streams: streams,
		Open: func(o connector.Options) (connector.Session, error) {
			r, _ := h.remotes.Load(o.Config["remote"])
			if s, ok := r.(connector.Session); ok {
				return s, nil
			}
			return nil, errors.New("no such remote")
		},
	}
	h.Jobs.Connectors = map[string]connector.Connector{test.Name: test}
	h.Connections = &connection.Store{Key: h.Key, Logger: h.Logger, Connectors: h.Jobs.Connectors}
	h.Revisions = &revision.Store{}
	h.Revisions.Shipped, h.Revisions.Schemas = Load(t, files)
	return h
}

// Load reads mappings and schemas of records, as [New] has them, beside the schemas of entities.
func Load(t testing.TB, files map[string]string) (*mapping.Set, *schema.Set) {
	t.Helper()
	records, mappings := fstest.MapFS{}, fstest.MapFS{}
	for name, text := range files {
		if strings.HasSuffix(name, ".json") {
			records[name] = &fstest.MapFile{Data: []byte(text)}
			continue
		}
		mappings[name] = &fstest.MapFile{Data: []byte(text)}
		entity := strings.TrimSuffix(path.Base(name), ".yaml") + ".v1.json"
		b, err := fs.ReadFile(schemas.FS, entity)
		if err != nil {
			t.Fatal(err)
		}
		records[entity] = &fstest.MapFile{Data: b}
	}
	set, err := schema.Load(records)
	if err != nil {
		t.Fatal(err)
	}
	all, err := mapping.Load(mappings, set)
	if err != nil {
		t.Fatal(err)
	}
	return all, set
}

// Stream is the stream of the hub's connector for an entity.
func (h *Hub) Stream(entity string) connector.Stream {
	h.Helper()
	for _, s := range h.Jobs.Connectors["test"].Streams {
		if s.Entity == entity {
			return s
		}
	}
	h.Fatal("no stream of ", entity)
	return connector.Stream{}
}

// RunJobs lets a process execute the runs of jobs until the test ends.
func (h *Hub) RunJobs(work map[job.Kind]job.Work) {
	Start(h, job.NewRunner(job.RunnerConfig{DB: h.DB, Every: 20 * time.Millisecond, Logger: h.Logger, Registerer: prometheus.NewRegistry(), Work: work}).Run)
}

// Start runs something until the test ends or stop is called, which returns when it has ended. It must end without an error.
func Start(t testing.TB, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}
