package crm_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
)

// BenchmarkListByScope lists the newest page of 200,000 customers of 100 owners under each scope; a department has ten of
// them, the tree fifty. With -v it
// shows the plan of a count, which has no page to stop at.
func BenchmarkListByScope(b *testing.B) {
	db := postgrestest.New(b)
	who := postgrestest.Organization(b, db)
	owners := make([]uuid.UUID, 100)
	for i := range owners {
		owners[i] = uuid.New()
	}
	s := &shop{db: db, who: who}
	err := s.as(b, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "insert into users (id, login, name) select id, id::text, 'x' from unnest($1::uuid[]) id", owners)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			insert into customers (id, version, code, name, kind, lifecycle, owner_id, created_at, created_by, updated_at, updated_by)
			select gen_random_uuid(), 1, g::text, 'Customer ' || g, 'company', 'lead', ($1::uuid[])[1 + g % 100], now(), 'system', now() - g * interval '1 s', 'system'
			from generate_series(1, 200000) g`, owners)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "reset role")
		if err == nil {
			_, err = tx.Exec(ctx, "analyze customers")
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	people := postgres.Owners{Own: owners[0], Department: owners[:10], DepartmentTree: owners[:50]}
	for _, scope := range postgres.Scopes() {
		b.Run(string(scope), func(b *testing.B) {
			s.who.Actor = postgres.User(owners[0])
			s.who.Reach = postgres.NewReach(people, map[string]postgres.Scope{"customer.read": scope})
			q := crm.Query{}
			q.Owners, _ = people.Of(scope)
			s.explain(b, "select count(*) from customers where deleted_at is null")
			for b.Loop() {
				if n := len(s.list(b, crm.KindCustomer, q).Items); n != 50 {
					b.Fatalf("%d rows", n)
				}
			}
		})
	}
}

func (s *shop) explain(b *testing.B, sql string) {
	b.Helper()
	if !testing.Verbose() {
		return
	}
	err := s.as(b, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "explain (analyze, costs off, timing off) "+sql)
		if err != nil {
			return err
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		b.Log(strings.Join(lines, "\n"))
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}
