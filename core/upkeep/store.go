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

// Page is a part of a list.
type Page[T any] struct {
	Items []T
	Next  string // where the next page begins; "" on the last one
}

// cut makes a page of one item more than it has, if there is one.
func cut[T any](items []T, limit int, end func(T) postgres.Place) Page[T] {
	if len(items) <= limit {
		return Page[T]{Items: items}
	}
	items = items[:limit]
	return Page[T]{Items: items, Next: end(items[limit-1]).String()}
}

// pageSize is how many items a page has: 50 unless said, 500 at most.
func pageSize(limit int) int {
	if limit <= 0 {
		return 50
	}
	return min(limit, 500)
}

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
