package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"reflect"
	"strings"

	"crmhub/core/schema"
)

// Report is what proving a mapping found.
type Report struct {
	Connector string
	Entity    string
	Examples  int      // run
	Entities  int      // made up, pushed and pulled back
	Faults    []string // what did not hold
}

// made is how many entities are made up for each mapping.
const made = 200

// Prove tests every mapping: entities are made up from their schema, pushed and pulled back, and must be as they were in
// all fields that go both ways without an expression; and the examples in <connector>/<entity>.example.json must hold.
// The same files give the same report.
func Prove(files fs.FS, set *Set) ([]Report, error) {
	var reports []Report
	for _, m := range set.All() {
		var examples []byte
		source, err := fs.ReadFile(files, m.connector+"/"+m.entity+".example.json")
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, fmt.Errorf("prove mapping %s/%s: %w", m.connector, m.entity, err)
		default:
			examples = source
		}
		reports = append(reports, m.Prove(examples))
	}
	return reports, nil
}

// Prove tests one mapping as the function Prove does; examples is the file beside it, nil if there is none.
func (m *Mapping) Prove(examples []byte) Report {
	r := Report{Connector: m.connector, Entity: m.entity}
	m.proveRoundTrip(&r)
	if examples != nil {
		m.proveExamples(examples, &r)
	}
	return r
}

// proveRoundTrip runs only the rules that invert by themselves.
func (m *Mapping) proveRoundTrip(r *Report) {
	rules := twoWay(m.rules)
	if len(rules) == 0 {
		return
	}
	random := rand.New(rand.NewPCG(1, uint64(len(m.entity)))) //nolint:gosec // repeatable on purpose
	for range made {
		links := sameLinks{}
		doc := map[string]any{}
		makeUp(rules, doc, random)
		there := walk{direction: pushing, links: links, root: doc}
		record := map[string]any{}
		there.rules(rules, doc, record, &spot{})
		back := walk{direction: pulling, links: links, root: record}
		again := map[string]any{}
		back.rules(rules, record, again, &spot{})
		r.Entities++
		if err := errors.Join(there.err(), back.err()); err != nil {
			r.Faults = append(r.Faults, "an entity does not come back: "+err.Error())
			return
		}
		if field, same := sameDocument("", doc, again); !same {
			r.Faults = append(r.Faults, "what is pushed does not come back as it was: "+field)
			return
		}
	}
}

func twoWay(rules []rule) []rule {
	var kept []rule
	for _, r := range rules {
		if !r.push || !r.pull || r.pushExpr != nil || r.pullExpr != nil {
			continue
		}
		if r.each != nil {
			if r.each = twoWay(r.each); r.each == nil {
				continue
			}
		}
		kept = append(kept, r)
	}
	return kept
}

// example is a case beside a mapping file.
type example struct {
	Entity map[string]any `json:"entity"`
	Record map[string]any `json:"record"`
	Links  []struct {
		Entity string `json:"entity"`
		ID     string `json:"id"`
		Remote string `json:"remote"`
	} `json:"links"`
	Push bool `json:"push"`
	Pull bool `json:"pull"`
}

func (m *Mapping) proveExamples(source []byte, r *Report) {
	cases, err := parseExamples(source)
	if err != nil {
		r.Faults = append(r.Faults, "example: "+err.Error())
		return
	}
	for i, c := range cases {
		r.Examples++
		links := exampleLinks{remote: map[Ref]string{}, local: map[Ref]string{}}
		for _, l := range c.Links {
			links.remote[Ref{l.Entity, l.ID}], links.local[Ref{l.Entity, l.Remote}] = l.Remote, l.ID
		}
		if c.Push {
			got, err := m.Push(c.Entity, links)
			r.compare(fmt.Sprintf("example %d, push", i+1), c.Record, got, err)
		}
		if c.Pull {
			got, err := m.Pull(c.Record, links)
			r.compare(fmt.Sprintf("example %d, pull", i+1), c.Entity, got, err)
		}
		if !c.Push && !c.Pull {
			r.Faults = append(r.Faults, fmt.Sprintf("example %d says neither push nor pull", i+1))
		}
	}
}

func parseExamples(source []byte) ([]example, error) {
	v, err := schema.DecodeJSON(source)
	if err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	cases := make([]example, len(list))
	for i, one := range list {
		b, err := json.Marshal(one)
		if err != nil {
			return nil, err
		}
		d := json.NewDecoder(strings.NewReader(string(b)))
		d.UseNumber()
		d.DisallowUnknownFields()
		if err := d.Decode(&cases[i]); err != nil {
			return nil, err
		}
	}
	return cases, nil
}

func (r *Report) compare(what string, want, got map[string]any, err error) {
	if err != nil {
		r.Faults = append(r.Faults, what+": "+err.Error())
		return
	}
	if field, same := sameDocument("", want, got); !same {
		r.Faults = append(r.Faults, what+": "+field)
	}
}

type exampleLinks struct{ remote, local map[Ref]string }

func (l exampleLinks) Remote(entity, id string) (string, bool) {
	found, ok := l.remote[Ref{entity, id}]
	return found, ok
}

func (l exampleLinks) Local(entity, id string) (string, bool) {
	found, ok := l.local[Ref{entity, id}]
	return found, ok
}

// sameDocument compares decoded JSON; numbers by value. It names the first place that differs.
func sameDocument(at string, want, got any) (string, bool) {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s: want an object, got %v", at, got), false
		}
		for k := range w {
			if _, ok := g[k]; !ok {
				return fmt.Sprintf("%s/%s is missing, want %v", at, k, w[k]), false
			}
			if field, same := sameDocument(at+"/"+k, w[k], g[k]); !same {
				return field, false
			}
		}
		for k := range g {
			if _, ok := w[k]; !ok {
				return fmt.Sprintf("%s/%s is %v, want nothing", at, k, g[k]), false
			}
		}
		return "", true
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%s: want %d elements, got %v", at, len(w), got), false
		}
		for i := range w {
			if field, same := sameDocument(fmt.Sprint(at, "/", i), w[i], g[i]); !same {
				return field, false
			}
		}
		return "", true
	case json.Number:
		g, ok := got.(json.Number)
		if ok && code(w) == code(g) {
			return "", true
		}
	default:
		if reflect.DeepEqual(want, got) {
			return "", true
		}
	}
	return fmt.Sprintf("%s: want %v, got %v", at, want, got), false
}
