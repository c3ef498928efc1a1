package mapping_test

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/mapping"
	"crmhub/core/schema"
)

func TestMappingSaysWhatItExpectsAndReads(t *testing.T) {
	t.Parallel()
	set, err := schema.Load(fstest.MapFS{
		"thing.v1.json": {Data: []byte(`{"type": "object", "properties": {
			"code": {"type": "string"}, "kind": {"enum": ["a", "b"]}, "tax_id": {"type": "string"}, "note": {"type": "string"},
			"lines": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}, "text": {"type": "string"}}}}}}`)},
		"test/record.json": {Data: []byte(`{
			"type": "object", "required": ["no"],
			"properties": {
				"no": {"type": "string", "maxLength": 20},
				"cat": {"enum": ["A", "B", null]},
				"party": {"type": "object", "properties": {"vat": {"type": ["string", "null"]}, "fax": {"type": "string"}}},
				"rows": {"type": "array", "items": {"$ref": "#/$defs/row"}},
				"either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
				"sent": {"type": "string"}
			},
			"$defs": {"row": {"type": "object", "required": ["item"], "properties": {"item": {"type": "string"}, "qty": {"type": "number"}}}}
		}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	m, err := mapping.Compile("test/thing.yaml", []byte(`entity: thing
record: record
fields:
  - {crm: code, remote: no}
  - {crm: kind, remote: cat, values: {a: A, b: B}}
  - {crm: tax_id, pull: "record.party?.vat ?? ''"}
  - {crm: note, remote: sent, direction: push}
  - crm: lines
    remote: rows
    each:
      - {crm: sku, remote: item}
      - {crm: text, pull: "it.qty == nil ? record.no : ''"}
`), set)
	if err != nil {
		t.Fatal(err)
	}
	expected := map[string]mapping.Expected{
		"":             {Described: true, Types: []string{"object"}, Required: []string{"no"}},
		"/no":          {Described: true, Types: []string{"string"}, MaxLength: 20},
		"/cat":         {Described: true, Types: []string{"string"}, Nullable: true, Texts: []string{"A", "B"}},
		"/rows/*":      {Described: true, Types: []string{"object"}, Required: []string{"item"}},
		"/rows/*/qty":  {Described: true, Types: []string{"number"}},
		"/either":      {Described: true, Nullable: true},
		"/rows/*/what": {},
		"/nothing/at":  {},
	}
	for pointer, want := range expected {
		if diff := cmp.Diff(want, m.Expect(pointer)); diff != "" {
			t.Errorf("%q is expected (-want +got):\n%s", pointer, diff)
		}
	}
	used := map[string]*mapping.Use{
		"/no":         {Rule: "test/thing.yaml:12", Coded: true},
		"/cat":        {Rule: "test/thing.yaml:5", Coded: true},
		"/party":      {Rule: "test/thing.yaml:6"},
		"/party/vat":  {Rule: "test/thing.yaml:6", Coded: true},
		"/party/fax":  nil,
		"/sent":       nil,
		"/rows":       {Rule: "test/thing.yaml:11"},
		"/rows/*/qty": {Rule: "test/thing.yaml:12", Coded: true},
		"/rows/*/ean": nil,
	}
	for pointer, want := range used {
		if diff := cmp.Diff(want, m.Use(pointer)); diff != "" {
			t.Errorf("%q is used (-want +got):\n%s", pointer, diff)
		}
	}
}
