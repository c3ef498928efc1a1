package pull_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
	"crmhub/core/mapping"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/pull"
	"crmhub/core/revision"
	"crmhub/core/schema"
	"crmhub/core/secret"
	"crmhub/schemas"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// fixture is an organization with a connection to a scripted remote that has parties (customers) and receipts
// (payments), and the jobs that pull them.
type fixture struct {
	testing.TB
	db          *postgres.DB
	url         string
	who         postgres.Principal
	connections *connection.Store
	connection  connection.Connection
	remote      *remote
	entities    *crm.Store
	jobs        map[string]job.Job
	shipped     *mapping.Set // nil: mappings of the fixture's own
	schemas     *schema.Set
	pageSize    int
	logger      *slog.Logger
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{TB: t, url: postgrestest.URL(t), remote: &remote{}, entities: &crm.Store{}, jobs: map[string]job.Job{}, pageSize: 3, logger: quiet}
	f.db = postgrestest.Open(t, f.url)
	f.who = postgrestest.Organization(t, f.db)
	key, err := secret.NewKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	erp := connector.Connector{
		Name: "test", Config: json.RawMessage(`{}`),
		Streams: []connector.Stream{
			{Entity: "customer", Record: "party", Capabilities: connector.Capabilities{Pull: true, Push: true, Get: true}},
			{Entity: "payment", Record: "receipt", Capabilities: connector.Capabilities{Pull: true, Incremental: true, Range: true}},
		},
		Open: func(connector.Options) (connector.Session, error) { return f.remote, nil },
	}
	f.connections = &connection.Store{Key: key, Logger: quiet, Connectors: map[string]connector.Connector{"test": erp}}
	f.tx(func(tx pgx.Tx) (err error) {
		f.connection, err = f.connections.Add(t.Context(), tx, connection.New{Code: "erp", Name: "ERP", Connector: "test"})
		if err != nil {
			return err
		}
		jobs := job.Store{Connectors: f.connections.Connectors}
		for _, entity := range []string{"customer", "payment"} {
			f.jobs[entity], err = jobs.Create(t.Context(), tx, job.New{ConnectionID: f.connection.ID, Kind: job.Pull, Entity: entity})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return f
}

var quiet = slog.New(slog.DiscardHandler)

func (f *fixture) tx(fn func(tx pgx.Tx) error) {
	f.Helper()
	if err := f.db.As(f.Context(), f.who, fn); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) puller(db *postgres.DB) *pull.Puller {
	f.Helper()
	if f.shipped == nil {
		f.shipped, f.schemas = f.ownMappings()
	}
	return pull.New(pull.Config{
		DB: db, Connections: f.connections, Revisions: &revision.Store{Shipped: f.shipped, Schemas: f.schemas}, Entities: f.entities, Logger: f.logger,
		Registerer: prometheus.NewRegistry(), PageSize: f.pageSize, Backoff: time.Millisecond,
		Breakers: f.breakers(db),
	})
}

func (f *fixture) ownMappings() (*mapping.Set, *schema.Set) {
	f.Helper()
	files := fstest.MapFS{
		"test/party.json":   {Data: []byte(partySchema)},
		"test/receipt.json": {Data: []byte(receiptSchema)},
	}
	for _, name := range []string{"customer.v1.json", "payment.v1.json"} {
		b, err := schemas.FS.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: b}
	}
	set, err := schema.Load(files)
	if err != nil {
		f.Fatal(err)
	}
	mappings, err := mapping.Load(fstest.MapFS{
		"test/customer.yaml": {Data: []byte(customerMapping)},
		"test/payment.yaml":  {Data: []byte(paymentMapping)},
	}, set)
	if err != nil {
		f.Fatal(err)
	}
	return mappings, set
}

func (f *fixture) breakers(db *postgres.DB) *connection.Breakers {
	return &connection.Breakers{DB: db, First: 10 * time.Millisecond, Longest: 100 * time.Millisecond}
}

// process is a hub's process that pulls: kill ends it as SIGKILL would, its sessions closing.
type process struct {
	runner *job.Runner
	puller *pull.Puller
	kill   func()
}

func (f *fixture) process() *process {
	f.Helper()
	db, err := postgres.Open(f.Context(), postgres.Config{URL: f.url})
	if err != nil {
		f.Fatal(err)
	}
	p := &process{puller: f.puller(db)}
	p.runner = job.NewRunner(job.RunnerConfig{
		DB: db, Work: map[job.Kind]job.Work{job.Pull: p.puller.Run}, Replay: map[job.Kind]job.Replay{job.Pull: p.puller.Replay},
		Every: 50 * time.Millisecond, Logger: f.logger, Registerer: prometheus.NewRegistry(),
	})
	prober := connection.NewProber(connection.ProberConfig{
		Breakers: f.breakers(db), Store: f.connections, Logger: quiet, Registerer: prometheus.NewRegistry(), Every: 20 * time.Millisecond,
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(f.Context()))
	done := make(chan error, 2)
	go func() { done <- p.runner.Run(ctx) }()
	go func() { done <- prober.Run(ctx) }()
	p.kill = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-done, <-done); err != nil {
			f.Error(err)
		}
		db.Close()
	})
	f.Cleanup(p.kill)
	return p
}

// enqueue asks for a run of an entity's job.
func (f *fixture) enqueue(entity string) job.Run {
	f.Helper()
	return f.enqueueBy(entity, job.ByHand)
}

func (f *fixture) enqueueBy(entity string, trigger job.Trigger) (r job.Run) {
	f.Helper()
	f.tx(func(tx pgx.Tx) (err error) {
		r, err = job.Enqueue(f.Context(), tx, f.jobs[entity].ID, trigger)
		return err
	})
	return r
}

// run has a process execute one run to its end.
func (f *fixture) run(entity string) job.Run {
	f.Helper()
	return f.ended(f.enqueue(entity))
}

// ended waits until a run has ended.
func (f *fixture) ended(r job.Run) job.Run {
	f.Helper()
	f.eventually("the run ends", func() bool {
		r = f.get(r)
		return r.FinishedAt != nil
	})
	return r
}

func (f *fixture) get(r job.Run) (got job.Run) {
	f.Helper()
	f.tx(func(tx pgx.Tx) (err error) {
		got, err = job.GetRun(f.Context(), tx, r.ID)
		return err
	})
	return got
}

func (f *fixture) eventually(what string, ok func() bool) {
	f.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); {
		if time.Now().After(deadline) {
			f.Fatal("it did not happen in 30 s:", what)
		}
		select {
		case <-f.Context().Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// customers are all customers by code.
func (f *fixture) customers() map[string]*crm.Customer {
	f.Helper()
	all := map[string]*crm.Customer{}
	f.tx(func(tx pgx.Tx) error {
		ids := f.ids(tx, "select id from customers")
		found, err := f.entities.Get(f.Context(), tx, crm.KindCustomer, ids)
		for _, e := range found {
			c, _ := e.(*crm.Customer)
			all[c.Code] = c
		}
		return err
	})
	return all
}

func (f *fixture) ids(tx pgx.Tx, sql string) []uuid.UUID {
	f.Helper()
	rows, _ := tx.Query(f.Context(), sql)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		f.Fatal(err)
	}
	return ids
}

// number is the value of a query for one number.
func (f *fixture) number(sql string) (n int) {
	f.Helper()
	f.tx(func(tx pgx.Tx) error { return tx.QueryRow(f.Context(), sql).Scan(&n) })
	return n
}

// save stores a customer as a person would.
func (f *fixture) save(c *crm.Customer) *crm.Customer {
	f.Helper()
	f.tx(func(tx pgx.Tx) error {
		return f.entities.Save(f.Context(), tx, crm.By{Actor: f.who.Actor, Origin: "crm"}, []crm.Entity{c})
	})
	return c
}

func (f *fixture) letters(status job.LetterStatus) []job.DeadLetter {
	f.Helper()
	var p postgres.Page[job.DeadLetter]
	f.tx(func(tx pgx.Tx) (err error) {
		p, err = job.ListDeadLetters(f.Context(), tx, job.LetterFilter{Status: status, Limit: 500})
		return err
	})
	return p.Items
}

// remote is a scripted system. Its cursor is how many records were given.
type remote struct {
	mu       sync.Mutex
	records  map[string][]connector.Record // by stream
	expected int64
	forgets  bool // where a run ended that failed
	stuck    bool // the cursor never moves
	checks   int
	down     error // what a check finds
	// before, if set, is called before each page, unlocked; its error is the page's.
	before func(ctx context.Context, r connector.PullRequest) error
	// meanwhile, if set, is called once a page was read and before it is given, unlocked.
	meanwhile func()
}

func (r *remote) Get(_ context.Context, stream, id string) (*connector.Record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, record := range r.records[stream] {
		if record.ID == id {
			return &record, nil
		}
	}
	return nil, nil //nolint:nilnil // as Getter says
}

func (r *remote) set(stream string, records ...connector.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.records == nil {
		r.records = map[string][]connector.Record{}
	}
	r.records[stream] = records
}

func (r *remote) script(before func(ctx context.Context, r connector.PullRequest) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before = before
}

func (r *remote) Check(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checks++
	return r.down
}

func (r *remote) Close() error { return nil }

func (r *remote) Pull(ctx context.Context, in connector.PullRequest) (connector.Page, error) {
	r.mu.Lock()
	before := r.before
	r.mu.Unlock()
	if before != nil {
		if err := before(ctx, in); err != nil {
			return connector.Page{}, err
		}
	}
	page, err := r.page(in)
	r.mu.Lock()
	meanwhile := r.meanwhile
	r.mu.Unlock()
	if meanwhile != nil {
		meanwhile()
	}
	return page, err
}

func (r *remote) page(in connector.PullRequest) (connector.Page, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	start := 0
	if in.Cursor != nil {
		if err := json.Unmarshal(in.Cursor, &start); err != nil {
			return connector.Page{}, err
		}
	}
	anew := r.forgets && in.Resume
	if anew {
		start = 0
	}
	all := slices.DeleteFunc(slices.Clone(r.records[in.Stream]), func(rec connector.Record) bool {
		return rec.UpdatedAt.Before(in.Since) || !in.Until.IsZero() && !rec.UpdatedAt.Before(in.Until)
	})
	end := min(start+in.Limit, len(all))
	if r.stuck {
		return connector.Page{Records: all[:1], Cursor: json.RawMessage("0"), More: true}, nil
	}
	return connector.Page{
		Records: slices.Clone(all[start:end]), Cursor: json.RawMessage(fmt.Sprint(end)), More: end < len(all), Expected: r.expected, Anew: anew,
	}, nil
}

func party(id int, name string) connector.Record {
	return connector.Record{ID: fmt.Sprint(id), Version: "1", Data: map[string]any{
		"code": fmt.Sprintf("C%04d", id), "name": name, "phone": "+49 30 12345",
	}}
}

func parties(n int) []connector.Record {
	all := make([]connector.Record, n)
	for i := range all {
		all[i] = party(i+1, fmt.Sprintf("Customer %d", i+1))
	}
	return all
}

func receipt(id int, payer string) connector.Record {
	return connector.Record{ID: fmt.Sprint(id), Data: map[string]any{
		"number": fmt.Sprintf("R%04d", id), "payer": payer, "date": "2026-05-04", "currency": "EUR", "amount": "12.50", "state": "draft",
	}}
}
