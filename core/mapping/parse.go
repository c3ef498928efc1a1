package mapping

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is a mapping file as written.
type document struct {
	node      *yaml.Node
	entity    string
	record    string
	reference string
	match     []string
	authority Authority
	fields    []written
}

// written is a rule as written.
type written struct {
	node      *yaml.Node
	crm       string
	remote    string
	link      string
	values    *table
	format    string
	layout    string
	zone      string
	unit      string
	each      []written
	direction string
	push      string
	pull      string
	when      string
	fallback  any // default; nil is none
	null      string
	absent    string
	authority Authority
	broken    bool // it has faults that were reported
}

// maxNesting bounds lists within lists.
const maxNesting = 8

// reader reads a file's nodes itself, so that every fault has its place and all are found.
type reader struct {
	report func(at *yaml.Node, code, format string, args ...any)
	faults int
}

func (p *reader) fault(at *yaml.Node, code, format string, args ...any) {
	p.faults++
	p.report(at, code, format, args...)
}

// parse reads a file and reports every fault it can tell without the schemas. It returns nil if there is no document at all.
func parse(source []byte, fault func(at *yaml.Node, code, format string, args ...any)) *document {
	p := reader{report: fault}
	d := yaml.NewDecoder(bytes.NewReader(source))
	var root, more yaml.Node
	if err := d.Decode(&root); errors.Is(err, io.EOF) {
		fault(&yaml.Node{Line: 1, Column: 1}, "map_empty", "the file is empty")
		return nil
	} else if err != nil {
		p.syntax(err)
		return nil
	}
	switch err := d.Decode(&more); {
	case err == nil:
		fault(&more, "map_second", "a file holds one mapping; here a second begins")
	case !errors.Is(err, io.EOF):
		p.syntax(err)
	}
	return p.document(root.Content[0])
}

var syntaxLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

func (p *reader) syntax(err error) {
	at := &yaml.Node{Line: 1, Column: 1}
	found := syntaxLine.FindStringSubmatch(err.Error())
	if found != nil && found[1] != "" {
		at.Line, _ = strconv.Atoi(found[1])
	}
	p.fault(at, "map_no_yaml", "no YAML: %s", syntaxLine.ReplaceAllString(err.Error(), ""))
}

func (p *reader) document(n *yaml.Node) *document {
	d := &document{node: n}
	p.members(n, map[string]func(*yaml.Node){
		"entity":    p.text(&d.entity),
		"record":    p.text(&d.record),
		"reference": p.text(&d.reference),
		"match":     func(v *yaml.Node) { d.match = p.texts(v) },
		"authority": p.authority(&d.authority),
		"fields":    func(v *yaml.Node) { d.fields = p.rules(v, 0) },
	})
	return d
}

// rules reads the rules of the file, or of a list within depth lists.
func (p *reader) rules(n *yaml.Node, depth int) []written {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		p.fault(n, "map_want_rules", "expected a list of rules")
		return nil
	}
	if depth > maxNesting {
		p.fault(n, "map_too_deep", "lists within lists go %d deep at most", maxNesting)
		return nil
	}
	rules := make([]written, len(n.Content))
	for i, v := range n.Content {
		p.rule(v, &rules[i], depth)
	}
	return rules
}

func (p *reader) rule(n *yaml.Node, w *written, depth int) {
	w.node = n
	before := p.faults
	defer func() { w.broken = p.faults > before }()
	p.members(n, map[string]func(*yaml.Node){
		"crm":       p.text(&w.crm),
		"remote":    p.text(&w.remote),
		"link":      p.text(&w.link),
		"values":    func(v *yaml.Node) { w.values = p.table(v) },
		"format":    p.oneOf(&w.format, formats...),
		"layout":    p.text(&w.layout),
		"zone":      p.text(&w.zone),
		"unit":      p.text(&w.unit),
		"each":      func(v *yaml.Node) { w.each = p.rules(v, depth+1) },
		"direction": p.oneOf(&w.direction, "push", "pull"),
		"push":      p.text(&w.push),
		"pull":      p.text(&w.pull),
		"when":      p.text(&w.when),
		"default": func(v *yaml.Node) {
			if w.fallback = p.json(v); v.ShortTag() == "!!null" {
				p.fault(v, "map_null_default", "null is no default")
			}
		},
		"null":      p.oneOf(&w.null, "send"),
		"absent":    p.oneOf(&w.absent, "empty"),
		"authority": p.authority(&w.authority),
	})
}

// members reads the members of a YAML mapping with the function of each key.
func (p *reader) members(n *yaml.Node, known map[string]func(*yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		p.fault(n, "map_want_keys", "expected keys with values%s", noAlias(n))
		return
	}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		read, ok := known[key.Value]
		switch {
		case !ok || key.Kind != yaml.ScalarNode:
			names := make([]string, 0, len(known))
			for name := range known {
				names = append(names, name)
			}
			slices.Sort(names)
			p.fault(key, "map_unknown_key", "%q is not known here; known are %s", key.Value, strings.Join(names, ", "))
		case place(n, key.Value) != key:
			p.fault(key, "map_said_twice", "%s is said twice", key.Value)
		default:
			read(value)
		}
	}
}

// place finds where a key of a mapping node stands; the node itself if it has no such key.
func place(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i]
		}
	}
	return n
}

func noAlias(n *yaml.Node) string {
	if n.Kind == yaml.AliasNode {
		return "; anchors and aliases are not used here"
	}
	return ""
}

// text reads a text that says something.
func (p *reader) text(into *string) func(*yaml.Node) {
	return func(v *yaml.Node) {
		switch tag := v.ShortTag(); {
		case v.Kind != yaml.ScalarNode || tag != "!!str" && tag != "!!timestamp":
			p.fault(v, "map_want_quotes", "expected a text: put it in quotes%s", noAlias(v))
		case strings.TrimSpace(v.Value) == "":
			p.fault(v, "map_want_text", "expected a text that is not empty")
		default:
			*into = v.Value
		}
	}
}

func (p *reader) texts(n *yaml.Node) []string {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		p.fault(n, "map_want_texts", "expected a list of texts")
		return nil
	}
	list := make([]string, len(n.Content))
	for i, v := range n.Content {
		p.text(&list[i])(v)
	}
	return list
}

func (p *reader) oneOf(into *string, known ...string) func(*yaml.Node) {
	return func(v *yaml.Node) {
		if v.Kind != yaml.ScalarNode || !slices.Contains(known, v.Value) {
			p.fault(v, "map_want_one_of", "expected %s", strings.Join(known, " or "))
			return
		}
		*into = v.Value
	}
}

func (p *reader) authority(into *Authority) func(*yaml.Node) {
	var text string
	read := p.oneOf(&text, string(AuthorityCRM), string(AuthorityRemote), string(AuthorityNewest), string(AuthorityAsk))
	return func(v *yaml.Node) {
		read(v)
		*into = Authority(text)
	}
}
