package crm

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
	"crmhub/core/search"
)

// Query asks for a page of entities. Fields are those of the entity's JSON that hold one value, or a list of texts.
type Query struct {
	Filter []Condition // all must hold; deleted entities are left out unless a condition names deleted_at
	Sort   []Sort      // newest change first if empty; ties are broken by id
	After  string      // Next of the page before; "" for the first
	Limit  int         // 50 if 0, at most 1000
	Text   string      // its words are in the fields that Search looks at

	// Owners narrows the list to their rows; nil is everybody's and nobody's. It hides nothing that the database does not
	// keep from the reader anyway, but it lets the list be read along an index: give it where the reader's scope is narrow.
	Owners []uuid.UUID
	// Blind are fields that the reader does not see plainly, hence must not find out by filtering, sorting or searching.
	Blind []string
}

// Condition compares a field.
type Condition struct {
	Field string
	Op    Op
	Value any // a string as in JSON; []string for OpIn; "true" or "false" for OpNull
}

// ParseCondition reads a condition as addresses write it: a field's name, with an operator in brackets if it is not equality,
// and a value, of which in takes several separated by commas. Whether there is such a field, List says.
func ParseCondition(name, value string) (c Condition, ok bool) {
	field, rest, bracket := strings.Cut(name, "[")
	c = Condition{Field: field, Op: OpEqual, Value: value}
	if bracket {
		op, ok := strings.CutSuffix(rest, "]")
		if !ok {
			return c, false
		}
		c.Op = Op(op)
	}
	if c.Op == OpIn {
		c.Value = strings.Split(value, ",")
	}
	return c, field != ""
}

// Address writes a condition as addresses do; [ParseCondition] reads it.
func (c Condition) Address() (name, value string) {
	name = c.Field
	if c.Op != OpEqual {
		name += "[" + string(c.Op) + "]"
	}
	if list, ok := c.Value.([]string); ok {
		return name, strings.Join(list, ",")
	}
	value, _ = c.Value.(string)
	return name, value
}

// UnmarshalJSON reads what a condition is written as: a list of texts is what OpIn takes.
func (c *Condition) UnmarshalJSON(b []byte) error {
	type plain Condition
	if err := json.Unmarshal(b, (*plain)(c)); err != nil {
		return fmt.Errorf("read a condition: %w", err)
	}
	list, ok := c.Value.([]any)
	if !ok {
		return nil
	}
	texts := make([]string, len(list))
	for i, v := range list {
		if texts[i], ok = v.(string); !ok {
			return fmt.Errorf("read a condition: %v is no text", v)
		}
	}
	c.Value = texts
	return nil
}

// Op is how a [Condition] compares.
type Op string

// The operators.
const (
	OpEqual        Op = "eq"
	OpNotEqual     Op = "ne" // also true where the field is empty
	OpLess         Op = "lt"
	OpLessEqual    Op = "le"
	OpGreater      Op = "gt"
	OpGreaterEqual Op = "ge"
	OpIn           Op = "in"
	OpContains     Op = "contains" // of texts, in any case
	OpNull         Op = "null"     // empty or not
	OpHas          Op = "has"      // of lists of texts, such as tags: has this one
)

// Sort is a field to sort by.
type Sort struct {
	Field string
	Desc  bool
}

const (
	defaultLimit = 50
	maxLimit     = 1000
)

// List returns the page a query asks for. What is wrong with the query is [schema.Violations].
func (s *Store) List(ctx context.Context, tx pgx.Tx, k Kind, q Query) (postgres.Page[Entity], error) {
	l := listing{kind: k, table: tableOf(k), owned: Owned(k), blind: q.Blind}
	l.narrow(q.Blind)
	if l.owned && !slices.ContainsFunc(q.Filter, func(c Condition) bool { return c.Field == "deleted_at" }) {
		l.owners = q.Owners
	}
	if err := l.look(ctx, tx, q.Text); err != nil {
		return postgres.Page[Entity]{}, err
	}
	sql := l.statement(q)
	if err := l.violations.Err(); err != nil {
		return postgres.Page[Entity]{}, err
	}
	entities, err := l.shortest(ctx, tx, sql)
	if err != nil {
		return postgres.Page[Entity]{}, fmt.Errorf("list %s: %w", l.table.name, err)
	}
	if len(entities) <= l.limit {
		return postgres.Page[Entity]{Items: entities}, nil
	}
	entities = entities[:l.limit]
	next, err := l.cursor(entities[l.limit-1])
	return postgres.Page[Entity]{Items: entities, Next: next}, err
}

// CheckQuery says what is wrong with the filter and the order of a query before anybody asks it: [schema.Violations].
func CheckQuery(k Kind, q Query) error {
	l := listing{kind: k, table: tableOf(k), owned: Owned(k), blind: q.Blind}
	q.Text = ""
	l.statement(q)
	return l.violations.Err()
}

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

func (l *listing) statement(q Query) string {
	l.limit = min(q.Limit, maxLimit)
	if l.limit <= 0 {
		l.limit = defaultLimit
	}
	wheres := make([]int, len(q.Filter)) // where each condition ends
	for i, c := range q.Filter {
		l.condition("/filter/"+strconv.Itoa(i), c)
		wheres[i] = len(l.where)
	}
	if !l.seeing {
		l.where = append(l.where, "deleted_at is null")
	}
	begin := len(l.where)
	if strings.TrimSpace(q.Text) != "" {
		l.matching(q.Text)
	}
	end := len(l.where)
	l.sortBy(q.Sort)
	l.after(q.After)
	if len(l.violations) > 0 {
		return ""
	}
	var order []string
	for _, s := range l.sort {
		order = append(order, s.order(ranked(l.table, s.field)))
	}
	by := " order by " + strings.Join(order, ", ")
	tail := by + " limit " + strconv.Itoa(l.limit+1)
	narrow := q.Owners != nil && l.owned
	switch {
	case narrow && slices.ContainsFunc(q.Filter, func(c Condition) bool { return c.Field == "owner_id" && c.Op == OpNull && c.Value == "true" }):
		l.where = append(l.where, "false") // nobody's are none of theirs
		narrow = false
	case narrow && slices.ContainsFunc(q.Filter, func(c Condition) bool { return c.Field == "owner_id" && c.Op != OpNotEqual }):
		narrow = false // the filter says whose; twice would have the planner take them for fewer than they are
	case narrow && len(q.Owners) == 1: // an index has the one's rows in the order of a list
		l.where = append(l.where, "owner_id = "+l.arg(q.Owners[0]))
		narrow = false
	case narrow && (l.sort[0].name != "updated_at" || len(q.Filter) > 0 || q.Text != ""):
		// No index has each owner's rows in this order, or each would be read to the end for the few that the filter leaves. Whose
		// rows they are is told all the same: the planner knows how many that are, and walks the index of the sort, of the
		// filter, or those owners' rows.
		l.where = append(l.where, "owner_id = any("+l.arg(q.Owners)+"::uuid[])")
		narrow = false
	}
	page := func(rows string) string {
		return l.table.reads + " where id = any (array(select id from " + rows + tail + "))" + by
	}
	if !narrow && l.scattered && !l.seeing && len(QuickSorts(l.kind)) > 0 {
		with, without := l.where[begin:end], slices.Delete(slices.Clone(l.where), begin, end)
		l.walked = l.table.reads + " where id = any (array(" + l.walk(without, by, with) + "))" + by
		l.sorted = page(l.table.name + " where " + strings.Join(append(without, l.having()), " and "))
	}
	if !narrow && q.Text == "" && !l.seeing && len(QuickSorts(l.kind)) > 0 {
		rows := l.table.name + " where " + strings.Join(l.where, " and ")
		covered := l.covered(q.Filter)
		if far, near := l.apart(q.Filter, wheres); far != nil {
			l.rows, l.sorted = "select from "+rows, page("(select * from "+rows+" offset 0) r")
			l.walked, l.step = l.table.reads+" where id = any (array("+l.walk(near, by, far)+"))"+by, 4
			if covered {
				l.step = 1
			}
		}
		if covered { // found in the index alone, and only what is on the page is read
			return page(rows)
		}
	}
	if !narrow {
		sql := l.table.reads
		if len(l.where) > 0 {
			sql += " where " + strings.Join(l.where, " and ")
		}
		return sql + tail
	}
	// The first rows of each owner, of which the first are taken: an index has each owner's rows in the order of a list,
	// and beyond that index nobody's rows are read but those of the page.
	keys := make([]string, len(l.sort))
	for i, s := range l.sort {
		keys[i] = s.name
	}
	l.where = append(l.where, "owner_id = o.owner")
	return "select " + names(l.table.columns, "t.") + " from (select p.id as found from unnest(" + l.arg(q.Owners) + "::uuid[]) o(owner)" +
		" cross join lateral (select " + strings.Join(keys, ", ") + " from " + l.table.name + " where " + strings.Join(l.where, " and ") + tail + ") p" +
		tail + ") page join " + l.table.name + " t on t.id = page.found" + tail
}

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
