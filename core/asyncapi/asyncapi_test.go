package asyncapi_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"crmhub/connectors/kafka"
	"crmhub/core/asyncapi"
	"crmhub/core/bus"
	"crmhub/core/bus/bustest"
	"crmhub/core/crm"
	"crmhub/schemas"
)

type object = map[string]any

func document(t *testing.T) object {
	t.Helper()
	b, err := asyncapi.Document(asyncapi.Config{Version: "1", Schemas: schemas.FS, Streams: kafka.Connector().Streams})
	if err != nil {
		t.Fatal(err)
	}
	var doc object
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// at is what a reference or path within the document leads to, nil if to nothing.
func at(doc any, path ...string) any {
	for _, step := range path {
		o, _ := doc.(object)
		doc = o[step]
	}
	return doc
}

func TestEveryTopicIsDescribed(t *testing.T) {
	t.Parallel()
	doc := document(t)
	want, got := []string{"crmhub.dead_letter.v1"}, []string(nil)
	for _, kind := range crm.Kinds() {
		want = append(want, "crmhub."+string(kind)+".v1")
	}
	for _, s := range kafka.Connector().Streams {
		want = append(want, "{connection}."+s.Record+".v1")
		if s.Push {
			want = append(want, "{connection}."+s.Record+".out.v1")
		}
	}
	channels, _ := doc["channels"].(object)
	for _, c := range channels {
		address, _ := at(c, "address").(string)
		got = append(got, address)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("topics (-want +got):\n%s", diff)
	}
}

func TestEveryReferenceLeadsSomewhere(t *testing.T) {
	t.Parallel()
	doc := document(t)
	n := 0
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case object:
			if target, ok := v["$ref"].(string); ok {
				n++
				if at(doc, strings.Split(strings.TrimPrefix(target, "#/"), "/")...) == nil {
					t.Errorf("%s leads nowhere", target)
				}
			}
			for _, part := range v {
				walk(part)
			}
		case []any:
			for _, part := range v {
				walk(part)
			}
		}
	}
	walk(doc)
	if n < 100 {
		t.Errorf("only %d references", n)
	}
}

// What the document says of a change's headers is what the hub writes.
func TestHeadersAreThoseThatAreWritten(t *testing.T) {
	t.Parallel()
	addr := bustest.Addr(t)
	c := bustest.Connect(t, addr)
	topic := "headers-" + uuid.NewString()
	if err := c.EnsureTopics(t.Context(), []string{topic}); err != nil {
		t.Fatal(err)
	}
	w := c.NewWriter()
	defer w.Close()
	_, err := w.Write(t.Context(), []bus.Message{{Topic: topic, Event: bus.Event{
		ID: uuid.New(), Organization: "main", Entity: "order", EntityID: uuid.New(), Version: 1, Type: "created", Origin: "crm", Time: time.Now(),
		TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Data: []byte("{}"),
	}}}).Wait()
	if err != nil {
		t.Fatal(err)
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var written []string
	for _, h := range reader.PollFetches(t.Context()).Records()[0].Headers {
		written = append(written, h.Key)
	}
	headers, _ := at(document(t), "components", "schemas", "changeHeaders").(object)
	properties, _ := headers["properties"].(object)
	var described []string
	for name := range properties {
		described = append(described, name)
	}
	slices.Sort(written)
	slices.Sort(described)
	if diff := cmp.Diff(written, described); diff != "" {
		t.Errorf("headers (-written +described):\n%s", diff)
	}
	if required, _ := headers["required"].([]any); len(required) != len(written)-1 { // all but traceparent
		t.Errorf("required are %v", required)
	}
}
