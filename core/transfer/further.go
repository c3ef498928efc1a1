package transfer

import (
	"maps"
	"slices"
	"strings"

	"crmhub/core/crm"
	"crmhub/core/schema"
)

// further adds to a row that is refused for some cells what is wrong with the others by themselves, so that a person mends it
// once. What depends on several fields is told once these are right, and what is missing only of rows that can be new ones
// alone: an update leaves what a row does not say.
func (b *builder) further(it *item, mode Mode) {
	told := make(map[string]bool, len(it.faults)+len(it.refs))
	for _, v := range it.faults {
		told[v.Pointer] = true
	}
	for _, r := range it.refs {
		told[r.pointer()] = true
	}
	add := func(vs schema.Violations) {
		for _, v := range vs {
			if told[v.Pointer] || across(v.Rule) || v.Rule == "required" && (mode != Create || strings.Count(v.Pointer, "/") > 1) {
				continue
			}
			told[v.Pointer] = true
			it.faults = append(it.faults, v)
		}
	}
	doc := maps.Clone(it.doc)
	e, err := crm.FromDocument(b.kind, doc)
	if err != nil {
		vs := violationsOf(err)
		add(vs)
		for _, v := range vs {
			field, _, _ := strings.Cut(strings.TrimPrefix(v.Pointer, "/"), "/")
			delete(doc, field)
		}
		if e, err = crm.FromDocument(b.kind, doc); err != nil {
			return
		}
	}
	e.Normalize()
	add(e.Validate())
}

// across reports whether a rule is about several fields, of which some may be missing since their cells are at fault.
func across(rule string) bool {
	return slices.Contains([]string{"sum", "contains", "range", "consistent", "const", "unique"}, rule)
}
