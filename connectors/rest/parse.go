package rest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"crmhub/core/connector"
)

// Parse makes a connector of a manifest. The file name is for faults only; a faulty manifest gives *[Faults], with all of them.
func Parse(file string, source []byte) (connector.Connector, error) {
	faults := &Faults{file: file}
	p, doc, err := parse(source, faults)
	if err == nil {
		err = faults.err()
	}
	if err != nil {
		return connector.Connector{}, err
	}
	return p.connector(doc)
}

// parse adds to faults what is wrong. Only what is no YAML keeps the rest from being looked at.
func parse(source []byte, faults *Faults) (*plan, any, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(source, &root); err != nil {
		faults.addYAML(err)
		return nil, nil, nil
	}
	if root.Kind != yaml.DocumentNode || root.Content[0].Kind != yaml.MappingNode {
		faults.add(1, "a manifest is one YAML object")
		return nil, nil, nil
	}
	budget := maxNodes
	top := expand(root.Content[0], &budget, 0)
	if top == nil {
		faults.add(1, fmt.Sprintf("a manifest has at most %d values, nested at most %d deep, aliases counted in full", maxNodes, maxDepth))
		return nil, nil, nil
	}
	doc := plainYAML(top, faults)
	if err := checkSchema(top, doc, faults); err != nil {
		return nil, nil, err
	}
	var m manifest
	if err := top.Decode(&m); err != nil && len(faults.List) == 0 {
		faults.addYAML(err)
	}
	return compile(&m, faults), doc, nil
}

func (p *plan) connector(doc any) (connector.Connector, error) {
	config, _ := pointer{"config"}.in(doc)
	text, err := json.Marshal(config)
	if err != nil {
		return connector.Connector{}, fmt.Errorf("configuration schema: %w", err)
	}
	c := connector.Connector{Name: p.name, Title: p.title, Proof: connector.Proof(p.proof), Config: text, Secrets: secretsOf(config), Open: p.open}
	for _, s := range p.streams {
		c.Streams = append(c.Streams, connector.Stream{Entity: s.entity, Record: s.record, Capabilities: s.capabilities})
	}
	return c, nil
}

// secretsOf returns the properties that the configuration's schema marks as write-only.
func secretsOf(config any) []string {
	properties, _ := pointer{"properties"}.in(config)
	fields, _ := properties.(map[string]any)
	var secrets []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if v, ok := (pointer{"writeOnly"}).in(fields[name]); ok && v == true {
			secrets = append(secrets, name)
		}
	}
	return secrets
}

// maxNodes bounds a manifest with all its aliases written out.
const maxNodes = 100_000

// expand writes out aliases and merged keys (<<), so that all that follows meets plain YAML. It returns nil for a manifest that is too large.
func expand(n *yaml.Node, budget *int, depth int) *yaml.Node {
	if *budget--; *budget < 0 || depth > maxDepth {
		return nil
	}
	if n.Kind == yaml.AliasNode {
		return expand(n.Alias, budget, depth+1)
	}
	out := *n
	out.Anchor, out.Content = "", make([]*yaml.Node, 0, len(n.Content))
	var merged []*yaml.Node
	for i, content := range n.Content {
		item := expand(content, budget, depth+1)
		if item == nil {
			return nil
		}
		isKey := n.Kind == yaml.MappingNode && i%2 == 0
		if isKey && content.Tag == "!!merge" {
			continue
		}
		if n.Kind == yaml.MappingNode && !isKey && n.Content[i-1].Tag == "!!merge" {
			merged = append(merged, item)
			continue
		}
		out.Content = append(out.Content, item)
	}
	for _, from := range merged {
		for i := 0; from.Kind == yaml.MappingNode && i+1 < len(from.Content); i += 2 {
			if child(&out, from.Content[i].Value) == nil {
				out.Content = append(out.Content, from.Content[i], from.Content[i+1])
			}
		}
	}
	return &out
}

// plainYAML is an expanded YAML node as JSON would have it.
func plainYAML(n *yaml.Node, faults *Faults) any {
	switch n.Kind {
	case yaml.MappingNode:
		object := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode {
				faults.add(key.Line, "a key is a text")
				continue
			}
			if _, twice := object[key.Value]; twice {
				faults.add(key.Line, strconv.Quote(key.Value)+" is given twice")
			}
			object[key.Value] = plainYAML(n.Content[i+1], faults)
		}
		return object
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			list[i] = plainYAML(item, faults)
		}
		return list
	default:
		v, err := scalar(n)
		if err != nil {
			faults.add(n.Line, err.Error())
			return n.Value // the schema need not miss it too
		}
		return v
	}
}

// lineOf returns the line of the value a JSON pointer names, or of the nearest object around it.
func lineOf(n *yaml.Node, path string) int {
	p, err := parsePointer(path)
	if err != nil {
		return n.Line
	}
	for _, key := range p {
		next := child(n, key)
		if next == nil {
			break
		}
		n = next
	}
	return n.Line
}

func child(n *yaml.Node, key string) *yaml.Node {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				return n.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i]
		}
	}
	return nil
}
