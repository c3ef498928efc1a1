package crm

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
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
func (s *Store) Search(ctx context.Context, tx pgx.Tx, k Kind, text string, limit int) ([]Hit, error) {
	t := tableOf(k)
	l := listing{table: t}
	if err := l.look(ctx, tx, text); err != nil {
		return nil, err
	}
	if l.text.IsEmpty() || l.ids != nil && len(l.ids) == 0 {
		return nil, nil
	}
	l.where = append(l.where, "deleted_at is null")
	l.matching(text)
	typed := l.arg(search.Fold(strings.TrimSpace(text))) + "::text"
	found := "select id from " + t.name + " where " + strings.Join(l.where, " and ")
	if l.ids == nil {
		found = "(" + found + " order by updated_at desc, id desc limit " + fmt.Sprint(newest) + ")" +
			" union select id from " + t.name + " where " + t.search[0] + " in (" + l.arg(text) + "::text, upper(" + typed + ")) and deleted_at is null"
	}
	title, pattern := folded(t.title()), l.arg(likeEscape(search.Fold(strings.TrimSpace(text))))+"::text"
	exact := make([]string, len(t.search))
	for i, column := range t.search {
		exact[i] = folded(column)
	}
	sql := "select id, coalesce(" + strings.Join(t.search, ", ''), coalesce(") + ", '') from " + t.name + " where id in (" + found + ")" +
		" order by case when " + typed + " in (" + strings.Join(exact, ", ") + ") then 0" +
		" when " + title + " like " + pattern + " || '%' then 1 when " + title + " like '%' || " + pattern + " || '%' then 2 else 3 end," +
		" updated_at desc, id desc limit " + l.arg(limit)
	rows, err := tx.Query(ctx, sql, l.args...)
	if err != nil {
		return nil, fmt.Errorf("search %s: %w", t.name, err)
	}
	hits, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Hit, error) { return t.hit(k, l.text, row) })
	if err != nil {
		return nil, fmt.Errorf("search %s: %w", t.name, err)
	}
	return hits, nil
}

// folded is a column as [search.Fold] has it, but for accents.
func folded(column string) string { return "lower(normalize(coalesce(" + column + ", ''), nfkc))" }

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

func (t table) column(name string) (field, bool) {
	i := slices.IndexFunc(t.columns, func(c field) bool { return c.name == name })
	if i < 0 {
		return field{}, false
	}
	return t.columns[i], true
}

func (f field) tokens(dst []string, value string) []string {
	if f.format == "phone" {
		return search.Phone(dst, value)
	}
	return search.Tokens(dst, value)
}

// tokens are what an entity is found by, as a tsvector reads them.
func (t table) tokens(e Entity) string {
	v := reflect.ValueOf(e).Elem()
	var all []string
	for _, name := range t.search {
		if f, ok := t.column(name); ok {
			all = f.tokens(all, f.value(v).String())
		}
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}

// look asks the index what a text may be found in. ids is nil where that is more than a page is worth reading one by one.
func (l *listing) look(ctx context.Context, tx pgx.Tx, text string) error {
	l.text = search.Parse(text)
	if l.text.IsEmpty() {
		return nil
	}
	err := tx.QueryRow(ctx, "select crmhub_find($1, $2::text::tsquery, $3)", l.table.name, l.text.TSQuery(), narrow).Scan(&l.ids)
	if err != nil {
		return fmt.Errorf("look for a text in %s: %w", l.table.name, err)
	}
	return nil
}

// matching adds the condition that a row has the text.
func (l *listing) matching(text string) {
	if l.text.IsEmpty() { // signs only, which are no tokens
		pattern := l.arg("%"+likeEscape(strings.TrimSpace(text))+"%") + "::text"
		l.where = append(l.where, "concat_ws(' ', "+strings.Join(l.table.search, ", ")+") ilike "+pattern)
		return
	}
	if l.ids != nil {
		l.where = append(l.where, "id = any("+l.arg(l.ids)+")")
	}
	l.where = append(l.where, "search @@ "+l.arg(l.text.TSQuery())+"::text::tsquery")
	for _, part := range l.text.Parts() {
		l.where = append(l.where, "normalize(concat_ws(' ', "+strings.Join(l.table.search, ", ")+"), nfkc) like "+l.arg("%"+part+"%")+"::text")
	}
}

// FillSearch makes the tokens of rows that have none, those that were there before there was search. It goes through all
// organizations in small transactions, may be ended and begun again at any time, and returns how many rows it filled.
func FillSearch(ctx context.Context, db *postgres.DB) (int, error) {
	var organizations []uuid.UUID
	err := db.AsSystem(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select id from organizations order by id")
		if err != nil {
			return err
		}
		organizations, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("fill search: %w", err)
	}
	filled := 0
	for _, o := range organizations {
		for _, k := range Kinds() {
			for n := batchOfFill; n == batchOfFill; filled += n {
				err := db.As(ctx, postgres.Principal{Organization: o, Actor: postgres.System}, func(tx pgx.Tx) (err error) {
					n, err = fillSearch(ctx, tx, k)
					return err
				})
				if err != nil {
					return filled, fmt.Errorf("fill search of %s: %w", k, err)
				}
			}
		}
	}
	return filled, nil
}

const batchOfFill = 1000

// fillSearch writes what is derived, and nothing else: it is no new version.
func fillSearch(ctx context.Context, tx pgx.Tx, k Kind) (int, error) {
	t := tableOf(k)
	found, err := t.query(ctx, tx, k, "select "+names(t.columns, "")+" from "+t.name+" where search is null order by id limit $1 for no key update skip locked", batchOfFill)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	rows := make([][]byte, len(found))
	for i, e := range found {
		if rows[i], err = t.row(fmt.Appendf(nil, `{"id":"%s"}`, e.head().ID), e); err != nil {
			return 0, err
		}
	}
	derived := t.derived()
	_, err = tx.Exec(ctx, "update "+t.name+" t set ("+strings.Join(derived, ", ")+") = row (n."+strings.Join(derived, ", n.")+") from json_populate_recordset(null::"+t.name+", $1) n where t.id = n.id", array(rows))
	return len(found), err
}
