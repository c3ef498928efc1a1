package matching_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/link"
	"crmhub/core/mapping"
	"crmhub/core/matching"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/pull"
	"crmhub/core/push"
	"crmhub/core/revision"
	"crmhub/core/schema"
	"crmhub/core/secret"
	"crmhub/schemas"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

const (
	partySchema = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
	"required": ["code", "name"],
	"properties": {
		"code": {"type": "string", "minLength": 1}, "name": {"type": "string", "minLength": 1}, "phone": {"type": ["string", "null"]},
		"note": {"type": ["string", "null"]}, "web": {"type": ["string", "null"]}
	}
}`
	customerMapping = `
entity: customer
record: party
match: [code]
fields:
  - {crm: code, remote: code}
  - {crm: name, remote: name, authority: crm}
  - {crm: phone, remote: phone, authority: remote}
  - {crm: website, remote: web, authority: ask}
  - {crm: remark, remote: note, direction: pull}
`
)

// world is an organization with a connection to a remote, and a process that runs jobs.
type world struct {
	testing.TB
	db          *postgres.DB
	who         postgres.Principal
	entities    *crm.Store
	connections *connection.Store
	jobs        *job.Store
	mappings    *mapping.Set
	matcher     *matching.Matcher
	remote      *remote
	connection  connection.Connection
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{TB: t, db: postgrestest.New(t), entities: &crm.Store{}, remote: &remote{records: map[string]connector.Record{}}, mappings: loadMappings(t)}
	w.who = postgrestest.Organization(t, w.db)
	key, err := secret.NewKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	quiet, registry := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	known := map[string]connector.Connector{"test": {
		Name: "test", Config: json.RawMessage(`{"type": "object"}`),
		Streams: []connector.Stream{{Entity: "customer", Record: "party", Capabilities: connector.Capabilities{Pull: true, Push: true, Find: true, Concurrency: 2}}},
		Open:    func(connector.Options) (connector.Session, error) { return w.remote, nil },
	}}
	w.connections = &connection.Store{Key: key, Logger: quiet, Connectors: known}
	w.jobs = &job.Store{Connectors: known}
	revisions := &revision.Store{Shipped: w.mappings}
	puller := pull.New(pull.Config{
		DB: w.db, Connections: w.connections, Revisions: revisions, Entities: w.entities, Logger: quiet, Registerer: registry, PageSize: 2, Backoff: time.Millisecond,
	})
	w.matcher = matching.New(matching.Config{DB: w.db, Connections: w.connections, Entities: w.entities, Puller: puller, Logger: quiet})
	w.tx(func(tx pgx.Tx) (err error) {
		w.connection, err = w.connections.Add(t.Context(), tx, connection.New{Code: "erp", Name: "ERP", Connector: "test", Config: map[string]any{}})
		return err
	})
	runner := job.NewRunner(job.RunnerConfig{
		DB: w.db, Every: 20 * time.Millisecond, Logger: quiet, Registerer: registry,
		Work: map[job.Kind]job.Work{job.Pull: puller.Run, job.Match: w.matcher.Run},
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- runner.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return w
}

func loadMappings(t testing.TB) *mapping.Set {
	t.Helper()
	b, err := schemas.FS.ReadFile("customer.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	set, err := schema.Load(fstest.MapFS{"test/party.json": {Data: []byte(partySchema)}, "customer.v1.json": {Data: b}})
	if err != nil {
		t.Fatal(err)
	}
	mappings, err := mapping.Load(fstest.MapFS{"test/customer.yaml": {Data: []byte(customerMapping)}}, set)
	if err != nil {
		t.Fatal(err)
	}
	return mappings
}

func (w *world) tx(fn func(tx pgx.Tx) error) {
	w.Helper()
	if err := w.db.As(w.Context(), w.who, fn); err != nil {
		w.Fatal(err)
	}
}

// start queues a matching.
func (w *world) start(accept bool) (m matching.Matching) {
	w.Helper()
	w.tx(func(tx pgx.Tx) (err error) {
		m, err = matching.Start(w.Context(), tx, w.jobs, w.connection.ID, "customer", accept)
		return err
	})
	return m
}

// ended is a matching at its end.
func (w *world) ended(m matching.Matching) matching.Matching {
	w.Helper()
	w.waitFor(w.run(m.RunID))
	w.tx(func(tx pgx.Tx) (err error) {
		m, err = matching.Get(w.Context(), tx, m.ID)
		return err
	})
	return m
}

// queue queues a run of a kind.
func (w *world) queue(kind job.Kind) (r job.Run) {
	w.Helper()
	w.tx(func(tx pgx.Tx) error {
		all, err := w.jobs.List(w.Context(), tx, w.connection.ID)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(j job.Job) bool { return j.Kind == kind })
		if i < 0 {
			made, err := w.jobs.Create(w.Context(), tx, job.New{ConnectionID: w.connection.ID, Kind: kind, Entity: "customer"})
			if err != nil {
				return err
			}
			all, i = []job.Job{made}, 0
		}
		r, err = job.Enqueue(w.Context(), tx, all[i].ID, job.ByHand)
		return err
	})
	return r
}

func (w *world) run(id uuid.UUID) (r job.Run) {
	w.Helper()
	w.tx(func(tx pgx.Tx) (err error) {
		r, err = job.GetRun(w.Context(), tx, id)
		return err
	})
	return r
}

func (w *world) waitFor(r job.Run) job.Run {
	w.Helper()
	w.eventually("the run ends", func() bool { r = w.run(r.ID); return r.FinishedAt != nil })
	return r
}

func (w *world) settle(m matching.Matching, in matching.Decision) (done matching.Done) {
	w.Helper()
	w.tx(func(tx pgx.Tx) (err error) {
		done, err = w.matcher.Settle(w.Context(), tx, m.ID, in, "")
		return err
	})
	return done
}

func (w *world) proposals(m matching.Matching, state link.ProposalState) (all []link.Proposal) {
	w.Helper()
	w.tx(func(tx pgx.Tx) error {
		for f := (link.ProposalFilter{Matching: m.ID, State: state, Limit: 3}); ; {
			p, err := link.ListProposals(w.Context(), tx, f)
			if err != nil {
				return err
			}
			all = append(all, p.Items...)
			if f.After = p.Next; f.After == "" {
				return nil
			}
		}
	})
	return all
}

func (w *world) proposal(m matching.Matching, remoteID string) link.Proposal {
	w.Helper()
	for _, p := range w.proposals(m, "") {
		if p.RemoteID == remoteID {
			return p
		}
	}
	w.Fatalf("nothing is proposed for record %s", remoteID)
	return link.Proposal{}
}

// push lets a pusher work until an entity has its record and nothing is due now.
func (w *world) push(id uuid.UUID) {
	w.Helper()
	ctx, cancel := context.WithCancel(w.Context())
	defer cancel()
	m, _ := w.mappings.For("test", "customer")
	p, err := push.New(push.Config{
		DB: w.db, Principal: w.connection.Principal(), Connection: w.connection.ID, Code: "erp", Organization: "test",
		Streams: []push.Stream{{Stream: w.connections.Connectors["test"].Streams[0], Mapping: m}}, Session: w.remote, CRM: w.entities,
		Logger: slog.New(slog.DiscardHandler), Metrics: push.NewMetrics(prometheus.NewRegistry()),
	})
	if err != nil {
		w.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	w.eventually("what is due is pushed", func() bool {
		return w.linkOf(id).RemoteID != "" && w.number("select count(*) from customers c where not exists (select from links l where l.entity_id = c.id and (l.remote_id is not null or l.state = 'parked'))") == 0
	})
	cancel()
	if err := <-done; err != nil {
		w.Fatal(err)
	}
}

func (w *world) number(sql string) (n int) {
	w.Helper()
	w.tx(func(tx pgx.Tx) error { return tx.QueryRow(w.Context(), sql).Scan(&n) })
	return n
}

func (w *world) eventually(what string, ok func() bool) {
	w.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); {
		if time.Now().After(deadline) {
			w.Fatal("it did not happen: ", what)
		}
		select {
		case <-w.Context().Done():
			w.Fatal(w.Context().Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// save stores customers as a person would.
func (w *world) save(customers ...*crm.Customer) {
	w.Helper()
	batch := make([]crm.Entity, len(customers))
	for i, c := range customers {
		batch[i] = c
	}
	w.tx(func(tx pgx.Tx) error {
		return w.entities.Save(w.Context(), tx, crm.By{Actor: w.who.Actor, Origin: "crm"}, batch)
	})
}

func (w *world) customer(id uuid.UUID) (c *crm.Customer) {
	w.Helper()
	w.tx(func(tx pgx.Tx) error {
		found, err := w.entities.Get(w.Context(), tx, crm.KindCustomer, []uuid.UUID{id})
		c, _ = found[id].(*crm.Customer)
		return err
	})
	return c
}

func (w *world) linkOf(id uuid.UUID) (l link.Link) {
	w.Helper()
	w.tx(func(tx pgx.Tx) error {
		ref := mapping.Ref{Entity: "customer", ID: id.String()}
		found, err := link.ByEntity(w.Context(), tx, w.connection.ID, []mapping.Ref{ref})
		l = found[ref]
		return err
	})
	return l
}

// remote is a system in memory, whose records have a version each.
type remote struct {
	mu      sync.Mutex
	records map[string]connector.Record
	next    int
	calls   int
	before  func(call int) // of a page, if set
}

func (r *remote) Check(context.Context) error { return nil }
func (r *remote) Close() error                { return nil }

func (r *remote) put(id string, data map[string]any) connector.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	if id == "" {
		id = fmt.Sprintf("%06d", r.next)
	}
	r.records[id] = connector.Record{ID: id, Version: strconv.Itoa(r.next), Data: maps.Clone(data)}
	return r.records[id]
}

// hook sets what happens before each page from now on, counted from 0.
func (r *remote) hook(before func(call int)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before, r.calls = before, 0
}

func (r *remote) Pull(_ context.Context, in connector.PullRequest) (connector.Page, error) {
	r.mu.Lock()
	before, call := r.before, r.calls
	r.calls++
	r.mu.Unlock()
	if before != nil {
		before(call)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	start := 0
	if in.Cursor != nil {
		if err := json.Unmarshal(in.Cursor, &start); err != nil {
			return connector.Page{}, err
		}
	}
	ids := slices.Sorted(maps.Keys(r.records))
	start = min(start, len(ids))
	end := min(start+in.Limit, len(ids))
	p := connector.Page{Cursor: json.RawMessage(strconv.Itoa(end)), More: end < len(ids)}
	for _, id := range ids[start:end] {
		p.Records = append(p.Records, r.records[id])
	}
	return p, nil
}

func (r *remote) Find(_ context.Context, _, reference string) (*connector.Record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, record := range r.records {
		if record.Data["code"] == reference {
			return &record, nil
		}
	}
	return nil, nil
}

func (r *remote) Push(_ context.Context, _ string, writes []connector.Write) ([]connector.Result, error) {
	results := make([]connector.Result, len(writes))
	for i, w := range writes {
		data := maps.Clone(w.Data)
		if data == nil {
			data = map[string]any{}
		}
		results[i] = connector.Result{Outcome: connector.Done, Record: r.put(w.ID, data)}
	}
	return results, nil
}
