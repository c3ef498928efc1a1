package mapping

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"crmhub/core/schema"
)

func fuzzSchemas(f *testing.F) *schema.Set {
	f.Helper()
	set, err := schema.Load(os.DirFS("testdata/schemas"))
	if err != nil {
		f.Fatal(err)
	}
	return set
}

// fuzzSeeds are the files of one ending in the golden files and, of mappings, those that are shipped.
func fuzzSeeds(f *testing.F, ending string) [][]byte {
	f.Helper()
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	var seeds [][]byte
	for _, name := range names {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if strings.HasSuffix(file.Name, ending) {
				seeds = append(seeds, file.Data)
			}
		}
	}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	return seeds
}

// noLinks has no link at all.
type noLinks struct{}

func (noLinks) Remote(string, string) (string, bool) { return "", false }
func (noLinks) Local(string, string) (string, bool)  { return "", false }

// A file is either compiled or refused with faults, each at a place in the file; what was compiled runs on anything.
func FuzzCompile(f *testing.F) {
	schemas := fuzzSchemas(f)
	docs := fuzzSeeds(f, ".pull")
	for i, source := range fuzzSeeds(f, ".yaml") {
		f.Add(source, docs[i%len(docs)])
	}
	for _, source := range fuzzSeeds(f, ".push") {
		f.Add([]byte("entity: thing\nrecord: record\nfields: [{crm: code, remote: ref}, {crm: lines, remote: items, each: [{crm: qty, remote: quantity}]}]"), source)
	}
	f.Fuzz(func(t *testing.T, source, doc []byte) {
		m, err := Compile("test/thing.yaml", source, schemas)
		if err != nil {
			faults, ok := errors.AsType[Faults](err)
			if !ok || len(faults) == 0 {
				t.Fatalf("not Faults: %v", err)
			}
			lines := strings.Count(strings.ReplaceAll(string(source), "\r", "\n"), "\n") + 2 // a break may follow the last line
			for _, fault := range faults {
				if fault.Line < 1 || fault.Line > lines || fault.Message == "" {
					t.Errorf("%d lines, and a fault at %s", lines, fault)
				}
			}
			return
		}
		v, err := schema.DecodeJSON(doc)
		object, ok := v.(map[string]any)
		if err != nil || !ok {
			return
		}
		for _, links := range []Links{sameLinks{}, noLinks{}} {
			for _, do := range []func(map[string]any, Links) (map[string]any, error){m.Push, m.Pull} {
				_, err := do(object, links)
				_, isViolations := errors.AsType[schema.Violations](err)
				_, isMissing := errors.AsType[*MissingLink](err)
				if err != nil && !isViolations && !isMissing {
					t.Errorf("an error of another kind: %v", err)
				}
			}
		}
		m.PushRefs(object)
		m.PullRefs(object)
	})
}

// What is set at a path is found there, and its text is what was parsed.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"name", "a.b.c", "lines.0.qty", "0", "a..b", "a.100", "a.01", "a.9x", "é.客", "."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		p, err := parsePath(source)
		if err != nil {
			return
		}
		if p.String() != source || len(p) == 0 {
			t.Fatalf("%q was read as %q", source, p)
		}
		doc := map[string]any{}
		p.set(doc, "x")
		if v, ok := p.get(doc); !ok || v != "x" {
			t.Errorf("%q: set x, got %v in %v", source, v, doc)
		}
		if tokens := schema.PointerTokens(p.pointer("")); !p.covers(tokens) || len(tokens) != len(p) {
			t.Errorf("%q has the pointer %q", source, p.pointer(""))
		}
		p.set(doc, nil)
		if v, ok := p.get(doc); !ok || v != nil {
			t.Errorf("%q: set nil, got %v", source, v)
		}
	})
}

// An expression is refused, or runs to an end and gives a value that JSON has.
func FuzzExpression(f *testing.F) {
	for _, s := range []string{
		"entity.name", "dec_mul(entity.amount ?? '1', '2')", "map(entity.lines, .qty)", "1..1000000", "{'a': [1, 'b', nil]}",
		"let a = entity.name + entity.name; a + a", "entity?.address?.city ?? 'x'", "filter(entity.lines, any(.parts, .name == 'x'))",
		"dec_div('1', '0', 2)", "dec_round('1', 31)", "string(entity.lines)", "-entity.count", "entity.tags[0:1]", "split('', '')",
	} {
		f.Add(s)
	}
	schemas := fuzzSchemas(f)
	thing, _ := schemas.Get("thing.v1.json")
	v, err := schema.DecodeJSON([]byte(`{"code": "A", "name": "n", "amount": "1.10", "count": 3, "lines": [{"qty": "1", "parts": [{"name": "x"}]}], "tags": ["t"], "ext": {"n": 1.5}}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, source string) {
		e, err := compileExpression(source, environment{root: "entity", doc: rootNode(thing)}, node{})
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("a message of several lines: %v", err)
			}
			return
		}
		names := map[string]any{"entity": e.doc.plain(v)}
		w := walk{}
		got, err := e.run(&w.machine, names)
		if err != nil {
			return
		}
		if _, err := own(got); err != nil {
			t.Errorf("%s gave %#v: %v", source, got, err)
		}
		again, err := e.run(&w.machine, names)
		if at, same := sameDocument("", got, again); err != nil || !same {
			t.Errorf("%s gave something else when run again: %s %v", source, at, err)
		}
	})
}
