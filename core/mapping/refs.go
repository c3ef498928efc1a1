package mapping

// PushRefs names the entities whose links a push of doc needs.
func (m *Mapping) PushRefs(doc map[string]any) []Ref { return refs(m.rules, doc, true, nil) }

// PullRefs names the records whose links a pull of record needs.
func (m *Mapping) PullRefs(record map[string]any) []Ref { return refs(m.rules, record, false, nil) }

func refs(rules []rule, source map[string]any, pushing bool, found []Ref) []Ref {
	for i := range rules {
		r := &rules[i]
		if !r.goes(pushing) {
			continue
		}
		from, _ := r.ends(pushing)
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
					found = refs(r.each, element, pushing, found)
				}
			}
		}
	}
	return found
}
