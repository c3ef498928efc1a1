package journey

import (
	"encoding/json"
	"strings"

	"crmhub/core/access"
	"crmhub/core/schema"
)

// masked stands where somebody may not see a value.
const masked = "•••"

// Mask takes out of steps what somebody may not see of the entity. Which part of a body comes from which field nobody can
// tell for sure, so who does not see all fields plainly sees the names in it and no values.
func Mask(steps []Step, entity string, who *access.Permissions) error {
	r := access.Resource(entity)
	if who != nil && len(who.Blind(r)) == 0 {
		return nil
	}
	for i := range steps {
		s := &steps[i]
		switch s.Kind {
		case Change:
			if who == nil {
				s.Detail = nil
				continue
			}
			plain, err := who.Plainly(r, s.Detail)
			if err != nil {
				return err
			}
			s.Detail = plain
		case Conflict:
			if who.Hides(r, s.Message) {
				s.Detail = nil
			}
		case Pushed, Pulled:
			for j := range s.Exchanges {
				e := &s.Exchanges[j]
				e.Request, e.Response = veil(e.Request), veil(e.Response)
			}
		case Act, Difference:
			s.Detail = nil // it has values, or may say how a conflict was settled
		case Published, Linked, DeadLetter:
		}
	}
	return nil
}

// veil replaces the values of a body. What is no whole JSON is replaced altogether.
func veil(body string) string {
	if body == "" {
		return ""
	}
	v, err := schema.DecodeJSON([]byte(body))
	if err != nil {
		return masked
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(veiled(v)) != nil {
		return masked
	}
	return strings.TrimSpace(b.String())
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
	return masked
}
