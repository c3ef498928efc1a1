package outbox

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"

	"crmhub/core/bus/bustest"
)

// The embedded broker's directory may be deleted, or a hub be pointed to other brokers.
func TestBrokerThatLostEverythingGetsItAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	broker := bustest.Start(t, dir, "127.0.0.1:0")
	b := setupOn(t, broker.Addr())
	r := b.relay(b.db)
	b.append(change(uuid.New(), 1))
	b.append(change(uuid.New(), 2))
	r.wait(2)
	_, before := b.read(2)
	r.stop()
	b.append(change(uuid.New(), 3))
	if err := errors.Join(broker.Close(), os.RemoveAll(dir)); err != nil {
		t.Fatal(err)
	}
	bustest.Start(t, dir, broker.Addr())

	r = b.relay(b.db)
	r.wait(3)
	versions, after := b.read(3)
	seen := map[int64]uuid.UUID{}
	for i, v := range versions {
		seen[v] = after[i]
	}
	if len(seen) != 3 || !cmp.Equal(idSet(before), idSet([]uuid.UUID{seen[1], seen[2]})) {
		t.Errorf("published again: versions %v, events %v; before: %v", versions, after, before)
	}
	if err := r.checkTopics(t.Context()); err != nil {
		t.Errorf("a whole log: %v", err)
	}
}

func idSet(ids []uuid.UUID) map[uuid.UUID]bool {
	set := map[uuid.UUID]bool{}
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// A topic may be deleted under a running relay, and made again by some reader before the relay writes to it.
func TestTopicThatWasDeletedIsFilledAgain(t *testing.T) {
	t.Parallel()
	for name, madeAgain := range map[string]bool{"gone": false, "made again": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			var log lines
			r, id := b.relay(b.db, func(r *Relay) { r.Logger = slog.New(slog.NewTextHandler(&log, nil)) }), uuid.New()
			b.append(change(id, 1))
			b.append(change(id, 2))
			r.wait(2)
			b.deleteTopic()
			if madeAgain {
				if err := b.bus.EnsureTopics(t.Context(), []string{b.topic}); err != nil {
					t.Fatal(err)
				}
			}
			b.append(change(id, 3))
			log.waitFor(t, "topics lost messages")
			r.wait(3)
			versions, _ := b.read(3)
			if versions[0] == 3 { // what the relay wrote before it noticed
				versions, _ = b.read(4)
				versions = versions[1:]
			}
			if diff := cmp.Diff([]int64{1, 2, 3}, versions); diff != "" {
				t.Errorf("versions on the topic (-want +got):\n%s", diff)
			}
		})
	}
}

// deleteTopic returns when no client can see the topic any more.
func (b *bundle) deleteTopic() {
	b.Helper()
	transport := &kafka.Transport{MetadataTTL: 50 * time.Millisecond}
	defer transport.CloseIdleConnections()
	c := &kafka.Client{Addr: kafka.TCP(b.addr), Transport: transport}
	ctx := context.WithoutCancel(b.Context()) // it is called when the test is over, too
	remove := func() error {
		response, err := c.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{b.topic}})
		if err == nil {
			err = response.Errors[b.topic]
		}
		return err
	}
	err := remove()
	for errors.Is(err, kafka.BrokerNotAvailable) { // a busy broker misses its controller for a moment
		err = remove()
	}
	if err != nil && !errors.Is(err, kafka.UnknownTopicOrPartition) { // done by what seemed to fail
		b.Fatal(err)
	}
	for {
		left, err := b.bus.Ends(ctx, []string{b.topic})
		if err == nil && len(left) == 0 {
			return
		}
	}
}
