package crm

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Field describes a field of a kind, for whoever shows, maps or writes entities without knowing their type.
type Field struct {
	Name     string
	Type     string   // text, boolean, integer, number, id, date, instant, texts, object, list or document
	Required bool     // must be given
	Enum     []string // the texts allowed
	Format   string   // email, phone, website, currency, country, uscc, ""
	Max      int      // the longest text, in characters; 0 for other types
	Refers   Kind     // the kind whose id it holds, or "user"
	Key      bool     // a natural key: see [Store.FindByKey]
	Head     bool     // written by the store alone, but for id
	Personal bool     // see [Personal]
	English  string
	Chinese  []string // the usual name first; nil where none is known
	Fields   []Field  // of an object, or of each item of a list
}

// Fields describes the fields of a kind, in the order of its JSON.
func Fields(k Kind) []Field {
	keys := tableNames(k).keys
	fields := describe(shapes()[k])
	for i := range fields {
		fields[i].Head = i < headFields
		fields[i].Key = slices.Contains(keys, fields[i].Name)
	}
	return fields
}

// Writable are the names of the fields of a kind that a writer may set.
func Writable(k Kind) []string {
	var names []string
	for _, f := range shapes()[k][headFields:] {
		names = append(names, f.name)
	}
	return names
}

// DropEmptyNumber takes the number or code that the store gives out of a document of other origin where it is empty:
// who has none is given one, and who has one keeps it.
func DropEmptyNumber(k Kind, doc map[string]any) {
	key := tableNames(k).key
	if v, said := doc[key]; said && (v == nil || v == "") {
		delete(doc, key)
	}
}

// Keys are the natural keys of a kind, the first one the strongest. A kind that has none gives nil.
func Keys(k Kind) []string { return slices.Clone(tableNames(k).keys) }

func describe(s shape) []Field {
	fields := make([]Field, len(s))
	for i, f := range s {
		fields[i] = Field{
			Name: f.name, Type: typeNames[f.typ], Required: f.required, Enum: f.enum, Format: f.format, Refers: Kind(f.refers), Personal: f.personal,
			English: english(f.name), Chinese: chineseNames[f.name], Fields: describe(f.elem),
		}
		if f.typ == text || f.typ == texts {
			fields[i].Max = f.max
		}
	}
	return fields
}

var typeNames = map[fieldType]string{ //nolint:gochecknoglobals // a table
	text: "text", boolean: "boolean", integer: "integer", number: "number", id: "id", day: "date", instant: "instant",
	object: "object", list: "list", document: "document", texts: "texts",
}

// english makes "Payment term" of payment_term.
func english(name string) string {
	words := strings.ReplaceAll(strings.TrimSuffix(name, "_id"), "_", " ")
	switch name {
	case "id", "sku", "uscc":
		return strings.ToUpper(name)
	}
	return strings.ToUpper(words[:1]) + words[1:]
}

// Text is the value of a field of one value as its JSON says it, of a list of texts their enumeration; "" where it is empty
// or there is no such field.
func Text(e Entity, name string) string {
	for _, f := range shapes()[e.Kind()] {
		if f.name != name {
			continue
		}
		v := f.value(reflect.ValueOf(e).Elem())
		switch {
		case !v.IsValid(), v.IsZero() && f.typ != boolean && f.typ != integer && f.typ != number:
			return ""
		case f.typ == texts:
			list, _ := reflect.TypeAssert[[]string](v)
			return strings.Join(list, ", ")
		case f.typ == boolean, f.typ == integer:
			return fmt.Sprint(v.Interface())
		case f.typ == object, f.typ == list, f.typ == document:
			return ""
		default:
			return textOf(v.Interface())
		}
	}
	return ""
}
