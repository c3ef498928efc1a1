package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// Schema is a compiled JSON Schema. It is safe for concurrent use.
type Schema struct {
	compiled *jsonschema.Schema
	document map[string]any
}

// Set holds the schemas of a folder by path, such as "order.v1.json" and "tryton/sale.sale.json".
type Set struct {
	schemas map[string]*Schema
}

// base makes paths absolute, as references between files need; nothing is ever fetched from it.
const base = "schema:///"

// Load compiles every .json file of a folder and the folders directly below it. Files may refer to each other by
// relative path and to nothing else. All faults are reported at once.
func Load(fsys fs.FS) (*Set, error) {
	c := newCompiler()
	documents := map[string]map[string]any{}
	var faults []error
	for _, pattern := range []string{"*.json", "*/*.json"} {
		files, err := fs.Glob(fsys, pattern)
		if err != nil {
			return nil, fmt.Errorf("schemas: %w", err)
		}
		for _, name := range files {
			b, err := fs.ReadFile(fsys, name)
			if err != nil {
				return nil, fmt.Errorf("schemas: %w", err)
			}
			doc, err := add(c, name, b)
			if err != nil {
				faults = append(faults, err)
				continue
			}
			documents[name] = doc
		}
	}
	set := &Set{schemas: make(map[string]*Schema, len(documents))}
	for name, doc := range documents {
		compiled, err := c.Compile(base + name)
		if err != nil {
			faults = append(faults, fmt.Errorf("schema %s: %w", name, err))
			continue
		}
		set.schemas[name] = &Schema{compiled, doc}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return set, nil
}

// Compile compiles one schema that stands alone; name is for error messages.
func Compile(name string, source []byte) (*Schema, error) {
	c := newCompiler()
	doc, err := add(c, name, source)
	if err != nil {
		return nil, err
	}
	compiled, err := c.Compile(base + name)
	if err != nil {
		return nil, fmt.Errorf("schema %s: %w", name, err)
	}
	return &Schema{compiled, doc}, nil
}

func newCompiler() *jsonschema.Compiler {
	c := jsonschema.NewCompiler()
	c.Draft = jsonschema.Draft2020
	c.AssertFormat = true
	c.Formats["decimal"] = func(v any) bool {
		s, ok := v.(string)
		return !ok || IsDecimal(s)
	}
	c.LoadURL = func(url string) (io.ReadCloser, error) {
		return nil, fmt.Errorf("%s is outside the given files", strings.TrimPrefix(url, base))
	}
	return c
}

func add(c *jsonschema.Compiler, name string, source []byte) (map[string]any, error) {
	v, err := DecodeJSON(source)
	if err != nil {
		return nil, fmt.Errorf("schema %s: %w", name, err)
	}
	doc, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("schema %s: not an object", name)
	}
	if err := c.AddResource(base+name, bytes.NewReader(source)); err != nil {
		return nil, fmt.Errorf("schema %s: %w", name, err)
	}
	return doc, nil
}

// Get returns the schema of a file, by its path within the folder.
func (s *Set) Get(name string) (*Schema, bool) {
	found, ok := s.schemas[path.Clean(name)]
	return found, ok
}

// Document is the schema itself. It must not be changed.
func (s *Schema) Document() map[string]any { return s.document }

// Validate returns everything that is wrong with a decoded document, nil if nothing is. Numbers may be json.Number.
func (s *Schema) Validate(doc any) Violations {
	if vs := unreadable(nil, "", doc); len(vs) > 0 {
		return vs.Sort()
	}
	err := s.compiled.Validate(doc)
	if err == nil {
		return nil
	}
	var ve *jsonschema.ValidationError
	if !errors.As(err, &ve) {
		// Such as a value no JSON has: a fault of the caller, but still no valid document.
		return Violations{{Rule: "json", Message: "cannot be checked: " + err.Error()}}
	}
	var vs Violations
	vs.collect(ve)
	return slices.Compact(vs.Sort())
}

// DecodeJSON decodes one JSON value, its numbers as json.Number so that they stay exact. Text that is not UTF-8 is refused
// (RFC 8259, 8.1): encoding/json would change it without a word.
func DecodeJSON(b []byte) (any, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("not JSON: not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("not JSON: something follows the first value")
	}
	return v, nil
}
