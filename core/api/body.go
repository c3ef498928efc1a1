package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"crmhub/core/schema"
)

// content describes a body.
type content struct {
	mediaType string
	also      []string // other media types it may have
	schema    *huma.Schema
	example   any
	judge     *schema.Schema // of a request's body; nil where the operation judges by itself
}

const (
	jsonType       = "application/json"
	mergePatchType = "application/merge-patch+json"
	problemJSON    = "application/problem+json"
)

// jsonBody describes a body of type T, whose tags give the schema.
func jsonBody[T any](d *document, example T) *content {
	return &content{mediaType: jsonType, schema: schemaOf[T](d), example: example}
}

// mergePatchBody describes a merge patch whose fields are those of T.
func mergePatchBody[T any](d *document, example T) *content {
	return &content{mediaType: mergePatchType, schema: schemaOf[T](d), example: example}
}

func (c *content) describe() map[string]*huma.MediaType {
	described := map[string]*huma.MediaType{c.mediaType: {Schema: c.schema, Example: c.example}}
	for _, other := range c.also {
		described[other] = &huma.MediaType{Schema: c.schema, Example: c.example}
	}
	return described
}

// fileContent describes a file, of one of several media types.
func fileContent(example any, mediaType string, also ...string) *content {
	return &content{
		mediaType: mediaType, also: also, example: example,
		schema: &huma.Schema{Type: huma.TypeString, Description: "The bytes of a file."},
	}
}

// compile makes the declared schema of a request's body the one that judges it. Entities are judged by their own,
// once it is known what the body makes of them.
func (c *content) compile(d *document) error {
	name, _ := strings.CutPrefix(c.schema.Ref, componentsPath)
	if _, ok := d.entities[name]; ok || name == "" {
		return nil
	}
	parts := map[string]*huma.Schema{}
	d.takeIn(name, parts)
	source, err := json.Marshal(d.schemas.Map()[name])
	if err == nil && len(parts) > 1 {
		source, err = json.Marshal(map[string]any{"$ref": c.schema.Ref, "components": map[string]any{"schemas": parts}})
	}
	if err == nil {
		c.judge, err = schema.Compile(name, source)
	}
	if err != nil {
		return fmt.Errorf("schema of the body %s: %w", name, err)
	}
	return nil
}

// takeIn marks a component as one that judges bodies, and gathers it and those it is made of.
func (d *document) takeIn(name string, parts map[string]*huma.Schema) {
	if _, ok := parts[name]; ok || d.entities[name] {
		return
	}
	s := d.schemas.Map()[name]
	if s == nil {
		return
	}
	d.inputs[name], parts[name] = true, s
	for _, p := range s.Properties {
		for p != nil {
			if to, ok := strings.CutPrefix(p.Ref, componentsPath); ok {
				d.takeIn(to, parts)
			}
			p = p.Items
		}
	}
}

// object reads the body, a JSON object, and judges it by the schema its operation declares. Numbers stay as they were written.
func (c *call) object() (map[string]any, error) {
	v, err := schema.DecodeJSON(c.body)
	if err != nil {
		return nil, unreadable("The body is no well-formed JSON in UTF-8.")
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, schema.Violations{{Rule: "type", Message: "must be an object"}}
	}
	faults := unstorable("", v, repeated(json.NewDecoder(bytes.NewReader(c.body)), "", nil))
	if judge := c.route.body.judge; judge != nil {
		faults = append(faults, judge.Validate(v)...)
	}
	return object, faults.Sort().Err()
}

// repeated finds names that an object has twice, of which readers take one or the other. The text is known to be JSON.
func repeated(d *json.Decoder, pointer string, faults schema.Violations) schema.Violations {
	switch t, _ := d.Token(); t {
	case json.Delim('['):
		for i := 0; d.More(); i++ {
			faults = repeated(d, pointer+"/"+strconv.Itoa(i), faults)
		}
		_, _ = d.Token()
	case json.Delim('{'):
		seen := map[json.Token]bool{}
		for d.More() {
			name, _ := d.Token()
			text, _ := name.(string)
			at := pointer + "/" + schema.EscapePointer(text)
			if seen[name] {
				faults = append(faults, schema.Violation{Pointer: at, Rule: "json", Message: "must be there once"})
			}
			seen[name] = true
			faults = repeated(d, at, faults)
		}
		_, _ = d.Token()
	}
	return faults
}

// unstorable finds texts with a NUL character, which JSON can carry and PostgreSQL cannot.
func unstorable(pointer string, v any, faults schema.Violations) schema.Violations {
	switch v := v.(type) {
	case string:
		if strings.ContainsRune(v, 0) {
			faults = append(faults, schema.Violation{Pointer: pointer, Rule: "format", Message: "must have no NUL character"})
		}
	case []any:
		for i, item := range v {
			faults = unstorable(pointer+"/"+strconv.Itoa(i), item, faults)
		}
	case map[string]any:
		for name, member := range v {
			at := pointer + "/" + schema.EscapePointer(name)
			if strings.ContainsRune(name, 0) {
				faults = append(faults, schema.Violation{Pointer: pointer, Rule: "format", Message: "must have no name with a NUL character"})
				continue
			}
			faults = unstorable(at, member, faults)
		}
	}
	return faults
}

// decode reads the body, judged by its schema, into a T.
func decode[T any](c *call) (T, error) {
	object, err := c.object()
	if err != nil {
		var zero T
		return zero, err
	}
	return as[T](object)
}

// as turns a judged document into a T. What the schema let through and Go does not read is still the sender's fault.
func as[T any](object map[string]any) (T, error) {
	var out T
	b, err := json.Marshal(object)
	if err != nil {
		return out, fmt.Errorf("read a %T: %w", out, err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&out); err != nil {
		return out, schema.Violations{{Rule: "format", Message: "has a value that cannot be read: " + err.Error()}}
	}
	return out, nil
}

// object is v as a JSON object.
func object(v any) (map[string]any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	doc, err := schema.DecodeJSON(b)
	if err != nil {
		return nil, fmt.Errorf("decode %T: %w", v, err)
	}
	o, _ := doc.(map[string]any)
	return o, nil
}
