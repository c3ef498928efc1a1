package api

import "crmhub/core/schema"

// entitySchema is a kind's JSON Schema: it judges bodies, and tells which fields there are.
type entitySchema struct {
	*schema.Schema
}

// filterable lists the top-level fields that hold one value or a list of texts: those a list can be filtered by.
func (s entitySchema) filterable() map[string]map[string]any {
	found := map[string]map[string]any{}
	properties, _ := s.Document()["properties"].(map[string]any)
	for name, p := range properties {
		property, _ := p.(map[string]any)
		property = s.Resolve(property)
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
