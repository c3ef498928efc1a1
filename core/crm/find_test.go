package crm_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/search"
)

// insertNames makes customers with words of every frequency: "all" and 公司 are in every name, "half" and 上海 in every second, "old" in
// those of the first five in six, "rare" in one of 977 and "never" in one that has no "half"; codes begin with as many zeros as they can.
const insertNames = `
insert into customers (id, version, code, name, kind, lifecycle, owner_id, created_at, created_by, updated_at, updated_by, search)
select gen_random_uuid(), 1, lpad(i::text, 7, '0'), n.name, 'company', 'lead', ($2::uuid[])[1 + i % 30], now(), 'system', now() - make_interval(secs => $1::integer - i), 'system',
	array_to_tsvector(array(select distinct w from unnest(n.words || array[lpad(i::text, 7, '0'), i::text]) w where w is not null))
from generate_series(1, $1::integer) i
	cross join lateral (select
		'all ' || case when i % 2 = 0 then 'half 上海' else '北京' end || '公司' || case when i < $1::integer * 5 / 6 then ' old' else '' end
			|| case when i % 977 = 0 then ' rare' else '' end || case when i = 4711 then ' never' else '' end,
		array['a', 'al', 'all', '公', '司', '公司', case when i % 2 = 0 then 'h' end, case when i % 2 = 0 then 'ha' end, case when i % 2 = 0 then 'half' end]
			|| case when i % 2 = 0 then array['上', '海', '上海', '海公'] else array['北', '京', '北京', '京公'] end
			|| case when i < $1::integer * 5 / 6 then array['o', 'ol', 'old'] end
			|| case when i % 977 = 0 then array['r', 'ra', 'rare'] end || case when i = 4711 then array['n', 'ne', 'never'] end) n (name, words)`

// What has all words of a text is found, however frequent each is, under every scope: all of it in lists, in search as much as was
// asked for, and nothing else in either.
func TestWhatHasTheWordsIsFoundHoweverFrequentTheyAre(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	owners := make([]uuid.UUID, 29) // and nobody
	for i := range owners {
		owners[i] = uuid.New()
	}
	const n = 25_000
	err := s.as(t, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "insert into users (id, login, name) select id, id::text, 'x' from unnest($1::uuid[]) id", owners); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, insertNames, n, owners)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	people := postgres.Owners{Own: owners[3], Department: owners[3:6], DepartmentTree: owners[:25]}
	words := []string{"all", "half", "old", "rare", "never", "公司", "上海", "北京", "上海公司", "京公司", "000", "0000", "00001", "12", "4711", "al", "h", "ol", "rar", "nev", "none"}
	rapid.Check(t, func(rt *rapid.T) {
		text := strings.Join(rapid.SliceOfNDistinct(rapid.SampledFrom(words), 1, 3, rapid.ID).Draw(rt, "text"), " ")
		scope := rapid.SampledFrom(postgres.Scopes()).Draw(rt, "scope")
		limit := rapid.SampledFrom([]int{1, 10, 50}).Draw(rt, "limit")
		s := *s
		s.who.Reach = postgres.NewReach(people, map[string]postgres.Scope{"customer.read": scope})
		q := crm.Query{Text: text, Limit: limit}
		q.Owners, _ = people.Of(scope)
		want := s.having(t, text)
		found := map[uuid.UUID]bool{}
		for _, h := range s.hits(t, crm.KindCustomer, q) {
			found[h.ID] = true
		}
		if len(found) != min(limit, len(want)) {
			rt.Fatalf("%q finds %d under %s, of %d", text, len(found), scope, len(want))
		}
		for id := range found {
			if !want[id] {
				rt.Fatalf("%q finds %s under %s, which has it not", text, id, scope)
			}
		}
		order := rapid.SampledFrom([]string{"updated_at desc, id desc", "name, id", "name desc, id desc", "created_at desc, id desc"}).Draw(rt, "order")
		field, _, _ := strings.Cut(strings.Fields(order)[0], ",")
		q.Sort = []crm.Sort{{Field: field, Desc: strings.Contains(order, "desc")}}
		q.Limit = 200
		first := s.firstOf(t, want, order, q.Limit)
		var listed []uuid.UUID
		for _, e := range s.list(t, crm.KindCustomer, q).Items {
			listed = append(listed, headOf(t, e).ID)
		}
		if !slices.Equal(listed, first) {
			rt.Fatalf("%q lists %d by %s under %s, not the first %d", text, len(listed), order, scope, len(first))
		}
	})
}

func (s *shop) hits(t testing.TB, k crm.Kind, q crm.Query) (hits []crm.Hit) {
	t.Helper()
	err := s.as(t, func(ctx context.Context, tx pgx.Tx) (err error) {
		hits, err = s.store.Search(ctx, tx, k, q)
		return err
	})
	if err != nil {
		t.Fatalf("%q: %v", q.Text, err)
	}
	return hits
}

// having reads the customers that have a text, row by row.
func (s *shop) having(t testing.TB, text string) map[uuid.UUID]bool {
	t.Helper()
	q := search.Parse(text)
	having := map[uuid.UUID]bool{}
	err := s.as(t, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select id, name from customers where search @@ $1::text::tsquery", q.TSQuery())
		if err != nil {
			return err
		}
		var id uuid.UUID
		var name string
		_, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error {
			if !slices.ContainsFunc(q.Parts(), func(part string) bool { return !strings.Contains(name, part) }) {
				having[id] = true
			}
			return nil
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return having
}

// firstOf are the first of some customers in an order.
func (s *shop) firstOf(t testing.TB, of map[uuid.UUID]bool, order string, limit int) (first []uuid.UUID) {
	t.Helper()
	err := s.as(t, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select id from customers where id = any($1) order by "+order+" limit $2", slices.Collect(maps.Keys(of)), limit)
		if err == nil {
			first, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return first
}
