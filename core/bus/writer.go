package bus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// Message is an event on its way to a topic.
type Message struct {
	Topic string
	Event Event
}

// Writer writes events in the order in which it gets them, so that those of one entity keep theirs. One goroutine uses
// it at a time. It must be closed.
type Writer struct {
	client   *Client
	last     map[Partition]*turn // of what was begun last
	underWay sync.WaitGroup
}

// turn is when a lot has been written, and whether it was.
type turn struct {
	over chan struct{}
	err  error // set before over is closed
}

// NewWriter returns a writer.
func (c *Client) NewWriter() *Writer { return &Writer{client: c, last: map[Partition]*turn{}} }

// Close waits until nothing is under way any more.
func (w *Writer) Close() { w.underWay.Wait() }

// WriteError says which messages are not acknowledged. They may be on their topics all the same, so they may come twice.
type WriteError struct {
	Failed []int // indexes into what was given to Write, ascending
	Err    error // of the first partition that failed
}

func (e *WriteError) Error() string {
	return fmt.Sprintf("%d messages not written: %v", len(e.Failed), e.Err)
}
func (e *WriteError) Unwrap() error { return e.Err }

// Written is where the messages of one partition went: offsets from First to below End.
type Written struct {
	Partition
	First, End int64
}

const (
	batchBytes   = 900 << 10 // below the size of a batch that brokers accept by default
	attempts     = 4
	firstBackOff = 50 * time.Millisecond
	writeTimeout = 10 * time.Second
)

// Write begins to write and returns before it is done; more can be given meanwhile. Partitions are written side by side,
// the batches of one strictly one after the other: after a batch that failed for good none of its partition follows, so
// no event overtakes an earlier one of its entity. When ctx ends nothing more is sent, though what was sent last may
// still arrive.
func (w *Writer) Write(ctx context.Context, messages []Message) *Writing {
	lots, err := w.client.partition(ctx, messages)
	if err != nil {
		return &Writing{err: &WriteError{Failed: allOf(messages), Err: err}}
	}
	writing := &Writing{lots: lots}
	for _, l := range lots {
		before := w.last[l.Partition]
		w.last[l.Partition] = &l.turn
		w.underWay.Go(func() {
			defer close(l.turn.over)
			l.turn.err = w.client.writeLot(ctx, l, before)
		})
	}
	return writing
}

// Writing is messages on their way.
type Writing struct {
	lots []*lot
	err  error // before anything was sent
}

// Wait returns where the messages went when every one is acknowledged, otherwise a *WriteError.
func (w *Writing) Wait() ([]Written, error) {
	if w.err != nil {
		return nil, w.err
	}
	var failed *WriteError
	written := make([]Written, len(w.lots))
	for i, l := range w.lots {
		<-l.turn.over
		written[i] = l.written
		if l.turn.err == nil {
			continue
		}
		if failed == nil {
			failed = &WriteError{Err: fmt.Errorf("write to %s, partition %d: %w", l.Topic, l.Number, l.turn.err)}
		}
		failed.Failed = append(failed.Failed, l.indexes[l.done:]...)
	}
	if failed == nil {
		return written, nil
	}
	slices.Sort(failed.Failed)
	return nil, failed
}

// Place is where a message went.
type Place struct {
	Partition int
	Offset    int64
}

// Places returns where each of the messages given to Write went. Wait has returned no error before.
func (w *Writing) Places() []Place {
	n := 0
	for _, l := range w.lots {
		n += len(l.indexes)
	}
	places := make([]Place, n)
	for _, l := range w.lots {
		for i, index := range l.indexes {
			places[index] = Place{l.Number, l.offsets[i]}
		}
	}
	return places
}

// lot is what goes to one partition, in order.
type lot struct {
	Partition
	indexes []int
	offsets []int64 // of those that are acknowledged
	records []record
	turn    turn
	done    int // how many are acknowledged
	written Written
}

type record struct {
	headers    []kafka.Header
	key, value []byte
	size       int // a little more than what it takes in a batch
}

func (c *Client) partition(ctx context.Context, messages []Message) ([]*lot, error) {
	type topic struct {
		partitions []int
		lots       []*lot
	}
	topics := map[string]*topic{}
	var lots []*lot
	balancer := kafka.Murmur2Balancer{Consistent: true} // where Java clients put the key
	encoder := newEncoder(len(messages))
	for i := range messages {
		m := &messages[i]
		t := topics[m.Topic]
		if t == nil {
			n, err := c.partitionsOf(ctx, m.Topic)
			if err != nil {
				return nil, err
			}
			t = &topic{partitions: make([]int, n), lots: make([]*lot, n)}
			for p := range t.partitions {
				t.partitions[p] = p
			}
			topics[m.Topic] = t
		}
		r := record{value: m.Event.Data}
		r.headers, r.key = encoder.encode(&m.Event)
		p := balancer.Balance(kafka.Message{Key: r.key}, t.partitions...)
		if t.lots[p] == nil {
			t.lots[p] = newLot(Partition{m.Topic, p})
			lots = append(lots, t.lots[p])
		}
		t.lots[p].add(i, r)
	}
	return lots, nil
}

// partitionsOf answers from the transport's memory, which is at most MetadataTTL old.
func (c *Client) partitionsOf(ctx context.Context, topic string) (int, error) {
	metadata, err := c.kafka.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return 0, fmt.Errorf("look up topic %s: %w", topic, c.explain(ctx, err))
	}
	for _, t := range metadata.Topics {
		if t.Name == topic && t.Error == nil && len(t.Partitions) > 0 {
			return len(t.Partitions), nil
		}
	}
	return 0, fmt.Errorf("look up topic %s: %w", topic, kafka.UnknownTopicOrPartition)
}

func newLot(to Partition) *lot {
	return &lot{Partition: to, turn: turn{over: make(chan struct{})}, written: Written{Partition: to}}
}

// add puts a record at the end of the lot.
func (l *lot) add(index int, r record) {
	r.size = 32 + len(r.key) + len(r.value)
	for _, h := range r.headers {
		r.size += 8 + len(h.Key) + len(h.Value)
	}
	l.indexes, l.records = append(l.indexes, index), append(l.records, r)
}

// writeLot waits for its turn and writes batch after batch.
func (c *Client) writeLot(ctx context.Context, l *lot, before *turn) error {
	if before != nil {
		<-before.over
		if before.err != nil {
			return before.err
		}
	}
	for l.done < len(l.records) {
		n, size := 1, l.records[l.done].size
		for l.done+n < len(l.records) && size+l.records[l.done+n].size <= batchBytes {
			size += l.records[l.done+n].size
			n++
		}
		offset, err := c.produce(ctx, l.Partition, l.records[l.done:l.done+n])
		if err != nil {
			return err
		}
		if l.done == 0 {
			l.written.First = offset
		}
		l.written.End = offset + int64(n)
		for i := range n {
			l.offsets = append(l.offsets, offset+int64(i))
		}
		l.done += n
	}
	return nil
}

// produce returns the offset of the first record.
func (c *Client) produce(ctx context.Context, to Partition, records []record) (offset int64, err error) {
	for n, pause := 0, firstBackOff; n < attempts; n, pause = n+1, 2*pause {
		if n > 0 && !sleep(ctx, pause) {
			return 0, err
		}
		if offset, err = c.produceOnce(ctx, to, records); err == nil || !worthAnotherTry(err) {
			return offset, err
		}
	}
	return 0, err
}

func (c *Client) produceOnce(ctx context.Context, to Partition, records []record) (offset int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	response, err := c.kafka.Produce(ctx, &kafka.ProduceRequest{
		Topic: to.Topic, Partition: to.Number, RequiredAcks: kafka.RequireAll, Records: &attempt{records: records},
	})
	if err != nil {
		return 0, err
	}
	return response.BaseOffset, response.Error
}

// attempt hands the records to kafka-go once. Each attempt has its own, since one that timed out may still be reading.
type attempt struct {
	records []record
	next    int
}

// ReadRecord returns the next record, and io.EOF after the last.
func (a *attempt) ReadRecord() (*kafka.Record, error) {
	if a.next == len(a.records) {
		return nil, io.EOF
	}
	r := &a.records[a.next]
	a.next++
	return &kafka.Record{Headers: r.headers, Key: kafka.NewBytes(r.key), Value: kafka.NewBytes(r.value)}, nil
}

// worthAnotherTry is whether the cause may pass: the broker says so, or it is not the broker that speaks.
func worthAnotherTry(err error) bool {
	var answer kafka.Error
	return !errors.As(err, &answer) || answer.Temporary()
}

func allOf(messages []Message) []int {
	indexes := make([]int, len(messages))
	for i := range indexes {
		indexes[i] = i
	}
	return indexes
}

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
