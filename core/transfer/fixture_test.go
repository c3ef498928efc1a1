package transfer_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/transfer"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// fixture is an organization with a runner that works when it is told to.
type fixture struct {
	testing.TB
	db     *postgres.DB
	who    postgres.Principal
	crm    *crm.Store
	store  *transfer.Store
	runner *transfer.Runner
	worker int32
}

func newFixture(tb testing.TB) *fixture {
	tb.Helper()
	db := postgrestest.New(tb)
	f := &fixture{TB: tb, db: db, who: postgrestest.Organization(tb, db), crm: &crm.Store{}, store: &transfer.Store{}}
	f.runner = &transfer.Runner{DB: db, Entities: f.crm, Logger: slog.New(slog.DiscardHandler)}
	f.worker, _ = postgrestest.Worker(tb, db)
	return f
}

func (f *fixture) as(fn func(ctx context.Context, tx pgx.Tx) error) {
	f.Helper()
	if err := f.db.As(f.Context(), f.who, func(tx pgx.Tx) error { return fn(f.Context(), tx) }); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) upload(kind crm.Kind, name, content string) transfer.Import {
	f.Helper()
	return f.uploadFrom(kind, name, strings.NewReader(content))
}

func (f *fixture) uploadFrom(kind crm.Kind, name string, from io.Reader) transfer.Import {
	f.Helper()
	i, err := f.store.Upload(f.Context(), f.db, f.who, kind, name, from)
	if err != nil {
		f.Fatal(err)
	}
	return i
}

func (f *fixture) change(i transfer.Import, c transfer.Change) transfer.Import {
	f.Helper()
	i, err := f.store.ChangeImport(f.Context(), f.db, f.who, i.ID, c)
	if err != nil {
		f.Fatal(err)
	}
	return i
}

type begin func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (transfer.Import, error)

// do begins a task and does it.
func (f *fixture) do(i transfer.Import, what begin) transfer.Import {
	f.Helper()
	f.begin(i, what)
	f.work()
	return f.get(i)
}

func (f *fixture) begin(i transfer.Import, what begin) {
	f.Helper()
	f.as(func(ctx context.Context, tx pgx.Tx) error {
		_, err := what(ctx, tx, i.ID)
		return err
	})
}

// work does all tasks there are.
func (f *fixture) work() {
	f.Helper()
	for {
		more, err := f.runner.Step(f.Context(), f.worker)
		if err != nil {
			f.Fatal(err)
		}
		if !more {
			return
		}
	}
}

func (f *fixture) get(i transfer.Import) (now transfer.Import) {
	f.Helper()
	f.as(func(ctx context.Context, tx pgx.Tx) (err error) {
		now, err = f.store.GetImport(ctx, tx, i.ID)
		return err
	})
	return now
}

// refusals is the error file.
func (f *fixture) refusals(i transfer.Import) string {
	f.Helper()
	var b bytes.Buffer
	if err := f.store.WriteRefusals(f.Context(), f.db, f.who, i, &b); err != nil {
		f.Fatal(err)
	}
	return strings.ReplaceAll(strings.TrimPrefix(b.String(), "\ufeff"), "\r\n", "\n")
}

// all are the entities of a kind that are not deleted, by a field.
func (f *fixture) all(kind crm.Kind, sort string) (found []crm.Entity) {
	f.Helper()
	f.as(func(ctx context.Context, tx pgx.Tx) error {
		page, err := f.crm.List(ctx, tx, kind, crm.Query{Sort: []crm.Sort{{Field: sort}}, Limit: 1000})
		found = page.Items
		return err
	})
	return found
}

func (f *fixture) save(entities ...crm.Entity) {
	f.Helper()
	f.as(func(ctx context.Context, tx pgx.Tx) error {
		return f.crm.Save(ctx, tx, crm.By{Actor: f.who.Actor, Origin: "crm"}, entities)
	})
}
