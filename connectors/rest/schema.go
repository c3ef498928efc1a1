package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"go.yaml.in/yaml/v3"

	"crmhub/core/schema"
	"crmhub/schemas"
)

const schemaFile = "manifest.v1.json"

// manifestSchema and metaschema take longer to compile than a manifest does to check.
var (
	manifestSchema = sync.OnceValues(func() (*schema.Schema, error) { //nolint:gochecknoglobals // a constant
		source, err := schemas.FS.ReadFile(schemaFile)
		if err != nil {
			return nil, err
		}
		return schema.Compile(schemaFile, source)
	})
	metaschema = sync.OnceValues(func() (*schema.Schema, error) { //nolint:gochecknoglobals // a constant
		return schema.Compile("metaschema.json", []byte(`{"$ref": "https://json-schema.org/draft/2020-12/schema"}`))
	})
)

// checkSchema checks a manifest's shape against its JSON Schema, and that its config is a JSON Schema itself.
func checkSchema(top *yaml.Node, doc any, faults *Faults) error {
	shape, err := manifestSchema()
	if err != nil {
		return fmt.Errorf("schema of manifests: %w", err)
	}
	for _, v := range shape.Validate(doc) {
		where := v.Pointer
		if where == "" {
			where = "the manifest"
		}
		faults.add(lineOf(top, v.Pointer), where+": "+v.Message)
	}
	config, _ := pointer{"config"}.in(doc)
	if _, isObject := config.(map[string]any); !isObject {
		return nil // told already
	}
	meta, err := metaschema()
	if err != nil {
		return fmt.Errorf("schema of schemas: %w", err)
	}
	for _, v := range meta.Validate(config) {
		where := "/config" + v.Pointer
		faults.add(lineOf(top, where), where+": "+v.Message)
	}
	if len(faults.List) > 0 {
		return nil
	}
	text, err := json.Marshal(config)
	if err != nil {
		return fmt.Errorf("configuration schema: %w", err)
	}
	_, err = schema.Compile("config", text)
	if err == nil {
		return nil
	}
	for cause := err; cause != nil; cause = errors.Unwrap(cause) { // such as a reference that leads nowhere
		err = cause
	}
	faults.add(lineOf(top, "/config"), "/config: "+err.Error())
	return nil
}
