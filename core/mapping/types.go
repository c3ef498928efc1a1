package mapping

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	"crmhub/core/schema"
)

// node is a place in a JSON Schema: what may stand there.
type node struct {
	root   map[string]any // of the file, for its local references
	schema map[string]any // nil: anything
}

func rootNode(s *schema.Schema) node {
	return node{s.Document(), s.Document()}.resolved()
}

// maxReferences bounds a chain of references; a schema whose chain never ends does not load.
const maxReferences = 20

// resolved follows local references, keeping what stands beside them. What a reference to elsewhere (or an anchor) leads
// to may be anything.
func (n node) resolved() node {
	for range maxReferences {
		ref, ok := n.schema["$ref"].(string)
		if !ok {
			return n
		}
		target, ok := lookUp(n.root, ref)
		if !ok {
			return node{n.root, nil}
		}
		merged := maps.Clone(target)
		for k, v := range n.schema {
			if k != "$ref" {
				merged[k] = v
			}
		}
		n.schema = merged
	}
	return node{n.root, nil}
}

// lookUp finds what a reference within a file leads to.
func lookUp(root map[string]any, ref string) (map[string]any, bool) {
	pointer, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil, false
	}
	pointer, err := url.PathUnescape(pointer)
	if err != nil || pointer != "" && pointer[0] != '/' {
		return nil, false
	}
	if pointer == "" {
		return root, true
	}
	var at any = root
	for name := range strings.SplitSeq(pointer[1:], "/") {
		object, _ := at.(map[string]any)
		at = object[unescaped.Replace(name)]
	}
	found, ok := at.(map[string]any)
	return found, ok
}

var unescaped = strings.NewReplacer("~1", "/", "~0", "~") //nolint:gochecknoglobals // immutable

// at goes along a path. It is missing where the schema does not name the property. What the schema leaves open (an
// object without properties, such as custom fields, or alternatives) may be anything.
func (n node) at(p fieldPath) (found node, ok bool) {
	for _, s := range p {
		if n.schema == nil {
			return n, true
		}
		switch next := n.next(s).(type) {
		case map[string]any:
			n = node{n.root, next}.resolved()
		case bool:
			if !next {
				return node{}, false
			}
			n = node{n.root, nil}
		}
	}
	return n, true
}

// next is the schema one step on; true is anything, false nothing.
func (n node) next(s step) any {
	properties, closed := n.schema["properties"].(map[string]any)
	keyword, holder := "additionalProperties", "object"
	if s.index >= 0 {
		keyword, holder, closed = "items", "array", n.has("items")
	} else if next, ok := properties[s.name]; ok {
		return next
	}
	if next, ok := n.schema[keyword].(map[string]any); ok {
		return next
	}
	alternatives := n.has("anyOf") || n.has("oneOf") || n.has("allOf") || n.has("if") || n.has("patternProperties") || n.has("prefixItems")
	return n.schema[keyword] != false && (alternatives || !closed && n.is(holder))
}

// items is what a list holds.
func (n node) items() (node, bool) {
	if !n.is("array") {
		return node{}, false
	}
	return n.at(fieldPath{{"0", 0}})
}

// types are the JSON types that may stand here, null left out; none means any.
func (n node) types() []string {
	var all []string
	switch t := n.schema["type"].(type) {
	case string:
		all = []string{t}
	case []any:
		for _, v := range t {
			if s, ok := v.(string); ok && s != "null" {
				all = append(all, s)
			}
		}
	}
	if all == nil {
		for _, v := range n.enum() {
			if t := typeOf(v); t != "null" && !slices.Contains(all, t) {
				all = append(all, t)
			}
		}
	}
	return all
}

// is reports whether a value of the type may stand here. A whole number is a number too.
func (n node) is(t string) bool {
	types := n.types()
	return len(types) == 0 || slices.Contains(types, t) || t == "integer" && slices.Contains(types, "number")
}

// only reports whether nothing but values of the type may stand here, and null.
func (n node) only(t string) bool {
	types := n.types()
	return len(types) == 1 && types[0] == t
}

// open reports whether anything may stand here.
func (n node) open() bool { return len(n.types()) == 0 }

// nullable reports whether null may stand here.
func (n node) nullable() bool {
	if list, ok := n.schema["type"].([]any); ok {
		return slices.Contains(list, any("null"))
	}
	if n.has("type") {
		return n.schema["type"] == "null"
	}
	return n.enum() == nil || slices.Contains(n.enum(), nil)
}

// allows reports whether a value may stand here, as far as types and codes tell.
func (n node) allows(v any) bool {
	if v == nil {
		return n.nullable()
	}
	return n.is(typeOf(v)) && (n.enum() == nil || contains(n.enum(), v))
}

func contains(list []any, v any) bool {
	return slices.ContainsFunc(list, func(e any) bool { return code(e) == code(v) })
}

// accepts reports whether a value is valid here by all that the schema says.
func (n node) accepts(v any) bool {
	if n.schema == nil {
		return true
	}
	alone := maps.Clone(n.schema)
	for _, name := range []string{"$defs", "definitions"} {
		if defs, ok := n.root[name]; ok {
			alone[name] = defs
		}
	}
	b, err := json.Marshal(alone)
	if err != nil {
		return n.allows(v)
	}
	s, err := schema.Compile("value.json", b)
	if err != nil { // it refers to what is not within it
		return n.allows(v)
	}
	return s.Validate(v) == nil
}

// fit puts what an expression or a default gives into the form this place has: a decimal's text becomes a number where
// there are only numbers, and a number a text where there are only texts.
func (n node) fit(v any) any {
	switch v := v.(type) {
	case string:
		if d, ok := decimalOf(v); ok && (n.only("number") || n.only("integer")) {
			return json.Number(d.String())
		}
	case json.Number:
		if n.only("string") {
			return string(v)
		}
	case []any:
		if item, ok := n.items(); ok && item.schema != nil {
			for i := range v {
				v[i] = item.fit(v[i])
			}
		}
	case map[string]any:
		for name := range v {
			if member, ok := n.at(fieldPath{{name, -1}}); ok && member.schema != nil {
				v[name] = member.fit(v[name])
			}
		}
	}
	return v
}

// isDecimal reports whether a text that stands here is a decimal number.
func (n node) isDecimal() bool { return n.format() == "decimal" }

// isAmount reports whether a number that may have decimals stands here, whatever way it is written.
func (n node) isAmount() bool { return n.isDecimal() || slices.Contains(n.types(), "number") }

func (n node) format() string { return n.text("format") }

func (n node) has(keyword string) bool {
	_, ok := n.schema[keyword]
	return ok
}

func (n node) text(keyword string) string {
	s, _ := n.schema[keyword].(string)
	return s
}

// describe names what stands here, for messages.
func (n node) describe() string {
	if n.format() != "" {
		return n.format()
	}
	if n.open() {
		return "anything"
	}
	return strings.Join(n.types(), " or ")
}

// readOnly says whether nobody writes it by a mapping. What people may only read, connections may write.
func (n node) readOnly() bool {
	return n.schema["readOnly"] == true && n.schema["x-writer"] != "connection"
}

// keys are the properties of an entity by which it is told from all others.
func (n node) keys() []string {
	properties, _ := n.schema["properties"].(map[string]any)
	var keys []string
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if p, _ := n.at(fieldPath{{name, -1}}); p.schema["x-key"] == true {
			keys = append(keys, name)
		}
	}
	return keys
}

func (n node) enum() []any {
	if c, ok := n.schema["const"]; ok {
		return []any{c}
	}
	list, _ := n.schema["enum"].([]any)
	return list
}

// required are the properties an object must have when it is sent: those the remote alone sets are left out.
func (n node) required() []string {
	var names []string
	list, _ := n.schema["required"].([]any)
	for _, v := range list {
		name, _ := v.(string)
		if p, ok := n.at(fieldPath{{name, -1}}); ok && p.readOnly() {
			continue
		}
		names = append(names, name)
	}
	return names
}

// sent returns a copy of a schema without the demand for properties that are readOnly: what the remote sets.
func sent(doc map[string]any) map[string]any {
	n := node{doc, doc}
	copied, _ := sentValue(n, doc).(map[string]any)
	return copied
}

func sentValue(n node, v any) any {
	switch v := v.(type) {
	case map[string]any:
		copied := make(map[string]any, len(v))
		for k, member := range v {
			copied[k] = sentValue(node{n.root, nil}, member)
		}
		if _, ok := v["required"].([]any); ok {
			names := node{n.root, v}.required()
			list := make([]any, len(names))
			for i, name := range names {
				list[i] = name
			}
			copied["required"] = list
		}
		return copied
	case []any:
		copied := make([]any, len(v))
		for i := range v {
			copied[i] = sentValue(node{n.root, nil}, v[i])
		}
		return copied
	}
	return v
}
