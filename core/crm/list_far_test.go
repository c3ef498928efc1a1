package crm_test

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
)

// TestPagesStandWhereverTheyStand lists what is many, first, last or in the middle of another order, and few.
func TestPagesStandWhereverTheyStand(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	// As codes go up, so do times for the first half of the list; the second goes back from later ones.
	err := s.as(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			insert into customers (id, version, code, name, kind, lifecycle, updated_at, created_by, created_at, updated_by)
			select gen_random_uuid(), 1, to_char(n, 'FM00000'), 'x', 'company', 'lead',
				at, 'system', at, 'system'
			from generate_series(1, 40000) n
				cross join lateral (select timestamptz '2026-01-01' + make_interval(mins => case when n < 20000 then n else 60000 - n end) as at) a`)
		if err == nil {
			_, err = tx.Exec(ctx, "reset role")
		}
		if err == nil {
			_, err = tx.Exec(ctx, "analyze customers")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]crm.Query{
		"many, at the beginning":      {Sort: []crm.Sort{{Field: "code"}}, Filter: until("2026-01-10T00:00:00Z")},
		"many, at the end":            {Sort: []crm.Sort{{Field: "code", Desc: true}}, Filter: until("2026-01-14T00:00:00Z")},
		"many, in the middle":         {Sort: []crm.Sort{{Field: "code"}}, Filter: since("2026-01-16T00:00:00Z")},
		"few":                         {Sort: []crm.Sort{{Field: "code", Desc: true}}, Filter: until("2026-01-01T01:00:00Z")},
		"none":                        {Sort: []crm.Sort{{Field: "code"}}, Filter: since("2027-01-01T00:00:00Z")},
		"as many as are looked among": {Sort: []crm.Sort{{Field: "code"}}, Filter: append(since("2026-01-08T00:00:00Z"), until("2026-01-20T00:00:00Z")...)},
	}
	for name, q := range maps.Clone(cases) { // times that other indexes have
		q.Filter = slices.Clone(q.Filter)
		for i := range q.Filter {
			q.Filter[i].Field = "created_at"
		}
		cases[name+", made"] = q
	}
	for name, q := range cases {
		t.Run(name, func(t *testing.T) {
			var want []string
			err := s.as(t, func(ctx context.Context, tx pgx.Tx) error {
				sql, args := "select code from customers where true", []any{}
				for i, c := range q.Filter {
					sql += " and " + c.Field + " " + map[crm.Op]string{crm.OpLessEqual: "<=", crm.OpGreaterEqual: ">="}[c.Op] + []string{" $1", " $2"}[i] + "::text::timestamptz"
					args = append(args, c.Value)
				}
				rows, err := tx.Query(ctx, sql+" order by code", args...)
				if err == nil {
					want, err = pgx.CollectRows(rows, pgx.RowTo[string])
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if q.Sort[0].Desc {
				slices.Reverse(want)
			}
			q.Limit = 1000
			var got []string
			for range 3 {
				page := s.list(t, crm.KindCustomer, q)
				got = append(got, codes(page.Items)...)
				if q.After = page.Next; q.After == "" {
					break
				}
			}
			if diff := cmp.Diff(want[:min(len(want), 3000)], got); diff != "" && len(want)+len(got) > 0 {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func until(at string) []crm.Condition {
	return []crm.Condition{{Field: "updated_at", Op: crm.OpLessEqual, Value: at}}
}

func since(at string) []crm.Condition {
	return []crm.Condition{{Field: "updated_at", Op: crm.OpGreaterEqual, Value: at}}
}
