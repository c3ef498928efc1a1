package crm

import (
	"reflect"
	"slices"
	"strings"

	"crmhub/core/schema"
)

// Explain says what a schema found wrong with a document in the store's own words where it has any, since a pattern tells nobody what to
// write, and adds what the fields of the document break besides, so that one answer names all of them. What is required is left to the
// schema: the store gives some of it itself.
func Explain(k Kind, doc map[string]any, broken schema.Violations) schema.Violations {
	e := New(k)
	var r reading
	r.object("", shapes()[k], doc, reflect.ValueOf(e).Elem())
	own := map[string]schema.Violation{}
	for _, v := range slices.Concat(e.Validate(), r.violations) { // what cannot be read has no other fault
		own[v.Pointer] = v
	}
	told := make(schema.Violations, 0, len(broken))
	at := map[string]bool{}
	for _, v := range broken {
		at[v.Pointer] = true
		if better, ok := own[v.Pointer]; ok && v.Rule != "required" {
			v = better
		}
		told = append(told, v)
	}
	for _, v := range slices.Concat(r.violations, checkFields(e).violations) {
		name, _, _ := strings.Cut(strings.TrimPrefix(v.Pointer, "/"), "/")
		if _, given := doc[name]; given && v.Rule != "required" && !at[v.Pointer] {
			at[v.Pointer] = true
			told = append(told, v)
		}
	}
	return told.Sort()
}
