package kafka_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"crmhub/core/connector"
)

// How many messages of about 1 KB a second a session reads; on CRMHUB_TEST_KAFKA, or the embedded broker.
func BenchmarkPull(b *testing.B) {
	w := newWorld(b)
	topic := w.code + ".order.v1"
	w.createTopic(topic, 6)
	const n = 50_000
	filler := strings.Repeat("x", 950)
	batch := make([]*kgo.Record, n)
	for i := range batch {
		batch[i] = message(topic, fmt.Sprint("SO-", i), fmt.Sprintf(`{"number":"SO-%d","remark":%q,"total":"12.30"}`, i, filler))
	}
	w.publish(batch...)
	s := w.connect(b)
	for b.Loop() {
		if records, _ := pullAll(b, s, "order", nil, 1000); len(records) != n {
			b.Fatal(len(records))
		}
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "messages/s")
}

// How many records of about 1 KB a second a session writes, four calls at a time as the engine makes them.
func BenchmarkPush(b *testing.B) {
	w := newWorld(b)
	s := w.connect(b)
	push(b, s, create("first", 1)) // makes the topic
	filler := strings.Repeat("x", 950)
	const calls, size = 20, 500
	for b.Loop() {
		slots := make(chan struct{}, 4)
		for call := range calls {
			slots <- struct{}{}
			go func() {
				defer func() { <-slots }()
				writes := make([]connector.Write, size)
				for i := range writes {
					writes[i] = create(fmt.Sprint("SO-", call, "-", i), 1)
					writes[i].Data["remark"] = filler
				}
				results, err := s.Push(b.Context(), "order", writes)
				if err != nil || results[size-1].Outcome != connector.Done {
					b.Error(err, results)
				}
			}()
		}
		for range cap(slots) {
			slots <- struct{}{}
		}
	}
	b.ReportMetric(float64(calls*size*b.N)/b.Elapsed().Seconds(), "messages/s")
}
