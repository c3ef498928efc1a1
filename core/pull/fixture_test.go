package pull_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/hubtest"
	"crmhub/core/job"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/pull"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// fixture is an organization with a connection to a scripted remote that has parties (customers) and receipts
// (payments), and the jobs that pull them.
type fixture struct {
	*hubtest.World
	remote   *remote
	pageSize int
	logger   *slog.Logger
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	h := hubtest.New(t, mappings(),
		connector.Stream{Entity: "customer", Record: "party", Capabilities: connector.Capabilities{Pull: true, Push: true, Get: true}},
		connector.Stream{Entity: "payment", Record: "receipt", Capabilities: connector.Capabilities{Pull: true, Incremental: true, Range: true}},
	)
	f := &fixture{remote: &remote{}, pageSize: 3, logger: h.Logger}
	f.World = h.World(t, f.remote)
	f.job("customer")
	f.job("payment")
	return f
}

func (f *fixture) puller(db *postgres.DB) *pull.Puller {
	return pull.New(pull.Config{
		DB: db, Connections: f.Connections, Revisions: f.Revisions, Entities: f.Entities, Logger: f.logger,
		Registerer: prometheus.NewRegistry(), PageSize: f.pageSize, Backoff: time.Millisecond, Breakers: f.breakers(db),
	})
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
	db, err := postgres.Open(f.Context(), postgres.Config{URL: f.URL})
	if err != nil {
		f.Fatal(err)
	}
	p := &process{puller: f.puller(db)}
	p.runner = job.NewRunner(job.RunnerConfig{
		DB: db, Work: map[job.Kind]job.Work{job.Pull: p.puller.Run}, Replay: map[job.Kind]job.Replay{job.Pull: p.puller.Replay},
		Every: 50 * time.Millisecond, Logger: f.logger, Registerer: prometheus.NewRegistry(),
	})
	prober := connection.NewProber(connection.ProberConfig{
		Breakers: f.breakers(db), Store: f.Connections, Logger: f.Logger, Registerer: prometheus.NewRegistry(), Every: 20 * time.Millisecond,
	})
	end := hubtest.Start(f, func(ctx context.Context) error {
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return p.runner.Run(ctx) })
		g.Go(func() error { return prober.Run(ctx) })
		return g.Wait()
	})
	p.kill = sync.OnceFunc(func() {
		end()
		db.Close()
	})
	f.Cleanup(p.kill)
	return p
}

// job is the one that pulls an entity.
func (f *fixture) job(entity string) job.Job { return f.Job(job.Pull, entity) }

// enqueue asks for a run of an entity's job.
func (f *fixture) enqueue(entity string) job.Run {
	f.Helper()
	return f.Enqueue(job.Pull, entity, job.ByHand)
}

// run has a process execute one run to its end.
func (f *fixture) run(entity string) job.Run {
	f.Helper()
	return f.Run(job.Pull, entity)
}

// save stores a customer as a person would.
func (f *fixture) save(c *crm.Customer) *crm.Customer {
	f.Helper()
	f.Save(c)
	return c
}

func (f *fixture) letters(status job.LetterStatus) []job.DeadLetter {
	f.Helper()
	var p postgres.Page[job.DeadLetter]
	f.Tx(func(tx pgx.Tx) (err error) {
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
