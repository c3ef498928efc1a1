//go:build system

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crmhub/connectors/simulator"
)

// Stopping and starting PostgreSQL and Kafka under load loses nothing and duplicates nothing.
func TestOutagesLoseNothing(t *testing.T) {
	kafka := startKafka(t)
	sim := startSimulator(t, simulator.Config{ERP: simulator.Faults{Seed: 4, Latency: 10 * time.Millisecond}})
	w := newWorld(t, "CRMHUB_KAFKA_BROKERS="+kafka.addr)
	w.connectSimulator(sim)
	orders := number(t, "CRMHUB_TEST_ORDERS", 2000)
	entered := make(chan error, 1)
	go func() { entered <- w.enter(orders) }()
	for i, outage := range []struct {
		name        string
		stop, start func()
	}{
		{"PostgreSQL", w.stopPostgres, w.startPostgres},
		{"Kafka", kafka.stop, kafka.start},
		{"PostgreSQL again", w.stopPostgres, w.startPostgres},
	} {
		w.eventually(2*time.Minute, "orders are being entered", func() error {
			if n := w.entered.Load(); n < int64(orders*(i+1)/5) {
				return fmt.Errorf("%d so far", n)
			}
			return nil
		})
		t.Logf("stopping %s after %d orders", outage.name, w.entered.Load())
		outage.stop()
		<-time.After(2 * time.Second) // how long it is away
		outage.start()
	}
	w.must(<-entered)
	w.eventually(3*time.Minute, "every order is in the ERP once", func() error { return w.inERP(sim.ERP.Snapshot().Orders) })
}

// realKafka is a broker of a test's own, started by the script that developers use too.
type realKafka struct {
	t    testing.TB
	dir  string
	port string
	addr string
}

func startKafka(t testing.TB) *realKafka {
	t.Helper()
	addr := freeAddr(t, 2) // the second is its controller's
	k := &realKafka{t: t, dir: filepath.Join(t.TempDir(), "kafka"), port: addr[strings.LastIndex(addr, ":")+1:], addr: addr}
	k.start()
	t.Cleanup(k.stop)
	return k
}

func (k *realKafka) start() { k.run("start") }
func (k *realKafka) stop()  { k.run("stop") }

func (k *realKafka) run(verb string) {
	k.t.Helper()
	cmd := exec.Command("../../deploy/kafka.sh", verb, k.dir)
	cmd.Env = append(os.Environ(), "KAFKA_PORT="+k.port)
	out, err := os.CreateTemp(k.t.TempDir(), "kafka-*.log") // not a pipe: the broker would keep it open
	if err != nil {
		k.t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		k.t.Fatalf("deploy/kafka.sh %s: %v\n%s", verb, err, lastLines(out.Name(), 20))
	}
}

// stopPostgres stops the hub's private server under it, as an operator would.
func (h *hub) stopPostgres() { h.pgctl("stop", "-m", "fast") }

// startPostgres starts it again on the same port.
func (h *hub) startPostgres() {
	h.pgctl("start", "-l", filepath.Join(h.dir, "postgres", "log"), "-o", string(h.options))
}

// findPostgres finds the programs of the hub's server, and the options it was started with, its port among them.
func (h *hub) findPostgres() {
	h.t.Helper()
	if h.options != nil {
		return
	}
	b, err := os.ReadFile(filepath.Join(h.dir, "postgres", "data", "postmaster.opts"))
	if err != nil {
		h.t.Fatal(err)
	}
	words := strings.SplitN(strings.TrimSpace(string(b)), " \"-D\" ", 2)
	h.postgres = filepath.Dir(strings.TrimSpace(words[0]))
	_, rest, _ := strings.Cut(words[1], "\" ")
	h.options = []byte(strings.ReplaceAll(rest, "\"", "'"))
}

func (h *hub) pgctl(args ...string) {
	h.t.Helper()
	h.findPostgres()
	data := filepath.Join(h.dir, "postgres", "data")
	args = append([]string{args[0], "-D", data, "-w"}, args[1:]...)
	program := filepath.Join(h.postgres, "pg_ctl")
	cmd := exec.Command(program, args...)
	if os.Geteuid() == 0 {
		cmd = exec.Command("runuser", append([]string{"-u", "postgres", "--", program}, args...)...)
	}
	out, err := os.CreateTemp(h.t.TempDir(), "pgctl-*.log")
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	cmd.Stdout, cmd.Stderr, cmd.Dir = out, out, h.dir
	if err := cmd.Run(); err != nil {
		h.t.Fatalf("pg_ctl %s: %v\n%s", args[0], err, lastLines(out.Name(), 20))
	}
}
