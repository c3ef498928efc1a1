package upkeep

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
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
	ErrNotFound = errors.New("no such rule, limit or hand-over")
	ErrCursor   = errors.New("not the cursor of a list")
)

// Page is a part of a list.
type Page[T any] struct {
	Items []T
	Next  string // where the next page begins; "" on the last one
}

// place is where a page ended: lists are in the order of a time, a word and an id.
type place struct {
	at   time.Time
	word string
	id   uuid.UUID
}

func (p place) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(p.at.UTC().Format(time.RFC3339Nano) + " " + p.id.String() + " " + p.word))
}

// parsePlace reads where to go on; nil is the beginning.
func parsePlace(s string) (*place, error) {
	if s == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	part := strings.SplitN(string(b), " ", 3)
	if err != nil || len(part) != 3 {
		return nil, ErrCursor
	}
	at, errAt := time.Parse(time.RFC3339Nano, part[0])
	id, errID := uuid.Parse(part[1])
	if errAt != nil || errID != nil || strings.ContainsRune(part[2], 0) {
		return nil, ErrCursor
	}
	return &place{at, part[2], id}, nil
}

// args are the place as three parameters of a statement, all null at the beginning.
func (p *place) args() (at *time.Time, word *string, id *uuid.UUID) {
	if p == nil {
		return nil, nil, nil
	}
	return &p.at, &p.word, &p.id
}

// cut makes a page of one item more than it has, if there is one.
func cut[T any](items []T, limit int, end func(T) place) Page[T] {
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
