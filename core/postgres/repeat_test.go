package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
)

func TestWhatIsRepeatedGoesOnAfterAFailureAndEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var log bytes.Buffer
	calls := 0
	err := postgres.Repeat(ctx, time.Millisecond, slog.New(slog.NewTextHandler(&log, nil)), "nothing was swept", func(context.Context) error {
		switch calls++; calls {
		case 1:
			return errors.New("the server restarts")
		case 3:
			cancel()
			return ctx.Err() // it was told to end: no failure
		}
		return nil
	})
	if err != nil || calls != 3 {
		t.Errorf("%d calls, %v", calls, err)
	}
	if got := log.String(); strings.Count(got, "nothing was swept") != 1 || !strings.Contains(got, "the server restarts") {
		t.Errorf("the log says %s", got)
	}
}

func TestPurgeDeletesPieceByPieceAndNothingElse(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	who := postgrestest.Organization(t, db)
	const purge = `delete from idempotency_keys where ctid = any(array(select ctid from idempotency_keys where key like $1 limit $2))`
	for _, old := range []int{0, 2, 3, 7} { // pieces of three
		err := db.As(t.Context(), who, func(tx pgx.Tx) error {
			var b pgx.Batch
			for i := range old {
				b.Queue(`insert into idempotency_keys (key, request_digest, status, etag, location) values ($1, '', 200, '', '')`, "old "+strconv.Itoa(i))
			}
			b.Queue(`insert into idempotency_keys (key, request_digest, status, etag, location) values ($1, '', 200, '', '')`, "new "+strconv.Itoa(old))
			return tx.SendBatch(t.Context(), &b).Close()
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Purge(t.Context(), 3, purge, "old %"); err != nil {
			t.Fatal(err)
		}
	}
	left, err := postgres.Get(t.Context(), db, who, func(tx pgx.Tx) ([]string, error) {
		return postgres.All(t.Context(), tx, "read keys", pgx.RowTo[string], `select key from idempotency_keys order by key`)
	})
	if diff := cmp.Diff([]string{"new 0", "new 2", "new 3", "new 7"}, left); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestOneRowIsThereMissingOrNotTheOnlyOne(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	who := postgrestest.Organization(t, db)
	missing := postgres.NotFound("there is no such number")
	one := func(sql string) (int, error) {
		return postgres.Get(t.Context(), db, who, func(tx pgx.Tx) (int, error) {
			return postgres.One(t.Context(), tx, "read a number", pgx.RowTo[int], missing, sql)
		})
	}
	if n, err := one("select 7"); n != 7 || err != nil {
		t.Error(n, err)
	}
	if _, err := one("select 7 where false"); !errors.Is(err, missing) || !errors.Is(err, postgres.ErrNotFound) {
		t.Error(err)
	}
	for _, sql := range []string{"select * from (values (1), (2)) v", "select nowhere"} {
		if _, err := one(sql); err == nil || errors.Is(err, postgres.ErrNotFound) || !strings.HasPrefix(err.Error(), "read a number: ") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
