package mapping

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"crmhub/core/schema"
)

// Compile checks and compiles one file. name is its path, "<connector>/<entity>.yaml". The error is [Faults].
func Compile(name string, source []byte, schemas *schema.Set) (*Mapping, error) {
	connector, file := path.Split(name)
	sum := sha256.Sum256(source)
	c := &compiler{file: name, schemas: schemas, mapping: &Mapping{
		connector: strings.Trim(connector, "/"), version: hex.EncodeToString(sum[:6]), text: source,
	}}
	if d := parse(source, c.fault); d != nil && c.header(d, strings.TrimSuffix(file, ".yaml")) {
		c.document(d)
	}
	if c.faults = append(c.faults, c.late...); len(c.faults) > 0 {
		slices.SortStableFunc(c.faults, func(a, b Fault) int { return a.Line - b.Line })
		return nil, c.faults
	}
	return c.mapping, nil
}

type compiler struct {
	file    string
	schemas *schema.Set
	mapping *Mapping
	faults  Faults
	late    Faults // of rules that are well by themselves, but not together
	entity  node
	record  node
}

func (c *compiler) fault(at *yaml.Node, code, format string, args ...any) {
	c.faults = append(c.faults, c.faultAt(at, code, format, args...))
}

func (c *compiler) lateFault(at *yaml.Node, code, format string, args ...any) {
	c.late = append(c.late, c.faultAt(at, code, format, args...))
}

// faultAt is a fault with its place. The code and the arguments say the same as the text (schema.Saying); a reason among them is
// said by its own code.
func (c *compiler) faultAt(at *yaml.Node, code, format string, args ...any) Fault {
	said := make([]any, len(args))
	for i, arg := range args {
		said[i] = arg
		if why, ok := arg.(*reason); ok {
			said[i] = why.code
		}
	}
	return Fault{File: c.file, Line: at.Line, Column: at.Column, Message: fmt.Sprintf(format, args...), Said: schema.Say(code, said...)}
}

// reason is why something in a mapping, or a value, does not fit.
type reason struct{ code, text string }

func because(code, text string) error { return &reason{code, text} }

func (r *reason) Error() string { return r.text }

// header compiles all but the rules. It reports whether both schemas are there to check the rules against.
func (c *compiler) header(d *document, file string) bool {
	m := c.mapping
	m.entity, m.record, m.reference, m.match = d.entity, d.record, d.reference, d.match
	if d.entity == "" || d.record == "" || d.fields == nil {
		if len(c.faults) == 0 {
			c.fault(d.node, "map_header", "a mapping says entity, record and fields")
		}
		return false
	}
	if d.entity != file {
		c.fault(place(d.node, "entity"), "map_file_name", "the file is named %s.yaml, its entity %q", file, d.entity)
	}
	var hasEntity, hasRecord bool
	if m.source, hasEntity = c.schemas.Get(d.entity + ".v1.json"); !hasEntity {
		c.fault(place(d.node, "entity"), "map_no_entity_schema", "there is no schema %s.v1.json", d.entity)
	}
	recordFile := m.connector + "/" + d.record + ".json"
	if m.raw, hasRecord = c.schemas.Get(recordFile); !hasRecord {
		c.fault(place(d.node, "record"), "map_no_record_schema", "there is no schema %s", recordFile)
	}
	if !hasEntity || !hasRecord {
		return false
	}
	b, err := json.Marshal(sent(m.raw.Document()))
	if err == nil {
		m.written, err = schema.Compile(recordFile, b)
	}
	if err != nil {
		c.fault(place(d.node, "record"), "map_schema_unfit", "the schema %s cannot be used for sending: %v", recordFile, err)
		return false
	}
	c.entity, c.record = rootNode(m.source), rootNode(m.raw)
	return true
}

// document compiles the rules, and checks them against each other.
func (c *compiler) document(d *document) {
	m := c.mapping
	general := d.authority
	if general == "" {
		general = AuthorityCRM
	}
	before := len(c.faults)
	m.rules = c.rules(d.fields, side{entity: c.entity, record: c.record, ways: ways{push: true, pull: true}}, func(w *written, r *rule) {
		authority := w.authority
		if authority == "" {
			authority = general
		}
		if len(r.crm) > 0 {
			c.addField(w, Field{r.crm[0].name, r.push && r.pushExpr == nil, r.pull, authority})
		}
	})
	m.places = placesOf(m.rules, nil, nil)
	for i := range m.rules {
		for _, name := range m.rules[i].reads(nil) {
			c.addField(&written{}, Field{name, true, false, general})
		}
	}
	if len(c.faults) > before {
		return // what else is missing may follow from these
	}
	c.checkRequired(d.node, m.rules, c.record, 0)
	c.checkKeys(d)
}

// addField notes that a rule touches a property of the entity, and who is right about it.
func (c *compiler) addField(w *written, found Field) {
	m := c.mapping
	for i := range m.fields {
		f := &m.fields[i]
		if f.Path != found.Path {
			continue
		}
		f.Push, f.Pull = f.Push || found.Push, f.Pull || found.Pull
		if w.authority != "" && f.Authority != found.Authority {
			c.lateFault(place(w.node, "authority"), "map_authority_twice", "%s has the authority %s in an earlier rule: a property is merged as a whole", f.Path, f.Authority)
		}
		return
	}
	m.fields = append(m.fields, found)
}

// checkKeys checks what identifies an entity and its record: a reference that is not sent finds nothing again, and the
// other system would get a second record; a match that is not read never matches, and one that several entities may have
// says not which is meant.
func (c *compiler) checkKeys(d *document) {
	moved := func(name string, way func(*rule) bool) bool {
		return slices.ContainsFunc(c.mapping.rules, func(r rule) bool {
			return len(r.crm) == 1 && r.crm[0].name == name && way(&r)
		})
	}
	sentAsItIs := func(r *rule) bool {
		return r.push && r.pushExpr == nil && r.when == nil && r.convert.push == nil && r.link == "" && r.each == nil
	}
	if at := place(d.node, "reference"); d.reference != "" && !moved(d.reference, sentAsItIs) {
		c.lateFault(at, "map_reference_unsent", "no rule sends %q as it is, so no record can be found by it", d.reference)
	} else if d.reference != "" && d.reference != "id" {
		c.checkKey(at, d.reference)
	}
	for _, name := range d.match {
		if at := place(d.node, "match"); !moved(name, func(r *rule) bool { return r.pull }) {
			c.lateFault(at, "map_match_unread", "no rule reads %q, so no record can be matched by it", name)
		} else {
			c.checkKey(at, name)
		}
	}
}

func (c *compiler) checkKey(at *yaml.Node, name string) {
	if keys := c.entity.keys(); !slices.Contains(keys, name) {
		c.lateFault(at, "map_match_no_key", "several may have the same %q; what tells one from all others is %s", name, strings.Join(keys, ", "))
	}
}

// checkRequired reports properties that the record must have and no rule sets. depth is how far the rules' paths have
// been followed to the object.
func (c *compiler) checkRequired(at *yaml.Node, rules []rule, object node, depth int) {
	setting := map[string][]rule{}
	where, line := "", at
	for _, r := range rules {
		if r.push && len(r.remote) > depth && r.remote[depth].index < 0 {
			setting[r.remote[depth].name] = append(setting[r.remote[depth].name], r)
			if depth > 0 {
				where, line = r.remote[:depth].String()+".", r.node
			}
		}
	}
	if len(setting) == 0 {
		return
	}
	for _, name := range object.required() {
		if len(setting[name]) == 0 {
			c.lateFault(line, "map_required_unset", "the record's schema requires %s%s, which no rule sets", where, name)
		}
	}
	for name, inner := range setting {
		if inside, ok := object.at(fieldPath{{name, -1}}); ok && len(inner[0].remote) > depth+1 {
			c.checkRequired(at, inner, inside, depth+1)
		}
	}
}
