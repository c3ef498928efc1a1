package mapping

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
)

// inspect reports what an expression does that would go wrong silently, and what it finds on the way; value is what the schema says
// of the expression's value where that is just one place.
func inspect(source string, env environment) (v inspector, value node, err error) {
	tree, err := parser.Parse(source)
	if err != nil {
		return inspector{}, node{}, oneLine(err)
	}
	v = inspector{env: env, within: map[ast.Node]int{}, whole: map[string]int{}}
	ast.Walk(&tree.Node, &v)
	for _, depth := range v.within {
		if depth >= maxPredicates {
			v.refuse("predicates such as all and map nest at most %d deep", maxPredicates)
		}
	}
	value, _ = v.place(tree.Node)
	v.places = longest(v.places)
	return v, value, v.err
}

type inspector struct {
	env    environment
	each   *node            // the element, within a predicate
	within map[ast.Node]int // how many predicates are around each predicate
	reads  []string         // the properties of the document that it looks at
	places []looked         // where it looks
	whole  map[string]int   // how often it takes the document, or the element, other than by a property that its text names
	err    error            // the first
}

// looked is a place that an expression looks at, in the document or in the element that it is about.
type looked struct {
	root bool // in the document
	path fieldPath
}

// longest leaves out the places on the way to others: who reads record.party.vat has been at record.party.
func longest(places []looked) []looked {
	var some []looked
	for i, p := range places {
		onTheWay := slices.ContainsFunc(places[:i], same(p)) || slices.ContainsFunc(places, func(o looked) bool {
			return o.root == p.root && len(o.path) > len(p.path) && slices.Equal(o.path[:len(p.path)], p.path)
		})
		if !onTheWay {
			some = append(some, p)
		}
	}
	return some
}

func same(p looked) func(looked) bool {
	return func(o looked) bool { return o.root == p.root && slices.Equal(o.path, p.path) }
}

func (v *inspector) refuse(format string, args ...any) {
	if v.err == nil {
		v.err = fmt.Errorf(format, args...)
	}
}

// Visit is called for each node, inner ones first.
func (v *inspector) Visit(n *ast.Node) {
	switch n := (*n).(type) {
	case *ast.FloatNode:
		v.refuse("%v is a float, which is not exact: write '%v' in quotes and calculate with dec_ functions", n.Value, n.Value)
	case *ast.IdentifierNode:
		if n.Value == "$env" {
			v.refuse("$env is not used here: name %s", v.env.root)
		}
		v.whole[n.Value]++
	case *ast.BuiltinNode: // the library's own switch spares those that take predicates
		if !slices.Contains(builtins, n.Name) {
			v.refuse("%s is not among the functions that a mapping may use", n.Name)
		}
		v.predicate(n)
	case *ast.UnaryNode:
		if n.Operator == "-" || n.Operator == "+" {
			v.amount(n.Operator, n.Node)
		}
	case *ast.BinaryNode:
		v.binary(n)
	case *ast.PredicateNode:
		ast.Walk(&n.Node, nesting(v.within))
		v.within[n] += 0
	case *ast.MemberNode:
		from, p, ok := v.path(n)
		if !ok || len(p) == 0 {
			return
		}
		if name, ofRoot := n.Node.(*ast.IdentifierNode); ofRoot {
			v.whole[name.Value]--
		}
		if from == &v.env.doc && !slices.Contains(v.reads, p[0].name) {
			v.reads = append(v.reads, p[0].name)
		}
		if from == &v.env.doc || from == v.env.it {
			v.places = append(v.places, looked{from == &v.env.doc, slices.Clone(p)})
		}
	}
}

// predicate inspects what a function does with each element of a list that the schema describes.
func (v *inspector) predicate(n *ast.BuiltinNode) {
	if len(n.Arguments) < 2 {
		return
	}
	p, isPredicate := n.Arguments[1].(*ast.PredicateNode)
	list, ok := v.place(n.Arguments[0])
	if !isPredicate || !ok {
		return
	}
	if item, ok := list.items(); ok {
		inner := inspector{env: v.env, each: &item, within: map[ast.Node]int{}, whole: map[string]int{}}
		ast.Walk(&p.Node, &inner)
		if inner.err != nil {
			v.refuse("%w", inner.err)
		}
	}
}

// binary refuses operators that do not mean on a decimal's text what they say.
func (v *inspector) binary(n *ast.BinaryNode) {
	switch n.Operator {
	case "/", "**", "^":
		v.refuse("%s makes floats, which are not exact: use dec_div or dec_mul", n.Operator)
	case "+", "-", "*", "%", "<", "<=", ">", ">=", "==", "!=", "in":
		if isNil(n.Left) || isNil(n.Right) {
			return
		}
		v.amount(n.Operator, n.Left, n.Right)
	}
}

// amount refuses an operator on a decimal.
func (v *inspector) amount(operator string, operands ...ast.Node) {
	for _, n := range operands {
		if at, ok := v.place(n); ok && at.isAmount() {
			v.refuse("%s works on texts, and decimals are texts here: compare with dec_cmp, calculate with dec_add, dec_mul, …", operator)
		}
	}
}

func isNil(n ast.Node) bool {
	_, ok := n.(*ast.NilNode)
	return ok
}

// place is what the schema says of a path such as it.unit.symbol.
func (v *inspector) place(n ast.Node) (node, bool) {
	if b, ok := n.(*ast.BinaryNode); ok && b.Operator == "??" {
		n = b.Left
	}
	from, p, ok := v.path(n)
	if !ok {
		return node{}, false
	}
	return from.at(p)
}

// path is the path of a chain of members, and where it begins: at the document, at it, or at a predicate's element.
func (v *inspector) path(n ast.Node) (from *node, p fieldPath, ok bool) {
	switch n := n.(type) {
	case *ast.ChainNode:
		return v.path(n.Node)
	case *ast.PointerNode:
		return v.each, nil, v.each != nil && n.Name == ""
	case *ast.IdentifierNode:
		if n.Value == v.env.root {
			return &v.env.doc, nil, true
		}
		return v.env.it, nil, n.Value == "it" && v.env.it != nil
	case *ast.MemberNode:
		if from, p, ok = v.path(n.Node); !ok {
			return nil, nil, false
		}
		switch property := n.Property.(type) {
		case *ast.StringNode:
			return from, append(p, step{property.Value, -1}), true
		case *ast.IntegerNode:
			return from, append(p, step{strconv.Itoa(property.Value), max(property.Value, 0)}), true
		}
	}
	return nil, nil, false
}

// nesting counts for each predicate those around it.
type nesting map[ast.Node]int

// Visit is called for each node within a predicate.
func (within nesting) Visit(n *ast.Node) {
	if p, ok := (*n).(*ast.PredicateNode); ok {
		within[p]++
	}
}
