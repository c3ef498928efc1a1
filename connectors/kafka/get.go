package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"crmhub/core/connector"
)

// Get reads what the out topic last said of a record. It reads the whole partition of the record's key: dear, and meant for
// who looks at a single record.
func (s *session) Get(ctx context.Context, stream, id string) (*connector.Record, error) {
	name := s.out(stream)
	topics, err := s.describe(ctx, name)
	if err != nil {
		return nil, err
	}
	t, ok := topics[name]
	if !ok || len(t.partitions) == 0 {
		return nil, nil //nolint:nilnil // as Getter says
	}
	chosen := kgo.StickyKeyPartitioner(nil).ForTopic(name).Partition(&kgo.Record{Key: []byte(id)}, len(t.partitions))
	for _, p := range t.partitions {
		if int(p.id) == chosen {
			return s.last(ctx, topic{name: name, id: t.id, partitions: []partition{p}}, id)
		}
	}
	return nil, fault(fmt.Errorf("topic %s has no partition %d", name, chosen))
}

// last reads a topic of one partition to its end and returns the last record with the id.
func (s *session) last(ctx context.Context, t topic, id string) (*connector.Record, error) {
	p := t.partitions[0]
	var found *connector.Record
	at := cursor{Topic: t.name, Offsets: map[int32]int64{}}
	for {
		runs, err := s.fetch(ctx, t, at, true)
		if err != nil {
			return nil, err
		}
		run := runs[p.id]
		for _, m := range run.messages {
			if string(m.Key) != id {
				continue
			}
			if r := s.record(m); r.Err == nil {
				found = &r
			}
		}
		if run.next >= run.end {
			break
		}
		at.Offsets[p.id] = run.next
	}
	if found != nil && found.Deleted {
		return nil, nil //nolint:nilnil // it is gone
	}
	return found, nil
}
