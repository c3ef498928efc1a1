package push

import (
	"context"
	"sync"
	"time"

	"crmhub/core/bus"
)

// Topics reads the changes of the streams' entities from Kafka, as a member of the connection's consumer group.
type Topics struct {
	reader *bus.Reader
	cancel context.CancelFunc
	ended  chan struct{}

	mu     sync.Mutex
	done   map[bus.Partition]bus.Received // the last of each partition that need not come again, and is not committed
	failed error                          // of the last attempt to commit
}

// confirmEvery is how often the group's place is committed. What is behind it comes again after a crash, and is synced
// already.
const confirmEvery = 200 * time.Millisecond

// OpenTopics joins the group crmhub.<organization>.<connection> on the topics of the streams' entities. The topics
// must be closed.
func OpenTopics(ctx context.Context, client *bus.Client, organization, connection string, streams []Stream) *Topics {
	topics := make([]string, len(streams))
	for i, s := range streams {
		topics[i] = bus.Topic(organization, s.Entity)
	}
	t := &Topics{
		reader: client.NewReader(ctx, "crmhub."+organization+"."+connection, topics),
		ended:  make(chan struct{}), done: make(map[bus.Partition]bus.Received),
	}
	ctx, t.cancel = context.WithCancel(ctx)
	go t.confirmAgain(ctx)
	return t
}

// Next implements [Changes]. A message that is no event of the hub's is left out: nobody else writes to these topics.
// The function it returns says why the last attempt to commit failed, if it did.
func (t *Topics) Next(ctx context.Context, limit int) ([]Change, func(context.Context) error, error) {
	received, err := t.reader.Fetch(ctx, limit)
	if err != nil {
		return nil, nil, err
	}
	batch := make([]Change, 0, len(received))
	for _, r := range received {
		if r.Fault == nil {
			batch = append(batch, Change{
				Entity: r.Entity, ID: r.EntityID, Version: r.Version, Deleted: r.Type == "deleted", At: r.Time, Data: r.Data,
			})
		}
	}
	return batch, func(context.Context) error { return t.note(received) }, nil
}

func (t *Topics) note(received []bus.Received) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range received {
		t.done[bus.Partition{Topic: r.Topic, Number: r.Partition}] = bus.Received{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}
	}
	err := t.failed
	t.failed = nil
	return err
}

func (t *Topics) confirmAgain(ctx context.Context) {
	defer close(t.ended)
	tick := time.NewTicker(confirmEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			t.confirm(ctx)
		}
	}
}

// confirm commits what is done. What could not be committed is with the next attempt, if nothing newer is.
func (t *Topics) confirm(ctx context.Context) {
	t.mu.Lock()
	done := t.done
	t.done = make(map[bus.Partition]bus.Received, len(done))
	t.mu.Unlock()
	if len(done) == 0 {
		return
	}
	last := make([]bus.Received, 0, len(done))
	for _, r := range done {
		last = append(last, r)
	}
	err := t.reader.Commit(ctx, last)
	if err == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed = err
	for p, r := range done {
		if _, newer := t.done[p]; !newer {
			t.done[p] = r
		}
	}
}

// Close commits what is done and leaves the group.
func (t *Topics) Close() error {
	t.cancel()
	<-t.ended
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) //nolint:forbidigo // what ended need not come again
	defer cancel()
	t.confirm(ctx)
	return t.reader.Close()
}
