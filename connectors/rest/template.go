package rest

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// template makes a JSON value out of a scope. It is compiled once and rendered by many goroutines.
type template interface {
	// render returns the value; ok is false where an optional value is missing and the place around it is left out.
	render(s *scope) (v any, ok bool, err error)
}

// maxDepth bounds how deep templates and answers may nest.
const maxDepth = 100

// compiler turns YAML into templates and collects all faults.
type compiler struct {
	faults  *Faults
	roots   []string // names a path may start with
	lookups map[string]bool
	rpc     bool // the manifest says how to call by rpc
}

func (c *compiler) fault(n *yaml.Node, format string, args ...any) {
	c.faults.add(n.Line, fmt.Sprintf(format, args...))
}

func (c *compiler) with(roots ...string) *compiler {
	inner := *c
	inner.roots = append(slices.Clone(c.roots), roots...)
	return &inner
}

type literal struct{ value any }

func (t literal) render(*scope) (any, bool, error) { return t.value, true, nil }

func (c *compiler) value(n *yaml.Node) template {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!str" {
			return c.text(n, n.Value)
		}
		v, err := scalar(n)
		if err != nil {
			c.fault(n, "%v", err)
		}
		return literal{v}
	case yaml.SequenceNode:
		list := make(listTemplate, len(n.Content))
		for i, item := range n.Content {
			list[i] = c.value(item)
		}
		return list
	case yaml.MappingNode:
		return c.object(n)
	default: // it is missing, which the schema has told
		return literal{}
	}
}

func (c *compiler) object(n *yaml.Node) template {
	fields := map[string]*yaml.Node{}
	var t objectTemplate
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if strings.HasPrefix(key.Value, "$") {
			fields[key.Value] = value
			continue
		}
		t.keys = append(t.keys, key.Value)
		t.values = append(t.values, c.value(value))
	}
	if len(fields) == 0 {
		return t
	}
	take := func(name string) *yaml.Node {
		v := fields[name]
		delete(fields, name)
		return v
	}
	var result template
	switch {
	case fields["$each"] != nil:
		result = eachTemplate{list: c.value(take("$each")), item: c.with("item", "index").required(n, take("$value"))}
	case fields["$when"] != nil:
		w := whenTemplate{value: c.required(n, fields["$value"])}
		w.test, w.equal = c.test(take("$when"))
		delete(fields, "$value")
		if otherwise := take("$else"); otherwise != nil {
			w.otherwise = c.value(otherwise)
		}
		result = w
	case fields["$concat"] != nil:
		result = c.concat(take("$concat"))
	case fields["$spread"] != nil:
		t.spread = c.value(take("$spread"))
		if omit := take("$omit"); omit != nil {
			if err := omit.Decode(&t.omit); err != nil {
				c.fault(omit, "$omit is a list of keys")
			}
		}
		result = t
	default:
		result = t
	}
	for name, node := range fields {
		c.fault(node, "%s means nothing here", name)
	}
	if _, isObject := result.(objectTemplate); !isObject && len(t.keys) > 0 {
		c.fault(n, "nothing else stands beside $each, $when and $concat")
	}
	return result
}

func (c *compiler) required(parent, n *yaml.Node) template {
	if n == nil {
		c.fault(parent, "$value is missing")
		return literal{}
	}
	return c.value(n)
}

type listTemplate []template

func (t listTemplate) render(s *scope) (any, bool, error) {
	list := make([]any, 0, len(t))
	for _, item := range t {
		v, ok, err := item.render(s)
		if err != nil {
			return nil, false, err
		}
		if ok {
			list = append(list, v)
		}
	}
	return list, true, nil
}

type objectTemplate struct {
	keys   []string
	values []template
	spread template
	omit   []string
}

func (t objectTemplate) render(s *scope) (any, bool, error) {
	object := make(map[string]any, len(t.keys))
	if t.spread != nil {
		v, ok, err := t.spread.render(s)
		if err != nil {
			return nil, false, err
		}
		fields, isObject := v.(map[string]any)
		if ok && !isObject {
			return nil, false, fmt.Errorf("$spread needs an object, not a %s", kindOf(v))
		}
		for k, v := range fields {
			if !slices.Contains(t.omit, k) {
				object[k] = v
			}
		}
	}
	for i, key := range t.keys {
		v, ok, err := t.values[i].render(s)
		if err != nil {
			return nil, false, err
		}
		if ok {
			object[key] = v
		} else {
			delete(object, key)
		}
	}
	return object, true, nil
}

type eachTemplate struct{ list, item template }

func (t eachTemplate) render(s *scope) (any, bool, error) {
	v, ok, err := t.list.render(s)
	if err != nil || !ok || v == nil {
		return nil, false, err
	}
	items, isList := v.([]any)
	if !isList {
		return nil, false, fmt.Errorf("$each needs a list, not a %s", kindOf(v))
	}
	made := make([]any, 0, len(items))
	outer := s.each
	defer func() { s.each = outer }()
	for i, item := range items {
		s.each = &element{item, i}
		v, ok, err := t.item.render(s)
		if err != nil {
			return nil, false, err
		}
		if ok {
			made = append(made, v)
		}
	}
	return made, true, nil
}

// whenTemplate is a value only if its test holds: a value that is present and neither empty nor false, or two that are equal.
type whenTemplate struct {
	test, equal      template
	value, otherwise template
}

func (c *compiler) test(n *yaml.Node) (test, equal template) {
	if n.Kind != yaml.MappingNode {
		return c.value(n), nil
	}
	pair := child(n, "equal")
	if len(n.Content) != 2 || pair == nil || pair.Kind != yaml.SequenceNode || len(pair.Content) != 2 {
		c.fault(n, "$when is a placeholder, or {equal: [a, b]}")
		return literal{}, nil
	}
	return c.value(pair.Content[0]), c.value(pair.Content[1])
}

func (t whenTemplate) render(s *scope) (any, bool, error) {
	v, ok, err := t.test.render(s)
	if err != nil {
		return nil, false, err
	}
	holds := ok && truth(v)
	if t.equal != nil {
		other, same, err := t.equal.render(s)
		if err != nil {
			return nil, false, err
		}
		holds = ok == same && !differs(v, other)
	}
	switch {
	case holds:
		return t.value.render(s)
	case t.otherwise != nil:
		return t.otherwise.render(s)
	default:
		return nil, false, nil
	}
}

// concatTemplate puts lists one behind the other.
type concatTemplate []template

func (c *compiler) concat(n *yaml.Node) template {
	if n.Kind != yaml.SequenceNode {
		c.fault(n, "$concat needs a list of lists")
		return literal{}
	}
	t := make(concatTemplate, len(n.Content))
	for i, part := range n.Content {
		t[i] = c.value(part)
	}
	return t
}

func (t concatTemplate) render(s *scope) (any, bool, error) {
	all := []any{}
	for _, part := range t {
		v, ok, err := part.render(s)
		if err != nil {
			return nil, false, err
		}
		if !ok {
			continue
		}
		list, isList := v.([]any)
		if !isList {
			return nil, false, fmt.Errorf("$concat needs lists, not a %s", kindOf(v))
		}
		all = append(all, list...)
	}
	return all, true, nil
}

func truth(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	default:
		return true
	}
}

// text compiles a text with placeholders.
func (c *compiler) text(n *yaml.Node, src string) template {
	var parts []template
	for rest := src; rest != ""; {
		before, after, found := strings.Cut(rest, "{{")
		if before != "" {
			parts = append(parts, literal{before})
		}
		if !found {
			break
		}
		inside, behind, closed := strings.Cut(after, "}}")
		if !closed {
			c.fault(n, "a {{ has no }}")
			return literal{}
		}
		parts = append(parts, c.placeholder(n, inside))
		rest = behind
	}
	switch len(parts) {
	case 0:
		return literal{""}
	case 1:
		return parts[0]
	default:
		return textTemplate(parts)
	}
}

// path compiles the path of a URL: what is put into it cannot change its shape.
func (c *compiler) path(n *yaml.Node) template {
	if n.Kind == 0 {
		return literal{""}
	}
	switch t := c.text(n, n.Value).(type) {
	case placeholder:
		return escaped{t}
	case textTemplate:
		for i, part := range t {
			if p, ok := part.(placeholder); ok {
				t[i] = escaped{p}
			}
		}
		return t
	default:
		return t
	}
}

type escaped struct{ value placeholder }

func (t escaped) render(s *scope) (any, bool, error) {
	str, err := renderText(t.value, s)
	if err == nil && str == "" && !t.value.optional {
		err = fmt.Errorf("{{%s}} is empty, which would make another path", t.value.source)
	}
	return url.PathEscape(str), true, err
}

type textTemplate []template

func (t textTemplate) render(s *scope) (any, bool, error) {
	var b strings.Builder
	for _, part := range t {
		v, ok, err := part.render(s)
		if err != nil || !ok {
			return nil, false, err
		}
		str, err := text(v)
		if err != nil {
			return nil, false, err
		}
		b.WriteString(str)
	}
	return b.String(), true, nil
}

func scalar(n *yaml.Node) (any, error) {
	switch n.Tag {
	case "!!null":
		return nil, nil //nolint:nilnil // a null is a value here
	case "!!bool":
		return strconv.ParseBool(n.Value)
	case "!!int", "!!float":
		return number(n.Value)
	case "!!str", "!!timestamp":
		return n.Value, nil
	default:
		return nil, fmt.Errorf("%s is no JSON value", n.Tag)
	}
}
