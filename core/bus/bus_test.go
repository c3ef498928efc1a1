package bus_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"

	"crmhub/core/bus"
	"crmhub/core/bus/bustest"
	"crmhub/core/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func event(id uuid.UUID, version int64) bus.Event {
	return bus.Event{
		ID: uuid.New(), Organization: "main", Entity: "order", EntityID: id, Version: version, Type: "updated", Origin: "crm",
		Time: time.UnixMilli(version).UTC(), Data: []byte(`{}`),
	}
}

func write(t *testing.T, c *bus.Client, topic string, events ...bus.Event) {
	t.Helper()
	w := c.NewWriter()
	messages := make([]bus.Message, len(events))
	for i, e := range events {
		messages[i] = bus.Message{Topic: topic, Event: e}
	}
	if _, err := w.Write(t.Context(), messages).Wait(); err != nil {
		t.Fatal(err)
	}
}

// fetch reads n events.
func fetch(t *testing.T, r *bus.Reader, n int) (all []bus.Received) {
	t.Helper()
	for len(all) < n {
		batch, err := r.Fetch(t.Context(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range batch {
			if m.Fault != nil {
				t.Fatal(m.Fault)
			}
		}
		all = append(all, batch...)
	}
	return all
}

func TestReaderGetsWhatWasWrittenInOrderOfEachEntity(t *testing.T) {
	t.Parallel()
	c := bustest.Open(t)
	topic := "crmhub.test-" + uuid.NewString()
	if err := c.EnsureTopics(t.Context(), []string{topic}); err != nil {
		t.Fatal(err)
	}
	ids := []uuid.UUID{uuid.New(), uuid.New(), uuid.New(), uuid.New()}
	var events []bus.Event
	for v := range int64(500) {
		for _, id := range ids {
			events = append(events, event(id, v+1))
		}
	}
	write(t, c, topic, events...)
	r := c.NewReader(t.Context(), "group-"+topic, []string{topic})
	defer func() { _ = r.Close() }()
	next := map[uuid.UUID]int64{}
	for _, m := range fetch(t, r, len(events)) {
		next[m.EntityID]++
		if m.Version != next[m.EntityID] {
			t.Fatalf("%s: version %d after %d", m.EntityID, m.Version, next[m.EntityID]-1)
		}
	}
}

func TestWhatWasNotCommittedComesAgain(t *testing.T) {
	t.Parallel()
	c := bustest.Open(t)
	topic := "crmhub.test-" + uuid.NewString()
	if err := c.EnsureTopics(t.Context(), []string{topic}); err != nil {
		t.Fatal(err)
	}
	id := uuid.New()
	for v := range int64(10) {
		write(t, c, topic, event(id, v+1))
	}
	first := c.NewReader(t.Context(), topic, []string{topic})
	got := fetch(t, first, 10)
	if err := first.Commit(t.Context(), got[:4]); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := c.NewReader(t.Context(), topic, []string{topic})
	defer func() { _ = second.Close() }()
	if got := fetch(t, second, 6); got[0].Version != 5 {
		t.Errorf("it begins with version %d, want 5", got[0].Version)
	}
}

func TestReaderEndsWithItsContext(t *testing.T) {
	t.Parallel()
	c := bustest.Open(t)
	topic := "crmhub.test-" + uuid.NewString()
	if err := c.EnsureTopics(t.Context(), []string{topic}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := c.NewReader(ctx, topic, []string{topic})
	cancel()
	if _, err := r.Fetch(t.Context(), 1); err == nil {
		t.Error("a reader whose context ended goes on")
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestReadersOfAGroupShareTheWork(t *testing.T) {
	t.Parallel()
	c := bustest.Open(t)
	topic := "crmhub.test-" + uuid.NewString()
	first := c.NewReader(t.Context(), topic, []string{topic}) // it makes the topic
	defer func() { _ = first.Close() }()
	second := c.NewReader(t.Context(), topic, []string{topic})
	defer func() { _ = second.Close() }()
	if err := c.EnsureTopics(t.Context(), []string{topic}); err != nil {
		t.Fatal(err)
	}
	var events []bus.Event
	for v := range int64(100) {
		events = append(events, event(uuid.New(), v+1))
	}
	write(t, c, topic, events...)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := make(chan uuid.UUID)
	var readers sync.WaitGroup
	for _, r := range []*bus.Reader{first, second} {
		readers.Go(func() {
			for {
				batch, err := r.Fetch(ctx, 10)
				if err != nil {
					return
				}
				for _, m := range batch {
					select {
					case got <- m.ID:
					case <-ctx.Done():
						return
					}
				}
			}
		})
	}
	missing := map[uuid.UUID]bool{}
	for _, e := range events {
		missing[e.ID] = true
	}
	for len(missing) > 0 {
		select {
		case id := <-got:
			delete(missing, id) // once at least: the group may share anew meanwhile
		case <-time.After(2 * time.Minute):
			t.Fatalf("%d of %d events were not delivered", len(missing), len(events))
		}
	}
	cancel()
	readers.Wait()
}

func TestRefusedCredentialsAreToldFromADeadBroker(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "hub", "right"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	logger := slog.New(slog.DiscardHandler)
	config := bus.Config{Brokers: cluster.ListenAddrs(), Logger: logger, SASL: bus.SASL{Mechanism: "scram-sha-512", User: "hub", Password: secret.New("s3same")}}
	if _, err := bus.Open(t.Context(), config); !errors.Is(err, bus.ErrRefused) {
		t.Errorf("a wrong password: got %v, want ErrRefused", err)
	} else if strings.Contains(err.Error(), "s3same") {
		t.Errorf("the error tells the password: %v", err)
	}
	config.SASL.Password = secret.New("right")
	c, err := bus.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	dead := bustest.Start(t, t.TempDir(), "127.0.0.1:0")
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	waiting, err := bus.Open(t.Context(), bus.Config{Brokers: []string{dead.Addr()}, Logger: logger})
	if err != nil {
		t.Fatalf("a broker that is down: %v", err)
	}
	defer waiting.Close()
	if err := waiting.Ping(t.Context()); !errors.Is(err, bus.ErrUnreachable) {
		t.Errorf("got %v, want ErrUnreachable", err)
	}
}
