//go:build system

package main_test

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/segmentio/kafka-go"

	"crmhub/connectors/simulator"
	"crmhub/core/bus"
)

// A hub that was killed and whose broker's files were deleted brings everything to the ERP and onto its topics: what was
// there before, what was on its way, and what comes.
func TestDeletedBrokerLosesNothing(t *testing.T) {
	w, sim := newBrokerWorld(t)
	w.loseBroker(sim, func() {
		if err := os.RemoveAll(filepath.Join(w.dir, "broker")); err != nil {
			t.Fatal(err)
		}
	})
	w.onTopic(w.setting("CRMHUB_BROKER_LISTEN"))
}

// The same with a Kafka whose topics were deleted.
func TestDeletedTopicsLoseNothing(t *testing.T) {
	k := startKafka(t)
	w, sim := newBrokerWorld(t, "CRMHUB_KAFKA_BROKERS="+k.addr)
	w.loseBroker(sim, func() { w.must(deleteTopics(t.Context(), k.addr)) })
	w.onTopic(k.addr)
}

func newBrokerWorld(t *testing.T, env ...string) (*world, *simulator.Server) {
	t.Helper()
	sim := startSimulator(t, simulator.Config{ERP: simulator.Faults{Seed: 5, Latency: 5 * time.Millisecond}})
	w := newWorld(t, env...)
	w.connectSimulator(sim)
	return w, sim
}

// loseBroker enters orders before, until and after the hub is killed and its broker's messages are lost.
func (w *world) loseBroker(sim *simulator.Server, lose func()) {
	w.t.Helper()
	arrived := func() error { return w.inERP(sim.ERP.Snapshot().Orders) }
	w.must(w.enter(100))
	w.eventually(time.Minute, "every order is in the ERP once", arrived)
	w.setConnections("pause")
	w.must(w.enter(200))
	w.amendEach(10)
	before := maps.Clone(w.orders)
	w.kill()
	lose()
	w.start()
	w.setConnections("resume")
	w.must(w.enter(300))
	maps.Copy(w.orders, before) // the earlier ones were answered as they were when they were created
	w.amendEach(7)
	w.eventually(2*time.Minute, "every order is in the ERP once", arrived)
}

// setConnections pauses or resumes the only connection.
func (w *world) setConnections(verb string) {
	w.t.Helper()
	var list struct{ Items []struct{ ID string } }
	_, err := w.call(http.MethodGet, "/connections", nil, &list)
	w.must(err)
	_, err = w.call(http.MethodPost, "/connections/"+list.Items[0].ID+"/"+verb, nil, nil)
	w.must(err)
}

// onTopic reads along as any consumer may, until the newest version of every order was on the topic.
func (w *world) onTopic(broker string) {
	w.t.Helper()
	c, err := bus.Open(w.t.Context(), bus.Config{Brokers: []string{broker}, Logger: slog.New(slog.DiscardHandler)})
	w.must(err)
	defer c.Close()
	missing := map[uuid.UUID]int64{}
	for _, o := range w.orders {
		missing[uuid.MustParse(o.ID)] = o.Version
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	r := c.NewReader(ctx, "reader", []string{bus.Topic("main", "order")})
	defer func() { _ = r.Close() }()
	for len(missing) > 0 {
		batch, err := r.Fetch(ctx, 1000)
		if err != nil {
			w.t.Fatalf("the newest versions of %d of %d orders are not on the topic: %v", len(missing), len(w.orders), err)
		}
		for _, m := range batch {
			if m.Version >= missing[m.EntityID] {
				delete(missing, m.EntityID)
			}
		}
	}
}

// deleteTopics deletes those of the hub, and returns when they are gone.
func deleteTopics(ctx context.Context, broker string) error {
	transport := &kafka.Transport{MetadataTTL: 50 * time.Millisecond}
	defer transport.CloseIdleConnections()
	c := &kafka.Client{Addr: kafka.TCP(broker), Transport: transport}
	for {
		metadata, err := c.Metadata(ctx, &kafka.MetadataRequest{})
		if err != nil {
			return err
		}
		var topics []string
		for _, t := range metadata.Topics {
			if strings.HasPrefix(t.Name, "crmhub.") {
				topics = append(topics, t.Name)
			}
		}
		if len(topics) == 0 {
			return nil
		}
		if _, err := c.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: topics}); err != nil {
			return err
		}
	}
}

// setting is the value of an environment variable of the hub.
func (h *hub) setting(name string) string {
	h.t.Helper()
	for _, e := range slices.Backward(h.env) {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	h.t.Fatalf("%s is not set", name)
	return ""
}
