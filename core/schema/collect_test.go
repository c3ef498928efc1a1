package schema_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/schema"
)

func TestEveryKeywordIsToldWithAStableRule(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		schema, doc string
		want        schema.Violations
	}{
		"a property that may not be": {
			`{"properties": {"old": false}}`, `{"old": 1}`, schema.Violations{{Pointer: "/old", Rule: "false", Message: "is not allowed here"}},
		},
		"an element too many": {
			`{"prefixItems": [true], "items": false}`, `[1, 2]`, schema.Violations{{Pointer: "/1", Rule: "false", Message: "is not allowed here"}},
		},
		"what another property asks for": {
			`{"dependentRequired": {"a": ["b", "c/d"]}}`, `{"a": 1}`, schema.Violations{
				{Pointer: "/b", Rule: "dependentRequired", Message: "is required with a"},
				{Pointer: "/c~1d", Rule: "dependentRequired", Message: "is required with a"},
			},
		},
		"a schema that depends on a property": {
			`{"dependentSchemas": {"a": {"required": ["b"]}}}`, `{"a": 1}`, schema.Violations{{Pointer: "/b", Rule: "required", Message: "is required"}},
		},
		"names with quotes": {
			`{"required": ["it's", "a, b", "c\\d"]}`, `{}`, schema.Violations{
				{Pointer: "/a, b", Rule: "required", Message: "is required"},
				{Pointer: "/c\\d", Rule: "required", Message: "is required"},
				{Pointer: "/it's", Rule: "required", Message: "is required"},
			},
		},
		"a reference": {
			`{"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}`, `"x"`, schema.Violations{{Rule: "type", Message: "must be integer, but got string"}},
		},
		"alternatives, each with its reason": {
			`{"anyOf": [{"type": "string"}, {"minimum": 3}]}`, `2`, schema.Violations{
				{Rule: "type", Message: "must be string, but got number"}, {Rule: "minimum", Message: "must be >= 3"},
			},
		},
		"all of several": {
			`{"allOf": [{"minLength": 3}, {"pattern": "^a"}]}`, `"b"`, schema.Violations{
				{Rule: "minLength", Message: "length must be >= 3, but got 1"}, {Rule: "pattern", Message: "does not match pattern '^a'"},
			},
		},
		"equal elements": {
			`{"uniqueItems": true}`, `[1, 1.0]`, schema.Violations{{Rule: "uniqueItems", Message: "items at index 0 and 1 are equal"}},
		},
		"too many decimals": {
			`{"multipleOf": 0.01}`, `0.123`, schema.Violations{{Rule: "multipleOf", Message: "must be a multiple of 0.01"}},
		},
		"a constant": {
			`{"const": "a"}`, `"secret"`, schema.Violations{{Rule: "const", Message: `value must be "a"`}},
		},
		"nothing left over": {
			`{"properties": {"a": true}, "unevaluatedProperties": false}`, `{"a": 1, "b": 2}`, schema.Violations{{Pointer: "/b", Rule: "false", Message: "is not allowed here"}},
		},
		"nothing at all": {
			`{"unevaluatedProperties": false}`, `{"b": 2}`, schema.Violations{{Pointer: "/b", Rule: "false", Message: "is not allowed here"}},
		},
		"a recursive schema": {
			`{"type": "object", "properties": {"sub": {"$ref": "#"}}}`, `{"sub": {"sub": 1}}`, schema.Violations{{Pointer: "/sub/sub", Rule: "type", Message: "must be object, but got number"}},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, compiled(t, c.schema).Validate(decoded(t, c.doc))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A pointer with a slash or a tilde in a name must be the same whoever writes it.
func TestPointersAreEscaped(t *testing.T) {
	t.Parallel()
	got := compiled(t, `{"additionalProperties": {"required": ["x~y"]}}`).Validate(decoded(t, `{"a/b%20 客": {}}`))
	want := schema.Violations{{Pointer: "/a~1b%20 客/x~0y", Rule: "required", Message: "is required"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestASchemaThatNeverEndsIsRefused(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		`{"$ref": "#"}`, `{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}`, `{"allOf": [{"$ref": "#"}]}`,
	} {
		if _, err := schema.Compile("loop.json", []byte(source)); err == nil {
			t.Errorf("%s was compiled", source)
		}
	}
}
