package push_test

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"crmhub/core/bus/bustest"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/outbox"
	"crmhub/core/push"
)

// relayed starts a relay of the bench's changes to a Kafka, and opens the topics.
func (b *bench) relayed() *push.Topics {
	b.Helper()
	client := bustest.Open(b)
	relay := outbox.NewRelay(outbox.RelayConfig{
		DB: b.db, Bus: client, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	done := make(chan error, 1)
	go func() { done <- relay.Run(b.Context()) }()
	var organization string
	b.tx(func(tx pgx.Tx) error {
		return tx.QueryRow(b.Context(), "select code from organizations").Scan(&organization)
	})
	topics := push.OpenTopics(b.Context(), client, organization, "erp", []push.Stream{{Stream: b.stream, Mapping: names{}}})
	b.Cleanup(func() {
		if err := topics.Close(); err != nil {
			b.Error(err)
		}
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	return topics
}

func TestCommittedChangesArriveThroughKafka(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.run(b.pusher(b.relayed()))
	cs := customers(100)
	b.save(cs...)
	b.synced(cs...)
	for _, c := range cs {
		c.Name += "!"
	}
	b.save(cs...)
	b.arrived(cs...)
}

// BenchmarkPush commits changes and measures how fast all of them reach a remote that answers at once: through
// PostgreSQL, the relay and Kafka, from the first commit to the last receipt.
func BenchmarkPush(b *testing.B) {
	const n = 20000
	for range b.N {
		h := newBench(b)
		h.stream.Batch, h.stream.Concurrency = 100, 4
		h.timeout = 30 * time.Second
		stop := h.run(h.pusher(h.relayed()))
		h.save(customer("first", "first")) // the group has joined when it arrives
		h.until("the first is there", func() bool { return len(h.remote.names()) == 1 })

		done := make(chan struct{})
		seen := 0
		h.remote.lock(func() {
			h.remote.script = func(int, connector.Write) fault { // called under the remote's lock
				if seen++; seen == n {
					close(done)
				}
				return fine
			}
		})
		var cs []*crm.Customer
		for i := range n {
			cs = append(cs, customer(fmt.Sprintf("C%05d", i), fmt.Sprintf("Customer %d", i)))
		}
		b.ResetTimer()
		began := time.Now()
		for part := range slices.Chunk(cs, 1000) {
			h.save(part...)
		}
		committed := time.Since(began)
		<-done
		b.StopTimer()
		b.ReportMetric(n/time.Since(began).Seconds(), "changes/s")
		b.ReportMetric(n/committed.Seconds(), "commits/s")
		if err := stop(); err != nil {
			b.Fatal(err)
		}
		if err := h.remote.wrong(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPushLatency commits 200 changes a second and measures from each commit to the remote's receipt.
func BenchmarkPushLatency(b *testing.B) {
	const rate, n = 200, 2000
	for range b.N {
		h := newBench(b)
		h.stream.Batch, h.stream.Concurrency = 100, 4
		h.timeout = 30 * time.Second
		stop := h.run(h.pusher(h.relayed()))
		h.save(customer("first", "first"))
		h.until("the first is there", func() bool { return len(h.remote.names()) == 1 })

		var mu sync.Mutex
		committed, received := map[string]time.Time{}, map[string]time.Time{}
		h.remote.lock(func() {
			h.remote.pushed = func(w connector.Write) {
				mu.Lock()
				defer mu.Unlock()
				received[w.Reference] = time.Now()
			}
		})
		b.ResetTimer()
		tick := time.NewTicker(time.Second / rate)
		for i := range n {
			<-tick.C
			c := customer(fmt.Sprintf("C%05d", i), "someone")
			h.save(c)
			mu.Lock()
			committed[c.Code] = time.Now()
			mu.Unlock()
		}
		tick.Stop()
		h.until("all are there", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(received) == n
		})
		b.StopTimer()
		late := make([]time.Duration, 0, n)
		for code, at := range received {
			late = append(late, at.Sub(committed[code]))
		}
		slices.Sort(late)
		b.ReportMetric(float64(late[n/2].Microseconds())/1000, "p50-ms")
		b.ReportMetric(float64(late[n*99/100].Microseconds())/1000, "p99-ms")
		if err := stop(); err != nil {
			b.Fatal(err)
		}
	}
}
