package mapping

import (
	"encoding/json"
	"slices"

	"github.com/expr-lang/expr/types"
)

// shape is a schema as expressions see it: their types, and what the numbers of a document become. Whole numbers are
// integers; others are texts, so that they stay exact.
type shape struct {
	types   types.Type
	members map[string]*shape
	items   *shape
	amount  bool // a number here may have decimals, and is a text even when it has none
}

// Schemas may contain themselves: beyond this depth, or this many places, an expression's types say nothing more.
const (
	maxDepth  = 8
	maxPlaces = 10_000
)

func shapeOf(n node) *shape {
	left := maxPlaces
	return n.shape(0, &left)
}

func (n node) shape(depth int, left *int) *shape {
	*left--
	s := &shape{types: types.Any, amount: n.isAmount()}
	if n.schema == nil || depth > maxDepth || *left < 0 {
		return s
	}
	properties, _ := n.schema["properties"].(map[string]any)
	if len(properties) > 0 && n.is("object") {
		required, _ := n.schema["required"].([]any)
		s.members = make(map[string]*shape, len(properties))
		for name := range properties {
			member, _ := n.at(fieldPath{{name, -1}})
			s.members[name] = member.shape(depth+1, left)
			if t := s.members[name]; !slices.Contains(required, any(name)) && t.members == nil {
				t.types = types.Any // absent, it is nil, on which typed operators fail
			}
		}
	}
	if n.has("items") && n.is("array") {
		item, _ := n.items()
		s.items = item.shape(depth+1, left)
	}
	if n.nullable() {
		return s // nil has no type of its own
	}
	switch {
	case s.members != nil && n.only("object") && n.closed():
		m := types.Map{}
		for name, member := range s.members {
			m[name] = member.types
		}
		s.types = m
	case s.items != nil && n.only("array"):
		s.types = types.Array(s.items.types)
	case n.only("integer"):
		s.types = types.Int
	case n.only("boolean"):
		s.types = types.Bool
	case n.only("string"), n.only("number"):
		s.types = types.String
	}
	return s
}

// closed reports whether the properties that the schema names are all there are, as far as a mapping may rely on them.
func (n node) closed() bool {
	return !n.has("anyOf") && !n.has("oneOf") && !n.has("allOf") && !n.has("if") && !n.has("patternProperties")
}

// plain makes a document's numbers what expressions calculate with. It copies: an expression cannot change its source.
func (s *shape) plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil && (s == nil || !s.amount) {
			return int(n)
		}
		return string(v)
	case map[string]any:
		m := make(map[string]any, len(v))
		for name, member := range v {
			m[name] = s.member(name).plain(member)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = s.item().plain(v[i])
		}
		return list
	}
	return v
}

func (s *shape) member(name string) *shape {
	if s == nil {
		return nil
	}
	return s.members[name]
}

func (s *shape) item() *shape {
	if s == nil {
		return nil
	}
	return s.items
}
