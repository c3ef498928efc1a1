// Package firmtest makes what benchmarks of the doors measure: an organization with a hundred people and the books of
// years, a million customers if asked. It is for tests only.
package firmtest

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"crmhub/core/access"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/secret"
)

// Password is everybody's.
const Password = "correct horse"

// Admin and Seller are logins of an administrator and of who sells; [Reader] names others.
const (
	Admin  = "chief"
	Seller = "seller"
)

// Firm is a large organization.
type Firm struct {
	URL    string // of its database
	DB     *postgres.DB
	Who    postgres.Principal // the hub in it
	Access *access.Store
	Key    secret.Key
}

// kept names a database that is filled once and kept, for who measures again and again.
const kept = "CRMHUB_BENCH_DATABASE"

// Open returns an organization with so many customers, half as many contacts, twice as many orders, five times as many
// activities, and a part of them of all else. Where the environment's CRMHUB_BENCH_DATABASE names a migrated database, it is
// filled unless it was before, and kept; else the firm is gone when the benchmark ends.
func Open(b testing.TB, entities []access.Entity, customers int) *Firm {
	b.Helper()
	f := &Firm{URL: os.Getenv(kept)} //nolint:forbidigo // a benchmark has no other door
	if f.URL == "" {
		f.URL = postgrestest.URL(b)
	}
	f.DB = postgrestest.Open(b, f.URL)
	var err error
	if f.Key, err = secret.NewKey(bytes.Repeat([]byte{7}, 32)); err != nil {
		b.Fatal(err)
	}
	f.Access = &access.Store{DB: f.DB, Key: f.Key, Entities: entities, TokensHeld: time.Second} // as the hub is wired
	f.Who.Actor = postgres.System
	err = f.DB.AsSystem(b.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(b.Context(), "select id from organizations where code = 'large'").Scan(&f.Who.Organization)
	})
	if err == nil {
		return f
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		b.Fatal(err)
	}
	began := time.Now()
	if err := f.hire(b.Context()); err != nil {
		b.Fatal("hire: ", err)
	}
	if err := f.fill(b.Context(), customers); err != nil {
		b.Fatal("fill: ", err)
	}
	b.Logf("the books of %d customers were made in %s", customers, time.Since(began).Round(time.Second))
	return f
}

// Reader is the login of who reads all that rows have owners of, as far as a scope.
func Reader(scope postgres.Scope) string { return "reader_" + string(scope) }

// Token makes an API token for a login.
func (f *Firm) Token(b testing.TB, login string) string {
	b.Helper()
	var id uuid.UUID
	err := f.DB.AsSystem(b.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(b.Context(), "select id from users where login = $1", login).Scan(&id)
	})
	if err != nil {
		b.Fatal("find ", login, ": ", err)
	}
	_, token, err := f.Access.AddToken(b.Context(), f.Who, id, "bench", nil)
	if err != nil {
		b.Fatal(err)
	}
	return token
}

// hire adds a hundred people: ten in a department, forty in those below it, the others elsewhere. Readers and the seller are in the
// department.
func (f *Firm) hire(ctx context.Context) error {
	o, err := f.Access.AddOrganization(ctx, access.Organization{Code: "large", Name: "Large", BaseCurrency: "EUR"})
	if err != nil {
		return err
	}
	f.Who.Organization = o.ID
	var ids []uuid.UUID
	for i, name := range []string{"Head", "North", "Harbour", "Market"} {
		d := access.Department{Name: name}
		if i > 0 {
			d.ParentID = &ids[min(i, 2)-1]
		}
		if d, err = f.Access.AddDepartment(ctx, f.Who, d); err != nil {
			return err
		}
		ids = append(ids, d.ID)
	}
	users := map[string]string{Admin: access.Admin, Seller: "sales"}
	for _, scope := range postgres.Scopes() {
		code := strings.ReplaceAll(Reader(scope), "_", "")
		var grants []access.Grant
		for _, r := range []access.Resource{"customer", "contact", "opportunity", "order", "contract", "invoice", "payment", "campaign", "ticket", "feedback", "activity", "task"} {
			grants = append(grants, access.Grant{Resource: r, Action: access.Read, Scope: scope})
		}
		grants = append(grants, access.Grant{Resource: "product", Action: access.Read, Scope: postgres.ScopeOrganization})
		if _, err := f.Access.AddRole(ctx, f.Who, access.Role{Code: code, Name: code, Grants: grants}); err != nil {
			return err
		}
		users[Reader(scope)] = code
	}
	for login, role := range users {
		if _, err := f.Access.AddUser(ctx, f.Who, access.User{Login: login, Name: login, DepartmentID: &ids[1], Roles: []string{role}}, Password); err != nil {
			return err
		}
	}
	return f.DB.As(ctx, f.Who, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			insert into users (id, login, name, department_id)
			select gen_random_uuid(), 'u' || i, 'User ' || i, ($1::uuid[])[case when i <= 4 then 2 when i <= 44 then 3 + i % 2 else 1 end]
			from generate_series(1, 94) i`, ids)
		return err
	})
}

//go:embed fill.sql
var statements string

// fill lets the server write the books itself, with foreign keys and triggers off. Indexes are made when the rows are there,
// which takes a tenth of keeping them meanwhile.
func (f *Firm) fill(ctx context.Context, customers int) error {
	now := time.Now().UTC().Format("timestamptz '2006-01-02T15:04:05Z'")
	sql := strings.NewReplacer("{organization}", f.Who.Organization.String(), "{n}", fmt.Sprint(customers), "now()", now).Replace(statements)
	_, sql, _ = strings.Cut(sql, "\n-- first\n")
	first, sql, _ := strings.Cut(sql, "\n-- ")
	var tables, fills []string
	for part := range strings.SplitSeq(sql, "\n-- ") {
		table, fill, _ := strings.Cut(part, "\n")
		tables, fills = append(tables, table), append(fills, fill)
	}
	if err := f.run(ctx, []string{first}); err != nil {
		return err
	}
	var drop, create []string
	err := f.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			select 'drop index ' || i.indexrelid::regclass, pg_get_indexdef(i.indexrelid)
			from pg_index i join pg_class t on t.oid = i.indrelid join pg_class x on x.oid = i.indexrelid
			where t.relname = any($1) and not exists (select from pg_constraint c where c.conindid = i.indexrelid)
			order by array_position($1, t.relname::text), x.relname`, tables)
		if err != nil {
			return err
		}
		var d, c string
		_, err = pgx.ForEachRow(rows, []any{&d, &c}, func() error {
			drop, create = append(drop, d), append(create, c)
			return nil
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("list indexes: %w", err)
	}
	leftovers := "drop table firm_owners, firm_customers; drop function firm_id, firm_word, firm_number, firm_chinese"
	for _, step := range [][]string{{strings.Join(drop, ";")}, fills, create, {leftovers}, {"vacuum analyze"}} {
		if err := f.run(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// run executes statements, two at a time.
func (f *Firm) run(ctx context.Context, all []string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2)
	for _, sql := range all {
		g.Go(func() error {
			conn, err := pgx.Connect(ctx, f.URL)
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
			_, err = conn.Exec(ctx, "set session_replication_role = replica; set maintenance_work_mem = '512MB'; set crmhub.organization = '"+f.Who.Organization.String()+"'")
			if err == nil {
				_, err = conn.PgConn().Exec(ctx, sql).ReadAll()
			}
			if err != nil {
				return fmt.Errorf("%w\n%s", err, strings.TrimSpace(sql))
			}
			return nil
		})
	}
	return g.Wait()
}
