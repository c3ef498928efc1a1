package outbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"
)

const benchChanges = 100_000

// BenchmarkRelay measures changes of about 1 KB on their way from the outbox to their topic, from the first position moved
// to the last, on the Kafka that CRMHUB_TEST_KAFKA names, else on the embedded broker. By turns, so that both have the
// same machine, kafka-go's own Writer writes the same messages with the same acks: the floor.
func BenchmarkRelay(b *testing.B) {
	s := setup(b)
	b.Cleanup(s.deleteTopic) // it holds gigabytes
	s.fill(1)
	first := s.relay(s.db)
	first.wait(1) // it makes the topic, and a message to copy the headers of
	first.stop()
	bare := s.bareWriter()
	s.fill(benchChanges - 1)
	var relayed, written speed
	for b.Loop() {
		s.sql("update outbox_position set xid = '0', until = '0', seq = 0")
		r := s.relay(s.db)
		first := <-r.done
		began := time.Now()
		r.wait(benchChanges - first)
		relayed.add(benchChanges-first, time.Since(began))
		r.stop()
		written.add(benchChanges, bare())
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(relayed.perSecond(), "relayed/s")
	b.ReportMetric(written.perSecond(), "bare/s")
	b.ReportMetric(relayed.perSecond()/written.perSecond(), "ratio")
}

type speed struct {
	changes int
	took    time.Duration
}

func (r *speed) add(changes int, took time.Duration) {
	r.changes, r.took = r.changes+changes, r.took+took
}
func (r *speed) perSecond() float64 { return float64(r.changes) / r.took.Seconds() }

// bareWriter returns how long kafka-go's Writer takes for as many messages like the one on the topic. It gets them in
// the portions it is fastest with.
func (b *bundle) bareWriter() func() time.Duration {
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{b.addr}, GroupID: b.topic, Topic: b.topic, StartOffset: kafka.FirstOffset, JoinGroupBackoff: 200 * time.Millisecond,
	})
	sample, err := reader.ReadMessage(b.Context())
	if err := errors.Join(err, reader.Close()); err != nil {
		b.Fatal(err)
	}
	transport := &kafka.Transport{}
	b.Cleanup(transport.CloseIdleConnections)
	w := &kafka.Writer{
		Addr: kafka.TCP(b.addr), Transport: transport, Balancer: kafka.Murmur2Balancer{Consistent: true},
		RequiredAcks: kafka.RequireAll, BatchSize: 1000, BatchTimeout: 5 * time.Millisecond,
	}
	b.Cleanup(func() { _ = w.Close() })
	return func() time.Duration {
		messages := make([]kafka.Message, benchChanges) // made each time, so that they do not burden the relay's collector
		for i := range messages {
			messages[i] = kafka.Message{Topic: b.topic, Key: []byte(uuid.NewString()), Headers: sample.Headers, Value: sample.Value}
		}
		began := time.Now()
		for portion := range slices.Chunk(messages, 10_000) {
			if err := w.WriteMessages(b.Context(), portion...); err != nil {
				b.Fatal(err)
			}
		}
		return time.Since(began)
	}
}

// BenchmarkLatency measures one change at a time: from the begin of its transaction to the acknowledgement of its topic
// and the move of the position.
func BenchmarkLatency(b *testing.B) {
	s := setup(b)
	r := s.relay(s.db)
	s.fill(1)
	r.wait(1)
	for b.Loop() {
		s.fill(1)
		r.wait(1)
	}
}

// payload is about 1 KB, an order of a few lines.
func payload() json.RawMessage {
	filler := make([]byte, 950)
	for i := range filler {
		filler[i] = 'a' + byte(i%26)
	}
	return json.RawMessage(fmt.Sprintf(`{"name":%q}`, filler))
}

func (b *bundle) fill(n int) {
	b.Helper()
	for i := 0; i < n; i += 1000 {
		changes := make([]Change, min(1000, n-i))
		for j := range changes {
			changes[j] = change(uuid.New(), 1)
			changes[j].Data = payload()
		}
		b.append(changes...)
	}
}
