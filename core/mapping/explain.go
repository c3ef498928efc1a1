package mapping

import "crmhub/core/schema"

// explain says of what is wrong with a record that was made: which field of the entity it comes from, by which rule.
func (m *Mapping) explain(vs schema.Violations) schema.Violations {
	for i := range vs {
		source, position := origin(m.rules, schema.PointerTokens(vs[i].Pointer), "")
		if position == "" {
			vs[i].Message += " in the record made (no rule sets it, " + m.connector + "/" + m.entity + ".yaml)"
			continue
		}
		if source != "" {
			source = "from " + source + ", "
		}
		vs[i].Message += " in the record made (" + source + position + ")"
	}
	return vs
}

// origin finds the rule that sets what a pointer into the record leads to, and the pointer of its source in the entity.
func origin(rules []rule, tokens []string, at string) (source, position string) {
	for i := range rules {
		r := &rules[i]
		if !r.push || !r.remote.covers(tokens) {
			continue
		}
		source = ""
		if len(r.crm) > 0 && r.pushExpr == nil {
			source = r.crm.pointer(at)
		}
		rest := tokens[min(len(r.remote), len(tokens)):]
		if r.each != nil && len(rest) > 1 {
			if inner, position := origin(r.each, rest[1:], source+"/"+rest[0]); position != "" {
				return inner, position
			}
		}
		return source, r.position
	}
	return "", ""
}

// covers reports whether a pointer leads to the path's place, or into it, or to something it lies within.
func (p fieldPath) covers(tokens []string) bool {
	if len(tokens) == 0 {
		return false
	}
	for i := range min(len(p), len(tokens)) {
		if p[i].name != tokens[i] {
			return false
		}
	}
	return true
}
