package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

const (
	partitionBytes = 1 << 20
	fetchBytes     = 16 << 20

	awaitTime         = 5 * time.Second // a broker holds a question for news so long
	unknownTopicPause = 2 * time.Second
)

// fetch reads of each partition what follows the cursor, as much as one answer gives.
//
// It asks the brokers itself instead of letting the client consume: nothing is read that nobody asked for, and offsets
// of messages that are not handed out (compacted, aborted, markers of transactions) are passed all the same.
func (s *session) fetch(ctx context.Context, t topic, at cursor, accept bool) (ahead, error) {
	runs := ahead{}
	if len(t.partitions) == 0 {
		return runs, nil
	}
	offsets, err := s.offsets(ctx, t, at)
	if err != nil {
		return nil, err
	}
	for _, leader := range t.leaders() {
		answers, err := s.ask(ctx, t, leader, offsets, 0)
		if err != nil {
			return nil, err
		}
		for _, answer := range answers {
			run, err := s.decode(t, answer, offsets[answer.Partition])
			if errors.Is(err, kerr.OffsetOutOfRange) {
				run, err = s.outOfRange(ctx, t, answer.Partition, offsets[answer.Partition], accept)
			}
			if err != nil {
				return nil, err
			}
			runs[answer.Partition] = run
		}
	}
	return runs, nil
}

// offsets are where the partitions go on; those that are new to the cursor with their first message.
func (s *session) offsets(ctx context.Context, t topic, at cursor) (map[int32]int64, error) {
	offsets := make(map[int32]int64, len(t.partitions))
	var fresh []int32
	for _, p := range t.partitions {
		offset, begun := at.Offsets[p.id]
		offsets[p.id] = offset
		if !begun {
			fresh = append(fresh, p.id)
		}
	}
	if len(fresh) == 0 {
		return offsets, nil
	}
	extents, err := s.extents(ctx, t, fresh)
	for id, e := range extents {
		offsets[id] = e.first
	}
	return offsets, err
}

// outOfRange says what a log that does not hold the cursor's place has lost. Accepted, it goes on with the first message
// there is.
func (s *session) outOfRange(ctx context.Context, t topic, id int32, offset int64, accept bool) (run, error) {
	extents, err := s.extents(ctx, t, []int32{id})
	if err != nil {
		return run{}, err
	}
	e := extents[id]
	if !accept {
		message := fmt.Sprintf("topic %s, partition %d ends at offset %d, before the %d already read: its log is another, or lost its end", t.name, id, e.end, offset)
		said := schema.Say("topic_shorter", t.name, id, e.end, offset)
		if offset < e.first {
			message = fmt.Sprintf("topic %s, partition %d begins at offset %d: the messages from %d on were deleted before they were read", t.name, id, e.first, offset)
			said = schema.Say("topic_later", t.name, id, e.first, offset)
		}
		return run{}, &connector.Doubt{Message: message, Said: said}
	}
	return run{from: e.first, next: e.first, end: e.end}, nil
}

// leaders are the brokers that lead the partitions.
func (t topic) leaders() []int32 {
	var leaders []int32
	for _, p := range t.partitions {
		if !slices.Contains(leaders, p.leader) {
			leaders = append(leaders, p.leader)
		}
	}
	return leaders
}

// ask fetches what a leader has of its partitions from the offsets on. The leader waits so long for the first message.
func (s *session) ask(ctx context.Context, t topic, leader int32, offsets map[int32]int64, wait time.Duration) ([]kmsg.FetchResponseTopicPartition, error) {
	const readCommitted = 1
	request := kmsg.NewPtrFetchRequest()
	request.MinBytes, request.MaxBytes, request.MaxWaitMillis = 1, fetchBytes, int32(wait/time.Millisecond) //nolint:gosec // seconds
	request.IsolationLevel = readCommitted
	asked := kmsg.NewFetchRequestTopic()
	asked.Topic, asked.TopicID = t.name, t.id
	for _, p := range t.partitions {
		if p.leader != leader {
			continue
		}
		partition := kmsg.NewFetchRequestTopicPartition()
		partition.Partition, partition.FetchOffset, partition.PartitionMaxBytes = p.id, offsets[p.id], partitionBytes
		asked.Partitions = append(asked.Partitions, partition)
	}
	request.Topics = append(request.Topics, asked)
	response, err := s.client.Broker(int(leader)).RetriableRequest(ctx, request)
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	fetched, ok := response.(*kmsg.FetchResponse)
	if !ok {
		return nil, fault(fmt.Errorf("a broker answered a fetch with %T", response))
	}
	if err := kerr.ErrorForCode(fetched.ErrorCode); err != nil {
		return nil, fault(fmt.Errorf("fetch from topic %s: %w", t.name, err))
	}
	var answers []kmsg.FetchResponseTopicPartition
	for _, topic := range fetched.Topics {
		answers = append(answers, topic.Partitions...)
	}
	return answers, nil
}

// decode takes the messages out of an answer.
func (s *session) decode(t topic, answer kmsg.FetchResponseTopicPartition, offset int64) (run, error) {
	if err := kerr.ErrorForCode(answer.ErrorCode); errors.Is(err, kerr.OffsetOutOfRange) {
		return run{}, err
	} else if err != nil {
		return run{}, fault(fmt.Errorf("topic %s, partition %d: %w", t.name, answer.Partition, err))
	}
	decoded, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset: offset, IsolationLevel: kgo.ReadCommitted(), Topic: t.name, Partition: answer.Partition,
	}, &answer, kgo.DefaultDecompressor(), nil)
	if decoded.Err != nil && len(decoded.Records) == 0 {
		return run{}, fault(fmt.Errorf("topic %s, partition %d, offset %d: %w", t.name, answer.Partition, next, decoded.Err))
	}
	end := answer.HighWatermark
	if answer.LastStableOffset >= 0 { // older brokers do not say
		end = answer.LastStableOffset
	}
	return run{from: offset, messages: decoded.Records, next: next, end: end}, nil
}

// await asks all leaders for something after the cursor, and returns whether there is.
func (s *session) await(ctx context.Context, t topic, at cursor) (bool, error) {
	offsets, err := s.offsets(ctx, t, at)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, gctx := errgroup.WithContext(ctx)
	for _, leader := range t.leaders() {
		g.Go(func() error {
			answers, err := s.ask(gctx, t, leader, offsets, awaitTime)
			if err != nil {
				return err
			}
			for _, a := range answers {
				if len(a.RecordBatches) > 0 || a.ErrorCode != 0 {
					return errNews // ends the others' waiting
				}
			}
			return nil
		})
	}
	err = g.Wait()
	if errors.Is(err, errNews) {
		return true, nil
	}
	return false, err
}

var errNews = errors.New("there is something new")

// sleep reports whether it slept to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
