package schema

import (
	"slices"
	"strings"
)

// Violation is one thing wrong with an input, and the same on every door: API, files, topics, manifests, mappings.
type Violation struct {
	Pointer string `json:"pointer"` // JSON pointer (RFC 6901) into the input; "" is the whole
	Rule    string `json:"rule"`    // stable and machine-readable: a JSON Schema keyword ("required", "maxLength") or a rule of ours ("unique", "transition")
	Message string `json:"message"` // a sentence for people; it never repeats a value that may be personal

	Said *Saying `json:"-"` // the message, where the rule does not say enough
}

// Violations are all that is wrong with one input. As an error they mean: the input, not the hub, is at fault.
type Violations []Violation

func (vs Violations) Error() string {
	parts := make([]string, len(vs))
	for i, v := range vs {
		where := v.Pointer
		if where == "" {
			where = "/"
		}
		parts[i] = where + ": " + v.Message + " (" + v.Rule + ")"
	}
	return strings.Join(parts, "; ")
}

// Sort puts violations in the order of their places, and returns them: what was found by walking a map has none.
func (vs Violations) Sort() Violations {
	slices.SortStableFunc(vs, func(a, b Violation) int { return strings.Compare(a.Pointer, b.Pointer) })
	return vs
}

// Err returns vs as an error, nil if there is none.
func (vs Violations) Err() error {
	if len(vs) == 0 {
		return nil
	}
	return vs
}
