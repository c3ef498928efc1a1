package flow_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/flow"
	"crmhub/core/job"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/secret"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// fixture is an organization that connects systems: orders go both ways, customers are pushed, and products could be, but have
// no mapping.
type fixture struct {
	testing.TB
	db    *postgres.DB
	url   string
	who   postgres.Principal
	now   time.Time
	store flow.Store
}

type mapped struct{}

func (mapped) Mapped(context.Context, pgx.Tx) (func(connection.Connection, string) bool, error) {
	return func(_ connection.Connection, entity string) bool { return entity != "product" }, nil
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	key, err := secret.NewKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	both := connector.Capabilities{Push: true, Pull: true}
	connectors := map[string]connector.Connector{"stub": {
		Name: "stub", Config: json.RawMessage(`{"type":"object"}`),
		Streams: []connector.Stream{
			{Entity: "customer", Record: "party", Capabilities: connector.Capabilities{Push: true}},
			{Entity: "order", Record: "sale", Capabilities: both},
			{Entity: "product", Record: "item", Capabilities: connector.Capabilities{Push: true}},
		},
		Open: func(connector.Options) (connector.Session, error) { return nil, nil }, //nolint:nilnil // nothing is opened here
	}}
	f := &fixture{TB: t, url: postgrestest.URL(t), now: time.Now()}
	f.db = postgrestest.Open(t, f.url)
	f.who = postgrestest.Organization(t, f.db)
	f.store = flow.Store{
		Connections: &connection.Store{Connectors: connectors, Key: key, Logger: slog.New(slog.DiscardHandler)},
		Jobs:        &job.Store{Connectors: connectors}, Revisions: mapped{}, Now: func() time.Time { return f.now },
	}
	return f
}

func (f *fixture) tx(fn func(tx pgx.Tx) error) {
	f.Helper()
	if err := f.db.As(f.Context(), f.who, fn); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) sql(statement string, args ...any) {
	f.Helper()
	f.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(f.Context(), statement, args...)
		return err
	})
}

func (f *fixture) system(statement string, args ...any) {
	f.Helper()
	err := f.db.AsSystem(f.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(f.Context(), statement, args...)
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) connect(code string) (c connection.Connection) {
	f.Helper()
	f.tx(func(tx pgx.Tx) (err error) {
		c, err = f.store.Connections.Add(f.Context(), tx, connection.New{Code: code, Name: "The " + code, Connector: "stub"})
		return err
	})
	return c
}

func (f *fixture) pulls(c connection.Connection, entity, schedule string) (j job.Job) {
	f.Helper()
	f.tx(func(tx pgx.Tx) (err error) {
		j, err = f.store.Jobs.Create(f.Context(), tx, job.New{ConnectionID: c.ID, Kind: job.Pull, Entity: entity, Timing: job.Timing{Schedule: schedule}})
		return err
	})
	return j
}

func (f *fixture) read() (all []flow.Flows) {
	f.Helper()
	f.tx(func(tx pgx.Tx) (err error) {
		all, err = f.store.Read(f.Context(), tx)
		return err
	})
	return all
}
