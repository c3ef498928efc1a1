package transfer

import (
	"slices"
	"strings"

	"crmhub/core/crm"
)

// target is what a column of a file can be: a field of the entity, or of an item of one of its lists. Its path is
// code, tax_profile/title, lines/qty, customer_id/code (another entity, by one of its natural keys) or ext/colour.
type target struct {
	path  string
	list  string    // the list whose items have the field, "" if the entity has it
	steps []string  // to the field, within the entity or the item
	field crm.Field // what a cell must be
	kind  crm.Kind  // the kind that the cell names an entity of, "" if it names none
	by    string    // by which natural key; "id" is by id
}

// Paths are what a column of a kind's file can be, but for custom fields, which are ext/ and their name.
func Paths(k crm.Kind) []string {
	var paths []string
	for _, t := range targetsOf(k) {
		paths = append(paths, t.path)
	}
	return paths
}

// targetsOf are all targets of a kind, but for the names within ext, which are anybody's.
func targetsOf(k crm.Kind) []target {
	var all []target
	for _, f := range crm.Fields(k) {
		if f.Head && f.Name != "id" {
			continue
		}
		switch f.Type {
		case "object":
			all = append(all, within(f.Name+"/", "", []string{f.Name}, f.Fields)...)
		case "list":
			all = append(all, within(f.Name+"/", f.Name, nil, f.Fields)...)
		case "document":
		default:
			all = append(all, valued("", "", nil, f)...)
		}
	}
	return all
}

func within(prefix, list string, steps []string, fields []crm.Field) []target {
	var all []target
	for _, f := range fields {
		if f.Type != "object" && f.Type != "list" && f.Type != "document" {
			all = append(all, valued(prefix, list, steps, f)...)
		}
	}
	return all
}

// valued are the targets of a field with one value: itself and, where it refers to a kind, that kind's natural keys.
func valued(prefix, list string, steps []string, f crm.Field) []target {
	t := target{path: prefix + f.Name, list: list, steps: append(slices.Clone(steps), f.Name), field: f}
	if f.Refers == "" || f.Refers == "user" {
		return []target{t}
	}
	t.kind, t.by = f.Refers, "id"
	all := []target{t}
	for _, key := range crm.Keys(f.Refers) {
		byKey := t
		byKey.path, byKey.by = t.path+"/"+key, key
		for _, other := range crm.Fields(f.Refers) {
			if other.Name == key {
				byKey.field = other
			}
		}
		all = append(all, byKey)
	}
	return all
}

// findTarget returns the target of a path.
func findTarget(all []target, path string) (target, bool) {
	if name, ok := strings.CutPrefix(path, "ext/"); ok && name != "" && !strings.ContainsAny(name, "/~\x00") {
		return target{path: path, steps: []string{"ext", name}, field: crm.Field{Name: name, Type: "text"}}, true
	}
	i := slices.IndexFunc(all, func(t target) bool { return t.path == path })
	if i < 0 {
		return target{}, false
	}
	return all[i], true
}
