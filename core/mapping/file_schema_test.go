package mapping

import (
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"

	"crmhub/core/schema"
	"crmhub/mappings"
	"crmhub/schemas"
)

func fileSchema(t *testing.T) *schema.Schema {
	t.Helper()
	source, err := fs.ReadFile(schemas.FS, "mapping.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	s, err := schema.Compile("mapping.v1.json", source)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON is a YAML file as an editor sees it that knows JSON Schema.
func asJSON(t *testing.T, source []byte) any {
	t.Helper()
	var root yaml.Node
	if err := yaml.Unmarshal(source, &root); err != nil {
		t.Fatal(err)
	}
	r := reader{report: func(at *yaml.Node, _, format string, args ...any) {
		t.Errorf("line %d: "+format, append([]any{at.Line}, args...)...)
	}}
	return r.json(root.Content[0])
}

func TestShippedMappingsAreValidByTheSchemaThatEditorsUse(t *testing.T) {
	t.Parallel()
	s := fileSchema(t)
	names, err := fs.Glob(mappings.FS, "*/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatal("no mappings", err)
	}
	for _, name := range names {
		source, err := fs.ReadFile(mappings.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range s.Validate(asJSON(t, source)) {
			t.Errorf("%s: %v", name, v)
		}
	}
}

// The schema and the parser must not drift apart: what one knows, the other does.
func TestTheSchemaAndTheParserKnowTheSame(t *testing.T) {
	t.Parallel()
	s := fileSchema(t)
	root := s.Document()
	rule, _ := lookUp(root, "#/$defs/rule")
	keys := func(object map[string]any) []string {
		properties, _ := object["properties"].(map[string]any)
		return slices.Sorted(maps.Keys(properties))
	}
	codes := func(ref string) []string {
		object, _ := lookUp(root, ref)
		var names []string
		for _, v := range (node{root, object}).enum() {
			names = append(names, v.(string))
		}
		return names
	}
	want := map[string][]string{
		"document": keys(root), "rule": keys(rule), "format": codes("#/$defs/rule/properties/format"),
		"direction": codes("#/$defs/rule/properties/direction"), "null": codes("#/$defs/rule/properties/null"), "absent": codes("#/$defs/rule/properties/absent"),
		"authority": codes("#/$defs/authority"),
	}
	got := map[string][]string{}
	known := regexp.MustCompile(`(?:known are|expected) (.*)$`)
	parse([]byte("what: x\nauthority: x\nfields: [{what: x, format: x, direction: x, null: x, absent: x}]"), func(at *yaml.Node, _, format string, args ...any) {
		place := map[[2]int]string{{1, 1}: "document", {2, 12}: "authority", {3, 11}: "rule", {3, 28}: "format", {3, 42}: "direction", {3, 51}: "null", {3, 62}: "absent"}[[2]int{at.Line, at.Column}]
		list := known.FindStringSubmatch(fmt.Sprintf(format, args...))
		got[place] = strings.Split(strings.ReplaceAll(list[1], " or ", ", "), ", ")
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Of the golden files' mappings, those that compile are valid, and those whose form is wrong are not.
func TestTheSchemaAcceptsWhatTheParserAccepts(t *testing.T) {
	t.Parallel()
	s := fileSchema(t)
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal("no golden files", err)
	}
	wrong := map[string]bool{"unknown": true, "nofields": true, "onlyfields": true, "list": true, "halves": true}
	for _, name := range names {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range archive.Files {
			base, isYAML := strings.CutSuffix(f.Name, ".yaml")
			compiles := i+1 == len(archive.Files) || archive.Files[i+1].Name != base+".faults"
			if !isYAML || !compiles && !wrong[base] {
				continue
			}
			if vs := s.Validate(asJSON(t, f.Data)); (vs == nil) != compiles {
				t.Errorf("%s in %s compiles: %v, the schema says %v", f.Name, name, compiles, vs)
			}
		}
	}
}
