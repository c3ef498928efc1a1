package mapping

// PushRefs names the entities whose links a push of doc needs.
func (m *Mapping) PushRefs(doc map[string]any) []Ref { return refs(m.rules, doc, pushing, nil) }

// PullRefs names the records whose links a pull of record needs.
func (m *Mapping) PullRefs(record map[string]any) []Ref { return refs(m.rules, record, pulling, nil) }

func refs(rules []rule, source map[string]any, d direction, found []Ref) []Ref {
	for i := range rules {
		r := &rules[i]
		if !r.goes(d) {
			continue
		}
		from, _ := r.ends(d)
		switch {
		case r.link != "":
			v, _ := from.get(source)
			if id, ok := idText(v); ok {
				found = append(found, Ref{r.link, id})
			}
		case r.each != nil:
			v, _ := from.get(source)
			list, _ := v.([]any)
			for _, e := range list {
				if element, ok := e.(map[string]any); ok {
					found = refs(r.each, element, d, found)
				}
			}
		}
	}
	return found
}
