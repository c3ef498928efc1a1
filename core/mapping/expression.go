package mapping

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"
)

// expression is a compiled expression. It is safe for concurrent use.
type expression struct {
	program *vm.Program
	doc, it *shape
	target  node     // what its value becomes
	reads   []string // the properties of the document it looks at
	places  []looked // where it looks
	wholly  bool     // it may look at any property of the document
	wholeIt bool     // or of the element
}

// environment is what an expression may name; a name that is not there is refused when it is compiled.
type environment struct {
	root string // "entity" or "record"
	doc  node
	it   *node // the element, within each
}

// condition is the target of an expression that says whether a rule holds.
var condition = node{schema: map[string]any{"type": "boolean"}} //nolint:gochecknoglobals // constant

// builtins are the library's functions that may be used: those that end, give the same for the same input, and make no
// floats. Lists are gone through by the predicates (all … count), nested no deeper than maxPredicates.
var builtins = []string{ //nolint:gochecknoglobals // a constant list
	"all", "any", "none", "one", "filter", "map", "find", "count", "first", "last", "len", "concat", "uniq", "join", "int", "string",
	"trim", "trimPrefix", "trimSuffix", "upper", "lower", "split", "replace", "indexOf", "lastIndexOf", "hasPrefix", "hasSuffix",
}

// An expression's size; its memory is bounded by the library's default budget.
const (
	maxNodes      = 200
	maxPredicates = 2
)

// compileExpression compiles an expression whose value goes to target.
func compileExpression(source string, env environment, target node) (*expression, error) {
	doc := shapeOf(env.doc)
	e := &expression{doc: doc, target: target}
	names := types.Map{env.root: doc.types}
	if env.it != nil {
		e.it = shapeOf(*env.it)
		names["it"] = e.it.types
	}
	found, value, err := inspect(source, env)
	if err != nil {
		return nil, err
	}
	e.reads, e.places, e.wholly, e.wholeIt = found.reads, found.places, found.whole[env.root] > 0, found.whole["it"] > 0
	options := []expr.Option{expr.Env(names), expr.MaxNodes(maxNodes), expr.DisableAllBuiltins()}
	for _, name := range builtins {
		options = append(options, expr.EnableBuiltin(name))
	}
	if e.program, err = expr.Compile(source, append(options, decimalFunctions()...)...); err != nil {
		return nil, oneLine(err)
	}
	kinds := value.types() // what the library does not know, as any of these may be absent
	if kind := kindOf(e.program.Node().Type()); kind != "" {
		kinds = []string{kind}
	}
	if len(kinds) > 0 && !slices.ContainsFunc(kinds, target.takes) {
		return nil, fmt.Errorf("it gives %s, and there must be %s", strings.Join(kinds, " or "), target.describe())
	}
	return e, nil
}

// oneLine is the library's message without its picture of the place.
func oneLine(err error) error {
	if e, ok := errors.AsType[*file.Error](err); ok {
		return fmt.Errorf("%s, at character %d", e.Message, e.Column+1)
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(first)
}

// takes reports whether a value of the type may come to stand here. A text becomes a number where there are only
// numbers, and a number a text.
func (n node) takes(kind string) bool {
	return n.is(kind) || kind == "string" && n.is("integer") || (kind == "integer" || kind == "number") && n.is("string")
}

// kindOf names the JSON type of an expression's value; "" if it is only known when it runs.
func kindOf(t reflect.Type) string {
	if t == nil {
		return ""
	}
	switch t.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "string"
	case reflect.Int:
		return "integer"
	case reflect.Float64:
		return "float"
	case reflect.Slice:
		return "array"
	case reflect.Map:
		return "object"
	}
	return ""
}

// run evaluates the expression with the names of env.
func (e *expression) run(machine *vm.VM, env map[string]any) (any, error) {
	v, err := machine.Run(e.program, env)
	if err != nil {
		return nil, fmt.Errorf("the expression failed: %w", err)
	}
	if v, err = own(v); err != nil {
		return nil, err
	}
	return e.target.fit(v), nil
}

// expressions compiles push and pull; a rule with one goes that way only, unless it has both.
func (c *compiler) expressions(w *written, s side, r *rule, crm, remote node) {
	if w.link != "" || w.values != nil || w.format != "" || w.layout != "" || w.zone != "" || w.unit != "" || w.each != nil {
		c.fault(w.node, "map_expression_alone", "an expression stands alone: link, values, format, layout, zone, unit and each belong to rules with two sides")
	}
	if w.direction != "" {
		c.fault(place(w.node, "direction"), "map_expression_direction", "an expression has its direction already")
	}
	compile := func(key, source string, d direction, target node) *expression {
		if source == "" {
			return nil
		}
		e, err := compileExpression(source, s.environment(c, d), target)
		if err != nil {
			c.fault(place(w.node, key), "map_expression_unfit", "the expression does not fit: %v", err)
		}
		return e
	}
	r.pushExpr = compile("push", w.push, pushing, remote)
	r.pullExpr = compile("pull", w.pull, pulling, crm)
}

// reads adds the properties of the entity that the rule's expressions send on.
func (r *rule) reads(names []string) []string {
	for _, e := range []*expression{r.pushExpr, r.when} {
		if e == nil || !r.push {
			continue
		}
		for _, name := range e.reads {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	for i := range r.each {
		names = r.each[i].reads(names)
	}
	return names
}
