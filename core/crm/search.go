package crm

import (
	"cmp"
	"context"
	"fmt"
	"math"
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

// compared is how many rows that a text finds are compared at least where it is frequent.
const compared = 50

// Search returns the entities of a kind that the query's text finds, as many as its limit at most: those with that very code, number or name first,
// then names that begin with it, names with it, others, and the newest first among equals. Each word counts from its
// beginning, Chinese anywhere; all must be there. Where many have it, only the newest of them are compared, and those with the very code or name.
// Of the query it reads Text, Limit, Owners and Blind: by blind fields nothing is found, and they are not shown.
func (s *Store) Search(ctx context.Context, tx pgx.Tx, k Kind, q Query) ([]Hit, error) {
	l := listing{kind: k, table: tableOf(k), limit: cmp.Or(max(q.Limit, 0), defaultLimit), text: search.Parse(q.Text)}
	if Owned(k) {
		l.owners = q.Owners
	}
	l.narrow(q.Blind)
	if len(l.table.search) == 0 || l.text.IsEmpty() {
		return nil, nil
	}
	hits, err := l.search(ctx, tx, strings.TrimSpace(q.Text))
	if err != nil {
		return nil, fmt.Errorf("search %s: %w", l.table.name, err)
	}
	return hits, nil
}

func (l *listing) search(ctx context.Context, tx pgx.Tx, typed string) ([]Hit, error) {
	seen, err := l.glance(ctx, tx)
	if err != nil {
		return nil, err
	}
	if seen.frequent() {
		hits, err := l.hits(ctx, tx, typed, seen.depth(compared))
		if err != nil || len(hits) == l.limit || seen.whole {
			return hits, err
		}
	}
	whole, err := l.lookUp(ctx, tx, seen, l.limit)
	if err != nil || whole && len(l.ids) == 0 {
		return nil, err
	}
	hits, err := l.hits(ctx, tx, typed, 0)
	if err != nil || len(hits) == l.limit || whole {
		return hits, err
	}
	// Very many have the words, few of them together as they were typed, or where the reader sees them.
	l.ids = nil
	return l.hits(ctx, tx, typed, math.MaxInt32)
}

// hits reads the best of what the text finds: of l.ids, or, where depth is given, of so many of the newest.
func (l *listing) hits(ctx context.Context, tx pgx.Tx, typed string, depth int) ([]Hit, error) {
	l.where, l.args = nil, nil
	rows, err := tx.Query(ctx, l.best(typed, depth), l.planned()...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Hit, error) { return l.table.hit(l.kind, l.text, row) })
}

// best is the statement that reads what a text finds, the best first.
func (l *listing) best(text string, depth int) string {
	t := l.table
	l.matching(text)
	matching, columns := strings.Join(l.where, " and "), strings.Join(t.search, ", ")
	typed, pattern := l.arg(search.Fold(text))+"::text", l.arg(likeEscape(search.Fold(text)))+"::text"
	title := folded(t.title())
	exact, values := make([]string, len(t.search)), make([]string, len(t.search))
	for i, column := range t.search {
		exact[i], values[i] = folded(column), "coalesce("+column+", '')"
	}
	found := matching
	if depth > 0 {
		found = "id = any (array((select id from (" + l.newest("id, search, "+columns, depth) + ") n where " + matching
		if len(l.owners) < 2 {
			found += " limit " + strconv.Itoa(max(compared, l.limit))
		}
		found += ")"
		// An index knows the very code and the very name, if they are written as they were typed.
		for _, key := range t.search {
			if key == t.title() && SortsQuickly(l.kind, key) || slices.Contains(t.keys, key) {
				found += " union all select id from " + t.name + " where " + key + " in (" + l.arg(text) + "::text, upper(" + typed + ")) and deleted_at is null"
			}
		}
		found += "))" // found once, whatever the planner takes the table for
	}
	return "select id, " + strings.Join(values, ", ") + " from " + t.name + " where deleted_at is null and " + found +
		" order by case when " + typed + " in (" + strings.Join(exact, ", ") + ") then 0" +
		" when " + title + " like " + pattern + " || '%' then 1 when " + title + " like '%' || " + pattern + " || '%' then 2 else 3 end," +
		" updated_at desc, id desc limit " + l.arg(l.limit)
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
