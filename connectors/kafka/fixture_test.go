package kafka_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"crmhub/connectors/kafka"
	"crmhub/core/bus/bustest"
	"crmhub/core/connector"
	"crmhub/core/secret"
)

// world is a Kafka, the one CRMHUB_TEST_KAFKA names or one of the test's own, and a connection to it with topics of its own.
type world struct {
	testing.TB
	addr    string
	fake    *kfake.Cluster // if the test wanted one with options
	code    string         // of the connection: what its topics begin with
	config  map[string]any
	secrets map[string]secret.Text
	client  *kgo.Client // the other side's
}

func newWorld(t testing.TB, opts ...kfake.Opt) *world {
	t.Helper()
	w := &world{TB: t, code: "t" + strings.ToLower(rand.Text()[:10]), config: map[string]any{}}
	if len(opts) == 0 {
		w.addr = bustest.Addr(t)
	} else {
		fake, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(fake.Close)
		w.fake, w.addr = fake, fake.ListenAddrs()[0]
	}
	w.config["brokers"] = w.addr
	return w
}

// connect opens a session.
func (w *world) connect(t testing.TB) session {
	t.Helper()
	return w.connectAs(t, "main")
}

func (w *world) connectAs(t testing.TB, organization string) session {
	t.Helper()
	s, err := kafka.Connector().Open(connector.Options{
		Organization: organization, Connection: w.code, Config: w.config, Secrets: w.secrets, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s.(session)
}

type session interface {
	connector.Session
	connector.Watcher
	connector.Pusher
	connector.Getter
}

// other is the client of the other side.
func (w *world) other() *kgo.Client {
	w.Helper()
	if w.client == nil {
		c, err := kgo.NewClient(kgo.SeedBrokers(w.addr), kgo.ProducerLinger(0), kgo.MetadataMinAge(10*time.Millisecond))
		if err != nil {
			w.Fatal(err)
		}
		w.client = c
		w.Cleanup(c.Close)
	}
	return w.client
}

func (w *world) createTopic(name string, partitions int32) {
	w.Helper()
	if err := w.tryCreateTopic(name, partitions); err != nil {
		w.Fatal(err)
	}
}

func (w *world) tryCreateTopic(name string, partitions int32) error {
	request := kmsg.NewPtrCreateTopicsRequest()
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, 1
	size := kmsg.NewCreateTopicsRequestTopicConfig()
	size.Name, size.Value = "max.message.bytes", new("20000000")
	t.Configs = append(t.Configs, size)
	request.Topics = append(request.Topics, t)
	response, err := request.RequestWith(w.Context(), w.other())
	if err == nil {
		err = kerr.ErrorForCode(response.Topics[0].ErrorCode)
	}
	return err
}

func (w *world) deleteTopic(name string) {
	w.Helper()
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.TopicNames = []string{name}
	t := kmsg.NewDeleteTopicsRequestTopic()
	t.Topic = new(name)
	request.Topics = append(request.Topics, t)
	response, err := request.RequestWith(w.Context(), w.other())
	if err == nil {
		err = kerr.ErrorForCode(response.Topics[0].ErrorCode)
	}
	if err != nil {
		w.Fatal(err)
	}
}

// deleteRecords forgets a partition's messages before an offset, as retention does.
func (w *world) deleteRecords(topic string, partition int32, before int64) {
	w.Helper()
	request := kmsg.NewPtrDeleteRecordsRequest()
	t := kmsg.NewDeleteRecordsRequestTopic()
	p := kmsg.NewDeleteRecordsRequestTopicPartition()
	p.Partition, p.Offset = partition, before
	t.Topic, t.Partitions = topic, append(t.Partitions, p)
	request.Topics, request.TimeoutMillis = append(request.Topics, t), 10_000
	response, err := request.RequestWith(w.Context(), w.other())
	if err == nil {
		err = kerr.ErrorForCode(response.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		w.Fatal(err)
	}
}

// publish writes messages as the other side would.
func (w *world) publish(messages ...*kgo.Record) {
	w.Helper()
	for deadline := time.Now().Add(2 * time.Minute); len(messages) > 0; {
		err := w.other().ProduceSync(w.Context(), messages[0]).FirstErr()
		switch {
		case err == nil:
			messages = messages[1:]
		case !kerr.IsRetriable(err) || time.Now().After(deadline): // a topic just made is not known to all at once, by its name or its id
			w.Fatal(err)
		}
	}
}

// consume reads a topic from its beginning until so many messages came.
func (w *world) consume(topic string, n int) []*kgo.Record {
	w.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(w.addr), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		w.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(w.Context(), 2*time.Minute)
	defer cancel()
	var all []*kgo.Record
	for len(all) < n {
		f := c.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			w.Fatalf("%d of %d messages: %v", len(all), n, err)
		}
		all = append(all, f.Records()...)
	}
	return all
}

// pullAll reads pages to the end and returns the records and the cursor.
func pullAll(t testing.TB, s session, stream string, from json.RawMessage, limit int) ([]connector.Record, json.RawMessage) {
	t.Helper()
	var all []connector.Record
	for {
		page, err := s.Pull(t.Context(), connector.PullRequest{Stream: stream, Cursor: from, Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Records) > limit {
			t.Fatalf("a page of %d records, %d were asked for", len(page.Records), limit)
		}
		all, from = append(all, page.Records...), page.Cursor
		if !page.More {
			return all, from
		}
	}
}

func message(topic, key, value string, headers ...string) *kgo.Record {
	r := &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(value)}
	if value == "" {
		r.Value = nil
	}
	for i := 0; i < len(headers); i += 2 {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: headers[i], Value: []byte(headers[i+1])})
	}
	return r
}
