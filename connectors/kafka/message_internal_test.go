package kafka

import (
	"encoding/json"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Whatever a message holds becomes a record with an id that can be kept, or says why not; and what a dead letter keeps of
// it, PostgreSQL takes.
func FuzzMessage(f *testing.F) {
	f.Add([]byte("k"), []byte(`{"a":1}`), "", "")
	f.Add([]byte("k"), []byte(`{"specversion":"1.0","data":{"id":"x"}}`), "application/cloudevents+json", "/id")
	f.Add([]byte("k"), []byte(`{"specversion":"1.0","data_base64":"e30="}`), "application/cloudevents+json", "/0/~1")
	f.Add([]byte{0xff}, []byte(`{"a":"\u0000"}`), "text/plain; q", "/a")
	f.Fuzz(func(t *testing.T, key, value []byte, contentType, pointer string) {
		s := &session{settings: settings{ID: pointer}}
		m := &kgo.Record{Topic: "t", Key: key, Value: value, Headers: []kgo.RecordHeader{{Key: "Content-Type", Value: []byte(contentType)}}}
		r := s.record(m)
		if !usableID(r.ID) {
			t.Errorf("id %q", r.ID)
		}
		if r.Err == nil && !r.Deleted && r.Data == nil {
			t.Error("a record without data")
		}
		if holdsNUL(r.Data) {
			t.Error("the data holds a NUL character")
		}
		if _, err := json.Marshal(r.Data); err != nil {
			t.Error(err)
		}
	})
}
