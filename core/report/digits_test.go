package report_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"crmhub/core/money"
)

// The amounts kept in the base currency are rounded by the database as those of reports are by this package.
func TestDatabaseRoundsAsMoney(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	want := map[string]int32{}
	for i := range 26 * 26 * 26 {
		code := string([]byte{byte('A' + i/26/26), byte('A' + i/26%26), byte('A' + i%26)})
		if digits, err := money.Digits(code); err == nil {
			want[code] = digits
		}
	}
	if err := b.as(t, func(ctx context.Context, tx pgx.Tx) error {
		codes := make([]string, 0, len(want))
		for code := range want {
			codes = append(codes, code)
		}
		var code string
		var got int32
		rows, err := tx.Query(ctx, "select c, crmhub_digits(c) from unnest($1::text[]) c", codes)
		if err != nil {
			return err
		}
		_, err = pgx.ForEachRow(rows, []any{&code, &got}, func() error {
			if got != want[code] {
				t.Errorf("%s counts in %d decimals, the database says %d", code, want[code], got)
			}
			return nil
		})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if len(want) < 150 {
		t.Errorf("%d currencies", len(want))
	}
}
