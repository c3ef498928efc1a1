// Package postgrestest gives each test a PostgreSQL database of its own, on a real server that lives as long as the
// test binary. The server is the hub's private one; nothing but Go is needed.
package postgrestest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"crmhub/core/postgres"
	"crmhub/core/postgres/private"
)

// Main runs the tests of a package that uses New, stops the server and fails if a goroutine is left:
//
//	func TestMain(m *testing.M) { postgrestest.Main(m) }
func Main(m *testing.M, options ...goleak.Option) {
	goleak.VerifyTestMain(stopping{m}, options...)
}

type stopping struct{ m *testing.M }

func (s stopping) Run() int {
	fewerCases()
	code := s.m.Run()
	if err := shared.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the test server:", err)
		return max(code, 1)
	}
	return code
}

// fewerCases has rapid draw 30 cases of a property rather than 100, unless -rapid.checks says how many: here each talks to a server.
func fewerCases() {
	if f := flag.Lookup("rapid.checks"); f != nil {
		_ = f.Value.Set("30")
	}
}

// New returns a new, migrated, empty database. It is closed when the test ends.
func New(t testing.TB) *postgres.DB {
	t.Helper()
	return Open(t, URL(t))
}

// URL returns the connection string of a new, migrated, empty database.
func URL(t testing.TB) string {
	t.Helper()
	return shared.clone(t)
}

// Open opens a further pool on a database made by URL, as another process would. It is closed when the test ends.
func Open(t testing.TB, u string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: u, MaxConns: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// Organization makes an organization in the database and returns the hub itself acting in it.
func Organization(t testing.TB, db *postgres.DB) postgres.Principal {
	t.Helper()
	id := uuid.New()
	err := db.AsSystem(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `insert into organizations (id, code, name, base_currency) values ($1, $2, 'Test', 'EUR')`,
			id, "t"+id.String()[:8])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return postgres.Principal{Organization: id, Actor: postgres.System}
}

// shared is the one server of the test binary.
var shared cluster //nolint:gochecknoglobals // a test binary has one server

type cluster struct {
	once   sync.Once
	err    error
	dir    string
	server *private.Server
	admin  *postgres.DB
	guard  io.Closer
	count  atomic.Int64
}

const template = "crmhub"

func (c *cluster) clone(t testing.TB) string {
	c.once.Do(func() { c.err = c.start(folder(t)) })
	if c.err != nil {
		t.Fatal("start the test server:", c.err)
	}
	name := fmt.Sprintf("test_%d", c.count.Add(1))
	if err := c.admin.CreateDatabase(t.Context(), name, template); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(c.server.URL())
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	t.Cleanup(func() { // whoever used it has closed it
		if err := c.drop(context.WithoutCancel(t.Context()), name); err != nil {
			t.Log("drop the test's database: ", err)
		}
	})
	return u.String()
}

func (c *cluster) drop(ctx context.Context, name string) error {
	u, err := url.Parse(c.server.URL())
	if err != nil {
		return err
	}
	u.Path = "/postgres"
	conn, err := pgx.Connect(ctx, u.String())
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "drop database "+pgx.Identifier{name}.Sanitize()+" with (force)")
	return errors.Join(err, conn.Close(ctx))
}

// folder is where the server of a test binary lives: of tests in memory, of benchmarks, whose databases are large, on disk.
func folder(t testing.TB) string {
	if _, is := t.(*testing.B); is {
		return ""
	}
	return inMemory()
}

func (c *cluster) start(folder string) error {
	ctx := context.Background() //nolint:forbidigo // the server outlives the test that needs it first
	var err error
	if c.dir, err = os.MkdirTemp(folder, "crmhub-test-*"); err != nil {
		return err
	}
	if err := os.Chmod(c.dir, 0o755); err != nil { //nolint:gosec // the server's user must pass through
		return err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	config := private.Config{
		Dir: filepath.Join(c.dir, "pg"), Cache: filepath.Join(cache, "crmhub"), Logger: slog.New(slog.DiscardHandler),
		Settings: map[string]string{"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"},
	}
	made, err := newMade(config.Cache)
	if err != nil {
		return err
	}
	if !made.copyTo(ctx, config.Dir) {
		if err := migrate(ctx, config); err != nil {
			return err
		}
		made.keep(ctx, config.Dir)
	}
	if c.server, err = private.Start(ctx, config); err != nil {
		return err
	}
	if err := c.startGuard(); err != nil {
		return err
	}
	u, err := url.Parse(c.server.URL())
	if err != nil {
		return err
	}
	u.Path = "/postgres"
	c.admin, err = postgres.Open(ctx, postgres.Config{URL: u.String(), MaxConns: 4})
	return err
}

// migrate makes a server whose database is migrated, and stops it.
func migrate(ctx context.Context, c private.Config) (err error) {
	server, err := private.Start(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop(ctx)) }()
	db, err := postgres.Open(ctx, postgres.Config{URL: server.URL(), MaxConns: 1})
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Migrate(ctx)
	return err
}

// startGuard starts a shell that stops the server once this process is gone, however it went.
func (c *cluster) startGuard() error {
	stop := c.server.StopCommand()
	guard := exec.Command("sh", append([]string{"-c", `read -r _; "$@" >/dev/null 2>&1; rm -rf "$0"`, c.dir}, stop.Args...)...) //nolint:noctx // it outlives every test
	guard.SysProcAttr = stop.SysProcAttr
	guard.Dir = stop.Dir
	in, err := guard.StdinPipe()
	if err != nil {
		return err
	}
	c.guard = in
	return guard.Start()
}

func (c *cluster) stop() error {
	if c.server == nil {
		return nil
	}
	if c.admin != nil {
		c.admin.Close()
	}
	err := c.server.Stop(context.Background()) //nolint:forbidigo // after the last test
	if c.guard != nil {
		_ = c.guard.Close()
	}
	_ = os.RemoveAll(c.dir)
	return err
}
