package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

func TestTransactionSeesItsOrganizationOnly(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	a, b := postgrestest.Organization(t, db), postgrestest.Organization(t, db)
	addCustomer(t, db, a, "A1")

	for name, tc := range map[string]struct {
		who  postgres.Principal
		want int
	}{"own": {a, 1}, "other": {b, 0}} {
		if got := countCustomers(t, db, tc.who); got != tc.want {
			t.Errorf("%s organization sees %d customers, want %d", name, got, tc.want)
		}
	}
	err := db.As(t.Context(), b, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `insert into contact_customers (contact_id, seq, customer_id) select $1, 0, id from customers`, uuid.New())
		return err
	})
	if err != nil {
		t.Errorf("inserting nothing must not fail: %v", err)
	}
	err = db.As(t.Context(), b, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `update customers set organization_id = $1`, a.Organization)
		return err
	})
	if err != nil {
		t.Errorf("updating no visible row must not fail: %v", err)
	}
}

// A server that takes no writes, such as a standby before it takes over, is away: the same write may succeed later.
func TestServerThatTakesNoWritesIsUnavailable(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	err := db.As(t.Context(), postgrestest.Organization(t, db), func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "set transaction read only"); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), "delete from customers")
		return err
	})
	if !postgres.Unavailable(err) {
		t.Errorf("%v", err)
	}
}

func TestTransactionWithoutPrincipalIsRefused(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	org := uuid.New()
	for name, p := range map[string]postgres.Principal{
		"nobody":       {},
		"no actor":     {Organization: org},
		"odd actor":    {Organization: org, Actor: "user:'; reset role; --"},
		"unknown kind": {Organization: org, Actor: "root:" + postgres.Actor(org.String())},
	} {
		if err := db.As(t.Context(), p, func(pgx.Tx) error { return nil }); !errors.Is(err, postgres.ErrNoPrincipal) {
			t.Errorf("%s: got %v, want ErrNoPrincipal", name, err)
		}
	}
}

// What is asked in one round trip is one transaction with the same bounds, and leaves nothing of it to the session.
func TestAskingIsATransactionOfItsOwn(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	a, b := postgrestest.Organization(t, db), postgrestest.Organization(t, db)
	addCustomer(t, db, a, "A1")
	count := func(p postgres.Principal) (n int) {
		var batch pgx.Batch
		batch.Queue("select count(*) from customers").QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
		if err := db.Ask(t.Context(), p, &batch); err != nil {
			t.Error(err)
		}
		return n
	}
	narrow := postgres.Principal{Organization: a.Organization, Actor: postgres.User(uuid.New())}
	if own, other, blind := count(a), count(b), count(narrow); own != 1 || other != 0 || blind != 0 {
		t.Errorf("its own see %d, others %d, who reaches nothing %d", own, other, blind)
	}
	var nobody, failing, left pgx.Batch
	if err := db.Ask(t.Context(), postgres.Principal{Organization: a.Organization}, &nobody); !errors.Is(err, postgres.ErrNoPrincipal) {
		t.Errorf("nobody: got %v, want ErrNoPrincipal", err)
	}
	failing.Queue("update customers set name = 'changed'")
	failing.Queue("select 1 / 0")
	if code, _ := postgres.ErrorCode(db.Ask(t.Context(), a, &failing)); code != "22012" {
		t.Errorf("got code %q, want a division by zero", code)
	}
	var changed int
	left.Queue("select count(*) from customers where name = 'changed'").QueryRow(func(row pgx.Row) error { return row.Scan(&changed) })
	if err := db.Ask(t.Context(), a, &left); err != nil || changed != 0 {
		t.Errorf("%d are changed by a transaction that failed, %v", changed, err)
	}
	var refused pgx.Batch
	refused.Queue("select count(*) from customers")
	if code, _ := postgres.ErrorCode(db.AskSystem(t.Context(), &refused)); code != "42501" {
		t.Errorf("the system read customers: code %q", code)
	}
	// The session is a superuser's: what it was told for the transaction is gone.
	var role, organization string
	err := db.AsSystem(t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "select current_user, coalesce(current_setting('crmhub.organization', true), '')").Scan(&role, &organization)
	})
	if err != nil || role != "crmhub_system" || organization != "" {
		t.Errorf("the next is %q of %q, %v", role, organization, err)
	}
}

func TestSystemCannotReadBusinessData(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	err := db.AsSystem(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "select * from customers")
		return err
	})
	if code, _ := postgres.ErrorCode(err); code != "42501" {
		t.Errorf("got %v, want insufficient_privilege", err)
	}
}

func TestWorkerIsAliveWhileItsSessionLives(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	worker, die := postgrestest.Worker(t, db)
	if !postgrestest.Alive(t, db, worker) {
		t.Error("a running worker is not alive")
	}
	die() // waits until it is dead
}

func TestLosingTheSessionEndsTheWorker(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	err := db.AsWorker(t.Context(), func(ctx context.Context, _ int32) error {
		kill(t, db)
		<-ctx.Done()
		return nil
	})
	if err == nil {
		t.Error("a worker without its session ended well")
	}
}

func TestOneLeadsAtATimeAndTheNextTakesOver(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan int)
	done := make(chan error, 2)
	for i := range 2 {
		go func() {
			done <- db.Lead(ctx, "test", func(ctx context.Context) error {
				started <- i
				<-ctx.Done()
				return nil
			})
		}()
	}
	first := <-started
	select {
	case <-started:
		t.Fatal("two lead at once")
	case <-time.After(time.Second):
	}
	kill(t, db)
	next := <-started
	t.Logf("%d led first, then %d", first, next)
	cancel()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestMigratingTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	applied, err := db.Migrate(t.Context())
	if err != nil || len(applied) != 0 {
		t.Errorf("got %v, %v; want nothing applied", applied, err)
	}
}

func TestOlderProgramRefusesANewerSchema(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	err := db.AsSystem(t.Context(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "reset role"); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), "insert into goose_db_version (version_id, is_applied) values (9999, true)")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.WatchSchema(t.Context()); !errors.Is(err, postgres.ErrNewerSchema) {
		t.Errorf("a program that runs: got %v", err)
	}
	if _, err := db.Migrate(t.Context()); !errors.Is(err, postgres.ErrNewerSchema) {
		t.Errorf("got %v", err)
	}
}

func addCustomer(t *testing.T, db *postgres.DB, p postgres.Principal, code string) {
	t.Helper()
	err := db.As(t.Context(), p, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `
			insert into customers (id, version, code, name, kind, lifecycle, created_at, created_by, updated_at, updated_by)
			values ($1, 1, $2, $2, 'company', 'lead', now(), 'system', now(), 'system')`, uuid.New(), code)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func countCustomers(t *testing.T, db *postgres.DB, p postgres.Principal) (n int) {
	t.Helper()
	err := db.As(t.Context(), p, func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "select count(*) from customers").Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func kill(t *testing.T, db *postgres.DB) {
	t.Helper()
	err := db.AsSystem(t.Context(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "reset role"); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'
			and database = (select oid from pg_database where datname = current_database())`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A session that broke while it waited in the pool is found out by whoever asks for it next: nothing was sent, and nobody is at fault.
func TestBrokenSessionIsNoFaultOfWhatWasAsked(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	who := postgrestest.Organization(t, db)
	err := db.As(t.Context(), who, func(tx pgx.Tx) error {
		if err := tx.Conn().Close(t.Context()); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), "select 1")
		return err
	})
	if !postgres.Unavailable(err) {
		t.Errorf("%v", err)
	}
	full := &pgconn.PgError{Code: "53100"}
	if !postgres.Full(full) || !postgres.Unavailable(full) || postgres.Full(err) {
		t.Error("a full disk is not told from others")
	}
}

func TestTooFewSessionsAreTold(t *testing.T) {
	t.Parallel()
	url := postgrestest.URL(t)
	db := postgrestest.Open(t, url)
	if err := db.CheckRoom(t.Context()); err != nil {
		t.Errorf("of 200: %v", err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	name := pgx.Identifier{conn.Config().Database}.Sanitize()
	if _, err := conn.Exec(t.Context(), "alter database "+name+" connection limit 20"); err != nil {
		t.Fatal(err)
	}
	if err := db.CheckRoom(t.Context()); !errors.Is(err, postgres.ErrRoom) {
		t.Errorf("of 20: %v", err)
	}
}
