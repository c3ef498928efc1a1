package api_test

import (
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/schema"
)

var update = flag.Bool("update", false, "write testdata/openapi.json anew")

func TestDocumentIsTheGoldenOne(t *testing.T) {
	t.Parallel()
	got := newHub(t).request(http.MethodGet, "/openapi.json", "", "Authorization:").Body.String() + "\n"
	const golden = "testdata/openapi.json"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s\nIf the change is meant: go test ./core/api -update", d)
	}
}

type openAPI struct {
	Paths      map[string]map[string]operation
	Components struct {
		Schemas   map[string]any
		Responses map[string]any
	}
}

type operation struct {
	OperationID, Summary string
	Tags                 []string
	Parameters           []struct {
		Name, In string
		Schema   struct{ Items struct{ Enum []string } }
	}
	RequestBody *struct{ Content map[string]media }
	Responses   map[string]struct {
		Ref     string `json:"$ref"`
		Content map[string]media
	}
}

func TestExamplesKeepTheirSchemas(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	var doc struct{ Components json.RawMessage }
	if err := json.Unmarshal(h.request(http.MethodGet, "/openapi.json", "").Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	// One schema of an object that has each body under a name that says where it is: a document is large to compile.
	shapes, examples := map[string]any{}, map[string]any{}
	add := func(where string, content map[string]media) {
		for mediaType, m := range content {
			shapes[where+" "+mediaType], examples[where+" "+mediaType] = m.Schema, m.Example
		}
	}
	for path, methods := range readDocument(t, h).Paths {
		for method, op := range methods {
			if op.RequestBody != nil {
				add(method+" "+path, op.RequestBody.Content)
			}
			for status, r := range op.Responses {
				add(method+" "+path+" "+status, r.Content)
			}
		}
	}
	compiled := compileShapes(t, shapes, doc.Components)
	for _, violation := range compiled.Validate(examples) {
		t.Error(violation)
	}
}

// compileShapes makes a schema of an object with these members, which may refer to components.
func compileShapes(t *testing.T, shapes map[string]any, components json.RawMessage) *schema.Schema {
	t.Helper()
	source, err := json.Marshal(map[string]any{"type": "object", "properties": shapes, "additionalProperties": false, "components": components})
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := schema.Compile("shapes.json", source)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

type media struct {
	Schema  map[string]any
	Example any
}

func TestEachOperationIsDescribed(t *testing.T) {
	t.Parallel()
	doc := readDocument(t, newHub(t))
	seen := map[string]bool{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			name := method + " " + path
			if op.OperationID == "" || op.Summary == "" || len(op.Tags) == 0 {
				t.Errorf("%s lacks an operationId, a summary or tags", name)
			}
			if seen[op.OperationID] {
				t.Errorf("%s: the operationId %s is taken", name, op.OperationID)
			}
			seen[op.OperationID] = true
			for _, status := range []string{"400", "401", "500"} {
				if op.Responses[status].Ref == "" {
					t.Errorf("%s does not say what a %s looks like", name, status)
				}
			}
			if strings.Contains(path, "{") && op.Responses["404"].Ref == "" {
				t.Errorf("%s does not say what a 404 looks like", name)
			}
			if op.RequestBody != nil {
				checkMedia(t, name, op.RequestBody.Content)
			}
			for status, r := range op.Responses {
				if r.Ref == "" && status != "204" {
					checkMedia(t, name+" "+status, r.Content)
				}
			}
		}
	}
}

func checkMedia(t *testing.T, where string, content map[string]media) {
	t.Helper()
	if len(content) == 0 {
		t.Errorf("%s has no media type", where)
	}
	for _, m := range content {
		if m.Schema == nil || m.Example == nil {
			t.Errorf("%s lacks a schema or an example", where)
		}
	}
}

func readDocument(t *testing.T, h *hub) (doc openAPI) {
	t.Helper()
	w := h.request(http.MethodGet, "/openapi.json", "")
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || len(doc.Paths) == 0 {
		t.Fatalf("no document: %v", err)
	}
	return doc
}

func TestReferencesInTheDocumentLeadSomewhere(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	var doc any
	if err := json.Unmarshal(h.request(http.MethodGet, "/openapi.json", "").Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				at := doc
				for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
					members, _ := at.(map[string]any)
					at = members[step]
				}
				if at == nil {
					t.Errorf("%s leads nowhere", ref)
				}
			}
			for _, member := range v {
				walk(member)
			}
		case []any:
			for _, item := range v {
				walk(item)
			}
		}
	}
	walk(doc)
}

func TestDocumentIsPublicInEachForm(t *testing.T) {
	t.Parallel()
	nobody := []string{"Authorization:"}
	newHub(t).play([]scenario{
		{name: "JSON", method: "GET", path: "/openapi.json", headers: nobody, status: 200, has: []string{`"openapi": "3.1.0"`, "Content-Type: application/openapi+json"}},
		{name: "YAML", method: "GET", path: "/openapi.yaml", headers: nobody, status: 200, has: []string{"openapi: 3.1.0", "operationId: move-order", "minimum: 1\n"}},
		{name: "topics", method: "GET", path: "/asyncapi.json", headers: nobody, status: 200, has: []string{`"asyncapi": "3.0.0"`, "Content-Type: application/vnd.aai.asyncapi+json"}},
		{name: "page", method: "GET", path: "/", headers: nobody, status: 200, has: []string{"/api/v1/orders/{id}/status", "Move an order"}, hasNot: []string{"<script", `="http`}},
	})
}
