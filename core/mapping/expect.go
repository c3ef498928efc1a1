package mapping

import (
	"slices"

	"crmhub/core/schema"
)

// Expected is what a record's schema says of a place.
type Expected struct {
	Described bool     // the schema names the place; the rest is empty where it does not
	Types     []string // JSON types; none: any
	Nullable  bool
	Texts     []string // the only texts there may be; nil: any
	MaxLength int      // in characters; 0: no limit
	Required  []string // properties that an object here must have
}

// Expect says what the schema of the mapping's records says of a place: a JSON pointer, with * for the elements of a list and for
// names that are data.
func (m *Mapping) Expect(pointer string) Expected {
	n := rootNode(m.raw)
	for _, token := range schema.PointerTokens(pointer) {
		var next any
		if token == "*" && n.is("array") && n.has("items") {
			next = n.schema["items"]
		} else {
			properties, _ := n.schema["properties"].(map[string]any)
			next = properties[token]
		}
		described, ok := next.(map[string]any)
		if !ok {
			return Expected{}
		}
		n = node{n.root, described}.resolved()
	}
	if n.schema == nil {
		return Expected{}
	}
	e := Expected{Described: true, Types: n.types(), Nullable: n.nullable()}
	if n.has("anyOf") || n.has("oneOf") || n.has("allOf") || n.has("if") { // these may say more, which only validation tells
		return Expected{Described: true, Nullable: true}
	}
	for _, v := range n.enum() {
		if text, ok := v.(string); ok {
			e.Texts = append(e.Texts, text)
		}
	}
	if number, ok := n.schema["maxLength"].(interface{ Int64() (int64, error) }); ok {
		if length, err := number.Int64(); err == nil {
			e.MaxLength = int(length)
		}
	}
	list, _ := n.schema["required"].([]any)
	for _, v := range list {
		if name, ok := v.(string); ok {
			e.Required = append(e.Required, name)
		}
	}
	return e
}

// Use is how a mapping reads a place of the record.
type Use struct {
	Rule  string // the file and line: "tryton/customer.yaml:12"
	Coded bool   // its values are looked up in a table or judged by an expression: one that is new is not known there
}

// Use says how a pull reads a place, what is below it or what it is a part of; nil if none of its rules does. The place is a JSON
// pointer, with * for the elements of a list.
func (m *Mapping) Use(pointer string) *Use {
	tokens := schema.PointerTokens(pointer)
	var found *Use
	for i := range m.places {
		p := &m.places[i]
		n := min(len(p.tokens), len(tokens))
		if !slices.Equal(p.tokens[:n], tokens[:n]) {
			continue
		}
		if p.use.Coded && len(p.tokens) <= len(tokens) {
			return &p.use
		}
		if found == nil {
			plain := Use{Rule: p.use.Rule}
			found = &plain
		}
	}
	return found
}

// readPlace is a place of the record that a rule reads.
type readPlace struct {
	tokens []string
	use    Use
}

// placesOf adds the places that rules read, which begin below base.
func placesOf(rules []rule, base []string, found []readPlace) []readPlace {
	for i := range rules {
		r := &rules[i]
		if !r.pull {
			continue
		}
		for _, e := range []*expression{r.pullExpr, r.when} {
			if e == nil {
				continue
			}
			for _, p := range e.places {
				from := base
				if p.root {
					from = nil
				}
				found = append(found, readPlace{p.path.tokens(from), Use{Rule: r.position, Coded: true}})
			}
		}
		if len(r.remote) == 0 || r.pullExpr != nil {
			continue
		}
		at := r.remote.tokens(base)
		if r.each != nil {
			found = placesOf(r.each, append(at, "*"), found)
			continue
		}
		found = append(found, readPlace{at, Use{Rule: r.position, Coded: r.tabled}})
	}
	return found
}

// tokens are the path as tokens of a pointer with *, below others.
func (p fieldPath) tokens(below []string) []string {
	all := slices.Clone(below)
	for _, s := range p {
		if s.index >= 0 {
			all = append(all, "*")
		} else {
			all = append(all, s.name)
		}
	}
	return all
}
