package crm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v5"
	"pgregory.net/rapid"

	"crmhub/schemas"
)

func TestEntityIsWhatItsSchemaSays(t *testing.T) {
	t.Parallel()
	for _, k := range Kinds() {
		compiled := compile(t, k)
		t.Run(string(k), rapid.MakeCheck(func(t *rapid.T) {
			e := anyEntity(t, k)
			if vs := e.Validate(); len(vs) > 0 {
				t.Fatalf("a valid %s was refused: %v", k, vs)
			}
			written, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			var doc any
			decoder := json.NewDecoder(bytes.NewReader(written))
			decoder.UseNumber()
			if err := decoder.Decode(&doc); err != nil {
				t.Fatal(err)
			}
			if err := compiled.Validate(doc); err != nil {
				t.Fatalf("%s\n%#v", written, err)
			}
		}))
	}
}

func TestDocumentIsTheDecodedJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := anyEntity(t, rapid.SampledFrom(Kinds()).Draw(t, "kind"))
		written, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var want map[string]any
		decoder := json.NewDecoder(bytes.NewReader(written))
		decoder.UseNumber()
		if err := decoder.Decode(&want); err != nil {
			t.Fatal(err)
		}
		got, err := Document(e)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("document (-JSON +Document):\n%s", diff)
		}
		again, err := Decode(e.Kind(), written)
		if err != nil {
			t.Fatal(err)
		}
		again.Normalize()
		rewritten, err := json.Marshal(again)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(written), string(rewritten)); diff != "" {
			t.Fatalf("decoded and normalized again (-first +second):\n%s", diff)
		}
	})
}

// A field's name, type, length, digits, values and references are said twice, for Go and for everybody else.
func TestTypeAndSchemaSayTheSame(t *testing.T) {
	t.Parallel()
	for _, k := range Kinds() {
		t.Run(string(k), func(t *testing.T) {
			t.Parallel()
			raw, err := fs.ReadFile(schemas.FS, string(k)+".v1.json")
			if err != nil {
				t.Fatal(err)
			}
			var node schemaNode
			if err := json.Unmarshal(raw, &node); err != nil {
				t.Fatal(err)
			}
			sameShape(t, "", shapes()[k], node)
			for name, property := range node.Properties {
				if key := slices.Contains(Keys(k), name); property.Key != key {
					t.Errorf("%s is a key: %t in Go, %t in the schema", name, key, property.Key)
				}
			}
		})
	}
}

type schemaNode struct {
	Type                 string
	Format               string
	Pattern              string
	Description          string
	MaxLength            int
	MaxItems             int
	Enum                 []string
	Required             []string
	Refers               string `json:"x-references"`
	Personal             bool   `json:"x-personal"`
	Key                  bool   `json:"x-key"`
	AdditionalProperties *bool
	Properties           map[string]schemaNode
	Items                *schemaNode
}

func sameShape(t *testing.T, at string, s shape, node schemaNode) {
	t.Helper()
	if node.AdditionalProperties == nil || *node.AdditionalProperties {
		t.Errorf("%s: additional properties are allowed", at)
	}
	var names, required []string
	for _, f := range s {
		names = append(names, f.name)
		if f.required {
			required = append(required, f.name)
		}
		sameField(t, at+"/"+f.name, f, node.Properties[f.name])
	}
	for name := range node.Properties {
		if !slices.Contains(names, name) {
			t.Errorf("%s/%s is in the schema only", at, name)
		}
	}
	slices.Sort(required)
	slices.Sort(node.Required)
	if !slices.Equal(required, node.Required) {
		t.Errorf("%s: required are %v in Go, %v in the schema", at, required, node.Required)
	}
}

func sameField(t *testing.T, at string, f field, node schemaNode) {
	t.Helper()
	want := map[fieldType][2]string{
		text: {"string", ""}, boolean: {"boolean", ""}, integer: {"integer", ""}, number: {"string", "decimal"}, id: {"string", "uuid"},
		texts: {"array", ""}, day: {"string", "date"}, instant: {"string", "date-time"}, object: {"object", ""}, list: {"array", ""}, document: {"object", ""},
	}[f.typ]
	if node.Type != want[0] || (want[1] != "" && node.Format != want[1]) {
		t.Errorf("%s: type %q format %q, want %v", at, node.Type, node.Format, want)
	}
	if node.Description == "" {
		t.Errorf("%s has no description", at)
	}
	if node.Refers != f.refers {
		t.Errorf("%s refers to %q in Go, %q in the schema", at, f.refers, node.Refers)
	}
	if node.Personal != f.personal {
		t.Errorf("%s is personal: %t in Go, %t in the schema", at, f.personal, node.Personal)
	}
	if !slices.Equal(f.enum, node.Enum) {
		t.Errorf("%s: values are %v in Go, %v in the schema", at, f.enum, node.Enum)
	}
	switch f.typ {
	case text:
		if len(f.enum) == 0 && node.MaxLength != f.max {
			t.Errorf("%s: at most %d characters in Go, %d in the schema", at, f.max, node.MaxLength)
		}
	case number:
		pattern := fmt.Sprintf(`[0-9]{1,%d}(\.[0-9]{1,%d})?$`, f.precision-f.scale, f.scale)
		if strings.TrimPrefix(strings.TrimPrefix(node.Pattern, "^"), "-?") != pattern {
			t.Errorf("%s: pattern is %s, want %s", at, node.Pattern, pattern)
		}
	case texts:
		if node.Items == nil || node.Items.Type != "string" || node.Items.MaxLength != f.max || node.MaxItems != maxTexts {
			t.Errorf("%s: at most %d texts of %d characters in Go, %+v in the schema", at, maxTexts, f.max, node)
		}
	case object:
		sameShape(t, at, f.elem, node)
	case list:
		if node.Items == nil {
			t.Fatalf("%s has no items", at)
		}
		sameShape(t, at+"/0", f.elem, *node.Items)
	}
}

func compile(t *testing.T, k Kind) *jsonschema.Schema {
	t.Helper()
	raw, err := fs.ReadFile(schemas.FS, string(k)+".v1.json")
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat = true
	if err := c.AddResource(string(k), bytes.NewReader(raw)); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(string(k))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
