//go:build system

package main_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
)

// An order entered here is booked by a program in another language that knows nothing but topics, and its invoice comes
// back: linked with customer and order, once, to the cent; within seconds, without waiting for a schedule.
func TestTopicsCarryAnOrderOutAndItsInvoiceIn(t *testing.T) {
	k := startKafka(t)
	w := newWorld(t, "CRMHUB_KAFKA_BROKERS="+k.addr)
	b := w.connectBookkeeper(k)
	b.start()
	w.must(w.enter(1))
	var number string
	for number = range w.orders {
	}
	w.eventually(3*time.Minute, "the invoice is back", func() error { return w.invoiced() })
	// Both sides are warm now.
	for i := range 5 {
		w.measureInvoice(i)
	}
	o := w.orders[number]
	var page struct{ Items []invoice }
	w.get("/invoices?order_id="+o.ID, &page)
	want := invoice{
		ID: page.Items[0].ID, Number: page.Items[0].Number, OrderID: o.ID, CustomerID: w.customers[0], Currency: "EUR",
		Untaxed: "15.16", Tax: "3.03", Total: "18.19", Residual: "18.19", Status: "issued", PaymentStatus: "unpaid",
	}
	w.must(differ([]invoice{want}, page.Items))
}

// The hub and the program at the other side are killed at random moments, again and again: every order has one invoice.
func TestTopicsLoseAndDoubleNothingThroughCrashesOfBothSides(t *testing.T) {
	n := number(t, "CRMHUB_TEST_ORDERS", 500)
	k := startKafka(t)
	w := newWorld(t, "CRMHUB_KAFKA_BROKERS="+k.addr)
	b := w.connectBookkeeper(k)
	b.start()
	ended, over := make(chan struct{}), make(chan int, 1)
	go func() { over <- b.killAtRandom(ended) }()
	kills := w.enterAndKill(n, 20, 1500*time.Millisecond)
	close(ended)
	t.Logf("entered %d orders through %d kills of the hub and %d of the bookkeeper", len(w.orders), kills, <-over)
	w.eventually(5*time.Minute, "every order has its invoice once", w.invoiced)
}

// bookkeeper is deploy/examples/bookkeeper.py at work.
type bookkeeper struct {
	t       testing.TB
	command []string
	log     *os.File
	cmd     *exec.Cmd
}

// connectBookkeeper adds a connection by topics, whose other side the program is.
func (w *world) connectBookkeeper(k *realKafka) *bookkeeper {
	w.t.Helper()
	python := os.Getenv("CRMHUB_TEST_PYTHON")
	if python == "" {
		w.t.Fatal("CRMHUB_TEST_PYTHON must name a Python that has confluent-kafka")
	}
	w.command("connection", "add", "kafka", "books", "--set", "brokers="+k.addr, "--every", "1h")
	w.command("connection", "check", "books")
	dir := w.t.TempDir()
	b := &bookkeeper{t: w.t, command: []string{
		python, "../../deploy/examples/bookkeeper.py", "--brokers", k.addr, "--connection", "books", "--file", filepath.Join(dir, "books.db"),
	}}
	var err error
	b.log, err = os.Create(filepath.Join(dir, "bookkeeper.log"))
	w.must(err)
	w.t.Cleanup(func() {
		b.kill()
		if w.t.Failed() {
			w.t.Logf("the bookkeeper's last words:\n%s", lastLines(b.log.Name(), 20))
		}
		_ = b.log.Close()
	})
	return b
}

func (b *bookkeeper) start() {
	b.cmd = exec.Command(b.command[0], b.command[1:]...)
	b.cmd.Stdout, b.cmd.Stderr = b.log, b.log
	if err := b.cmd.Start(); err != nil {
		b.t.Error(err)
		b.cmd = nil
	}
}

func (b *bookkeeper) kill() {
	if b.cmd != nil {
		_ = b.cmd.Process.Kill()
		_ = b.cmd.Wait()
	}
	b.cmd = nil
}

// killAtRandom kills and starts it again until ended, and says how often.
func (b *bookkeeper) killAtRandom(ended <-chan struct{}) (kills int) {
	random := rand.New(rand.NewPCG(7, 0))
	for ; ; kills++ {
		select {
		case <-ended:
			return kills
		case <-time.After(time.Second + time.Duration(random.Int64N(int64(5*time.Second)))): // it joins its group within that
		}
		b.kill()
		b.start()
	}
}

// invoiced compares the invoices here with what was entered: one for each order, linked, with the same total.
func (w *world) invoiced() error {
	w.t.Helper()
	seen := map[string]int{}
	customer := map[string]bool{}
	for _, id := range w.customers {
		customer[id] = true
	}
	byID := map[string]order{}
	for _, o := range w.orders {
		byID[o.ID] = o
	}
	var faults []error
	for next := "/invoices?limit=200"; next != ""; {
		var page struct {
			Items []invoice
			Next  string
		}
		w.get(next, &page)
		next = strings.TrimPrefix(page.Next, "/api/v1")
		for _, i := range page.Items {
			o, known := byID[i.OrderID]
			total, err := decimal.NewFromString(i.Total)
			if seen[i.OrderID]++; seen[i.OrderID] == 2 {
				faults = append(faults, fmt.Errorf("DUPLICATE: order %s has two invoices", o.Number))
			}
			if !known || !customer[i.CustomerID] || err != nil || !total.Equal(o.Total) {
				faults = append(faults, fmt.Errorf("invoice %s: order %s (%s), customer %s, %s instead of %s", i.Number, i.OrderID, o.Number, i.CustomerID, i.Total, o.Total))
			}
		}
	}
	if missing := len(byID) - len(seen); missing > 0 {
		faults = append(faults, fmt.Errorf("%d of %d orders have no invoice", missing, len(byID)))
	}
	return errors.Join(faults...)
}

// measureInvoice enters an order and says how long its invoice took.
func (w *world) measureInvoice(n int) {
	w.t.Helper()
	began := time.Now()
	var o order
	w.must(w.create(w.t.Context(), "/orders", "measured-"+strconv.Itoa(n), map[string]any{
		"customer_id": w.customers[0], "date": "2026-11-20", "currency": "EUR", "status": "confirmed",
		"lines": []any{map[string]any{"product_id": w.products[0], "description": "First", "unit": "unit", "qty": "1", "price": "12.34", "tax_rate": "20"}},
	}, &o))
	w.orders[o.Number] = o
	w.eventually(time.Minute, "its invoice is back", func() error {
		var page struct{ Items []invoice }
		w.get("/invoices?order_id="+o.ID, &page)
		if len(page.Items) != 1 {
			return fmt.Errorf("%d invoices", len(page.Items))
		}
		return nil
	})
	w.t.Logf("from the order to its invoice: %v", time.Since(began))
}
