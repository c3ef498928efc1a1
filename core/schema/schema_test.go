package schema_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/schema"
)

const person = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object", "additionalProperties": false, "required": ["name", "born"],
	"properties": {
		"name": {"type": "string", "minLength": 2},
		"born": {"type": "string", "format": "date"},
		"mail": {"type": "string", "format": "email"},
		"owed": {"type": "string", "format": "decimal"},
		"kind": {"enum": ["a", "b"]},
		"age": {"type": "integer", "minimum": 0, "multipleOf": 1},
		"tags": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]+$"}, "uniqueItems": true}
	}
}`

func TestValidateReportsEveryFaultWithoutTheValue(t *testing.T) {
	t.Parallel()
	s, err := schema.Compile("person.json", []byte(person))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := schema.DecodeJSON([]byte(`{"name": "X", "mail": "SECRET", "owed": "1e5", "kind": "SECRET", "age": -77,
		"tags": ["ok", "SECRET"], "nick/name": "SECRET"}`))
	if err != nil {
		t.Fatal(err)
	}
	got := s.Validate(doc)
	want := schema.Violations{
		{Pointer: "/age", Rule: "minimum", Message: "must be >= 0"},
		{Pointer: "/born", Rule: "required", Message: "is required"},
		{Pointer: "/kind", Rule: "enum", Message: `value must be one of "a", "b"`},
		{Pointer: "/mail", Rule: "format", Message: "is no valid email"},
		{Pointer: "/name", Rule: "minLength", Message: "length must be >= 2, but got 1"},
		{Pointer: "/nick~1name", Rule: "additionalProperties", Message: "is not known here"},
		{Pointer: "/owed", Rule: "format", Message: "is no valid decimal"},
		{Pointer: "/tags/1", Rule: "pattern", Message: "does not match pattern '^[a-z]+$'"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if text := got.Error(); strings.Contains(text, "SECRET") || strings.Contains(text, "77") {
		t.Errorf("a value is repeated: %s", text)
	}
}

func TestValidDocumentHasNoFaults(t *testing.T) {
	t.Parallel()
	s, err := schema.Compile("person.json", []byte(person))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := schema.DecodeJSON([]byte(`{"name": "王小明", "born": "2000-02-29", "owed": "-12.50", "age": 3}`))
	if err != nil {
		t.Fatal(err)
	}
	if vs := s.Validate(doc); vs != nil {
		t.Error(vs)
	}
}

func TestLoadRefusesReferencesToElsewhere(t *testing.T) {
	t.Parallel()
	for name, source := range map[string]string{
		"network": `{"$ref": "https://example.org/x.json"}`,
		"file":    `{"$ref": "file:///etc/passwd"}`,
		"missing": `{"$ref": "other.json"}`,
		"no JSON": `{`,
		"a list":  `[]`,
		"unknown": `{"type": "strnig"}`,
	} {
		if _, err := schema.Load(fstest.MapFS{"a.json": {Data: []byte(source)}}); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
}

func TestFilesMayReferToEachOther(t *testing.T) {
	t.Parallel()
	set, err := schema.Load(fstest.MapFS{
		"a.json":     {Data: []byte(`{"properties": {"x": {"$ref": "sub/b.json"}}}`)},
		"sub/b.json": {Data: []byte(`{"type": "integer"}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	s, ok := set.Get("a.json")
	if !ok {
		t.Fatal("a.json is missing")
	}
	doc, err := schema.DecodeJSON([]byte(`{"x": "no"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := schema.Violations{{Pointer: "/x", Rule: "type", Message: "must be integer, but got string"}}
	if diff := cmp.Diff(want, s.Validate(doc)); diff != "" {
		t.Error(diff)
	}
}

func TestLoadTellsWhatIsWrongWithEveryFile(t *testing.T) {
	t.Parallel()
	_, err := schema.Load(fstest.MapFS{
		"a.json": {Data: []byte(`{"type": 7}`)}, "sub/b.json": {Data: []byte(`{`)}, "good.json": {Data: []byte(`{}`)}, "sub/c.json": {Data: []byte(`{"$ref": "d.json"}`)},
	})
	if err == nil {
		t.Fatal("loaded")
	}
	for _, name := range []string{"schema a.json: ", "schema sub/b.json: ", "schema sub/c.json: "} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not in: %v", name, err)
		}
	}
}

func TestNoViolationIsNoError(t *testing.T) {
	t.Parallel()
	if err := (schema.Violations{}).Err(); err != nil {
		t.Error(err)
	}
	err := schema.Violations{{Rule: "type", Message: "must be object"}, {Pointer: "/a", Rule: "required", Message: "is required"}}.Err()
	if err == nil || err.Error() != "/: must be object (type); /a: is required (required)" {
		t.Error(err)
	}
}
