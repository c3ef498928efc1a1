package kafka

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

const (
	largestMessage = 8 << 20 // as the hub's own topics take
	longestExcerpt = 4 << 10 // of a value that is no record, for who looks at the dead letter
	longestID      = 512     // bytes
)

// record reads a message: CloudEvents in binary or structured mode, or plain JSON. No value, and an event whose type ends
// with .deleted, mean that the record is gone.
func (s *session) record(m *kgo.Record) connector.Record {
	r := connector.Record{
		ID: string(m.Key), Version: fmt.Sprintf("%d:%d", m.Partition, m.Offset), UpdatedAt: m.Timestamp.UTC(),
	}
	err := s.read(m, &r)
	switch {
	case err == nil && r.ID == "":
		err = violation("/key", "required", "the message has no id")
	case err == nil && !usableID(r.ID):
		err = violation("/key", "maxLength", fmt.Sprintf("the id is no text of at most %d bytes", longestID))
	case err == nil:
		return r
	}
	r.Err, r.Deleted = err, false
	r.Data = map[string]any{"topic": m.Topic, "partition": m.Partition, "offset": m.Offset, "value": excerpt(m.Value)}
	if !usableID(r.ID) {
		r.ID = fmt.Sprintf("%s/%d/%d", m.Topic, m.Partition, m.Offset)
	}
	return r
}

func (s *session) read(m *kgo.Record, r *connector.Record) error {
	if len(m.Value) > largestMessage {
		return violation("/value", "maxLength", fmt.Sprintf("the message has %d bytes, more than %d", len(m.Value), largestMessage))
	}
	e := event{data: m.Value}
	for _, h := range m.Headers {
		switch strings.ToLower(h.Key) {
		case "content-type":
			e.mediaType = string(h.Value)
		case "ce_type":
			e.kind = string(h.Value)
		case "ce_time":
			e.time = string(h.Value)
		}
	}
	media, _, err := mime.ParseMediaType(e.mediaType)
	if e.mediaType != "" && err != nil {
		return violation("/headers/content-type", "format", "is no media type")
	}
	if media == "application/cloudevents+json" && m.Value != nil {
		if e, err = structured(m.Value); err != nil {
			return err
		}
	}
	if at, err := time.Parse(time.RFC3339Nano, e.time); err == nil {
		r.UpdatedAt = at.UTC()
	}
	r.Deleted = len(e.data) == 0 || strings.HasSuffix(e.kind, ".deleted")
	if len(e.data) == 0 {
		return nil
	}
	doc, err := schema.DecodeJSON(e.data)
	if err != nil {
		return violation("/value", "format", "is no JSON")
	}
	data, ok := doc.(map[string]any)
	if !ok {
		return violation("/value", "type", "is no JSON object")
	}
	if bytes.Contains(e.data, []byte(`\u0000`)) && holdsNUL(data) {
		return violation("/value", "pattern", "a text holds a NUL character")
	}
	r.Data = data
	if s.ID != "" {
		if r.ID = schema.TextAt(data, s.ID); r.ID == "" {
			return violation(s.ID, "required", "there is no id")
		}
	}
	return nil
}

// event is what CloudEvents says of a message, as far as it matters here.
type event struct {
	mediaType, kind, time string
	data                  []byte
}

// structured reads an event that is the value as a whole.
func structured(value []byte) (event, error) {
	var e struct {
		SpecVersion string          `json:"specversion"`
		Type        string          `json:"type"`
		Time        string          `json:"time"`
		Data        json.RawMessage `json:"data"`
		DataBase64  []byte          `json:"data_base64"`
	}
	if err := json.Unmarshal(value, &e); err != nil {
		return event{}, violation("/value", "format", "is no JSON of a CloudEvent")
	}
	if e.SpecVersion != "1.0" {
		return event{}, violation("/value/specversion", "const", "must be 1.0")
	}
	data := []byte(e.Data)
	switch {
	case e.DataBase64 != nil:
		data = e.DataBase64
	case string(data) == "null":
		data = nil
	}
	return event{kind: e.Type, time: e.Time, data: data}, nil
}

// usableID is whether a link can keep it.
func usableID(id string) bool {
	return id != "" && len(id) <= longestID && utf8.ValidString(id) && !strings.Contains(id, "\x00")
}

// holdsNUL looks for the character that PostgreSQL keeps nowhere.
func holdsNUL(doc any) bool {
	switch v := doc.(type) {
	case string:
		return strings.Contains(v, "\x00")
	case []any:
		return slices.ContainsFunc(v, holdsNUL)
	case map[string]any:
		for k, part := range v {
			if strings.Contains(k, "\x00") || holdsNUL(part) {
				return true
			}
		}
	}
	return false
}

func violation(pointer, rule, message string) error {
	return schema.Violations{{Pointer: pointer, Rule: rule, Message: message}}
}

// excerpt is the beginning of a value as text that PostgreSQL keeps.
func excerpt(value []byte) string {
	if len(value) > longestExcerpt {
		value = value[:longestExcerpt]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(string(value), "\ufffd"), "\x00", "\ufffd")
}
