package crm

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/search"
)

// Hit is an entity that a text finds.
type Hit struct {
	Kind     Kind      `json:"entity"`
	ID       uuid.UUID `json:"id"`
	Title    string    `json:"title"`              // its name, else its number
	Subtitle string    `json:"subtitle,omitempty"` // what tells it from others of that name
	Field    string    `json:"field"`              // the field where the text is, or its first word
}

const (
	// narrow is how many rows a text may find to be looked up one by one. One that finds more is frequent enough for the
	// newest rows to be read until a page is full.
	narrow = 4000
	// newest is how many of the newest are ranked where a text finds more than narrow.
	newest = 100
)

// Search returns the entities of a kind that a text finds, at most limit: those with that very code or number first,
// then names that begin with it, names with it, others, and the newest first among equals. Each word counts from its
// beginning, Chinese anywhere; all must be there. Where more than 4,000 have it, only the newest of them are ranked.
// Blind are fields that the reader does not see: nothing is found by them, or shown of them.
func (s *Store) Search(ctx context.Context, tx pgx.Tx, k Kind, text string, limit int, blind []string) ([]Hit, error) {
	l := listing{table: tableOf(k)}
	l.narrow(blind)
	t := l.table
	if len(t.search) == 0 {
		return nil, nil
	}
	if err := l.look(ctx, tx, text); err != nil {
		return nil, err
	}
	if l.text.IsEmpty() || l.ids != nil && len(l.ids) == 0 {
		return nil, nil
	}
	rows, err := tx.Query(ctx, l.ranked(strings.TrimSpace(text), limit), l.args...)
	if err != nil {
		return nil, fmt.Errorf("search %s: %w", t.name, err)
	}
	hits, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Hit, error) { return t.hit(k, l.text, row) })
	if err != nil {
		return nil, fmt.Errorf("search %s: %w", t.name, err)
	}
	return hits, nil
}

// ranked is the statement that reads what a text finds, the best first.
func (l *listing) ranked(text string, limit int) string {
	t := l.table
	l.matching(text)
	matching, columns := strings.Join(l.where, " and "), strings.Join(t.search, ", ")
	typed, pattern := l.arg(search.Fold(text))+"::text", l.arg(likeEscape(search.Fold(text)))+"::text"
	found := "select id from " + t.name + " where deleted_at is null and " + matching
	if l.ids == nil {
		// The planner knows nothing of how frequent the text is; offset 0 lets it walk the newest in any case.
		found = "(select id from (select id, search, " + columns + " from " + t.name + " where deleted_at is null order by updated_at desc, id desc offset 0) n" +
			" where " + matching + " limit " + strconv.Itoa(newest) + ")"
		if key := t.search[0]; slices.Contains(t.keys, key) {
			found += " union select id from " + t.name + " where " + key + " in (" + l.arg(text) + "::text, upper(" + typed + ")) and deleted_at is null"
		}
	}
	title := folded(t.title())
	exact, values := make([]string, len(t.search)), make([]string, len(t.search))
	for i, column := range t.search {
		exact[i], values[i] = folded(column), "coalesce("+column+", '')"
	}
	return "select id, " + strings.Join(values, ", ") + " from " + t.name + " where id in (" + found + ")" +
		" order by case when " + typed + " in (" + strings.Join(exact, ", ") + ") then 0" +
		" when " + title + " like " + pattern + " || '%' then 1 when " + title + " like '%' || " + pattern + " || '%' then 2 else 3 end," +
		" updated_at desc, id desc limit " + l.arg(limit)
}

// folded is a column as [search.Fold] has it, but for accents.
func folded(column string) string { return "lower(normalize(coalesce(" + column + ", ''), nfkc))" }

// TitleField is the field by which people know an entity of a kind: its name, else its number. [Hit] and [Store.Titles] show it.
func TitleField(k Kind) string { return tableNames(k).title() }

// title is the column by which people know an entity.
func (t table) title() string {
	if slices.Contains(t.search, "name") {
		return "name"
	}
	return t.search[0]
}

func (t table) hit(k Kind, q search.Query, row pgx.CollectableRow) (Hit, error) {
	h := Hit{Kind: k}
	values := make([]string, len(t.search))
	to := []any{&h.ID}
	for i := range values {
		to = append(to, &values[i])
	}
	if err := row.Scan(to...); err != nil {
		return h, err
	}
	touched := ""
	for i, column := range t.search {
		f, _ := t.column(column)
		tokens := f.tokens(nil, values[i])
		switch {
		case column == t.title():
			h.Title = values[i]
		case h.Subtitle == "":
			h.Subtitle = values[i]
		}
		if h.Field == "" && q.Hits(tokens) {
			h.Field = column
		}
		if touched == "" && q.Touches(tokens) {
			touched = column
		}
	}
	if h.Field == "" {
		h.Field = touched
	}
	return h, nil
}
