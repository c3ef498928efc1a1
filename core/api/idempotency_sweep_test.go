package api

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres/postgrestest"
)

func TestKeysAreForgottenAfterADay(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	p := postgrestest.Organization(t, db)
	ctx := t.Context()
	err := db.As(ctx, p, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `insert into idempotency_keys (key, request_digest, status, etag, location, created_at)
			values ('old', '', 204, '', '', now() - interval '25 hours'), ('new', '', 204, '', '', now() - interval '23 hours')`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := (&KeySweeper{DB: db}).sweep(ctx); err != nil {
		t.Fatal(err)
	}
	var left []string
	err = db.As(ctx, p, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select key from idempotency_keys")
		if err != nil {
			return err
		}
		left, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"new"}, left); d != "" {
		t.Error(d)
	}
}
