package kafka

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// Push writes a message for each write, all at a time, and waits for all in-sync replicas.
func (s *session) Push(ctx context.Context, stream string, writes []connector.Write) ([]connector.Result, error) {
	name := s.out(stream)
	if err := s.ensureTopic(ctx, name); err != nil {
		return nil, err
	}
	results := make([]connector.Result, len(writes))
	var all sync.WaitGroup
	for i, w := range writes {
		m, err := s.message(name, stream, w)
		if err != nil {
			results[i] = connector.Result{Outcome: connector.Refused, Err: &connector.Error{Class: connector.ClassData, Message: err.Error()}}
			continue
		}
		all.Add(1)
		s.client.Produce(ctx, m, func(m *kgo.Record, err error) {
			defer all.Done()
			results[i] = outcome(m, w, err)
		})
	}
	all.Wait()
	return results, nil
}

// message is a write as the topic carries it: its key is the record's id, which is the reference it is created with.
func (s *session) message(topic, stream string, w connector.Write) (*kgo.Record, error) {
	key := w.ID
	if w.Op == connector.OpCreate {
		key = w.Reference
	}
	if !usableID(key) {
		return nil, fmt.Errorf("the reference %q cannot be a message's key", key)
	}
	var value []byte // nil is a tombstone
	if w.Op != connector.OpDelete {
		var err error
		if value, err = json.Marshal(w.Data); err != nil {
			return nil, fmt.Errorf("encode the record: %w", err)
		}
	}
	kind := map[connector.Op]string{connector.OpCreate: "created", connector.OpUpdate: "updated", connector.OpDelete: "deleted"}[w.Op]
	m := &kgo.Record{Topic: topic, Key: []byte(key), Value: value}
	for _, h := range [][2]string{
		{"ce_specversion", "1.0"},
		{"ce_id", eventID(stream, key, w.Version, value)},
		{"ce_source", "/crmhub/" + s.Organization + "/" + s.Connection},
		{"ce_type", "crmhub." + stream + "." + kind},
		{"ce_subject", key},
		{"ce_partitionkey", key},
		{"ce_time", time.Now().UTC().Format(time.RFC3339Nano)},
		{"ce_dataschema", "urn:crmhub:schema:kafka:" + stream},
		{"ce_entityversion", strconv.FormatInt(w.Version, 10)},
		{"content-type", "application/json"},
	} {
		m.Headers = append(m.Headers, kgo.RecordHeader{Key: h[0], Value: []byte(h[1])})
	}
	return m, nil
}

// eventID is the same for the same write however often it is sent. The version alone would not do: a mapping that was
// mended makes another record of the same version. Nor would the content alone: what is changed back must arrive.
func eventID(stream, key string, version int64, value []byte) string {
	digest := sha256.Sum256(value)
	return fmt.Sprintf("%s/%s/%d/%s", stream, key, version, hex.EncodeToString(digest[:6]))
}

func outcome(m *kgo.Record, w connector.Write, err error) connector.Result {
	if err == nil {
		record := connector.Record{ID: string(m.Key), Version: fmt.Sprintf("%d:%d", m.Partition, m.Offset), UpdatedAt: m.Timestamp.UTC(), Data: w.Data}
		record.Deleted = w.Op == connector.OpDelete
		return connector.Result{Outcome: connector.Done, Record: record}
	}
	f := fault(err)
	if f.Class != connector.ClassTransient || refusedUnwritten(err) {
		return connector.Result{Outcome: connector.Refused, Err: f}
	}
	return connector.Result{Outcome: connector.Unknown, Err: f}
}

// refusedUnwritten is whether a broker says that it has not written, though it may the next time.
func refusedUnwritten(err error) bool {
	return errors.Is(err, kerr.NotEnoughReplicas) || errors.Is(err, kerr.NotLeaderForPartition) || errors.Is(err, kerr.LeaderNotAvailable)
}

const (
	partitions   = 6
	largestBatch = 8 << 20
)

// ensureTopic makes a topic that is not there: compacted, so that it holds the newest state of each record and forgets
// what was deleted.
func (s *session) ensureTopic(ctx context.Context, name string) error {
	topics, err := s.describe(ctx, name)
	if err != nil {
		return err
	}
	if _, ok := topics[name]; ok {
		return nil
	}
	request := kmsg.NewPtrCreateTopicsRequest()
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, -1 // as many replicas as the cluster has by default
	for key, value := range map[string]string{"cleanup.policy": "compact", "max.message.bytes": strconv.Itoa(largestBatch)} {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = key, new(value)
		t.Configs = append(t.Configs, c)
	}
	request.Topics = append(request.Topics, t)
	request.TimeoutMillis = int32(produceTimeout / time.Millisecond)
	response, err := request.RequestWith(ctx, s.client)
	if err != nil {
		return s.explain(ctx, err)
	}
	for _, answer := range response.Topics {
		err := kerr.ErrorForCode(answer.ErrorCode)
		if err == nil || errors.Is(err, kerr.TopicAlreadyExists) {
			continue
		}
		f := fault(fmt.Errorf("make topic %s: %w", name, err))
		f.Class, f.Remedy = connector.ClassConfig, "Make the topic "+name+" by hand, or let the connection's user create topics."
		f.Said = schema.Say("topic_not_made", name)
		return f
	}
	return nil
}
