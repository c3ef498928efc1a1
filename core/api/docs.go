package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

// The documentation page is made from the OpenAPI document, once: what it says is what is enforced, and it works without
// script and without the internet.

//go:embed docs.html
var docsPage string

//go:embed docs.css
var docsStyle []byte

// describe serves the document as JSON, as YAML and as a page for people, and the one of the topics beside it. They are
// written when first asked for, as most programs that start are never asked.
func (s *server) describe() {
	s.mux.Handle("GET "+prefix+"/openapi.json", s.written("application/openapi+json", func() ([]byte, error) {
		return json.MarshalIndent(s.document.openapi, "", "  ")
	}))
	s.mux.Handle("GET "+prefix+"/openapi.yaml", s.written("application/openapi+yaml", s.document.openapi.YAML))
	s.mux.Handle("GET "+prefix+"/asyncapi.json", static("application/vnd.aai.asyncapi+json", s.Topics))
	s.mux.Handle("GET "+prefix+"/docs.css", static("text/css; charset=utf-8", docsStyle))
	page := s.written("text/html; charset=utf-8", s.docs)
	s.mux.HandleFunc("GET "+prefix+"/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-ancestors 'none'")
		page(w, r)
	})
}

// written serves what is written once.
func (s *server) written(mediaType string, write func() ([]byte, error)) http.HandlerFunc {
	once := sync.OnceValues(write)
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := once()
		if err != nil {
			s.fail(w, r, fmt.Errorf("write %s: %w", r.URL.Path, err))
			return
		}
		static(mediaType, body)(w, r)
	}
}

func static(mediaType string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		_, _ = w.Write(body) // the client went away
	}
}

// docs renders the page.
func (s *server) docs() ([]byte, error) {
	components, err := s.shownSchemas()
	if err != nil {
		return nil, err
	}
	data := struct {
		Info    *huma.Info
		Groups  []shownGroup
		Schemas []shownSchema
	}{s.document.openapi.Info, s.shownGroups(), components}
	t, err := template.New("docs").Parse(docsPage)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, data)
	return b.Bytes(), err
}

// shownGroup is a tag and its operations.
type shownGroup struct {
	*huma.Tag
	Operations []shownOperation
}

type shownOperation struct {
	*huma.Operation
	Body    *shownContent
	Answers []shownAnswer
}

type shownAnswer struct {
	Status, Description string
	Content             *shownContent
}

// shownContent is a body: its media type, its schema in words and its example.
type shownContent struct{ MediaType, Type, Ref, Example string }

func (s *server) shownGroups() []shownGroup {
	groups := make([]shownGroup, 0, len(s.document.openapi.Tags))
	for _, tag := range s.document.openapi.Tags {
		g := shownGroup{Tag: tag}
		for _, r := range s.routes {
			if r.tag == tag.Name {
				g.Operations = append(g.Operations, showOperation(r))
			}
		}
		groups = append(groups, g)
	}
	return groups
}

func showOperation(r route) shownOperation {
	op := shownOperation{Operation: r.describe(), Body: showContent(r.body)}
	op.Path = prefix + op.Path
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		a := shownAnswer{Status: status, Description: op.Responses[status].Description}
		if name, problem := strings.CutPrefix(op.Responses[status].Ref, "#/components/responses/"); problem {
			a.Description = name
		} else {
			a.Content = showContent(r.result)
		}
		op.Answers = append(op.Answers, a)
	}
	return op
}

func showContent(c *content) *shownContent {
	if c == nil {
		return nil
	}
	shown := &shownContent{MediaType: c.mediaType, Ref: strings.TrimPrefix(c.schema.Ref, componentsPath)}
	if shown.Ref == "" {
		shown.Type = c.schema.Type
	}
	if example, err := json.MarshalIndent(c.example, "", "  "); err == nil && c.example != nil {
		shown.Example = string(example)
	}
	return shown
}

// shownSchema is a component.
type shownSchema struct {
	Name, Description string
	Properties        []shownProperty
}

type shownProperty struct {
	Name, Type, Ref, Description string
	Required, ReadOnly           bool
}

// schemaNode is what the page shows of a JSON Schema, whether it was derived from a Go type or is a file of its own.
type schemaNode struct {
	Ref         string `json:"$ref"`
	Type        any    `json:"type"`
	Format      string
	Description string
	Enum        []any
	ReadOnly    bool
	Required    []string
	Items       *schemaNode
	Properties  map[string]*schemaNode
}

func (s *server) shownSchemas() ([]shownSchema, error) {
	known := s.document.schemas.Map()
	shown := make([]shownSchema, 0, len(known))
	for _, name := range slices.Sorted(maps.Keys(known)) {
		b, err := json.Marshal(known[name])
		if err != nil {
			return nil, err
		}
		var node schemaNode
		if err := json.Unmarshal(b, &node); err != nil {
			return nil, fmt.Errorf("schema %s: %w", name, err)
		}
		one := shownSchema{Name: name, Description: node.Description}
		for _, p := range slices.Sorted(maps.Keys(node.Properties)) {
			property := node.Properties[p]
			text, ref := property.words()
			one.Properties = append(one.Properties, shownProperty{
				Name: p, Type: text, Ref: ref, Description: property.Description,
				Required: slices.Contains(node.Required, p), ReadOnly: property.ReadOnly,
			})
		}
		shown = append(shown, one)
	}
	return shown, nil
}

// words says what type a property has, and which component it is or is a list of.
func (n *schemaNode) words() (text, component string) {
	if n == nil {
		return "any", ""
	}
	if name, ok := strings.CutPrefix(n.Ref, componentsPath); ok {
		name, _, _ = strings.Cut(name, "/") // a definition inside a component is shown with it
		return name, name
	}
	if n.Type == "array" {
		text, component = n.Items.words()
		return "list of " + text, component
	}
	text = "any"
	switch t := n.Type.(type) {
	case string:
		text = t
	case []any:
		text = strings.Trim(strings.ReplaceAll(fmt.Sprint(t...), " ", " or "), "[]")
	}
	if n.Format != "" {
		text += ", " + n.Format
	}
	if len(n.Enum) > 0 {
		values := make([]string, len(n.Enum))
		for i, v := range n.Enum {
			values[i] = fmt.Sprint(v)
		}
		text = strings.Join(values, " | ")
	}
	return text, ""
}
