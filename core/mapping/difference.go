package mapping

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Difference is a place where two documents differ. An absent value is nil, as null is.
type Difference struct {
	Pointer string `json:"pointer" doc:"JSON pointer of the value."`
	Before  any    `json:"before" doc:"What it was; null if it was absent."`
	After   any    `json:"after" doc:"What it would be; null if it would be absent."`
}

// Differences are the places where two decoded documents differ, in the order of their pointers. Numbers are compared by value;
// lists of one length element by element, others as a whole.
func Differences(before, after any) []Difference {
	var found []Difference
	differ("", before, after, &found)
	return found
}

func differ(at string, before, after any, found *[]Difference) {
	b, bothObjects := before.(map[string]any)
	a, ok := after.(map[string]any)
	if bothObjects = bothObjects && ok; bothObjects {
		names := maps.Clone(b)
		maps.Copy(names, a)
		for _, name := range slices.Sorted(maps.Keys(names)) {
			differ(at+"/"+escaped.Replace(name), b[name], a[name], found)
		}
		return
	}
	bl, bothLists := before.([]any)
	al, ok := after.([]any)
	if bothLists && ok && len(bl) == len(al) {
		for i := range bl {
			differ(at+"/"+strconv.Itoa(i), bl[i], al[i], found)
		}
		return
	}
	if _, same := sameDocument(at, before, after); !same {
		*found = append(*found, Difference{at, before, after})
	}
}

// RuleChange is a rule, or a property of the head, that one version of a mapping has other than another.
type RuleChange struct {
	Rule   string `json:"rule" doc:"Which one: both its paths, or the name of a property of the head."`
	Before string `json:"before,omitempty" doc:"As it was, in YAML; absent if it is new."`
	After  string `json:"after,omitempty" doc:"As it is, in YAML; absent if it was taken away."`
}

// Compare tells rule by rule what another version of a mapping does otherwise. Comments and order do not count.
func Compare(before, after *Mapping) []RuleChange {
	var changes []RuleChange
	for _, h := range []struct{ name, before, after string }{
		{"record", before.record, after.record},
		{"reference", before.reference, after.reference},
		{"match", strings.Join(before.match, ", "), strings.Join(after.match, ", ")},
	} {
		if h.before != h.after {
			changes = append(changes, RuleChange{h.name, h.before, h.after})
		}
	}
	was, order := rulesOf(before)
	is, added := rulesOf(after)
	for _, key := range added {
		if _, known := was[key]; !known {
			order = append(order, key)
		}
	}
	for _, key := range order {
		if was[key] != is[key] {
			changes = append(changes, RuleChange{key, was[key], is[key]})
		}
	}
	return changes
}

// rulesOf are a mapping's rules as YAML by what they join; of several that join the same, the later ones are numbered.
func rulesOf(m *Mapping) (rules map[string]string, order []string) {
	rules = make(map[string]string, len(m.rules))
	for i := range m.rules {
		r := &m.rules[i]
		key := strings.TrimSpace(r.crm.String() + " – " + r.remote.String())
		for n := 2; rules[key] != ""; n++ {
			key = r.crm.String() + " – " + r.remote.String() + " (" + strconv.Itoa(n) + ")"
		}
		rules[key] = plainYAML(r.node)
		order = append(order, key)
	}
	return rules, order
}

// plainYAML writes a node without comments, in one form whatever way it was written.
func plainYAML(n *yaml.Node) string {
	var v any
	if n.Decode(&v) != nil {
		return ""
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if e.Encode(v) != nil || e.Close() != nil {
		return ""
	}
	return strings.TrimSpace(b.String())
}
