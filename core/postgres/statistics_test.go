package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres/postgrestest"
)

func TestPlannerLearnsOfAGrownTable(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	org := postgrestest.Organization(t, db)
	err := db.As(t.Context(), org, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `
			insert into customers (id, version, code, name, kind, lifecycle, created_at, created_by, updated_at, updated_by)
			select gen_random_uuid(), 1, g::text, 'x', 'company', 'lead', now(), 'system', now(), 'system' from generate_series(1, 1000) g`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- db.KeepStatistics(ctx) }()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		var known bool
		err := db.AsSystem(t.Context(), func(tx pgx.Tx) error {
			return tx.QueryRow(t.Context(), `select reltuples = 1000 from pg_class where relname = 'customers'`).Scan(&known)
		})
		if err != nil {
			t.Fatal(err)
		}
		if known {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the planner does not know the table's size")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
