// Package bustest gives tests a Kafka: the one CRMHUB_TEST_KAFKA names, else an embedded broker of the test's own.
package bustest

import (
	"log/slog"
	"os"
	"testing"

	"crmhub/core/bus"
	"crmhub/core/bus/embedded"
)

// Open returns a client of the test's Kafka. On a shared one, topics carry what earlier tests wrote: use topic and group
// names of the test's own.
func Open(t testing.TB) *bus.Client {
	t.Helper()
	return Connect(t, Addr(t))
}

// Addr returns the address of the test's Kafka.
func Addr(t testing.TB) string {
	t.Helper()
	if addr := os.Getenv("CRMHUB_TEST_KAFKA"); addr != "" {
		return addr
	}
	return Start(t, t.TempDir(), "127.0.0.1:0").Addr()
}

// Secured returns the directory of the Kafka that deploy/kafka.sh started with a secured listener and CRMHUB_TEST_KAFKA_SECURED
// names, "" if there is none.
func Secured() string { return os.Getenv("CRMHUB_TEST_KAFKA_SECURED") }

// Start runs an embedded broker until the test ends, if it is not closed before.
func Start(t testing.TB, dir, addr string) *embedded.Broker {
	t.Helper()
	b, err := embedded.Start(t.Context(), embedded.Config{Dir: dir, Addr: addr, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// Connect returns a client of the broker at an address.
func Connect(t testing.TB, addr string) *bus.Client {
	t.Helper()
	c, err := bus.Open(t.Context(), bus.Config{Brokers: []string{addr}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
