package rest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"crmhub/core/connector"
)

// placeholder is what stands between {{ and }}: a path into the scope, and filters.
type placeholder struct {
	source   string
	path     []string            // without the root
	dynamic  map[int]placeholder // parts in brackets: what they name is looked up first
	get      func(*scope) (any, bool)
	optional bool
	filters  []filter
}

func (c *compiler) placeholder(n *yaml.Node, src string) template {
	parts := strings.Split(src, "|")
	path := strings.TrimSpace(parts[0])
	p := placeholder{source: path}
	path, p.optional = strings.CutSuffix(path, "?")
	separator := "."
	if strings.Contains(path, "/") {
		separator = "/"
	}
	keys := splitPath(path, separator)
	if slices.Contains(keys, "") {
		c.fault(n, "{{%s}}: a path is names with dots (or slashes) between", src)
		return literal{}
	}
	root, known := roots[keys[0]]
	if !known || !slices.Contains(c.roots, keys[0]) {
		c.fault(n, "{{%s}}: %q is not known here; known are %s", src, keys[0], strings.Join(c.roots, ", "))
		return literal{}
	}
	p.get, p.path = root, keys[1:]
	for i, key := range p.path {
		inner, ok := strings.CutPrefix(key, "[")
		if !ok {
			continue
		}
		named, ok := c.placeholder(n, strings.ReplaceAll(strings.TrimSuffix(inner, "]"), "~", separator)).(placeholder)
		if !ok {
			return literal{}
		}
		if p.dynamic == nil {
			p.dynamic = map[int]placeholder{}
		}
		p.dynamic[i] = named
	}
	for _, f := range parts[1:] {
		name, argument, _ := strings.Cut(strings.TrimSpace(f), ":")
		made, err := c.filter(name, argument)
		if err != nil {
			c.fault(n, "{{%s}}: %v", src, err)
			continue
		}
		p.filters = append(p.filters, made)
		if name == "default" || name == "seek" {
			p.optional = true
		}
	}
	return p
}

func (p placeholder) render(s *scope) (any, bool, error) {
	path := p.path
	if p.dynamic != nil {
		path = slices.Clone(path)
		for i, named := range p.dynamic {
			key, err := renderText(named, s)
			if err != nil {
				return nil, false, err
			}
			path[i] = key
		}
	}
	v, ok := p.get(s)
	if ok {
		v, ok = pointer(path).in(v)
	}
	for _, f := range p.filters {
		var err error
		if v, ok, err = f(s, v, ok); err != nil {
			if _, ok := errors.AsType[*connector.Error](err); ok {
				return nil, false, err
			}
			return nil, false, fmt.Errorf("{{%s}}: %w", p.source, err)
		}
	}
	if p.optional {
		return v, ok && v != nil, nil
	}
	if !ok {
		return nil, false, &missingError{p.source}
	}
	return v, true, nil
}

// splitPath splits at separators outside brackets; inside they become ~.
func splitPath(path, separator string) []string {
	var b strings.Builder
	inside := false
	for i := range len(path) {
		switch c := path[i]; {
		case c == '[':
			inside = true
			b.WriteByte(c)
		case c == ']':
			inside = false
			b.WriteByte(c)
		case inside && path[i:i+1] == separator:
			b.WriteByte('~')
		default:
			b.WriteByte(c)
		}
	}
	return strings.Split(b.String(), separator)
}

// missingError says that a placeholder without a question mark has no value.
type missingError struct{ path string }

func (e *missingError) Error() string { return "there is no " + strings.TrimSuffix(e.path, "?") }
