package audit

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
)

// ErrNotFound says that there is no such entry here.
var ErrNotFound = postgres.NotFound("no such entry in the audit trail")

// Filter narrows a list of entries; zero fields do not.
type Filter struct {
	Entity   string
	EntityID uuid.UUID
	Actor    string
	Action   string
	From, To time.Time // from the one, to before the other
	After    string    // Next of the page before
	Limit    int       // 0: 50; at most 500
}

const selectEntry = `
select number, at, actor, action, entity, entity_id, coalesce(version, 0), coalesce(detail::text, ''), previous_hash, hash, salt, digest, erased_at
from audit_log
where `

// List returns entries, the newest first: by their time, and what became of one thing in the order of the trail, which is
// that of its versions.
func List(ctx context.Context, tx pgx.Tx, f Filter) (p postgres.Page[Entry], err error) {
	size := postgres.PageSize(f.Limit)
	sql, args, err := f.query(size + 1)
	if err != nil {
		return p, err
	}
	var found []Entry
	for e, err := range entries(ctx, tx, sql, args...) {
		if err != nil {
			return p, fmt.Errorf("list the audit trail: %w", err)
		}
		found = append(found, e)
	}
	return postgres.Cut(found, size, func(e Entry) string { return e.At.Format(time.RFC3339Nano) + "_" + strconv.FormatInt(e.Number, 10) }), nil
}

// query has only the conditions that are asked for, so that each goes by its index.
func (f Filter) query(limit int) (string, []any, error) {
	where := []string{"true"}
	var args []any
	add := func(condition string, values ...any) {
		for _, v := range values {
			args = append(args, v)
			condition = strings.Replace(condition, "?", "$"+strconv.Itoa(len(args)), 1)
		}
		where = append(where, condition)
	}
	if f.Entity != "" {
		add("entity = ?", f.Entity)
	}
	if f.EntityID != uuid.Nil {
		add("entity_id = ?", f.EntityID)
	}
	if f.Actor != "" {
		add("actor = ?", f.Actor)
	}
	if f.Action != "" {
		add("action = ?", f.Action)
	}
	if !f.From.IsZero() {
		add("at >= ?", f.From)
	}
	if !f.To.IsZero() {
		add("at < ?", f.To)
	}
	at, number, err := f.after()
	if err != nil {
		return "", nil, err
	}
	order := "at desc, number desc"
	switch oneThing := f.EntityID != uuid.Nil; {
	case oneThing:
		order = "number desc"
		if number > 0 {
			add("number < ?", number)
		}
	case number > 0:
		add("(at, number) < (?, ?)", at, number)
	}
	args = append(args, limit)
	return selectEntry + strings.Join(where, " and ") + " order by " + order + " limit $" + strconv.Itoa(len(args)), args, nil
}

func (f Filter) after() (at time.Time, number int64, err error) {
	if f.After == "" {
		return at, 0, nil
	}
	a, b, _ := strings.Cut(f.After, "_")
	at, errAt := time.Parse(time.RFC3339Nano, a)
	number, errNumber := strconv.ParseInt(b, 10, 64)
	if errAt != nil || errNumber != nil || number < 1 {
		return at, 0, postgres.ErrPlace
	}
	return at, number, nil
}

// Get returns the entry with a number, or [ErrNotFound].
func Get(ctx context.Context, tx pgx.Tx, number int64) (Entry, error) {
	for e, err := range entries(ctx, tx, selectEntry+"number = $1", number) {
		if err != nil {
			return Entry{}, fmt.Errorf("read entry %d of the audit trail: %w", number, err)
		}
		return e, nil
	}
	return Entry{}, ErrNotFound
}

// All returns the whole trail in its order, one entry in memory at a time. Nothing else may use the transaction meanwhile.
func All(ctx context.Context, tx pgx.Tx) iter.Seq2[Entry, error] {
	return entries(ctx, tx, selectEntry+"true order by number")
}

func entries(ctx context.Context, tx pgx.Tx, sql string, args ...any) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		rows, err := tx.Query(ctx, sql, args...)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			var s scanned
			if err := rows.Scan(s.targets()...); err != nil {
				yield(Entry{}, err)
				return
			}
			if !yield(*s.entry(), nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(Entry{}, err)
		}
	}
}
