package api

import (
	"strings"

	"crmhub/core/schema"
)

// entitySchema is a kind's JSON Schema: it judges bodies, and tells which fields the hub writes.
type entitySchema struct {
	*schema.Schema
}

// writable returns doc without what the schema marks readOnly, at any depth. A caller may send back what it read:
// such fields are ignored, while unknown ones are refused by the schema.
func (s entitySchema) writable(doc map[string]any) map[string]any {
	kept, _ := s.strip(s.Document(), doc).(map[string]any)
	return kept
}

func (s entitySchema) strip(node map[string]any, v any) any {
	node = s.resolve(node)
	switch v := v.(type) {
	case map[string]any:
		properties, _ := node["properties"].(map[string]any)
		kept := make(map[string]any, len(v))
		for name, member := range v {
			property, _ := properties[name].(map[string]any)
			if s.resolve(property)["readOnly"] == true || property["readOnly"] == true {
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

// resolve follows a reference to a definition of the same file.
func (s entitySchema) resolve(node map[string]any) map[string]any {
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

// filterable lists the top-level fields that hold one value or a list of texts: those a list can be filtered by.
func (s entitySchema) filterable() map[string]map[string]any {
	found := map[string]map[string]any{}
	properties, _ := s.Document()["properties"].(map[string]any)
	for name, p := range properties {
		property, _ := p.(map[string]any)
		property = s.resolve(property)
		switch property["type"] {
		case "object":
		case "array":
			if items, _ := property["items"].(map[string]any); items["type"] == "string" {
				found[name] = property
			}
		default:
			found[name] = property
		}
	}
	return found
}
