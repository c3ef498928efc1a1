package schema

import "strings"

// Writable returns doc without what the schema marks readOnly, at any depth. A writer may send back what it read:
// such fields are ignored, while unknown ones are refused by the schema.
func (s *Schema) Writable(doc map[string]any) map[string]any {
	kept, _ := s.strip(s.Document(), doc).(map[string]any)
	return kept
}

func (s *Schema) strip(node map[string]any, v any) any {
	node = s.Resolve(node)
	switch v := v.(type) {
	case map[string]any:
		properties, _ := node["properties"].(map[string]any)
		kept := make(map[string]any, len(v))
		for name, member := range v {
			property, _ := properties[name].(map[string]any)
			if s.Resolve(property)["readOnly"] == true || property["readOnly"] == true {
				continue
			}
			kept[name] = s.strip(property, member)
		}
		return kept
	case []any:
		items, _ := node["items"].(map[string]any)
		kept := make([]any, len(v))
		for i := range v {
			kept[i] = s.strip(items, v[i])
		}
		return kept
	}
	return v
}

// Resolve follows a reference to a definition of the same file.
func (s *Schema) Resolve(node map[string]any) map[string]any {
	ref, _ := node["$ref"].(string)
	path, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return node
	}
	var at any = s.Document()
	for name := range strings.SplitSeq(path, "/") {
		members, _ := at.(map[string]any)
		at = members[name]
	}
	found, _ := at.(map[string]any)
	return found
}
