package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Page is a part of a list.
type Page[T any] struct {
	Items []T
	Next  string // what to hand back to go on; "" on the last page
}

// PageSize is how many items a page has when so many are asked for: 500 at most, and 50 if nobody says (0 or less).
func PageSize(asked int) int {
	if asked <= 0 {
		return 50
	}
	return min(asked, 500)
}

// Cut makes a page of what a query for one item more than size found: that one only says that another page follows. place is where
// an item stands in the list, as the list reads it again.
func Cut[T any](items []T, size int, place func(T) string) Page[T] {
	if len(items) <= size {
		return Page[T]{Items: items}
	}
	return Page[T]{Items: items[:size], Next: place(items[size-1])}
}

// PlaceID reads where to go on in a list that is in the order of ids; nil is the beginning. The error is [ErrPlace].
func PlaceID(s string) (*uuid.UUID, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // the beginning
	}
	id, err := uuid.Parse(s)
	if err != nil {
		return nil, ErrPlace
	}
	return &id, nil
}

// OrNull is an id as a statement's parameter, null when it is the nil UUID.
func OrNull(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}

// Get returns what fn finds in a transaction of p's.
func Get[T any](ctx context.Context, db *DB, p Principal, fn func(tx pgx.Tx) (T, error)) (found T, err error) {
	err = db.As(ctx, p, func(tx pgx.Tx) (err error) {
		found, err = fn(tx)
		return err
	})
	return found, err
}

// All returns what a statement gives. doing begins an error: "list jobs".
func All[T any](ctx context.Context, tx pgx.Tx, doing string, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, _ := tx.Query(ctx, sql, args...)
	found, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return found, nil
}

// One returns the row that a statement gives, or missing if it gives none. doing is as in [All].
func One[T any](ctx context.Context, tx pgx.Tx, doing string, scan pgx.RowToFunc[T], missing error, sql string, args ...any) (T, error) {
	rows, _ := tx.Query(ctx, sql, args...)
	found, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return found, missing
	}
	if err != nil {
		return found, fmt.Errorf("%s: %w", doing, err)
	}
	return found, nil
}

// List returns a page of what a statement gives, of the size that is asked for, as [PageSize] says. The statement's last parameter,
// after args, is how many rows it may give. place is as in [Cut], doing as in [All].
func List[T any](
	ctx context.Context, tx pgx.Tx, doing string, scan pgx.RowToFunc[T], asked int, place func(T) string, sql string, args ...any,
) (Page[T], error) {
	size := PageSize(asked)
	found, err := All(ctx, tx, doing, scan, sql, append(args, size+1)...)
	if err != nil {
		return Page[T]{}, err
	}
	return Cut(found, size, place), nil
}
