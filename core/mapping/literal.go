package mapping

import (
	"encoding/json"
	"slices"

	"go.yaml.in/yaml/v3"

	"crmhub/core/schema"
)

// json reads a value as JSON has it; nil if it is null or none. Numbers are taken as they are written: YAML's own are floats.
func (p *reader) json(n *yaml.Node) any {
	switch n.Kind {
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, v := range n.Content {
			list[i] = p.json(v)
		}
		return list
	case yaml.MappingNode:
		object := make(map[string]any, len(n.Content)/2)
		for i := 0; i < len(n.Content); i += 2 {
			object[n.Content[i].Value] = p.json(n.Content[i+1])
		}
		return object
	case yaml.ScalarNode:
		if v, ok := scalar(n); ok {
			return v
		}
	}
	p.fault(n, "map_want_value", "expected a value that JSON has; put a text in quotes%s", noAlias(n))
	return nil
}

// scalar reads one scalar.
func scalar(n *yaml.Node) (any, bool) {
	switch n.ShortTag() {
	case "!!str", "!!timestamp":
		return n.Value, true
	case "!!null":
		return nil, true
	case "!!bool":
		var b bool
		err := n.Decode(&b)
		return b, err == nil
	case "!!int": // 007 would be seven to some and a text to others, 010 even eight
		return json.Number(n.Value), canonical(n.Value)
	}
	d, ok := decimalOf(n.Value)
	return json.Number(d.String()), ok && schema.IsDecimal(n.Value)
}

// pair is one row of a table of codes.
type pair struct {
	node   *yaml.Node
	crm    any
	remote []any // the first is sent
}

// table is a table of codes.
type table struct{ pairs []pair }

// table reads either form: our texts with theirs, or a list of {crm, remote}.
func (p *reader) table(n *yaml.Node) *table {
	t := &table{}
	if len(n.Content) == 0 || n.Kind != yaml.MappingNode && n.Kind != yaml.SequenceNode {
		p.fault(n, "map_want_table", "expected a table of our codes and theirs%s", noAlias(n))
		return t
	}
	if n.Kind == yaml.MappingNode {
		for i := 0; i < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode {
				p.fault(key, "map_want_code", "expected a code")
				continue
			}
			t.pairs = append(t.pairs, pair{key, key.Value, p.codes(n.Content[i+1])})
		}
		return t
	}
	for _, row := range n.Content {
		r := pair{node: row}
		p.members(row, map[string]func(*yaml.Node){
			"crm":    func(v *yaml.Node) { r.crm = p.code(v) },
			"remote": func(v *yaml.Node) { r.remote = p.codes(v) },
		})
		if row.Kind == yaml.MappingNode && (place(row, "crm") == row || place(row, "remote") == row) {
			p.fault(row, "map_want_row", "a row has crm and remote")
			continue
		}
		t.pairs = append(t.pairs, r)
	}
	return t
}

// codes reads the other side's codes: one, or a list.
func (p *reader) codes(n *yaml.Node) []any {
	if n.Kind != yaml.SequenceNode {
		return []any{p.code(n)}
	}
	if len(n.Content) == 0 {
		p.fault(n, "map_want_code", "expected a code")
	}
	list := make([]any, len(n.Content))
	for i, v := range n.Content {
		list[i] = p.code(v)
	}
	return list
}

func (p *reader) code(n *yaml.Node) any {
	if n.Kind == yaml.ScalarNode {
		if v, ok := scalar(n); ok && v != nil {
			return v
		}
	}
	p.fault(n, "map_want_code_value", "expected a code: a text (in quotes if it could be something else), a number, true or false%s", noAlias(n))
	return nil
}

// check reports what the table cannot say in the directions of its rule.
func (t *table) check(r *rule, fault func(at *yaml.Node, code, format string, args ...any)) {
	sent, understood := map[string]bool{}, map[string]bool{}
	for _, p := range t.pairs {
		if r.push && sent[code(p.crm)] {
			fault(p.node, "map_two_rows", "%v is in two rows, so what is sent is open: put theirs in one list, of which the first is sent", p.crm)
		}
		sent[code(p.crm)] = true
		for i, v := range p.remote {
			if r.pull && (understood[code(v)] || slices.ContainsFunc(p.remote[:i], func(e any) bool { return code(e) == code(v) })) {
				fault(p.node, "map_two_of_ours", "theirs %v means two of ours, so it cannot be read back: make it one, or say direction: push", v)
			}
		}
		for _, v := range p.remote {
			understood[code(v)] = true
		}
	}
}
