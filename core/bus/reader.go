package bus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
)

// Received is an event that was read, or what was wrong with a message that is none.
type Received struct {
	Event
	Fault     error // schema.Violations; the event is then incomplete
	Topic     string
	Partition int
	Offset    int64
}

// Reader reads topics as a member of a consumer group: each partition goes to one member at a time.
type Reader struct {
	client *Client
	config kafka.ReaderConfig
	logger *slog.Logger
	queue  chan Received
	joined chan struct{} // closed when reader is set
	reader *kafka.Reader
	cancel context.CancelFunc
	ended  chan struct{}
	lost   error // why it ended by itself; set before ended is closed, as is err
	err    error // of leaving the group
}

// ErrClosed is returned by a reader that was closed, ErrLogLost by one that stood behind the end of a log, ErrLogPassed by one that
// stood before its beginning.
var (
	ErrClosed    = errors.New("the reader is closed")
	ErrLogLost   = errors.New("a log ends before the group's place in it")
	ErrLogPassed = errors.New("messages were deleted by age before the group read them")
)

// ahead is how many messages a reader fetches before somebody asks for them.
const ahead = 1000

// NewReader joins a group to read the topics, from their beginning where the group has committed nothing yet. Topics
// that do not exist are made. It keeps trying while brokers are out of reach, until ctx ends or it is closed, which it
// must be.
func (c *Client) NewReader(ctx context.Context, group string, topics []string) *Reader {
	r := &Reader{
		client: c,
		config: kafka.ReaderConfig{
			Brokers: c.config.Brokers, GroupID: group, GroupTopics: topics, Dialer: c.dialer,
			QueueCapacity: ahead, MinBytes: 1, MaxBytes: 10 << 20,
			MaxWait:     500 * time.Millisecond, // a partition that is given up waits this long for its last fetch
			StartOffset: kafka.FirstOffset, WatchPartitionChanges: true,
			JoinGroupBackoff:  200 * time.Millisecond, // 5 s by default, felt by whoever joins first on a new cluster
			HeartbeatInterval: time.Second, SessionTimeout: 15 * time.Second, RebalanceTimeout: 15 * time.Second,
			ReadBackoffMin: 10 * time.Millisecond, ReadBackoffMax: time.Second,
			OffsetOutOfRangeError: true, // instead of waiting until the log has grown to the group's place, and going on there
		},
		logger: c.config.Logger.With("group", group),
		queue:  make(chan Received, ahead),
		joined: make(chan struct{}),
		ended:  make(chan struct{}),
	}
	r.config.ErrorLogger = kafka.LoggerFunc(func(format string, args ...any) {
		r.logger.DebugContext(ctx, "kafka-go", "error", fmt.Sprintf(format, args...))
	})
	ctx, r.cancel = context.WithCancel(ctx)
	go r.run(ctx)
	return r
}

// Close leaves the group. Messages fetched and not committed go to another member, or come again.
func (r *Reader) Close() error {
	r.cancel()
	<-r.ended
	return r.err
}

// Fetch waits for a message and returns it with those that are already there, at most limit. It fails only when ctx
// ends, the reader is closed (ErrClosed), a log lost its end (ErrLogLost), or its beginning went before it was read
// (ErrLogPassed): the reader is then of no more use, and the next of its group goes on at the log's beginning.
func (r *Reader) Fetch(ctx context.Context, limit int) ([]Received, error) {
	var batch []Received
	select {
	case m := <-r.queue:
		batch = append(batch, m)
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-r.ended:
		return nil, r.whyEnded()
	}
	for len(batch) < limit {
		select {
		case m := <-r.queue:
			batch = append(batch, m)
		default:
			return batch, nil
		}
	}
	return batch, nil
}

func received(m kafka.Message) Received {
	e, err := decode(m)
	return Received{Event: e, Fault: err, Topic: m.Topic, Partition: m.Partition, Offset: m.Offset}
}

// Commit says that the events, and all before them on their partitions, need not come again. They may all the same,
// when the partition changed hands meanwhile.
func (r *Reader) Commit(ctx context.Context, batch []Received) error {
	select {
	case <-r.joined:
	case <-ctx.Done():
		return ctx.Err()
	case <-r.ended:
		return r.whyEnded()
	}
	last := map[Partition]int64{}
	for _, m := range batch {
		p := Partition{m.Topic, m.Partition}
		if offset, ok := last[p]; !ok || m.Offset > offset {
			last[p] = m.Offset
		}
	}
	messages := make([]kafka.Message, 0, len(last))
	for p, offset := range last {
		messages = append(messages, kafka.Message{Topic: p.Topic, Partition: p.Number, Offset: offset})
	}
	if err := r.reader.CommitMessages(ctx, messages...); err != nil {
		return fmt.Errorf("commit %d messages as %s: %w", len(batch), r.config.GroupID, err)
	}
	return nil
}

// run moves messages to the queue until it is cancelled.
func (r *Reader) run(ctx context.Context) {
	defer close(r.ended)
	var health state
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := r.client.EnsureTopics(ctx, r.config.GroupTopics)
		if err == nil {
			break
		}
		health.failed(ctx, r.logger, err)
		if !sleep(ctx, pause) {
			return
		}
	}
	r.reader = kafka.NewReader(r.config)
	close(r.joined)
	defer func() { r.err = r.reader.Close() }()
	places, err := r.client.committed(ctx, r.config.GroupID)
	if err == nil {
		err = r.passed(ctx, places)
	}
	if errors.Is(err, ErrLogPassed) {
		r.lost = err
		return
	} // else it is noticed with the first message
	for {
		m, err := r.reader.FetchMessage(ctx)
		switch {
		case ctx.Err() != nil || errors.Is(err, io.EOF):
			return
		case errors.Is(err, kafka.OffsetOutOfRange):
			r.lost = errors.Join(ErrLogLost, r.rewind(ctx))
			return
		case err != nil:
			health.failed(ctx, r.logger, err)
			if !sleep(ctx, 100*time.Millisecond) {
				return
			}
			continue
		}
		health.works(ctx, r.logger)
		at := Partition{m.Topic, m.Partition}
		if place, ok := places[at]; ok && m.Offset > place {
			if err := r.passed(ctx, map[Partition]int64{at: place}); errors.Is(err, ErrLogPassed) {
				r.lost = err
				return
			}
		}
		if places != nil {
			places[at] = m.Offset + 1
		}
		select {
		case r.queue <- received(m):
		case <-ctx.Done():
			return
		}
	}
}

// passed is ErrLogPassed, if a log begins behind a place, and lets the group go on at that log's beginning. kafka-go goes on there
// without a word.
func (r *Reader) passed(ctx context.Context, places map[Partition]int64) error {
	extents, err := r.client.extents(ctx, topicsOf(places))
	if err != nil {
		return err
	}
	var messages []kafka.Message
	var gone int64
	for p, place := range places {
		if first := extents[p].first; first > place {
			messages = append(messages, kafka.Message{Topic: p.Topic, Partition: p.Number, Offset: first - 1})
			gone += first - place
		}
	}
	if len(messages) == 0 {
		return nil
	}
	err = fmt.Errorf("%w: %d of %s, partition %d, and perhaps others", ErrLogPassed, gone, messages[0].Topic, messages[0].Partition)
	return errors.Join(err, r.reader.CommitMessages(ctx, messages...))
}

// rewind lets the group begin logs anew of which it has committed more than there is. Only a member can while the group
// has members.
func (r *Reader) rewind(ctx context.Context) error {
	ahead, err := r.client.ahead(ctx, r.config.GroupID)
	if err != nil || len(ahead) == 0 {
		return err
	}
	var messages []kafka.Message
	for p, e := range ahead {
		messages = append(messages, kafka.Message{Topic: p.Topic, Partition: p.Number, Offset: e.first - 1})
	}
	if err := r.reader.CommitMessages(ctx, messages...); err != nil {
		return fmt.Errorf("rewind group %s: %w", r.config.GroupID, err)
	}
	return nil
}

func (r *Reader) whyEnded() error {
	if r.lost != nil {
		return r.lost
	}
	return ErrClosed
}

// state logs when reading begins to fail and when it works again, not each failure between.
type state struct{ failing bool }

func (s *state) failed(ctx context.Context, logger *slog.Logger, err error) {
	if s.failing || ctx.Err() != nil {
		return
	}
	s.failing = true
	if _, ok := errors.AsType[net.Error](err); ok {
		err = fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	logger.WarnContext(ctx, "cannot read; trying again until it works", "error", err)
}

func (s *state) works(ctx context.Context, logger *slog.Logger) {
	if s.failing {
		s.failing = false
		logger.InfoContext(ctx, "reading again")
	}
}
