package mapping_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"crmhub/core/mapping"
	"crmhub/core/schema"
)

var update = flag.Bool("update", false, "write the golden files anew")

var loadTestSchemas = sync.OnceValues(func() (*schema.Set, error) { return schema.Load(os.DirFS("testdata/schemas")) })

// testSchemas are those that golden files and other tests join: an entity "thing" and a record "record".
func testSchemas(tb testing.TB) *schema.Set {
	tb.Helper()
	set, err := loadTestSchemas()
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

// testLinks link our id "c-17" to their "17", for every entity; ids with an x are not linked.
type testLinks struct{}

func (testLinks) Remote(_, id string) (string, bool) {
	remote, ok := strings.CutPrefix(id, "c-")
	return remote, ok && !strings.Contains(id, "x")
}

func (testLinks) Local(_, remote string) (string, bool) {
	return "c-" + remote, !strings.Contains(remote, "x")
}

// Each file holds a mapping.yaml with the faults it has, or with documents that it pushes and pulls and what becomes of
// them. Run with -update to write what is found, and read the difference.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	schemas := testSchemas(t)
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := golden(t, archive, schemas)
			if *update {
				if err := os.WriteFile(name, txtar.Format(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(txtar.Format(archive)), string(txtar.Format(got))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// golden is the archive as it should be: its inputs, each with what comes of it.
func golden(t *testing.T, archive *txtar.Archive, schemas *schema.Set) *txtar.Archive {
	t.Helper()
	got := &txtar.Archive{Comment: archive.Comment}
	add := func(name, text string) {
		got.Files = append(got.Files, txtar.File{Name: name, Data: []byte(strings.TrimSuffix(text, "\n") + "\n")})
	}
	var m *mapping.Mapping
	for _, f := range archive.Files {
		base, way, _ := strings.Cut(f.Name, ".")
		switch way {
		case "yaml":
			got.Files = append(got.Files, f)
			var err error
			if m, err = mapping.Compile("test/thing.yaml", f.Data, schemas); err != nil {
				if _, ok := errors.AsType[mapping.Faults](err); !ok {
					t.Errorf("not Faults: %v", err)
				}
				add(base+".faults", err.Error())
			}
		case "push", "pull":
			got.Files = append(got.Files, f)
			if m == nil {
				t.Fatal("documents without a mapping that compiles")
			}
			add(base+"."+way+".want", run(t, m, way, f.Data))
		}
	}
	return got
}

// run pushes or pulls a document and describes the outcome. The input must stay as it was.
func run(t *testing.T, m *mapping.Mapping, way string, source []byte) string {
	t.Helper()
	doc := object(t, source)
	do, refs := m.Push, m.PushRefs
	if way == "pull" {
		do, refs = m.Pull, m.PullRefs
	}
	for _, ref := range refs(doc) {
		if ref.Entity != "customer" {
			t.Errorf("a reference to %v", ref)
		}
	}
	out, err := do(doc, testLinks{})
	if diff := cmp.Diff(object(t, source), doc); diff != "" {
		t.Errorf("the input was changed: %s", diff)
	}
	if vs, ok := errors.AsType[schema.Violations](err); ok {
		return "violations:\n" + strings.ReplaceAll(vs.Error(), "; /", "\n/")
	}
	if err != nil {
		if _, ok := errors.AsType[*mapping.MissingLink](err); !ok {
			t.Errorf("an error of another kind: %v", err)
		}
		return err.Error()
	}
	b, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func object(tb testing.TB, source []byte) map[string]any {
	tb.Helper()
	v, err := schema.DecodeJSON(source)
	if err != nil {
		tb.Fatal(err)
	}
	doc, ok := v.(map[string]any)
	if !ok {
		tb.Fatal("not an object")
	}
	return doc
}
