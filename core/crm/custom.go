package crm

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/schema"
)

// queueDeclared asks which custom fields the kind has.
func (w *writing) queueDeclared(b *pgx.Batch) {
	if w.kind == KindCustomField {
		return
	}
	t := tableOf(KindCustomField)
	b.Queue("select "+names(t.columns, "")+
		" from custom_fields where entity = $1 and is_active and deleted_at is null order by position, name", w.kind).Query(func(rows pgx.Rows) error {
		found, err := t.scanAll(KindCustomField, rows)
		for _, e := range found {
			c, _ := e.(*CustomField)
			w.facts.declared = append(w.facts.declared, *c)
		}
		return err
	})
}

// customFaults returns what in e's ext is not as declared. Values as they are stored already are left alone: a field
// declared later makes no old entity unwritable. Where nothing is declared, ext may hold anything.
func (w *writing) customFaults(stored, e Entity) schema.Violations {
	if len(w.facts.declared) == 0 {
		return nil
	}
	var f faults
	given, before := extOf(e), map[string]json.RawMessage{}
	if stored != nil {
		before = extOf(stored)
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if bytes.Equal(given[name], before[name]) {
			continue
		}
		at := "/ext/" + schema.EscapePointer(name)
		if d := fieldNamed(w.facts.declared, name); d == nil {
			f.add(at, "additionalProperties", "is no custom field of %s", w.kind)
		} else {
			f.custom(at, *d, given[name])
		}
	}
	for _, d := range w.facts.declared {
		if value := given[d.Name]; d.IsRequired && !isConnection(w.by.Actor) && (value == nil || string(value) == "null" || string(value) == `""`) {
			f.add("/ext/"+d.Name, "required", "is required")
		}
	}
	return f.violations
}

// extOf returns an entity's custom fields by name; none where ext is no object, which Validate tells.
func extOf(e Entity) map[string]json.RawMessage {
	ext, _ := reflect.TypeAssert[Ext](reflect.ValueOf(e).Elem().FieldByName("Ext"))
	var m map[string]json.RawMessage
	_ = json.Unmarshal(ext, &m)
	return m
}

// custom checks one value by its declaration. null clears any.
func (f *faults) custom(at string, d CustomField, value json.RawMessage) {
	if string(value) == "null" {
		return
	}
	if d.Type == "boolean" {
		if s := string(value); s != "true" && s != "false" {
			f.add(at, "type", "must be true or false")
		}
		return
	}
	var s string
	if json.Unmarshal(value, &s) != nil {
		f.add(at, "type", "must be %s", customForm(d))
		return
	}
	wrong := false
	switch d.Type {
	case "number":
		wrong = !decimalText.MatchString(s)
	case "date":
		_, err := ParseDate(s)
		wrong = err != nil
	case "choice":
		wrong = !slices.Contains(d.Choices, s)
	case "reference":
		wrong = uuid.Validate(s) != nil || len(s) != 36
	default:
		if utf8.RuneCountInString(s) > maxCustomText {
			f.add(at, "maxLength", "must have at most %d characters", maxCustomText)
		}
	}
	if wrong {
		f.add(at, "format", "must be %s", customForm(d))
	}
}

const maxCustomText = 10_000

func customForm(d CustomField) string {
	switch d.Type {
	case "number":
		return formOf(number)
	case "date":
		return formOf(day)
	case "choice":
		return "one of " + strings.Join(d.Choices, ", ")
	case "reference":
		return "the id of a " + d.Refers
	default:
		return formOf(text)
	}
}

// eachCustomReference calls fn for every id in e's custom fields that names another entity.
func eachCustomReference(declared []CustomField, e Entity, fn func(at, kind string, to uuid.UUID)) {
	if len(declared) == 0 {
		return
	}
	ext := extOf(e)
	for _, d := range declared {
		var s string
		if d.Type != "reference" || json.Unmarshal(ext[d.Name], &s) != nil {
			continue
		}
		if to, err := uuid.Parse(s); err == nil && len(s) == 36 {
			fn("/ext/"+d.Name, d.Refers, to)
		}
	}
}
