package crm_test

import (
	"context"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
)

func (s *shop) search(t testing.TB, k crm.Kind, text string) []crm.Hit {
	t.Helper()
	var hits []crm.Hit
	err := s.as(t, func(ctx context.Context, tx pgx.Tx) (err error) {
		hits, err = s.store.Search(ctx, tx, k, crm.Query{Text: text, Limit: 10})
		return err
	})
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return hits
}

func TestSearchFindsAndRanks(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	code := map[uuid.UUID]string{}
	for _, c := range []*crm.Customer{
		{Code: "NORTH", Name: "Zeta"},
		{Code: "1", Name: "North Pole"},
		{Code: "2", Name: "Great North"},
		{Code: "3", Name: "Other", Email: "x@north.example.com"},
		{Code: "4", Name: "Pole 北方华为技术公司", Phone: "+86 139 1234 5678"},
		{Code: "5", Name: "技术华为北方"},
		{Code: "6", Name: "northless"},
		{Code: "7", Name: "North gone"},
	} {
		s.save(t, c)
		code[c.ID] = c.Code
		if c.Code == "7" {
			err := s.as(t, func(ctx context.Context, tx pgx.Tx) error {
				_, err := s.store.Delete(ctx, tx, s.by(), crm.KindCustomer, c.ID, c.Version)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	want := []crm.Hit{
		{Title: "Zeta", Subtitle: "NORTH", Field: "code"},
		{Title: "northless", Subtitle: "6", Field: "name"},
		{Title: "North Pole", Subtitle: "1", Field: "name"},
		{Title: "Great North", Subtitle: "2", Field: "name"},
		{Title: "Other", Subtitle: "3", Field: "email"},
	}
	if diff := cmp.Diff(want, s.search(t, crm.KindCustomer, " North "), cmpopts.IgnoreFields(crm.Hit{}, "Kind", "ID")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for text, want := range map[string][]string{
		"华为技术":            {"4"}, // 5 has the pairs 华为 and 技术
		"华为北方":            {"5"},
		"方华":              {"4"},
		"华":               {"5", "4"},
		"13912345678":     {"4"},
		"139-1234":        {"4"},
		"5678":            {"4"},
		"pole north":      {"1"},
		"pole south":      nil,
		"...":             nil,
		"' & ! | (":       nil,
		"\u0301\u3099 \\": nil,
	} {
		var found, listed []string
		for _, h := range s.search(t, crm.KindCustomer, text) {
			found = append(found, code[h.ID])
		}
		if diff := cmp.Diff(want, found); diff != "" {
			t.Errorf("search %q (-want +got):\n%s", text, diff)
		}
		for _, e := range s.list(t, crm.KindCustomer, crm.Query{Text: text}).Items {
			listed = append(listed, code[headOf(t, e).ID])
		}
		if diff := cmp.Diff(want, listed); diff != "" {
			t.Errorf("list %q (-want +got):\n%s", text, diff)
		}
	}
}

// A text that many rows have is looked for among the newest, and by the very code.
func TestSearchOfAFrequentTextTakesTheNewest(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	err := s.as(t, func(ctx context.Context, tx pgx.Tx) error { _, err := tx.Exec(ctx, insertCustomers, 6000); return err })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := crm.FillSearch(t.Context(), s.db); err != nil {
		t.Fatal(err)
	}
	s.save(t, &crm.Customer{Code: "COM", Name: "Old 有限"}, &crm.Customer{Code: "X", Name: "com the newest"})
	var got []string
	for _, h := range s.search(t, crm.KindCustomer, "com")[:2] {
		got = append(got, h.Subtitle)
	}
	if diff := cmp.Diff([]string{"COM", "X"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := len(s.list(t, crm.KindCustomer, crm.Query{Text: "有限公", Limit: 7}).Items); n != 7 {
		t.Errorf("listed %d", n)
	}
}

func TestSearchFollowsWhatIsSaved(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for _, e := range s.examples(t) {
		if len(s.search(t, e.Kind(), searchedBy(e))) == 0 {
			t.Errorf("%s is not found by %q", e.Kind(), searchedBy(e))
		}
	}
	c := &crm.Customer{Name: "Before"}
	s.save(t, c)
	c.Name = "After"
	s.save(t, c)
	if n := len(s.search(t, crm.KindCustomer, "before")); n != 0 {
		t.Error("it is found by the name it had")
	}
	if n := len(s.search(t, crm.KindCustomer, "after")); n != 1 {
		t.Error("it is not found by the name it has")
	}
	stranger := openShop(t, s.db)
	if hits := stranger.search(t, crm.KindCustomer, "after"); len(hits) > 0 {
		t.Errorf("another organization finds %v", hits)
	}
}

func searchedBy(e crm.Entity) string {
	switch e := e.(type) {
	case *crm.Customer:
		return "示例"
	case *crm.Contact:
		return "01711234567"
	case *crm.Product:
		return "ball"
	case *crm.Order:
		return e.Number
	case *crm.Invoice:
		return e.Number
	case *crm.Payment:
		return "tx"
	}
	for _, field := range []string{"number", "code", "name", "subject", "text", "response", "price_list", "currency"} {
		if text := crm.Text(e, field); text != "" {
			return text
		}
	}
	return ""
}

// What was there before there was search is found once it was filled.
func TestEarlierRowsAreFilled(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(postgrestest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	earlier := "earlier_" + uuid.NewString()[:8]
	if err := postgrestest.Open(t, u.String()).CreateDatabase(t.Context(), earlier, ""); err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + earlier
	pool, err := pgxpool.New(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	std := stdlib.OpenDBFromPool(pool)
	defer func() { _ = std.Close() }()
	p, err := goose.NewProvider(goose.DialectPostgres, std, postgres.Migrations(), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), 8); err != nil {
		t.Fatal(err)
	}
	_, err = pool.Exec(t.Context(), `
		with o as (insert into organizations (id, code, name, base_currency) select gen_random_uuid(), code, code, 'EUR' from unnest('{a,b}'::text[]) code returning id)
		insert into customers (organization_id, id, version, code, name, kind, lifecycle, created_at, created_by, updated_at, updated_by)
		select o.id, gen_random_uuid(), 1, i, '北方 ' || i, 'company', 'lead', now(), 'system', now(), 'system' from o, generate_series(1, 1200) i`)
	if err != nil {
		t.Fatal(err)
	}
	db := postgrestest.Open(t, u.String())
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{2400, 0} {
		if filled, err := crm.FillSearch(t.Context(), db); err != nil || filled != want {
			t.Errorf("filled %d, %v; want %d", filled, err, want)
		}
	}
	var organization uuid.UUID
	if err := pool.QueryRow(t.Context(), "select id from organizations where code = 'b'").Scan(&organization); err != nil {
		t.Fatal(err)
	}
	s := shop{db: db, who: postgres.Principal{Organization: organization, Actor: postgres.System}}
	if hits := s.search(t, crm.KindCustomer, "北方 1200"); len(hits) != 1 {
		t.Errorf("found %v", hits)
	}
	if n := len(s.list(t, crm.KindCustomer, crm.Query{Text: "北", Limit: 1000}).Items); n != 1000 {
		t.Errorf("listed %d", n)
	}
}
