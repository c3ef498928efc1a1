package bus_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"crmhub/core/bus"
	"crmhub/core/bus/bustest"
)

func TestWritesUnderWayKeepTheirOrder(t *testing.T) {
	t.Parallel()
	c := bustest.Open(t)
	topic := "crmhub.test-" + uuid.NewString()
	if err := c.EnsureTopics(t.Context(), []string{topic}); err != nil {
		t.Fatal(err)
	}
	w, id := c.NewWriter(), uuid.New()
	var underWay []*bus.Writing
	for v := range int64(50) {
		underWay = append(underWay, w.Write(t.Context(), []bus.Message{{Topic: topic, Event: event(id, v+1)}}))
	}
	w.Close()
	for i, writing := range underWay {
		written, err := writing.Wait()
		if err != nil {
			t.Fatal(err)
		}
		if at := int64(i); written[0].First != at || written[0].End != at+1 {
			t.Fatalf("version %d is at %d to %d, want %d to %d", i+1, written[0].First, written[0].End, at, at+1)
		}
	}
}

func TestWriteNamesTheMessagesThatFailedAndNothingFollowsThem(t *testing.T) {
	t.Parallel()
	c := bustest.Open(t)
	topic := "crmhub.test-" + uuid.NewString()
	if err := c.EnsureTopics(t.Context(), []string{topic}); err != nil {
		t.Fatal(err)
	}
	id := uuid.New()
	huge := event(id, 2)
	huge.Data = []byte(`"` + strings.Repeat("x", 9<<20) + `"`) // more than the topic accepts
	w := c.NewWriter()
	defer w.Close()
	first := w.Write(t.Context(), []bus.Message{{Topic: topic, Event: event(id, 1)}, {Topic: topic, Event: huge}, {Topic: topic, Event: event(id, 3)}})
	second := w.Write(t.Context(), []bus.Message{{Topic: topic, Event: event(id, 4)}})
	for name, c := range map[string]struct {
		writing *bus.Writing
		want    []int
	}{"first": {first, []int{1, 2}}, "second": {second, []int{0}}} {
		_, err := c.writing.Wait()
		var failed *bus.WriteError
		if !errors.As(err, &failed) {
			t.Fatalf("the %s write: got %v, want a WriteError", name, err)
		}
		if diff := cmp.Diff(c.want, failed.Failed); diff != "" {
			t.Errorf("messages of the %s write that failed (-want +got):\n%s", name, diff)
		}
	}
	ends, err := c.Ends(t.Context(), []string{topic})
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, end := range ends {
		total += end
	}
	if total != 1 {
		t.Errorf("%d messages are on the topic, want the one before the huge one", total)
	}
}
