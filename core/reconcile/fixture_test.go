package reconcile_test

import (
	"context"
	"encoding/json"
	"errors"
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
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/pull"
	"crmhub/core/push"
	"crmhub/core/reconcile"
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
	receiptSchema = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
	"required": ["number", "payer", "date", "currency", "amount"],
	"properties": {
		"number": {"type": "string"}, "payer": {"type": "string"}, "date": {"type": "string", "format": "date"},
		"currency": {"type": "string"}, "amount": {"type": "string", "format": "decimal"}
	}
}`
	paymentMapping = `
entity: payment
record: receipt
match: [number]
fields:
  - {crm: number, remote: number, direction: pull}
  - {crm: customer_id, remote: payer, link: customer, direction: pull}
  - {crm: date, remote: date, direction: pull}
  - {crm: currency, remote: currency, direction: pull}
  - {crm: amount, remote: amount, direction: pull}
`
)

var quiet = slog.New(slog.DiscardHandler)

// house is a database with a process that runs jobs; worlds are the organizations in it.
type house struct {
	testing.TB
	db          *postgres.DB
	connections *connection.Store
	entities    *crm.Store
	puller      *pull.Puller
	mappings    *mapping.Set
	reconciler  *reconcile.Reconciler
	key         secret.Key
	remotes     sync.Map // connector.Session by the connection's configured name
}

func newHouse(t testing.TB, streams ...connector.Stream) *house {
	t.Helper()
	h := &house{TB: t, db: postgrestest.New(t), entities: &crm.Store{}}
	var err error
	if h.key, err = secret.NewKey(make([]byte, 32)); err != nil {
		t.Fatal(err)
	}
	if len(streams) == 0 {
		streams = []connector.Stream{
			{Entity: "customer", Record: "party", Capabilities: connector.Capabilities{Pull: true, Push: true, Get: true, Find: true, Delete: true, Idempotent: true, Concurrency: 2}},
			{Entity: "payment", Record: "receipt", Capabilities: connector.Capabilities{Pull: true}},
		}
	}
	erp := connector.Connector{
		Name: "test", Config: json.RawMessage(`{"type": "object"}`), Streams: streams,
		Open: func(o connector.Options) (connector.Session, error) {
			r, _ := h.remotes.Load(o.Config["remote"])
			if s, ok := r.(connector.Session); ok {
				return s, nil
			}
			return nil, errors.New("no such remote")
		},
	}
	h.connections = &connection.Store{Key: h.key, Logger: quiet, Connectors: map[string]connector.Connector{"test": erp}}
	h.mappings = loadMappings(t)
	registry := prometheus.NewRegistry()
	h.puller = pull.New(pull.Config{
		DB: h.db, Connections: h.connections, Revisions: &revision.Store{Shipped: h.mappings}, Entities: h.entities, Logger: quiet, Registerer: registry,
		PageSize: 7, Backoff: time.Millisecond,
	})
	h.reconciler = reconcile.New(reconcile.Config{
		DB: h.db, Connections: h.connections, Revisions: &revision.Store{Shipped: h.mappings}, Entities: h.entities, Puller: h.puller, Logger: quiet,
	})
	runner := job.NewRunner(job.RunnerConfig{
		DB: h.db, Every: 20 * time.Millisecond, Logger: quiet, Registerer: registry,
		Work: map[job.Kind]job.Work{job.Pull: h.puller.Run, job.Reconcile: h.reconciler.Run},
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
	return h
}

func loadMappings(t testing.TB) *mapping.Set {
	t.Helper()
	files := fstest.MapFS{"test/party.json": {Data: []byte(partySchema)}, "test/receipt.json": {Data: []byte(receiptSchema)}}
	for _, name := range []string{"customer.v1.json", "payment.v1.json"} {
		b, err := schemas.FS.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: b}
	}
	set, err := schema.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	mappings, err := mapping.Load(fstest.MapFS{
		"test/customer.yaml": {Data: []byte(customerMapping)}, "test/payment.yaml": {Data: []byte(paymentMapping)},
	}, set)
	if err != nil {
		t.Fatal(err)
	}
	return mappings
}

// fatal is what both testing.TB and *rapid.T are.
type fatal interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// world is an organization with a connection to a remote of its own.
type world struct {
	*house
	t          fatal
	who        postgres.Principal
	remote     *remote
	connection connection.Connection
	jobs       map[string]job.Job // "pull customer"
	patience   time.Duration      // 0: two minutes
}

func (h *house) world(t fatal) *world {
	t.Helper()
	w := &world{house: h, t: t, who: postgrestest.Organization(h.TB, h.db), remote: newRemote(), jobs: map[string]job.Job{}}
	name := uuid.NewString()
	h.remotes.Store(name, w.remote)
	w.tx(func(tx pgx.Tx) (err error) {
		w.connection, err = h.connections.Add(h.Context(), tx, connection.New{
			Code: "erp", Name: "ERP", Connector: "test", Config: map[string]any{"remote": name},
		})
		if err != nil {
			return err
		}
		jobs := job.Store{Connectors: h.connections.Connectors}
		for _, kind := range []job.Kind{job.Pull, job.Reconcile} {
			for _, s := range h.connections.Connectors["test"].Streams {
				w.jobs[string(kind)+" "+s.Entity], err = jobs.Create(h.Context(), tx, job.New{ConnectionID: w.connection.ID, Kind: kind, Entity: s.Entity})
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	return w
}

func (w *world) tx(fn func(tx pgx.Tx) error) {
	w.t.Helper()
	if err := w.db.As(w.Context(), w.who, fn); err != nil {
		w.t.Fatal(err)
	}
}

// run runs a job to its end.
func (w *world) run(kind job.Kind, entity string) (r job.Run) {
	w.t.Helper()
	w.tx(func(tx pgx.Tx) (err error) {
		r, err = job.Enqueue(w.Context(), tx, w.jobs[string(kind)+" "+entity].ID, job.ByHand)
		return err
	})
	return w.ended(r)
}

// ended waits until a run has ended.
func (w *world) ended(r job.Run) job.Run {
	w.t.Helper()
	w.eventually("the run ends", func() bool {
		w.tx(func(tx pgx.Tx) (err error) {
			r, err = job.GetRun(w.Context(), tx, r.ID)
			return err
		})
		return r.FinishedAt != nil
	})
	return r
}

// pull pulls an entity, which must succeed.
func (w *world) pull(entity string) {
	w.t.Helper()
	if r := w.run(job.Pull, entity); r.Status != job.Succeeded {
		w.t.Fatalf("the pull of %s ended %s: %+v", entity, r.Status, r.Error)
	}
}

// reconcile compares an entity, and returns what came of it with all differences.
func (w *world) reconcile(entity string) (reconcile.Reconciliation, []reconcile.Difference) {
	w.t.Helper()
	return w.result(w.run(job.Reconcile, entity))
}

// result is what a run came to, with all differences.
func (w *world) result(run job.Run) (reconcile.Reconciliation, []reconcile.Difference) {
	w.t.Helper()
	var r reconcile.Reconciliation
	var all []reconcile.Difference
	w.tx(func(tx pgx.Tx) (err error) {
		if r, err = reconcile.OfRun(w.Context(), tx, run.ID); err != nil {
			return err
		}
		for f := (reconcile.DifferenceFilter{Limit: 3}); ; {
			p, err := reconcile.Differences(w.Context(), tx, r.ID, f)
			if err != nil {
				return err
			}
			all = append(all, p.Items...)
			if f.After = p.Next; f.After == "" {
				return nil
			}
		}
	})
	return r, all
}

// mend does something about differences, until none is left to look at.
func (w *world) mend(r reconcile.Reconciliation, in reconcile.Errand) (all reconcile.Done) {
	w.t.Helper()
	for after := ""; ; {
		var done reconcile.Done
		w.tx(func(tx pgx.Tx) (err error) {
			done, err = w.reconciler.Mend(w.Context(), tx, r.ID, in, after)
			return err
		})
		all.Done += done.Done
		all.Refused = append(all.Refused, done.Refused...)
		if after = done.Next; after == "" {
			return all
		}
	}
}

// push lets a pusher work until nothing is due.
func (w *world) push() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.Context())
	defer cancel()
	m, _ := w.mappings.For("test", "customer")
	p, err := push.New(push.Config{
		DB: w.db, Principal: w.connection.Principal(), Connection: w.connection.ID, Code: "erp", Organization: "test",
		Streams: []push.Stream{{Stream: w.connections.Connectors["test"].Streams[0], Mapping: m}}, Session: w.remote, CRM: w.entities,
		Logger: quiet, Metrics: push.NewMetrics(prometheus.NewRegistry()),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	w.eventually("all is pushed", func() bool {
		return w.number(`select (select count(*) from links where next_attempt_at is not null)
			+ (select count(*) from customers c where deleted_at is null and not exists (
				select from links l where l.entity_id = c.id and l.wanted_version >= c.version))`) == 0
	})
	cancel()
	if err := <-done; err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) number(sql string) (n int) {
	w.t.Helper()
	w.tx(func(tx pgx.Tx) error { return tx.QueryRow(w.Context(), sql).Scan(&n) })
	return n
}

func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(max(w.patience, 2*time.Minute)); !ok(); {
		if time.Now().After(deadline) {
			w.t.Fatal("it did not happen: ", what)
		}
		select {
		case <-w.Context().Done():
			w.t.Fatal(w.Context().Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// save stores customers as a person would.
func (w *world) save(customers ...*crm.Customer) {
	w.t.Helper()
	batch := make([]crm.Entity, len(customers))
	for i, c := range customers {
		batch[i] = c
	}
	w.tx(func(tx pgx.Tx) error {
		return w.entities.Save(w.Context(), tx, crm.By{Actor: w.who.Actor, Origin: "crm"}, batch)
	})
}

// customers are all living customers by code.
func (w *world) customers() map[string]*crm.Customer {
	w.t.Helper()
	all := map[string]*crm.Customer{}
	w.tx(func(tx pgx.Tx) error {
		rows, _ := tx.Query(w.Context(), "select id from customers where deleted_at is null")
		ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil {
			return err
		}
		found, err := w.entities.Get(w.Context(), tx, crm.KindCustomer, ids)
		for _, e := range found {
			c, _ := e.(*crm.Customer)
			all[c.Code] = c
		}
		return err
	})
	return all
}

func (w *world) linkOf(id uuid.UUID) (l link.Link) {
	w.t.Helper()
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
	records map[string]map[string]connector.Record // by stream and id
	next    int
	before  func(call int) error // of a page, if set
	calls   int
	asked   int
}

func newRemote() *remote {
	return &remote{records: map[string]map[string]connector.Record{"party": {}, "receipt": {}}}
}

// script says what happens before each page from now on, counted from 0.
func (r *remote) script(before func(call int) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before, r.calls = before, 0
}

func (r *remote) Check(context.Context) error { return nil }
func (r *remote) Close() error                { return nil }

// put stores a record; without an id it is new.
func (r *remote) put(stream, id string, data map[string]any) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.set(stream, id, data).ID
}

func (r *remote) set(stream, id string, data map[string]any) connector.Record {
	r.next++
	if id == "" {
		id = fmt.Sprintf("%06d", r.next)
	}
	record := connector.Record{ID: id, Version: strconv.Itoa(r.next), Data: maps.Clone(data)}
	r.records[stream][id] = record
	return record
}

func (r *remote) remove(stream, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.records[stream], id)
}

func (r *remote) all(stream string) map[string]connector.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.records[stream])
}

// Pull gives pages by offset, as many systems do: what is deleted meanwhile shifts them.
func (r *remote) Pull(_ context.Context, in connector.PullRequest) (connector.Page, error) {
	r.mu.Lock()
	before, call := r.before, r.calls
	r.calls++
	r.mu.Unlock()
	if before != nil {
		if err := before(call); err != nil {
			return connector.Page{}, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	start := 0
	if in.Cursor != nil {
		if err := json.Unmarshal(in.Cursor, &start); err != nil {
			return connector.Page{}, err
		}
	}
	ids := slices.Sorted(maps.Keys(r.records[in.Stream]))
	start = min(start, len(ids))
	end := min(start+in.Limit, len(ids))
	p := connector.Page{Cursor: json.RawMessage(strconv.Itoa(end)), More: end < len(ids)}
	for _, id := range ids[start:end] {
		p.Records = append(p.Records, r.records[in.Stream][id])
	}
	return p, nil
}

func (r *remote) Get(_ context.Context, stream, id string) (*connector.Record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	record, ok := r.records[stream][id]
	if !ok {
		return nil, nil
	}
	return &record, nil
}

func (r *remote) Find(_ context.Context, stream, reference string) (*connector.Record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, record := range r.records[stream] {
		if record.Data["code"] == reference {
			return &record, nil
		}
	}
	return nil, nil
}

// Push writes as a system with optimistic locking does.
func (r *remote) Push(_ context.Context, stream string, writes []connector.Write) ([]connector.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	results := make([]connector.Result, len(writes))
	for i, w := range writes {
		old, there := r.records[stream][w.ID]
		switch {
		case w.Op != connector.OpCreate && there && w.RemoteVersion != "" && w.RemoteVersion != old.Version:
			results[i] = connector.Result{Outcome: connector.Refused, Err: &connector.Error{Class: connector.ClassConflict, Message: "it was changed"}}
		case w.Op != connector.OpCreate && !there:
			results[i] = connector.Result{Outcome: connector.Refused, Err: &connector.Error{Class: connector.ClassData, Message: "there is no such record"}}
		case w.Op == connector.OpDelete:
			delete(r.records[stream], w.ID)
			results[i] = connector.Result{Outcome: connector.Done, Record: connector.Record{ID: w.ID}}
		default:
			data := maps.Clone(old.Data)
			if data == nil {
				data = map[string]any{}
			}
			maps.Copy(data, w.Data)
			results[i] = connector.Result{Outcome: connector.Done, Record: r.set(stream, w.ID, data)}
		}
	}
	return results, nil
}
