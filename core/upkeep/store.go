package upkeep

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/postgres"
)

// Store reads and writes inside the caller's transaction.
type Store struct {
	Entities *crm.Store
	// Now tells the time; nil is the clock. It should be that of Entities.
	Now func() time.Time
}

func (s *Store) now() time.Time {
	if s.Now != nil {
		return s.Now().UTC().Truncate(time.Microsecond)
	}
	return time.Now().UTC().Truncate(time.Microsecond)
}

// Errors that callers tell apart.
var (
	ErrNotFound = postgres.NotFound("no such rule, limit or hand-over")
)

// collect reads the rows of a statement; doing says what for.
func collect[T any](ctx context.Context, tx pgx.Tx, doing string, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	all, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return all, nil
}

// one reads the row of a statement, or returns [ErrNotFound].
func one[T any](ctx context.Context, tx pgx.Tx, doing string, scan pgx.RowToFunc[T], sql string, args ...any) (T, error) {
	all, err := collect(ctx, tx, doing, scan, sql, args...)
	if err == nil && len(all) != 1 {
		err = fmt.Errorf("%s: %w", doing, ErrNotFound)
	}
	if err != nil {
		var none T
		return none, err
	}
	return all[0], nil
}
