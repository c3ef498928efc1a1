package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// DB is a pool of connections to one database. It is safe for concurrent use.
type DB struct {
	pool  *pgxpool.Pool
	turns *turns
}

// Config says how to reach the database.
type Config struct {
	URL      string // a PostgreSQL connection string
	MaxConns int32  // 0: 10
}

// Open connects and checks that the server answers. It migrates nothing.
func Open(ctx context.Context, c Config) (*DB, error) {
	pc, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		// The error of ParseConfig repeats the URL, password included.
		return nil, errors.New("open database: the connection string cannot be parsed")
	}
	pc.MaxConns = c.MaxConns
	if pc.MaxConns == 0 {
		pc.MaxConns = 10
	}
	pc.ConnConfig.RuntimeParams["application_name"] = "crmhub"
	pc.ConnConfig.RuntimeParams["timezone"] = "UTC"
	pc.ConnConfig.RuntimeParams["jit"] = "off" // compiling takes longer than what it speeds up here
	pc.AfterConnect = func(_ context.Context, c *pgx.Conn) error {
		m := c.TypeMap()
		m.TryWrapEncodePlanFuncs = append([]pgtype.TryWrapEncodePlanFunc{wrapUUID}, m.TryWrapEncodePlanFuncs...)
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("reach database %s at %s: %w", pc.ConnConfig.Database, pc.ConnConfig.Host, err)
	}
	return &DB{pool: pool, turns: newTurns(pc.MaxConns)}, nil
}

// Close waits for connections in use to come back and closes them all.
func (db *DB) Close() { db.pool.Close() }

// Ping reports whether the server answers.
func (db *DB) Ping(ctx context.Context) error { return db.pool.Ping(ctx) }

// Principal is who acts in a transaction: an organization, and within it somebody or something.
type Principal struct {
	Organization uuid.UUID
	Actor        Actor
	Reach        *Reach // of users and tokens, who see no guarded row without; the hub and connections see all
}

// Actor is written to created_by and updated_by, for example user:0198… or connection:0198….
type Actor string

// User is a person at the console.
func User(id uuid.UUID) Actor { return Actor("user:" + id.String()) }

// Token is a program at the API.
func Token(id uuid.UUID) Actor { return Actor("token:" + id.String()) }

// Connection is a remote system whose records are pulled.
func Connection(id uuid.UUID) Actor { return Actor("connection:" + id.String()) }

// System is the hub acting on its own.
const System Actor = "system"

// Whole reports whether the actor is no person and acts on the whole organization.
func (a Actor) Whole() bool { return a == System || strings.HasPrefix(string(a), "connection:") }

// ErrNoPrincipal is returned for a transaction that names no organization or an actor that is none.
var ErrNoPrincipal = errors.New("no principal: an organization and an actor are required")

func (p Principal) check() error {
	kind, id, _ := strings.Cut(string(p.Actor), ":")
	switch kind {
	case "user", "token", "connection":
		if _, err := uuid.Parse(id); err != nil {
			return ErrNoPrincipal
		}
	case "system":
		if id != "" {
			return ErrNoPrincipal
		}
	default:
		return ErrNoPrincipal
	}
	if p.Organization == uuid.Nil {
		return ErrNoPrincipal
	}
	return nil
}

// As runs fn in a transaction that sees and writes p's organization only, and commits when fn returns nil.
// The transaction is read committed. fn must not use the transaction after it returned.
func (db *DB) As(ctx context.Context, p Principal, fn func(tx pgx.Tx) error) error {
	if err := p.check(); err != nil {
		return err
	}
	settings := p.settings()
	if p.Actor.Whole() {
		settings = append(settings, planOnce)
	}
	return db.run(ctx, begin(settings), fn)
}

// Ask sends the queries of a batch as p, in one transaction and one round trip. It is for look-ups by keys, which are
// known beforehand and planned once a session; what they return goes to the functions given to [pgx.QueuedQuery], whose
// errors it returns.
func (db *DB) Ask(ctx context.Context, p Principal, b *pgx.Batch) error {
	if err := p.check(); err != nil {
		return err
	}
	return db.ask(ctx, append(p.settings(), planOnce), b)
}

// Look is Ask for what is read of one resource. Who reaches all of it asks as a role that sees all of it or nothing (migration 0046), which spares the
// server what narrower reaches need.
func (db *DB) Look(ctx context.Context, p Principal, resource string, b *pgx.Batch) error {
	if err := p.check(); err != nil {
		return err
	}
	if !p.readsAll(resource) || !isWords(resource) {
		return db.ask(ctx, append(p.settings(), planOnce), b)
	}
	for _, q := range b.QueuedQueries {
		q.SQL = "/* whole */ " + q.SQL // a plan is one role's: with the same text each change of the role would plan anew
	}
	// Of the settings its policies ask for these alone.
	return db.ask(ctx, []setting{
		{"role", "crmhub_reader"}, {"crmhub.organization", p.Organization.String()}, {"crmhub.reach", ";" + resource + ".read=" + string(ScopeOrganization) + ";"}, planOnce,
	}, b)
}

func (p Principal) readsAll(resource string) bool {
	return p.Actor.Whole() || p.Reach.readsAll(resource)
}

// setting is a run-time parameter for the length of a transaction.
type setting struct{ name, value string }

// planOnce lets the server plan a statement once a session. The hub's own work is few statements, executed often with
// batches of all sizes, and planning one for each batch anew takes longer than executing it. People's lists and reports
// are planned for what they ask.
var planOnce = setting{"plan_cache_mode", "force_generic_plan"} //nolint:gochecknoglobals // a constant

// settings say who acts and how far.
func (p Principal) settings() []setting {
	s := append(make([]setting, 0, 8),
		setting{"role", "crmhub_app"}, setting{"crmhub.organization", p.Organization.String()}, setting{"crmhub.actor", string(p.Actor)})
	switch {
	case p.Actor.Whole():
		return append(s, everywhere)
	case p.Reach == nil:
		return s
	}
	return append(s, p.Reach.settings...)
}

// begin opens a transaction with settings, in one round trip. No value can carry a quote of either form: UUIDs printed by us, a kind with a
// UUID (check), and words of the alphabet (NewReach).
func begin(settings []setting) string {
	var b strings.Builder
	b.WriteString("begin")
	for _, s := range settings {
		b.WriteString("; set local " + s.name + " = '" + s.value + "'")
	}
	return b.String()
}

// ask lets the batch be one transaction: the server ends it with the batch.
func (db *DB) ask(ctx context.Context, settings []setting, asked *pgx.Batch) error {
	sql := make([]byte, 0, 400)
	values := make([]any, len(settings))
	for i, s := range settings {
		between := ", set_config('"
		if i == 0 {
			between = "select set_config('"
		}
		sql = append(append(append(sql, between...), s.name...), "', $"...)
		sql = append(strconv.AppendInt(sql, int64(i+1), 10), ", true)"...)
		values[i] = s.value
	}
	var b pgx.Batch
	b.Queue(string(sql), values...)
	b.QueuedQueries = append(b.QueuedQueries, asked.QueuedQueries...)
	return db.pool.SendBatch(ctx, &b).Close()
}

// AsSystem runs fn in a transaction that crosses organizations, on the tables granted to the system role:
// signing in, the outbox, jobs and runs. It is for the hub's own work, never for a request of somebody.
func (db *DB) AsSystem(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return db.run(ctx, begin(systemSettings()), fn)
}

// AskSystem is Ask with the reach of AsSystem.
func (db *DB) AskSystem(ctx context.Context, b *pgx.Batch) error {
	return db.ask(ctx, systemSettings(), b)
}

func systemSettings() []setting {
	return []setting{{"role", "crmhub_system"}, {"crmhub.actor", string(System)}, planOnce}
}

// AsAuditor runs fn in a transaction that crosses organizations to seal the audit trail: it reads what was committed, and
// inserts into the trail. It is for package audit alone.
func (db *DB) AsAuditor(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return db.run(ctx, begin([]setting{{"role", "crmhub_audit"}, {"crmhub.actor", string(System)}, planOnce}), fn)
}

func (db *DB) run(ctx context.Context, begin string, fn func(tx pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, db.pool, pgx.TxOptions{BeginQuery: begin}, fn)
}

// AsHub runs fn with the reach of the hub itself inside the transaction of somebody who may reach less: for what follows
// from a write by a rule of the hub (an order is paid because its invoices are), whoever made it, and for work that
// somebody only starts (a record is pulled again).
func AsHub(ctx context.Context, tx pgx.Tx, fn func() error) error {
	var before string
	err := tx.QueryRow(ctx, `
		with before as materialized (select coalesce(current_setting('crmhub.reach', true), '') as reach)
		select reach, set_config('crmhub.reach', '*', true) from before`).Scan(&before, nil)
	if err != nil {
		return fmt.Errorf("reach as the hub: %w", err)
	}
	err = fn()
	// After an error of the server this fails too, and whoever goes on from a savepoint has the old setting back by it.
	if _, back := tx.Exec(ctx, "select set_config('crmhub.reach', $1, true)", before); back != nil && err == nil {
		err = fmt.Errorf("reach no further: %w", back)
	}
	return err
}

// ErrorCode returns the SQLSTATE and constraint name of a server error in err's chain; empty strings if there is none.
func ErrorCode(err error) (code, constraint string) {
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pe.Code, pe.ConstraintName
	}
	return "", ""
}
