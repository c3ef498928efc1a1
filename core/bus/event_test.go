package bus

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"
	"pgregory.net/rapid"

	"crmhub/core/schema"
)

func TestEventSurvivesItsHeaders(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := Event{
			ID: uuid.New(), EntityID: uuid.New(),
			Organization: rapid.StringMatching(`[a-z][a-z0-9-]{0,20}`).Draw(t, "organization"),
			Entity:       rapid.StringMatching(`[a-z]{1,12}`).Draw(t, "entity"),
			Version:      rapid.Int64Min(1).Draw(t, "version"),
			Type:         rapid.SampledFrom([]string{"created", "updated", "deleted"}).Draw(t, "type"),
			Origin:       rapid.StringMatching(`[a-z]{1,12}`).Draw(t, "origin"),
			Time:         time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(t, "time")).UTC(),
			TraceParent:  rapid.SampledFrom([]string{"", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}).Draw(t, "trace"),
			Data:         []byte(`{"name": "客户"}`),
		}
		got, err := decode(kafka.Message{Value: want.Data, Headers: want.headersAlone()})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func (e *Event) headersAlone() []kafka.Header {
	headers, _ := newEncoder(1).encode(e)
	return headers
}

func TestDecodeNamesEveryWrongHeader(t *testing.T) {
	t.Parallel()
	_, err := decode(kafka.Message{Headers: []kafka.Header{
		{Key: "ce_specversion", Value: []byte("0.3")},
		{Key: "ce_type", Value: []byte("order")},
		{Key: "CE_ID", Value: []byte("7")},
		{Key: "ce_origin", Value: []byte("crm")},
		{Key: "ce_origin", Value: []byte("erp")},
	}})
	want := schema.Violations{
		{Pointer: "/headers/ce_origin", Rule: "unique", Message: "comes more than once"},
		{Pointer: "/headers/ce_specversion", Rule: "const", Message: "must be 1.0"},
		{Pointer: "/headers/ce_id", Rule: "format", Message: "is no UUID"},
		{Pointer: "/headers/ce_subject", Rule: "format", Message: "is no UUID"},
		{Pointer: "/headers/ce_source", Rule: "pattern", Message: "must be /crmhub/<organization>"},
		{Pointer: "/headers/ce_type", Rule: "pattern", Message: "must be crmhub.<entity>.<type>"},
		{Pointer: "/headers/ce_time", Rule: "format", Message: "is no RFC 3339 time"},
		{Pointer: "/headers/ce_entityversion", Rule: "minimum", Message: "must be a number from 1 on"},
		{Pointer: "/headers/content-type", Rule: "const", Message: "must be application/json"},
	}
	if diff := cmp.Diff(error(want), err); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeRefusesAValueThatIsNoJSON(t *testing.T) {
	t.Parallel()
	e := Event{ID: uuid.New(), EntityID: uuid.New(), Organization: "main", Entity: "order", Version: 1, Type: "created", Time: time.Now()}
	_, err := decode(kafka.Message{Headers: e.headersAlone(), Value: []byte(`{"name":`)})
	want := schema.Violations{{Pointer: "/value", Rule: "format", Message: "is no JSON"}}
	if diff := cmp.Diff(error(want), err); diff != "" {
		t.Error(diff)
	}
}

// FuzzDecode puts one header and a value in the place of good ones: what is accepted must survive being written again.
func FuzzDecode(f *testing.F) {
	f.Add("ce_type", []byte("crmhub.order.updated"), []byte(`{}`))
	f.Add("ce_time", []byte("2026-01-02T03:04:05Z"), []byte(`{"a": 1}`))
	f.Add("ce_source", []byte("/crmhub/main"), []byte(`nul`))
	f.Fuzz(func(t *testing.T, key string, header, value []byte) {
		good := Event{ID: uuid.New(), EntityID: uuid.New(), Organization: "main", Entity: "order", Version: 1, Type: "created", Time: time.Unix(1, 0)}
		headers := slices.DeleteFunc(good.headersAlone(), func(h kafka.Header) bool { return h.Key == key })
		e, err := decode(kafka.Message{Headers: append(headers, kafka.Header{Key: key, Value: header}), Value: value})
		if err != nil {
			return
		}
		again, err := decode(kafka.Message{Headers: e.headersAlone(), Value: e.Data})
		if err != nil {
			t.Fatalf("accepted, but refused when written again: %v", err)
		}
		if !cmp.Equal(e, again) {
			t.Fatal(cmp.Diff(e, again))
		}
	})
}
