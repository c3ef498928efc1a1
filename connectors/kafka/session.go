package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// session speaks to one cluster.
type session struct {
	settings
	connector.Options
	tlsConfig *tls.Config // nil: in the clear
	client    *kgo.Client
	closed    atomic.Bool

	mu    sync.Mutex
	ahead map[string]ahead // read and not yet asked for, by stream
}

func open(o connector.Options) (connector.Session, error) {
	s := &session{Options: o, ahead: map[string]ahead{}}
	var err error
	if s.settings, err = parseSettings(o); err != nil {
		return nil, err
	}
	if s.tlsConfig, err = s.tls(); err != nil {
		return nil, err
	}
	opts, err := s.options(s.tlsConfig)
	if err != nil {
		return nil, err
	}
	if s.client, err = kgo.NewClient(opts...); err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return s, nil
}

// Close ends all connections; calls under way end with an error.
func (s *session) Close() error {
	if !s.closed.Swap(true) {
		s.client.Close()
	}
	return nil
}

// Check signs in and asks for all topics of the connection, the existing ones' leaders included: an address that only the
// brokers know is found out here.
func (s *session) Check(ctx context.Context) error {
	if err := s.probe(ctx); err != nil {
		return err
	}
	var names []string
	for _, stream := range Connector().Streams {
		names = append(names, s.in(stream.Record))
		if stream.Push {
			names = append(names, s.out(stream.Record))
		}
	}
	topics, err := s.describe(ctx, names...)
	if err != nil {
		return err
	}
	for _, t := range topics {
		if _, err := s.extents(ctx, t, t.partitionIDs()); err != nil {
			return err
		}
	}
	return nil
}

// probe shakes hands with the brokers in turn until one does, since what the client says of a certificate or a password is
// the last of many attempts.
func (s *session) probe(ctx context.Context) error {
	if s.closed.Load() {
		return fault(kgo.ErrClientClosed)
	}
	if s.tlsConfig == nil {
		return nil
	}
	var errs []error
	for _, broker := range s.brokers() {
		conn, err := (&tls.Dialer{NetDialer: &net.Dialer{Timeout: dialTimeout}, Config: s.tlsConfig}).DialContext(ctx, "tcp", broker)
		if err == nil {
			return conn.Close()
		}
		errs = append(errs, fmt.Errorf("%s: %w", broker, err))
	}
	return fault(errors.Join(errs...))
}

// topic is what the cluster says of one.
type topic struct {
	name       string
	id         [16]byte // zero if the cluster gives none
	partitions []partition
}

type partition struct{ id, leader int32 }

func (t topic) partitionIDs() []int32 {
	ids := make([]int32, len(t.partitions))
	for i, p := range t.partitions {
		ids[i] = p.id
	}
	return ids
}

// describe returns the topics that exist, by name.
func (s *session) describe(ctx context.Context, names ...string) (map[string]topic, error) {
	if s.closed.Load() {
		return nil, fault(kgo.ErrClientClosed)
	}
	request := kmsg.NewPtrMetadataRequest()
	for _, name := range names {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = new(name)
		request.Topics = append(request.Topics, t)
	}
	response, err := request.RequestWith(ctx, s.client)
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	topics := map[string]topic{}
	for _, answer := range response.Topics {
		name := *answer.Topic
		err := kerr.ErrorForCode(answer.ErrorCode)
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			continue
		}
		if err != nil {
			return nil, fault(fmt.Errorf("topic %s: %w", name, err))
		}
		t := topic{name: name, id: answer.TopicID}
		for _, p := range answer.Partitions {
			if p.Leader < 0 {
				return nil, fault(fmt.Errorf("topic %s, partition %d: %w", name, p.Partition, kerr.LeaderNotAvailable))
			}
			t.partitions = append(t.partitions, partition{p.Partition, p.Leader})
		}
		topics[name] = t
	}
	return topics, nil
}

// extent is what a log holds: offsets from first to below end, the next message's.
type extent struct{ first, end int64 }

// extents asks where logs begin and end.
func (s *session) extents(ctx context.Context, t topic, partitions []int32) (map[int32]extent, error) {
	const begin, end = -2, -1 // as offsets are asked for by time
	extents := make(map[int32]extent, len(partitions))
	for _, which := range []int64{begin, end} {
		request := kmsg.NewPtrListOffsetsRequest()
		asked := kmsg.NewListOffsetsRequestTopic()
		asked.Topic = t.name
		for _, id := range partitions {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp = id, which
			asked.Partitions = append(asked.Partitions, p)
		}
		request.Topics = append(request.Topics, asked)
		response, err := request.RequestWith(ctx, s.client)
		if err != nil {
			return nil, s.explain(ctx, err)
		}
		for _, answer := range response.Topics {
			for _, p := range answer.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return nil, fault(fmt.Errorf("topic %s, partition %d: %w", t.name, p.Partition, err))
				}
				e := extents[p.Partition]
				if which == begin {
					e.first = p.Offset
				} else {
					e.end = p.Offset
				}
				extents[p.Partition] = e
			}
		}
	}
	return extents, nil
}

// explain is the error of a call to the cluster, better told by a probe if that fails too.
func (s *session) explain(ctx context.Context, err error) error {
	if ctx.Err() == nil && !s.closed.Load() {
		if cause := s.probe(ctx); cause != nil {
			return cause
		}
	}
	f := fault(err)
	if s.SASL != "" && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
		// Some brokers just hang up on a wrong password.
		f.Class, f.Remedy, f.Said = connector.ClassAuth, "Correct sasl, user and password of the connection.", schema.Say("kafka_credentials", f.Message)
	}
	return f
}
