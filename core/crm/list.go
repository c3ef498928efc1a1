package crm

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
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
