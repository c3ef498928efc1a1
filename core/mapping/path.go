package mapping

import (
	"strconv"
	"strings"
)

// step is one part of a path: a property's name, or the index of a list's element.
type step struct {
	name  string
	index int // -1 for a property
}

// fieldPath leads to a value within a document.
type fieldPath []step

// most is the highest index a path may have: setting it makes the elements before.
const most = 99

func parsePath(s string) (fieldPath, error) {
	var p fieldPath
	for part := range strings.SplitSeq(s, ".") {
		if part == "" {
			return nil, because("map_path_names", "a path has names between its dots")
		}
		if part[0] < '0' || part[0] > '9' {
			p = append(p, step{part, -1})
			continue
		}
		n, err := strconv.Atoi(part)
		if err != nil || n > most || len(p) == 0 || strconv.Itoa(n) != part {
			return nil, because("map_path_number", "a number in a path is an element's place, from 0 to 99, after a list's name")
		}
		p = append(p, step{part, n})
	}
	return p, nil
}

func (p fieldPath) String() string {
	names := make([]string, len(p))
	for i, s := range p {
		names[i] = s.name
	}
	return strings.Join(names, ".")
}

var escaped = strings.NewReplacer("~", "~0", "/", "~1") //nolint:gochecknoglobals // immutable, and costly to make

// pointer is the path as a JSON pointer below another.
func (p fieldPath) pointer(below string) string {
	for _, s := range p {
		below += "/" + escaped.Replace(s.name)
	}
	return below
}

// hole is the place in a list that the path sets without those before it; 0 if there is none.
func (p fieldPath) hole() int {
	for _, s := range p {
		if s.index >= 0 {
			return s.index
		}
	}
	return 0
}

// get finds the value. There is none where a property on the way is missing. What lies within null, or beyond a list's
// end, is null: that it is empty is known.
func (p fieldPath) get(doc map[string]any) (any, bool) {
	var at any = doc
	for _, s := range p {
		switch v := at.(type) {
		case nil:
			return nil, true
		case map[string]any:
			var ok bool
			if at, ok = v[s.name]; !ok || s.index >= 0 {
				return nil, false
			}
		case []any:
			if s.index < 0 {
				return nil, false
			}
			if s.index >= len(v) {
				return nil, true
			}
			at = v[s.index]
		default:
			return nil, false
		}
	}
	return at, true
}

// set puts the value, making what is missing on the way. Nothing makes no element of a list.
func (p fieldPath) set(doc map[string]any, v any) {
	p.put(doc, v)
}

// put returns at with the value in it.
func (p fieldPath) put(at, v any) any {
	if len(p) == 0 {
		return v
	}
	s := p[0]
	if s.index < 0 {
		object, ok := at.(map[string]any)
		if !ok {
			object = make(map[string]any, 1)
		}
		if next, had := object[s.name]; had || v != nil || len(p) == 1 || p[1].index < 0 {
			object[s.name] = p[1:].put(next, v)
		}
		return object
	}
	list, _ := at.([]any)
	if v == nil && s.index >= len(list) {
		return at
	}
	for len(list) <= s.index {
		list = append(list, map[string]any{})
	}
	list[s.index] = p[1:].put(list[s.index], v)
	return list
}
