package mapping

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shopspring/decimal"
	"go.yaml.in/yaml/v3"

	"crmhub/core/schema"
)

// rule is a compiled rule.
type rule struct {
	node        *yaml.Node
	position    string // "<connector>/<entity>.yaml:<line>", for messages
	crm, remote fieldPath
	ways
	convert     conversion
	link        string // entity whose ids are translated
	idIsNumber  bool   // the remote's id is a number
	tabled      bool   // values are translated by a table
	each        []rule
	pushExpr    *expression
	pullExpr    *expression
	when        *expression
	fallback    any // default; nil is none
	sendNull    bool
	absentEmpty bool           // the other side leaves out what is empty
	tested      func(any) bool // whether a value survives the way there and back; nil: all do
	source      node           // the entity's place, to make test values
}

// side is where the paths of rules begin on both sides, and which ways are open: the documents, or the elements of two lists.
type side struct {
	entity, record node
	inList         bool // entity and record are elements
	ways
}

// direction is one of the two ways a mapping is applied.
type direction int

const (
	pulling direction = iota // a record of theirs becomes an entity of ours
	pushing                  // an entity of ours becomes a record of theirs
)

// ways are the directions in which a rule holds.
type ways struct{ push, pull bool }

// goes reports whether the rule holds in a direction.
func (w ways) goes(d direction) bool { return d == pushing && w.push || d == pulling && w.pull }

// both reports whether the rule holds in both directions.
func (w ways) both() bool { return w.push && w.pull }

// rules compiles the rules of one side and checks them against each other.
func (c *compiler) rules(list []written, s side, done func(*written, *rule)) []rule {
	rules := make([]rule, 0, len(list))
	for i := range list {
		w := &list[i]
		if w.broken {
			continue
		}
		if r, ok := c.rule(w, s); ok {
			done(w, &r)
			rules = append(rules, r)
		}
	}
	c.checkTargets(rules, pushing)
	c.checkTargets(rules, pulling)
	return rules
}

// checkTargets reports places that two rules write. Those with conditions may: it is theirs to exclude each other.
func (c *compiler) checkTargets(rules []rule, d direction) {
	for i := range rules {
		later := &rules[i]
		_, to := later.ends(d)
		if !later.goes(d) || len(to) == 0 {
			continue
		}
		if n := to.hole(); n > 0 && !slices.ContainsFunc(rules, func(r rule) bool { return r.goes(d) && r.fills(to, n-1, d) }) {
			c.lateFault(later.node, "map_hole", "%s is set without the element before it", to)
		}
		for j := range rules[:i] {
			earlier := &rules[j]
			_, other := earlier.ends(d)
			if !earlier.goes(d) || later.when != nil && earlier.when != nil {
				continue
			}
			if n := min(len(to), len(other)); n > 0 && slices.Equal(to[:n], other[:n]) {
				c.lateFault(later.node, "map_twice", "%s is written by the rule in line %d already", to, earlier.node.Line)
				break
			}
		}
	}
}

// fills reports whether the rule writes the element at place n of the list that path to leads into.
func (r *rule) fills(to fieldPath, n int, d direction) bool {
	_, own := r.ends(d)
	at := slices.IndexFunc(to, func(s step) bool { return s.index >= 0 })
	return len(own) > at && slices.Equal(own[:at], to[:at]) && own[at].index == n
}

// ends are the rule's paths in a direction.
func (r *rule) ends(d direction) (from, to fieldPath) {
	if d == pushing {
		return r.crm, r.remote
	}
	return r.remote, r.crm
}

// rule compiles one rule. ok is false when it has a fault.
func (c *compiler) rule(w *written, s side) (r rule, ok bool) {
	before := len(c.faults)
	r.node, r.position = w.node, fmt.Sprintf("%s:%d", c.file, w.node.Line)
	r.push, r.pull = s.push && w.direction != "pull", s.pull && w.direction != "push"
	if w.push != "" || w.pull != "" {
		r.push, r.pull = r.push && w.push != "", r.pull && w.pull != ""
	}
	if !r.push && !r.pull {
		c.fault(w.node, "map_never", "this rule never applies: the list around it goes the other way")
		return r, false
	}
	if w.authority != "" && s.inList {
		c.fault(place(w.node, "authority"), "map_list_authority", "a list is merged as a whole: say its authority at the list")
	}
	crmAt, remoteAt := c.paths(w, s, &r)
	switch expression := w.push != "" || w.pull != ""; {
	case !expression && (w.crm == "" || w.remote == ""):
		c.fault(w.node, "map_rule_sides", "a rule names crm and remote, or an expression for one of them")
	case w.push != "" && w.remote == "", w.pull != "" && w.crm == "":
		c.fault(w.node, "map_expression_place", "an expression needs a place for its value: remote for push, crm for pull")
	case expression && (w.push == "" && w.remote != "" || w.pull == "" && w.crm != ""):
		// Else it would look as if the value went there too.
		c.fault(w.node, "map_expression_source", "the other side's place belongs to a rule with both expressions: an expression names its own source")
	}
	if len(c.faults) > before {
		return r, false
	}
	if w.push != "" || w.pull != "" {
		c.expressions(w, s, &r, crmAt, remoteAt)
	} else {
		c.values(w, &r, crmAt, remoteAt)
	}
	c.options(w, s, &r, crmAt, remoteAt)
	return r, len(c.faults) == before
}

// paths compiles a rule's two paths, and finds what may stand there.
func (c *compiler) paths(w *written, s side, r *rule) (crm, remote node) {
	if w.crm != "" {
		r.crm, crm = c.path(w, "crm", w.crm, s.entity, "the entity "+c.mapping.entity)
		r.source = crm
		if r.pull && readOnly(s.entity, r.crm) {
			c.fault(place(w.node, "crm"), "map_computed", "%s is computed by the hub and cannot be pulled: say direction: push", w.crm)
		}
	}
	if w.remote != "" {
		r.remote, remote = c.path(w, "remote", w.remote, s.record, "the record "+c.mapping.record)
		if r.push && readOnly(s.record, r.remote) {
			c.fault(place(w.node, "remote"), "map_set_there", "%s is set by the other system and cannot be pushed: say direction: pull", w.remote)
		}
	}
	return crm, remote
}

func (c *compiler) path(w *written, key, text string, from node, what string) (fieldPath, node) {
	p, err := parsePath(text)
	if err != nil {
		c.fault(place(w.node, key), "map_bad_path", "%s: %v", text, err)
		return nil, node{}
	}
	at, ok := from.at(p)
	if !ok {
		c.fault(place(w.node, key), "map_no_field", "%s has no %s", what, text)
	}
	return p, at
}

func readOnly(from node, p fieldPath) bool {
	for i := range p {
		if at, ok := from.at(p[:i+1]); ok && at.readOnly() {
			return true
		}
	}
	return false
}

// options compiles what any rule may have.
func (c *compiler) options(w *written, s side, r *rule, crm, remote node) {
	d, target, name := pulling, crm, w.crm
	if r.push {
		d, target, name = pushing, remote, w.remote
	}
	if w.when != "" {
		if r.both() {
			c.fault(place(w.node, "when"), "map_condition_direction", "a condition belongs to a rule of one direction")
		} else if e, err := compileExpression(w.when, s.environment(c, d), condition); err != nil {
			c.fault(place(w.node, "when"), "map_condition_unfit", "the condition does not fit: %v", err)
		} else {
			r.when = e
		}
	}
	if w.fallback != nil {
		r.fallback = target.fit(w.fallback)
		if r.both() {
			c.fault(place(w.node, "default"), "map_default_direction", "a default belongs to a rule of one direction")
		} else if !target.accepts(r.fallback) {
			c.fault(place(w.node, "default"), "map_default_unfit", "%s cannot be %v", name, w.fallback)
		}
	}
	if w.absent == "empty" {
		r.absentEmpty = true
		if !r.pull || r.pullExpr != nil {
			c.fault(place(w.node, "absent"), "map_absent_direction", "what is absent is empty for a rule that pulls without an expression")
		}
	}
	if w.null == "send" {
		r.sendNull = true
		if !r.push {
			c.fault(place(w.node, "null"), "map_null_direction", "null is sent by a rule that pushes")
		} else if !remote.nullable() {
			c.fault(place(w.node, "null"), "map_null_unfit", "%s cannot be null", w.remote)
		}
	}
}

// values compiles how a value changes between the sides, and checks that it can fit.
func (c *compiler) values(w *written, r *rule, crm, remote node) {
	ways := 0
	for _, used := range []bool{w.link != "", w.values != nil, w.format != "" || w.layout != "" || w.zone != "", w.unit != "", w.each != nil} {
		if used {
			ways++
		}
	}
	if ways > 1 {
		c.fault(w.node, "map_excluding", "link, values, format, unit and each exclude each other")
		return
	}
	var err error
	at := w.node
	switch {
	case w.link != "":
		c.link(w, r, crm, remote)
	case w.values != nil:
		c.table(w, r, crm, remote)
	case w.each != nil:
		c.each(w, r, crm, remote)
	case w.format != "" || w.layout != "" || w.zone != "":
		at = place(w.node, "format")
		r.convert, err = format(w, crm, remote, r.ways)
		r.source = sampled(w.format, crm, remote)
		if w.format == "date-time" && w.zone != "" {
			r.tested = r.convert.returns // an hour that the clocks go through twice does not
		}
	case w.unit != "":
		r.convert = c.unit(w, crm, remote)
		r.source = sampled("decimal", crm, remote)
	default:
		if to := crm.text("x-references"); r.pull && to != "" && to != "user" {
			c.fault(w.node, "map_say_link", "%s is the id of one of our %ss: say link: %s", w.crm, to, to)
		}
		r.convert, err = natural(crm, remote, r.ways)
	}
	if err != nil {
		c.fault(at, "map_no_conversion", "%s is %s here, %s is %s there: %v", w.crm, crm.describe(), w.remote, remote.describe(), err)
	}
}

func (c *compiler) link(w *written, r *rule, crm, remote node) {
	if to := crm.text("x-references"); to != "" && to != w.link {
		c.fault(place(w.node, "link"), "map_other_link", "%s refers to a %s, not to a %s", w.crm, to, w.link)
	} else if _, ok := c.schemas.Get(w.link + ".v1.json"); !ok {
		c.fault(place(w.node, "link"), "map_no_entity", "there is no entity %s", w.link)
	}
	if !crm.is("string") {
		c.fault(place(w.node, "crm"), "map_no_id", "%s is no id", w.crm)
	}
	if !remote.is("string") && !remote.is("integer") {
		c.fault(place(w.node, "remote"), "map_no_id", "%s is no id", w.remote)
	}
	r.link = w.link
	r.idIsNumber = len(remote.types()) > 0 && !remote.is("string")
}

func (c *compiler) table(w *written, r *rule, crm, remote node) {
	at := place(w.node, "values")
	w.values.check(r, c.fault)
	push, pull := w.values.compile()
	for _, p := range w.values.pairs {
		if !crm.allows(p.crm) {
			hint := ""
			if _, isText := p.crm.(string); isText && !crm.is("string") {
				hint = ": codes that are no texts are a list of {crm: …, remote: …}"
			}
			c.fault(p.node, "map_our_code", "%s cannot be %q%s", w.crm, fmt.Sprint(p.crm), hint)
		}
		for _, v := range p.remote {
			if !remote.allows(v) {
				c.fault(p.node, "map_their_code", "%s cannot be %q", w.remote, fmt.Sprint(v))
			}
		}
	}
	if missing := push.lacks(crm.enum()); r.push && len(missing) > 0 {
		c.fault(at, "map_values_lack", "%s can be %s, which the values do not have", w.crm, strings.Join(missing, ", "))
	}
	if missing := pull.lacks(remote.enum()); r.pull && len(missing) > 0 {
		c.fault(at, "map_values_lack", "%s can be %s, which the values do not have", w.remote, strings.Join(missing, ", "))
	}
	r.tabled = true
	r.convert = conversion{push: push.look, pull: pull.look}
	r.tested = func(v any) bool {
		there, ok := push[code(v)]
		return ok && code(pull[code(there)]) == code(v)
	}
}

func (c *compiler) each(w *written, r *rule, crm, remote node) {
	crmItem, ok1 := crm.items()
	remoteItem, ok2 := remote.items()
	if !ok1 || !ok2 || !crmItem.is("object") || !remoteItem.is("object") {
		c.fault(place(w.node, "each"), "map_each", "each needs a list of objects on both sides")
		return
	}
	inner := side{entity: crmItem, record: remoteItem, inList: true, ways: r.ways}
	before := len(c.faults)
	r.each = c.rules(w.each, inner, func(*written, *rule) {})
	if len(c.faults) == before {
		c.checkRequired(w.node, r.each, remoteItem, 0)
	}
}

// environment is what expressions of a direction see.
func (s side) environment(c *compiler, d direction) environment {
	e := environment{root: "record", doc: c.record}
	it := s.record
	if d == pushing {
		e.root, e.doc, it = "entity", c.entity, s.entity
	}
	if s.inList {
		e.it = &it
	}
	return e
}

// unit converts between decimals that count different units.
func (c *compiler) unit(w *written, crm, remote node) conversion {
	at := place(w.node, "unit")
	d, err := decimal.NewFromString(w.unit)
	if err != nil || !schema.IsDecimal(w.unit) || !d.IsPositive() || len(w.unit) > 30 {
		c.fault(at, "map_unit", "a unit is a positive decimal number, such as \"100\"")
		return conversion{}
	}
	if !crm.isDecimal() || !remote.is("string") && !remote.is("integer") {
		c.fault(at, "map_unit_decimal", "a unit is for decimal numbers: %s is %s, %s %s", w.crm, crm.describe(), w.remote, remote.describe())
	}
	return decimals(remote, d)
}
