package bus_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"crmhub/core/bus"
	"crmhub/core/bus/bustest"
)

// foreign is a Kafka client that shares no code with the hub's.
func foreign(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(addr)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestForeignConsumerReadsCloudEvents(t *testing.T) {
	t.Parallel()
	addr := bustest.Addr(t)
	c := bustest.Connect(t, addr)
	topic := "crmhub.test-" + uuid.NewString()
	if err := c.EnsureTopics(t.Context(), []string{topic}); err != nil {
		t.Fatal(err)
	}
	e := event(uuid.New(), 3)
	e.Time = time.Date(2026, 11, 23, 8, 30, 0, 250e6, time.UTC)
	e.Origin, e.TraceParent = "erp", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	e.Data = []byte(`{"number":"SO-1","total":"12.30"}`)
	written, err := c.NewWriter().Write(t.Context(), []bus.Message{{Topic: topic, Event: e}}).Wait()
	if err != nil {
		t.Fatal(err)
	}

	reader := foreign(t, addr, kgo.ConsumerGroup(topic), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	fetches := reader.PollFetches(t.Context())
	if err := fetches.Err(); err != nil {
		t.Fatal(err)
	}
	type message struct {
		Partition  int32
		Key, Value string
		Headers    map[string]string
	}
	var got []message
	for _, r := range fetches.Records() {
		m := message{Partition: r.Partition, Key: string(r.Key), Value: string(r.Value), Headers: map[string]string{}}
		for _, h := range r.Headers {
			m.Headers[h.Key] = string(h.Value)
		}
		got = append(got, m)
	}
	want := []message{{
		Partition: int32(written[0].Number), Key: e.EntityID.String(), Value: string(e.Data),
		Headers: map[string]string{
			"ce_specversion": "1.0", "ce_id": e.ID.String(), "ce_source": "/crmhub/main", "ce_type": "crmhub.order.updated",
			"ce_subject": e.EntityID.String(), "ce_time": "2026-11-23T08:30:00.25Z", "ce_dataschema": "urn:crmhub:schema:order.v1",
			"ce_partitionkey": e.EntityID.String(), "content-type": "application/json",
			"ce_organization": "main", "ce_entity": "order", "ce_entityversion": "3", "ce_origin": "erp",
			"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what a foreign client reads (-want +got):\n%s", diff)
	}
}

// Java clients and the hub must choose the same partition for a key, else events of one entity from both have no order.
func TestForeignProducerChoosesTheSamePartitions(t *testing.T) {
	t.Parallel()
	addr := bustest.Addr(t)
	c := bustest.Connect(t, addr)
	topic := "crmhub.test-" + uuid.NewString()
	if err := c.EnsureTopics(t.Context(), []string{topic}); err != nil {
		t.Fatal(err)
	}
	producer := foreign(t, addr, kgo.DefaultProduceTopic(topic)) // murmur2 by default, as Java
	for range 20 {
		e := event(uuid.New(), 1)
		written, err := c.NewWriter().Write(t.Context(), []bus.Message{{Topic: topic, Event: e}}).Wait()
		if err != nil {
			t.Fatal(err)
		}
		r, err := producer.ProduceSync(t.Context(), &kgo.Record{Key: []byte(e.EntityID.String())}).First()
		if err != nil {
			t.Fatal(err)
		}
		if int(r.Partition) != written[0].Number {
			t.Fatalf("%s: partition %d, the hub's choice is %d", e.EntityID, r.Partition, written[0].Number)
		}
	}
}
