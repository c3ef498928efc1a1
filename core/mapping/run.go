package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/vm"

	"crmhub/core/schema"
)

// Push makes the record of an entity and checks it against the record's schema. The errors are schema.Violations, with
// pointers into the entity (a value the mapping cannot translate) or into the record (rules of its schema), and
// [*MissingLink]. A violation's message names the mapping's line.
func (m *Mapping) Push(doc map[string]any, links Links) (map[string]any, error) {
	w := walk{direction: pushing, links: links, root: doc}
	record := map[string]any{}
	w.rules(m.rules, doc, record, &spot{})
	if err := w.err(); err != nil {
		return nil, err
	}
	if vs := m.written.Validate(record); len(vs) > 0 {
		return nil, m.explain(vs)
	}
	return record, nil
}

// Pull checks a record against its schema and makes the part of the entity that the mapping touches: the fields that the
// record has, nil for those that it has emptied, and nil for those that it leaves out where the mapping says
// "absent: empty". The errors are schema.Violations with pointers into the record, and [*MissingLink].
func (m *Mapping) Pull(record map[string]any, links Links) (map[string]any, error) {
	if err := m.raw.Validate(record).Err(); err != nil {
		return nil, err
	}
	w := walk{direction: pulling, links: links, root: record}
	doc := map[string]any{}
	w.rules(m.rules, record, doc, &spot{})
	if err := w.err(); err != nil {
		return nil, err
	}
	return doc, nil
}

// walk is one run of the rules over a document.
type walk struct {
	direction  direction
	links      Links
	root       map[string]any
	machine    vm.VM
	plainRoot  any // the root as expressions see it; made when the first needs it
	violations schema.Violations
	missing    []Ref
}

// spot is where a run is: the document, or an element of a list, within others. Its pointer is made only for a fault.
type spot struct {
	above   *spot
	list    fieldPath
	index   int
	element map[string]any // nil for the document
	plain   any            // the element as expressions see it; made when the first needs it
}

func (p *spot) pointer() string {
	if p.above == nil {
		return ""
	}
	return p.list.pointer(p.above.pointer()) + "/" + strconv.Itoa(p.index)
}

func (w *walk) err() error {
	if len(w.violations) > 0 {
		return w.violations
	}
	if len(w.missing) > 0 {
		return &MissingLink{Refs: w.missing}
	}
	return nil
}

func (w *walk) fault(r *rule, pointer, rule string, err error) {
	w.violations = append(w.violations, schema.Violation{Pointer: pointer, Rule: rule, Message: err.Error() + " (" + r.position + ")"})
}

// rules applies rules from a source to a target.
func (w *walk) rules(rules []rule, source, target map[string]any, at *spot) {
	for i := range rules {
		if r := &rules[i]; r.goes(w.direction) {
			w.rule(r, source, target, at)
		}
	}
}

func (w *walk) rule(r *rule, source, target map[string]any, at *spot) {
	if r.when != nil {
		holds, ok := w.evaluate(r, r.when, "when", at)
		if !ok || holds != true {
			return
		}
	}
	from, to := r.ends(w.direction)
	e := r.pullExpr
	if w.direction == pushing {
		e = r.pushExpr
	}
	var v any
	var ok bool
	if e != nil {
		// An expression that gives nil says nothing.
		v, ok = w.evaluate(r, e, "expression", at)
		if !ok {
			return
		}
		ok = v != nil
	} else if v, ok = from.get(source); ok && v != nil {
		if v, ok = w.convert(r, v, from, at); !ok {
			return
		}
	} else if w.direction == pulling && r.absentEmpty {
		ok = true
	}
	if v == nil && r.fallback != nil {
		v, ok = clone(r.fallback), true
	}
	switch {
	case v != nil, w.direction == pushing && r.sendNull:
		to.set(target, v)
	case ok && w.direction == pulling: // emptied: a record leaves it out unless told otherwise, an entity takes it over
		to.set(target, nil)
	}
}

// convert gives the other side's form of a value. ok is false when it is wrong.
func (w *walk) convert(r *rule, v any, from fieldPath, at *spot) (converted any, ok bool) {
	switch {
	case r.link != "":
		return w.translate(r, v, from, at)
	case r.each != nil:
		return w.list(r, v, from, at)
	}
	convert := r.convert.pull
	if w.direction == pushing {
		convert = r.convert.push
	}
	if convert == nil {
		return clone(v), true
	}
	converted, err := convert(v)
	if err != nil {
		rule := "format"
		if errors.Is(err, errNoCode) {
			rule = "values"
		}
		w.fault(r, from.pointer(at.pointer()), rule, err)
		return nil, false
	}
	return converted, true
}

// translate finds the other side's id.
func (w *walk) translate(r *rule, v any, from fieldPath, at *spot) (any, bool) {
	id, ok := idText(v)
	if !ok {
		w.fault(r, from.pointer(at.pointer()), "link", fmt.Errorf("is no id of a %s", r.link))
		return nil, false
	}
	look := w.links.Local
	if w.direction == pushing {
		look = w.links.Remote
	}
	found, ok := look(r.link, id)
	switch {
	case !ok:
		if ref := (Ref{r.link, id}); !slices.Contains(w.missing, ref) {
			w.missing = append(w.missing, ref)
		}
		return nil, false
	case w.direction == pulling || !r.idIsNumber:
		return found, true
	case !canonical(found):
		w.fault(r, from.pointer(at.pointer()), "link", fmt.Errorf("is linked to a %s whose id there is no number", r.link))
		return nil, false
	}
	return json.Number(found), true
}

// idText is an id as links have it; ok is false where there is none.
func idText(v any) (id string, ok bool) {
	switch v := v.(type) {
	case string:
		return v, v != ""
	case json.Number:
		if canonical(string(v)) && !strings.Contains(string(v), ".") {
			return string(v), true
		}
		n, err := toInteger(v)
		number, _ := n.(json.Number)
		return string(number), err == nil
	}
	return "", false
}

// list applies a rule's inner rules to each element.
func (w *walk) list(r *rule, v any, from fieldPath, at *spot) (any, bool) {
	list, ok := v.([]any)
	if !ok {
		w.fault(r, from.pointer(at.pointer()), "type", errors.New("must be a list"))
		return nil, false
	}
	out := make([]any, len(list))
	for i, e := range list {
		element, ok := e.(map[string]any)
		here := &spot{above: at, list: from, index: i, element: element}
		if !ok {
			w.fault(r, here.pointer(), "type", errors.New("must be an object"))
			continue
		}
		target := make(map[string]any, len(r.each))
		w.rules(r.each, element, target, here)
		out[i] = target
	}
	return out, true
}

// evaluate runs an expression. What exactly failed is not told: it may repeat values.
func (w *walk) evaluate(r *rule, e *expression, rule string, at *spot) (any, bool) {
	root := "record"
	if w.direction == pushing {
		root = "entity"
	}
	if w.plainRoot == nil {
		w.plainRoot = e.doc.plain(w.root)
	}
	names := map[string]any{root: w.plainRoot}
	if at.element != nil {
		if at.plain == nil {
			at.plain = e.it.plain(at.element)
		}
		names["it"] = at.plain
	}
	v, err := e.run(&w.machine, names)
	if err == nil && rule == "when" && !isBool(v) {
		err = errNoBoolean
	}
	if err != nil {
		_, to := r.ends(w.direction)
		w.fault(r, at.pointer(), rule, fmt.Errorf("the mapping's %s for %s does not work on this %s", rule, to, root))
		return nil, false
	}
	return v, true
}

func isBool(v any) bool {
	_, ok := v.(bool)
	return ok
}
