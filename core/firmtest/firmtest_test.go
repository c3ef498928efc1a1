package firmtest_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"crmhub/core/api"
	"crmhub/core/crm"
	"crmhub/core/firmtest"
	"crmhub/core/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// The server writes by what rows are found; it must be what the store makes of them, else benchmarks look for what is not there.
func TestRowsAreFoundByWhatTheStoreMakesOfThem(t *testing.T) {
	t.Parallel()
	f := firmtest.Open(t, api.Entities(), 400)
	written := tokens(t, f)
	conn, err := pgx.Connect(t.Context(), f.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	for _, k := range crm.Kinds() {
		if _, err := conn.Exec(t.Context(), "update "+crm.TableOf(k)+" set search = null"); err != nil {
			t.Fatal(err)
		}
	}
	filled, err := crm.FillSearch(t.Context(), f.DB)
	if err != nil {
		t.Fatal(err)
	}
	if filled < 400*12 {
		t.Errorf("%d rows", filled)
	}
	if diff := cmp.Diff(tokens(t, f), written); diff != "" {
		t.Error(diff)
	}
}

// tokens are a few rows of each kind with what they are found by.
func tokens(t *testing.T, f *firmtest.Firm) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := f.DB.As(t.Context(), f.Who, func(tx pgx.Tx) error {
		for _, k := range crm.Kinds() {
			columns := "search::text"
			if k == crm.KindCustomer || k == crm.KindContact {
				columns += " || array(select k from unnest(match_keys) k order by k)::text"
			}
			rows, err := tx.Query(t.Context(), "select id::text, "+columns+" from "+crm.TableOf(k)+" order by id limit 30")
			if err != nil {
				return err
			}
			var id, found string
			if _, err := pgx.ForEachRow(rows, []any{&id, &found}, func() error { all[string(k)+" "+id] = found; return nil }); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
