package mapping_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"crmhub/core/mapping"
	"crmhub/core/schema"
)

// What a schema says of a place decides what a rule may name, and what it says not is no reason to refuse.
func TestPathsFollowTheSchema(t *testing.T) {
	t.Parallel()
	set, err := schema.Load(fstest.MapFS{
		"thing.v1.json": {Data: []byte(`{"type": "object", "properties": {"code": {"type": "string"}, "ext": {"type": "object"}, "elsewhere": {"$ref": "other.v1.json"}}}`)},
		"other.v1.json": {Data: []byte(`{"type": "object", "properties": {"name": {"type": "string"}}}`)},
		"test/record.json": {Data: []byte(`{
			"type": "object",
			"properties": {
				"plain": {"type": "object", "properties": {"x": {"type": "string"}}},
				"closed": {"type": "object", "additionalProperties": false},
				"open": {"type": "object"},
				"any": true,
				"never": false,
				"texts": {"type": "object", "additionalProperties": {"type": "string"}},
				"both": {"type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": {"type": "string"}},
				"one": {"oneOf": [{"type": "object", "properties": {"x": {}}}, {"type": "null"}]},
				"none": {"oneOf": [{"type": "object"}], "additionalProperties": false},
				"list": {"type": "array", "items": {"type": "string"}},
				"loose": {"type": "array"},
				"tuple": {"type": "array", "prefixItems": [{"type": "string"}]},
				"ref": {"$ref": "#/$defs/a~1b%20c", "description": "beside"},
				"anchor": {"$ref": "#name"},
				"root": {"$ref": "#"},
				"text": {"type": "string"}
			},
			"$defs": {"a/b c": {"$ref": "#/$defs/deep"}, "deep": {"type": "object", "properties": {"x": {"type": "string"}}}, "n": {"$anchor": "name", "type": "object"}}
		}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"plain.x": true, "plain.y": false, "closed.x": false, "open.x.y.0.z": true, "any.x": true, "never": false, "never.x": false,
		"texts.x": true, "texts.x.y": false, "both.x": true, "one.x": true, "one.y": true, "none.x": false,
		"list.0": true, "list.0.x": false, "list.x": false, "loose.0": true, "loose.x": false, "text.0": false, "tuple.0": true, "ref.x": true, "ref.y": false,
		"anchor.x": true, "root.root.plain.x": true, "root.root.plain.y": false, "text.x": false, "missing": false,
	} {
		source := "entity: thing\nrecord: record\nfields: [{crm: ext.x, remote: " + path + ", direction: push}]"
		_, err := mapping.Compile("test/thing.yaml", []byte(source), set)
		if (err == nil) != want || err != nil && !strings.Contains(err.Error(), "the record record has no "+path) {
			t.Errorf("%s: %v", path, err)
		}
	}
	// A reference to another file leads to anything.
	source := "entity: thing\nrecord: record\nfields: [{crm: elsewhere.what, remote: text, direction: push}]"
	if _, err := mapping.Compile("test/thing.yaml", []byte(source), set); err != nil {
		t.Error(err)
	}
}

func TestANumberMustBeWhatTheSchemaCallsIt(t *testing.T) {
	t.Parallel()
	const head = "entity: thing\nrecord: record\nfields:\n  - {crm: code, remote: ref}\n"
	for rule, want := range map[string]string{
		`{crm: amount, remote: amount_whole}`:                               "",
		`{crm: amount, remote: mixed}`:                                      "",
		`{crm: count, remote: amount_text, format: integer}`:                "",
		`{crm: count, remote: amount_or_null, default: 3, direction: pull}`: "",
		`{crm: count, remote: count, default: 3.5, direction: pull}`:        "count cannot be 3.5",
		`{crm: count, remote: count, default: 0x1F, direction: pull}`:       "expected a value that JSON has",
		`{crm: count, remote: count, default: .nan, direction: pull}`:       "expected a value that JSON has",
		`{crm: name, remote: count, default: 1e3, direction: push}`:         "expected a value that JSON has",
		`{crm: amount, remote: amount, default: 0.10, direction: push}`:     "",
		`{crm: day, remote: day, default: 2026-01-01, direction: pull}`:     "",
		`{crm: name, remote: title, default: true, direction: push}`:        "title cannot be true",
	} {
		_, err := mapping.Compile("test/thing.yaml", []byte(head+"  - "+rule), testSchemas(t))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", rule, err, want)
		}
	}
}
