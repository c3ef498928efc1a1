package job_test

import (
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
	"crmhub/core/job"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// fixture is an organization with a connection whose connector pulls and pushes orders and pulls invoices and payments.
type fixture struct {
	*testing.T
	db         *postgres.DB
	who        postgres.Principal
	store      *job.Store
	connection uuid.UUID

	mu  sync.Mutex
	now time.Time
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	db := postgrestest.New(t)
	f := &fixture{T: t, db: db, who: postgrestest.Organization(t, db), now: time.Date(2026, 5, 4, 10, 7, 0, 0, time.UTC)}
	f.store = &job.Store{Now: f.clock, Connectors: map[string]connector.Connector{"test": {Name: "test", Streams: []connector.Stream{
		{Entity: "order", Capabilities: connector.Capabilities{Pull: true, Push: true, Range: true}},
		{Entity: "invoice", Capabilities: connector.Capabilities{Pull: true}},
		{Entity: "payment", Capabilities: connector.Capabilities{Pull: true, Incremental: true}}, // as files
	}}}}
	f.connection = uuid.New()
	f.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `insert into connections (id, code, name, connector) values ($1, 'erp', 'ERP', 'test')`, f.connection)
		return err
	})
	return f
}

func (f *fixture) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fixture) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

func (f *fixture) tx(fn func(tx pgx.Tx) error) {
	f.Helper()
	if err := f.db.As(f.Context(), f.who, fn); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) create(entity, schedule string) (j job.Job) {
	f.Helper()
	f.tx(func(tx pgx.Tx) (err error) {
		j, err = f.store.Create(f.Context(), tx, job.New{ConnectionID: f.connection, Kind: job.Pull, Entity: entity, Timing: job.Timing{Schedule: schedule}})
		return err
	})
	return j
}

func (f *fixture) enqueue(j job.Job) (r job.Run) {
	f.Helper()
	f.tx(func(tx pgx.Tx) (err error) {
		r, err = job.Enqueue(f.Context(), tx, j.ID, job.ByHand)
		return err
	})
	return r
}

func (f *fixture) runs() (list []job.Run) {
	f.Helper()
	f.tx(func(tx pgx.Tx) error {
		p, err := job.ListRuns(f.Context(), tx, job.RunFilter{Connection: f.connection})
		list = p.Items
		return err
	})
	return list
}

func (f *fixture) claim(worker int32) (t *job.Task) {
	f.Helper()
	err := f.db.AsSystem(f.Context(), func(tx pgx.Tx) (err error) {
		t, err = job.ClaimRun(f.Context(), tx, worker)
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	return t
}

// eventually waits for what another goroutine or the server brings about.
func (f *fixture) eventually(what string, ok func() bool) {
	f.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); {
		if time.Now().After(deadline) {
			f.Fatal("it did not happen in 20 s:", what)
		}
		select {
		case <-f.Context().Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

var quiet = slog.New(slog.DiscardHandler)
