package api

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"crmhub/core/crm"
)

//go:embed examples/*.json
var examples embed.FS

const exampleID = "0199a1b2-0000-7000-8000-000000000001"

// entities returns the resources of all kinds; their schemas become components of the document.
func (s *server) entities() ([]entities, error) {
	all := make([]entities, 0, len(crm.Kinds()))
	for _, kind := range crm.Kinds() {
		file := string(kind) + ".v1.json"
		found, ok := s.Schemas.Get(file)
		if !ok {
			return nil, fmt.Errorf("there is no schema %s", file)
		}
		example, err := loadExample(kind)
		if err != nil {
			return nil, err
		}
		s.document.embed(componentName(kind), found.Document())
		s.document.embedSelection(kind, entitySchema{found})
		all = append(all, entities{server: s, kind: kind, path: "/" + slug(kind.Plural()), schema: entitySchema{found}, shown: example})
	}
	return all, nil
}

func loadExample(kind crm.Kind) (map[string]any, error) {
	b, err := examples.ReadFile("examples/" + string(kind) + ".json")
	if err != nil {
		return nil, fmt.Errorf("example of %s: %w", kind, err)
	}
	var example map[string]any
	if err := json.Unmarshal(b, &example); err != nil {
		return nil, fmt.Errorf("example of %s: %w", kind, err)
	}
	return example, nil
}

// createContent shows what a POST needs: what the hub gives by itself is left out.
func (e entities) createContent() *content {
	example := e.schema.Writable(e.shown)
	delete(example, "id")
	delete(example, "version")
	return e.content(example)
}

func (e entities) content(example any) *content {
	return &content{mediaType: jsonType, schema: reference(componentName(e.kind)), example: example}
}

// patchContent is what a PATCH takes: any part of the entity, and null to clear. The outcome must keep the whole schema.
func (e entities) patchContent() *content {
	return &content{
		mediaType: mergePatchType, schema: &huma.Schema{
			Type: huma.TypeObject, Description: "Any of the writable fields of " + componentName(e.kind) + ".", AdditionalProperties: true,
		},
		example: map[string]any{"ext": map[string]any{"priority": "high"}},
	}
}

// componentName is the kind as a component of the document: Order, CampaignMember.
func componentName(kind crm.Kind) string {
	var b strings.Builder
	for word := range strings.SplitSeq(string(kind), "_") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// slug is a name in paths and operations: campaign-members.
func slug(name string) string { return strings.ReplaceAll(name, "_", "-") }

// plural is the kind in sentences: campaign members.
func plural(kind crm.Kind) string { return strings.ReplaceAll(kind.Plural(), "_", " ") }

func article(kind crm.Kind) string {
	name := strings.ReplaceAll(string(kind), "_", " ")
	switch {
	case kind.Plural() == string(kind):
		return name
	case strings.ContainsRune("aeiou", rune(name[0])):
		return "an " + name
	default:
		return "a " + name
	}
}

func kindNames() []string { return crm.KindNames() }
