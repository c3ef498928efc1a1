package postgres_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"pgregory.net/rapid"

	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
)

// everybodys are the tables that whoever writes in the organization reads: how it works. Who may change them is asked by
// the API alone.
var everybodys = []string{"pipelines", "pipeline_stages", "prices", "currency_rates", "custom_fields", "product_categories"}

// TestEveryEntityIsGuarded finds tables that somebody added without guarding them: whatever can be deleted softly is an
// entity, and whatever is deleted together with one is a part of it.
func TestEveryEntityIsGuarded(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	var open []string
	err := db.AsSystem(t.Context(), func(tx pgx.Tx) error {
		rows, err := tx.Query(t.Context(), `
			with entities as (
				select attrelid as id from pg_attribute a join pg_class c on c.oid = a.attrelid
				where a.attname = 'deleted_at' and c.relkind = 'r' and c.relnamespace = 'public'::regnamespace),
			guarded as (
				select id from entities
				union select conrelid from pg_constraint where contype = 'f' and confdeltype = 'c' and confrelid in (select id from entities))
			select g.id::regclass || ' ' || c.cmd from guarded g cross join (values ('r'), ('a'), ('w'), ('d')) c(cmd)
			where not exists (select from pg_policy p where p.polrelid = g.id and not p.polpermissive and p.polcmd::text = c.cmd)
				and g.id::regclass::text <> all($1)
			order by 1`, everybodys)
		if err != nil {
			return err
		}
		open, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(open) > 0 {
		t.Errorf("call guard_rows or guard_part for %v", open)
	}
}

func TestNoReachIsNothing(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	hub := postgrestest.Organization(t, db)
	addCustomer(t, db, hub, "A")
	person := postgres.Principal{Organization: hub.Organization, Actor: postgres.User(uuid.New())}
	wants := func(want string, s postgres.Scope) *postgres.Reach {
		return postgres.NewReach(postgres.Owners{Own: uuid.New()}, map[string]postgres.Scope{want: s})
	}
	for name, tc := range map[string]struct {
		reach *postgres.Reach
		want  int
	}{
		"none":                  {nil, 0},
		"everywhere":            {postgres.Everywhere(), 1},
		"nothing wanted":        {postgres.NewReach(postgres.Owners{}, nil), 0},
		"the organization":      {wants("customer.read", postgres.ScopeOrganization), 1},
		"any resource":          {wants("*.read", postgres.ScopeOrganization), 1},
		"what nobody owns":      {wants("customer.read", postgres.ScopeDepartmentTree), 0},
		"another action":        {wants("customer.change", postgres.ScopeOrganization), 0},
		"another resource":      {wants("custome.read", postgres.ScopeOrganization), 0},
		"the end of a resource": {wants("xcustomer.read", postgres.ScopeOrganization), 0},
		"a scope there is not":  {wants("customer.read", "galaxy"), 0},
		"a quote":               {wants("customer.read=organization;'; reset role; --", postgres.ScopeOrganization), 0},
	} {
		person.Reach = tc.reach
		if got := countCustomers(t, db, person); got != tc.want {
			t.Errorf("%s: sees %d customers, want %d", name, got, tc.want)
		}
		if got := lookAt(t, db, person, "select from customers"); got != int64(tc.want) {
			t.Errorf("%s: one who reads customers alone sees %d, want %d", name, got, tc.want)
		}
	}
	// Within one transaction the hub's reach ends where the rule of the hub ends.
	person.Reach = nil
	err := db.As(t.Context(), person, func(tx pgx.Tx) error {
		count := func() (n int) {
			if err := tx.QueryRow(t.Context(), "select count(*) from customers").Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		err := postgres.AsHub(t.Context(), tx, func() error {
			if count() != 1 {
				t.Error("the hub does not see everything")
			}
			return nil
		})
		if count() != 0 {
			t.Error("who acts still sees as the hub")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// lookAt counts what a statement about customers returns to who reads nothing else.
func lookAt(t *testing.T, db *postgres.DB, who postgres.Principal, sql string) (n int64) {
	t.Helper()
	var b pgx.Batch
	b.Queue(sql).Exec(func(tag pgconn.CommandTag) error {
		n = tag.RowsAffected()
		return nil
	})
	if err := db.Look(t.Context(), who, "customer", &b); err != nil {
		t.Error(err)
	}
	return n
}

// asReader counts what a statement returns to the role that Look takes for who reaches everything, whoever has it.
func asReader(t *testing.T, db *postgres.DB, who postgres.Principal, sql string) (n int64) {
	t.Helper()
	var b pgx.Batch
	b.Queue("set local role crmhub_reader")
	b.Queue(sql).Exec(func(tag pgconn.CommandTag) error {
		n = tag.RowsAffected()
		return nil
	})
	if err := db.Ask(t.Context(), who, &b); err != nil {
		t.Error(err)
	}
	return n
}

// TestWhoReadsAllReadsOneOrganization asks as the role of those who read all: for another organization's rows, with no organization, and to write.
func TestWhoReadsAllReadsOneOrganization(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	a, b := postgrestest.Organization(t, db), postgrestest.Organization(t, db)
	addCustomer(t, db, a, "A")
	if of, other := lookAt(t, db, a, "select from customers"), lookAt(t, db, b, "select from customers"); of != 1 || other != 0 {
		t.Errorf("its own see %d, others %d", of, other)
	}
	for _, sql := range []string{"update customers set name = 'x'", "delete from customers", "select from users", "select from api_tokens", "select from audit_log"} {
		var batch pgx.Batch
		batch.Queue(sql)
		if code, _ := postgres.ErrorCode(db.Look(t.Context(), a, "customer", &batch)); code != "42501" {
			t.Errorf("%s: code %q, want insufficient privilege", sql, code)
		}
	}
}

// TestVisibleRowsAreThoseOfTheScope compares what the policies let through, on a table and on its parts, for reading and
// for writing, with what the scope means, for random owners and random groups of people.
func TestVisibleRowsAreThoseOfTheScope(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	hub := postgrestest.Organization(t, db)
	people := make([]uuid.UUID, 6)
	for i := range people {
		people[i] = uuid.New()
	}
	owners := map[uuid.UUID]uuid.UUID{} // of customers; nil is nobody
	exec := func(p postgres.Principal, sql string, args ...any) (rows int64, err error) {
		err = db.As(t.Context(), p, func(tx pgx.Tx) error {
			tag, err := tx.Exec(t.Context(), sql, args...)
			rows = tag.RowsAffected()
			return err
		})
		return rows, err
	}
	if _, err := exec(hub, "insert into users (id, login, name) select u, u::text, 'x' from unnest($1::uuid[]) u", people); err != nil {
		t.Fatal(err)
	}
	const insert = `insert into customers (id, version, code, name, kind, lifecycle, owner_id, created_at, created_by, updated_at, updated_by)
		values ($1::uuid, 1, ($1::uuid)::text, 'x', 'company', 'lead', $2, now(), 'system', now(), 'system')`
	for i := range 30 {
		id := uuid.New()
		var owner *uuid.UUID
		if i%7 > 0 {
			owner = &people[i%7-1]
			owners[id] = *owner
		} else {
			owners[id] = uuid.Nil
		}
		if _, err := exec(hub, insert, id, owner); err != nil {
			t.Fatal(err)
		}
		if _, err := exec(hub, "insert into customer_addresses (customer_id, seq, kind) values ($1, 0, 'bill')", id); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		some := rapid.SliceOfDistinct(rapid.SampledFrom(people), rapid.ID[uuid.UUID])
		o := postgres.Owners{Own: people[0], Department: some.Draw(rt, "department"), DepartmentTree: some.Draw(rt, "tree")}
		scope := rapid.SampledFrom(append(postgres.Scopes(), postgres.ScopeNone))
		read, change, create := scope.Draw(rt, "read"), scope.Draw(rt, "change"), scope.Draw(rt, "create")
		who := postgres.Principal{Organization: hub.Organization, Actor: postgres.User(people[0])}
		who.Reach = postgres.NewReach(o, map[string]postgres.Scope{"customer.read": read, "customer.change": change, "customer.create": create})
		reached := func(s postgres.Scope, owner uuid.UUID) bool {
			switch s {
			case postgres.ScopeOwn:
				return owner == people[0]
			case postgres.ScopeDepartment:
				return slices.Contains(o.Department, owner)
			case postgres.ScopeDepartmentTree:
				return slices.Contains(o.DepartmentTree, owner)
			}
			return s == postgres.ScopeOrganization
		}
		want := map[string]int64{}
		for _, owner := range owners {
			if reached(read, owner) {
				want["seen"]++
				want["parts seen"]++
				if reached(change, owner) {
					want["locked"]++
					want["changed"]++
				}
				if reached(change, owner) || reached(create, owner) {
					want["parts changed"]++
				}
			}
		}
		got := map[string]int64{}
		for name, sql := range map[string]string{
			"seen": "select from customers", "parts seen": "select from customer_addresses", "locked": "select from customers for no key update",
			"changed": "update customers set remark = 'x' where version > 0", "parts changed": "update customer_addresses set city = 'x' where seq >= 0",
		} {
			n, err := exec(who, sql)
			if err != nil {
				rt.Fatalf("%s: %v", name, err)
			}
			if n > 0 {
				got[name] = n
			}
			if strings.HasSuffix(name, "seen") {
				if looked := lookAt(t, db, who, sql); looked != n {
					rt.Errorf("%s: %d of one resource alone, %d else", name, looked, n)
				}
			}
			if read == postgres.ScopeOrganization || name == "changed" || name == "parts changed" || name == "locked" {
				continue
			}
			if n := asReader(t, db, who, sql); n != 0 {
				rt.Errorf("%s: with the scope %q the role of those who read all sees %d", name, read, n)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Errorf("read %q, change %q (-want +got):\n%s", read, change, diff)
		}
		owner := rapid.SampledFrom(people).Draw(rt, "owner")
		id := uuid.New()
		if _, err := exec(who, insert, id, owner); (err == nil) != reached(create, owner) {
			rt.Errorf("creating with the scope %q: %v", create, err)
		} else if err == nil {
			if _, err := exec(hub, "delete from customers where id = $1", id); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

// TestEverybodyThereWasBecomesAdministrator migrates a database of the version before roles, with an organization in it.
func TestEverybodyThereWasBecomesAdministrator(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(postgrestest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	name := u.Path[1:] + "_before"
	if err := postgrestest.Open(t, u.String()).CreateDatabase(t.Context(), name, ""); err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	old, err := sql.Open("pgx", u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = old.Close() }()
	p, err := goose.NewProvider(goose.DialectPostgres, old, postgres.Migrations(), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	_, err = old.ExecContext(t.Context(), `
		insert into organizations (id, code, name, base_currency) select gen_random_uuid(), c, c, 'EUR' from unnest('{one,two}'::text[]) c;
		insert into users (organization_id, id, login, name) select id, gen_random_uuid(), n || code, 'x' from organizations, unnest('{a,b}'::text[]) n`)
	if err != nil {
		t.Fatal(err)
	}
	db := postgrestest.Open(t, u.String())
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var lines []string
	err = db.AsSystem(t.Context(), func(tx pgx.Tx) error { return collect(t.Context(), tx, &lines) })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"aone admin", "atwo admin", "bone admin", "btwo admin"}, lines[:len(lines)-1]); diff != "" {
		t.Errorf("roles (-want +got):\n%s", diff)
	}
	// The same roles, whether an organization was there or comes later.
	postgrestest.Organization(t, db)
	err = db.AsSystem(t.Context(), func(tx pgx.Tx) error {
		var kinds int
		err := tx.QueryRow(t.Context(), `
			select count(distinct said) from (select string_agg(concat_ws(' ', r.code, g.resource, g.action, g.scope), ',' order by r.code, g.resource, g.action)
				|| (select coalesce(string_agg(concat_ws(' ', f.resource, f.field, f.access), ',' order by f.resource, f.field), '') from role_fields f where f.organization_id = r.organization_id) as said
			from roles r join role_grants g on g.role_id = r.id group by r.organization_id) s`).Scan(&kinds)
		if kinds != 1 {
			t.Errorf("organizations have %d sets of roles", kinds)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func collect(ctx context.Context, tx pgx.Tx, lines *[]string) error {
	rows, err := tx.Query(ctx, `
		select u.login || ' ' || r.code from users u join user_roles h on h.user_id = u.id join roles r on r.id = h.role_id
		union all select 'zz ' || count(*) from roles order by 1`)
	if err != nil {
		return err
	}
	*lines, err = pgx.CollectRows(rows, pgx.RowTo[string])
	if err == nil && (*lines)[len(*lines)-1] != "zz 16" {
		err = fmt.Errorf("two organizations have %s roles", (*lines)[len(*lines)-1])
	}
	return err
}
