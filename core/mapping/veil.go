package mapping

import "slices"

// Veil returns a copy of a record as somebody sees it from whom properties of the entity are hidden. A value is shown where a rule
// joins its place to the entity and nothing that is hidden can have come there, or is read from there; mask stands for all others:
// what no rule joins, and what an expression or a condition with a hidden property has to do with.
func (m *Mapping) Veil(record any, hidden []string, mask any) any {
	return m.window(hidden).veil(record, false, mask)
}

// VeilBody is Veil for what was said to the other system or answered by it: the record, several, or either within an envelope.
// Where no record is recognized, mask stands for each value.
func (m *Mapping) VeilBody(body any, hidden []string, mask any) any {
	return m.veilBody(body, m.window(hidden), mask)
}

func (m *Mapping) veilBody(body any, w *pane, mask any) any {
	switch v := body.(type) {
	case map[string]any:
		if m.isRecord(v, w) {
			return w.veil(v, false, mask)
		}
		some := make(map[string]any, len(v))
		for name, member := range v {
			some[name] = m.veilBody(member, w, mask)
		}
		return some
	case []any:
		some := make([]any, len(v))
		for i, element := range v {
			some[i] = m.veilBody(element, w, mask)
		}
		return some
	case nil:
		return nil
	}
	return mask
}

// isRecord reports whether an object is a record of the mapping, or a part of one, such as an update sends: it has something that a
// rule joins, and is what the schema says, or has nothing else than that.
func (m *Mapping) isRecord(object map[string]any, w *pane) bool {
	known, joined := 0, false
	properties := rootNode(m.raw)
	for name := range object {
		if _, ok := properties.at(fieldPath{{name, -1}}); ok {
			known++
		}
		joined = joined || w.members[name] != nil
	}
	return joined && (known == len(object) || len(m.raw.Validate(object)) == 0 || len(m.written.Validate(object)) == 0)
}

// pane is a place of the record, and what lies within.
type pane struct {
	members map[string]*pane // "*" is each element of a list
	joined  bool             // a rule joins it to the entity
	hidden  bool             // what is there has to do with what is hidden
}

func (p *pane) at(tokens []string) *pane {
	for _, t := range tokens {
		if p.members[t] == nil {
			if p.members == nil {
				p.members = map[string]*pane{}
			}
			p.members[t] = &pane{}
		}
		p = p.members[t]
	}
	return p
}

func (p *pane) veil(v any, shown bool, mask any) any {
	if p != nil {
		if p.hidden {
			p, shown = nil, false
		} else {
			shown = shown || p.joined
		}
	}
	within := func(name string) *pane {
		if p == nil {
			return nil
		}
		return p.members[name]
	}
	switch v := v.(type) {
	case map[string]any:
		some := make(map[string]any, len(v))
		for name, member := range v {
			some[name] = within(name).veil(member, shown, mask)
		}
		return some
	case []any:
		some := make([]any, len(v))
		for i, element := range v {
			some[i] = within("*").veil(element, shown, mask)
		}
		return some
	case nil:
		return nil
	}
	if shown {
		return v
	}
	return mask
}

// window is what of a record is to be seen.
func (m *Mapping) window(hidden []string) *pane {
	root := &pane{}
	root.look(m.rules, nil, false, hidden)
	return root
}

// look marks the places of rules that begin at base, in the root; within says that they are about a list that is hidden.
func (p *pane) look(rules []rule, base []string, within bool, hidden []string) {
	for i := range rules {
		r := &rules[i]
		secret := within || len(base) == 0 && len(r.crm) > 0 && slices.Contains(hidden, r.crm[0].name)
		if r.push {
			secret = secret || r.pushExpr.tells(hidden) || r.when.tells(hidden)
		}
		if r.pull && secret {
			for _, e := range []*expression{r.pullExpr, r.when} {
				e.hide(p, base)
			}
		}
		if len(r.remote) == 0 {
			continue
		}
		at := r.remote.tokens(base)
		place := p.at(at)
		place.hidden = place.hidden || secret
		if r.each != nil {
			p.look(r.each, append(at, "*"), secret, hidden)
			continue
		}
		place.joined = true
	}
}

// tells reports whether an expression on an entity may say something of properties. What it says of the element of a list is hidden
// with the list.
func (e *expression) tells(hidden []string) bool {
	return e != nil && (e.wholly && len(hidden) > 0 || slices.ContainsFunc(e.reads, func(name string) bool { return slices.Contains(hidden, name) }))
}

// hide marks the places that an expression on a record looks at.
func (e *expression) hide(root *pane, base []string) {
	if e == nil {
		return
	}
	if e.wholly {
		root.hidden = true
	}
	if e.wholeIt {
		root.at(base).hidden = true
	}
	for _, l := range e.places {
		from := base
		if l.root {
			from = nil
		}
		root.at(l.path.tokens(from)).hidden = true
	}
}
