package crm

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/search"
)

// listing is the statement of one List while it is built.
type listing struct {
	faults
	kind      Kind
	table     table
	owned     bool
	sort      []sortField
	limit     int
	where     []string
	args      []any
	seeing    bool // a condition names deleted_at
	blind     []string
	narrowed  bool // some columns that a text is looked for in are blind
	text      search.Query
	ids       []uuid.UUID // where the text may be; nil if that is not known
	asked     string      // the text as an argument of the statement
	scattered bool        // the text is frequent, yet in most rows it is not: they may all stand before those that have it
	rows      string      // the statement of all the list's rows, where they may be few and far away
	sorted    string      // of the page, found by sorting them
	walked    string      // of the page, looked for among the first rows of the order; how many is its last argument
	step      float64     // how many rows are sorted while one is walked past
	owners    []uuid.UUID // whose rows a text is looked for in; nil is everybody's and nobody's
}

type sortField struct {
	field
	desc bool
}

// statement is how the page is read. Where it may be found sooner by other ways, it sets those of [listing.shortest], too.
func (l *listing) statement(q Query) string {
	l.limit = min(q.Limit, maxLimit)
	if l.limit <= 0 {
		l.limit = defaultLimit
	}
	ends := make([]int, len(q.Filter)) // where each condition ends
	for i, c := range q.Filter {
		l.condition("/filter/"+strconv.Itoa(i), c)
		ends[i] = len(l.where)
	}
	if !l.seeing {
		l.where = append(l.where, "deleted_at is null")
	}
	text := len(l.where)
	if strings.TrimSpace(q.Text) != "" {
		l.matching(q.Text)
	}
	textEnds := len(l.where)
	l.sortBy(q.Sort)
	l.after(q.After)
	if len(l.violations) > 0 {
		return ""
	}
	if q.Owners != nil && l.owned && !l.ofOwners(q) {
		return l.ownerByOwner(q.Owners)
	}
	quick := !l.seeing && len(QuickSorts(l.kind)) > 0
	if quick && l.scattered {
		with, without := l.where[text:textEnds], slices.Delete(slices.Clone(l.where), text, textEnds)
		l.walked = l.page(l.walk(without, with))
		l.sorted = l.page("select id from " + l.table.name + " where " + strings.Join(append(without, l.having()), " and ") + l.first())
	}
	rows := l.table.name + " where " + strings.Join(l.where, " and ")
	if quick && q.Text == "" {
		covered := l.covered(q.Filter)
		if far, near := l.apart(q.Filter, ends); far != nil {
			l.rows, l.walked, l.step = "select from "+rows, l.page(l.walk(near, far)), 4
			l.sorted = l.page("select id from (select * from " + rows + " offset 0) r" + l.first())
			if covered {
				l.step = 1
			}
		}
		if covered { // found in the index alone, and only what is on the page is read
			return l.page("select id from " + rows + l.first())
		}
	}
	return l.table.reads + strings.TrimPrefix(rows, l.table.name) + l.first()
}

// ofOwners narrows the list to the rows of the query's owners by a condition, and reports whether one is enough. Else the page is
// to be read owner by owner.
func (l *listing) ofOwners(q Query) bool {
	told := func(holds func(Condition) bool) bool {
		return slices.ContainsFunc(q.Filter, func(c Condition) bool { return c.Field == "owner_id" && holds(c) })
	}
	switch {
	case told(func(c Condition) bool { return c.Op == OpNull && c.Value == "true" }):
		l.where = append(l.where, "false") // nobody's are none of theirs
	case told(func(c Condition) bool { return c.Op != OpNotEqual }):
		// The filter says whose; twice would have the planner take them for fewer than they are.
	case len(q.Owners) == 1: // an index has the one's rows in the order of a list
		l.where = append(l.where, "owner_id = "+l.arg(q.Owners[0]))
	case l.sort[0].name != "updated_at" || len(q.Filter) > 0 || q.Text != "":
		// No index has each owner's rows in this order, or each would be read to the end for the few that the filter leaves. Whose
		// rows they are is told all the same: the planner knows how many that are, and walks the index of the sort, of the
		// filter, or those owners' rows.
		l.where = append(l.where, "owner_id = any("+l.arg(q.Owners)+"::uuid[])")
	default:
		return false
	}
	return true
}

// ownerByOwner reads the first rows of each owner, of which the first are taken: an index has each owner's rows in the order of a
// list, and beyond that index nobody's rows are read but those of the page.
func (l *listing) ownerByOwner(owners []uuid.UUID) string {
	keys := make([]string, len(l.sort))
	for i, s := range l.sort {
		keys[i] = s.name
	}
	l.where = append(l.where, "owner_id = o.owner")
	return "select " + names(l.table.columns, "t.") + " from (select p.id as found from unnest(" + l.arg(owners) + "::uuid[]) o(owner)" +
		" cross join lateral (select " + strings.Join(keys, ", ") + " from " + l.table.name + " where " + strings.Join(l.where, " and ") + l.first() + ") p" +
		l.first() + ") page join " + l.table.name + " t on t.id = page.found" + l.first()
}

// page reads the rows whose ids a statement finds, in order.
func (l *listing) page(ids string) string {
	return l.table.reads + " where id = any (array(" + ids + "))" + l.by()
}

// by is the order of the list.
func (l *listing) by() string {
	order := make([]string, len(l.sort))
	for i, s := range l.sort {
		order[i] = s.order(ranked(l.table, s.field))
	}
	return " order by " + strings.Join(order, ", ")
}

// first takes the first rows of the order: the page, and one more that says whether there is another.
func (l *listing) first() string { return l.by() + " limit " + strconv.Itoa(l.limit+1) }

// find returns the column of a field that may be filtered and sorted by: no other name ever reaches the statement.
func (l *listing) find(at, name string) (field, bool) {
	if slices.Contains(l.blind, name) {
		l.add(at, "permission", "must be a field that you may see")
		return field{}, false
	}
	for _, c := range l.table.columns {
		if c.name == name && c.typ != object && c.typ != document {
			return c, true
		}
	}
	if custom, ok := strings.CutPrefix(name, extPrefix); ok && customName.MatchString(custom) {
		return field{name: name, typ: text, goType: reflect.TypeFor[string](), optional: true, max: maxCustomText}, true
	}
	l.add(at, "field", "must be a field of %s with one value", l.table.name)
	return field{}, false
}

// extPrefix begins the names of custom fields in filters: ext.region. They compare as texts, so dates do, numbers do not.
const extPrefix = "ext."

// sql is the field in a statement: its column, or its place in ext.
func (f field) sql() string {
	if custom, ok := strings.CutPrefix(f.name, extPrefix); ok {
		return "(ext->>'" + custom + "')"
	}
	return f.name
}

// planned are the arguments of a statement that is planned for these very values each time: which index is best depends on how
// many rows have them, and a text is made a query once and not for each row.
func (l *listing) planned() []any { return append([]any{pgx.QueryExecModeCacheDescribe}, l.args...) }

func (l *listing) arg(v any) string {
	l.args = append(l.args, v)
	return "$" + strconv.Itoa(len(l.args))
}
