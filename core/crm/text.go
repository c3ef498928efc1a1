package crm

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"crmhub/core/search"
)

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

// narrow leaves the columns that somebody sees who does not see the blind ones: in no other a text is looked for.
func (l *listing) narrow(blind []string) {
	all := len(l.table.search)
	l.table.search = slices.DeleteFunc(slices.Clone(l.table.search), func(c string) bool { return slices.Contains(blind, c) })
	l.narrowed = len(l.table.search) < all
}

// look asks how a text is found best: by the ids of the rows that have it, or on the way along the list's order where that is short. ids is nil then.
func (l *listing) look(ctx context.Context, tx pgx.Tx, text string) error {
	l.text = search.Parse(text)
	if l.text.IsEmpty() {
		return nil
	}
	seen, err := l.glance(ctx, tx)
	if err != nil || seen.frequent() {
		l.scattered = err == nil && !seen.whole && seen.hits*3 < seen.rows*2 && !l.narrowed && len(l.text.Parts()) == 0
		return err
	}
	whole, err := l.lookUp(ctx, tx, seen, narrow)
	if !whole {
		l.ids = nil
	}
	return err
}

// matching adds the condition that a row has the text.
func (l *listing) matching(text string) {
	if len(l.table.search) == 0 {
		l.add("/text", "permission", "looks into fields that you do not see")
		return
	}
	if l.text.IsEmpty() { // signs only, which are no tokens
		pattern := l.arg("%"+likeEscape(strings.TrimSpace(text))+"%") + "::text"
		l.where = append(l.where, "concat_ws(' ', "+strings.Join(l.table.search, ", ")+") ilike "+pattern)
		return
	}
	if l.narrowed { // the index knows what the reader does not see, too
		for word := range strings.FieldsSeq(search.Fold(text)) {
			l.where = append(l.where, "strpos("+folded("concat_ws(' ', "+strings.Join(l.table.search, ", ")+")")+", "+l.arg(word)+"::text) > 0")
		}
	}
	if l.ids != nil {
		l.where = append(l.where, "id = any("+l.arg(l.ids)+")")
	}
	l.asked = l.arg(l.text.TSQuery()) + "::text::tsquery"
	l.where = append(l.where, "search @@ "+l.asked)
	for _, part := range l.text.Parts() {
		// strpos and not like: the planner takes that for so rare that it reads the whole table.
		l.where = append(l.where, "strpos(normalize(concat_ws(' ', "+strings.Join(l.table.search, ", ")+"), nfkc), "+l.arg(part)+"::text) > 0")
	}
}
