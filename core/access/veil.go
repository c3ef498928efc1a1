package access

import (
	"bytes"
	"encoding/json"

	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Veiled stands where somebody may not see a value.
const Veiled = "•••"

// Whole reports whether somebody may read entities of a kind with all their fields shown plainly. Only he sees the values in what
// stands for one in another shape: the record of another system, the body of a request. Which part of that comes from which field
// nobody can tell for sure, so it fails closed.
func (p *Permissions) Whole(r Resource) bool {
	return p.May(r, Read) != postgres.ScopeNone && len(p.Blind(r)) == 0
}

// Everything reports whether somebody may read all entities of a kind with all their fields shown plainly. Only he may let
// others be told of each.
func (p *Permissions) Everything(r Resource) bool {
	return p.Whole(r) && p.May(r, Read) == postgres.ScopeOrganization
}

// Sees reports whether somebody may read a field of entities of a kind plainly.
func (p *Permissions) Sees(r Resource, field string) bool {
	return p.May(r, Read) != postgres.ScopeNone && !p.Hides(r, field)
}

// Sight is what somebody may know of a kind of entity: whether he may read any, and whether a field is not shown plainly.
func (p *Permissions) Sight(entity string) (read bool, hides func(field string) bool) {
	of := Resource(entity)
	return p.May(of, Read) != postgres.ScopeNone, func(field string) bool { return p.Hides(of, field) }
}

// Veil replaces the values of a JSON body and leaves its names. What is no whole JSON is replaced altogether.
func Veil(body []byte) []byte {
	if len(body) == 0 {
		return body
	}
	all := []byte(`"` + Veiled + `"`)
	v, err := schema.DecodeJSON(body)
	if err != nil {
		return all
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(veiled(v)) != nil {
		return all
	}
	return bytes.TrimSpace(b.Bytes())
}

func veiled(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for name, member := range v {
			m[name] = veiled(member)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = veiled(v[i])
		}
		return list
	case nil:
		return nil
	}
	return Veiled
}
