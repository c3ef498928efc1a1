package file_test

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/shopspring/decimal"

	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/push"
)

// erp takes files away as soon as it sees them, as a system that imports them does.
type erp struct {
	*hub
	orders map[string][]string // the remarks in the files of an order, in the order of their coming
	files  int
}

// take reads what lies there, and says how many files that was.
func (e *erp) take() (taken int) {
	e.Helper()
	for _, folder := range []string{"out/orders", "out"} {
		entries, err := os.ReadDir(filepath.Join(e.dir, folder))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			e.Fatal(err)
		}
		for _, f := range entries {
			if f.IsDir() || strings.HasPrefix(f.Name(), ".") {
				continue
			}
			name := filepath.Join(e.dir, folder, f.Name())
			if strings.HasSuffix(name, ".csv") {
				e.order(name)
			}
			if err := os.Remove(name); err != nil {
				e.Fatal(err)
			}
			taken++
		}
	}
	e.files += taken
	return taken
}

// order reads the file of one.
func (e *erp) order(name string) {
	e.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		e.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(text), "\ufeff"))).ReadAll()
	if err != nil || len(rows) != 3 {
		e.Fatalf("%s: %v, %v", name, rows, err)
	}
	at := func(row int, column string) string { return rows[row][slices.Index(rows[0], column)] }
	for row, product := range []string{"CHAI", "MATE"} {
		if at(row+1, "customer") != "ANNA" || at(row+1, "line_product") != product || at(row+1, "total") != "36" {
			e.Errorf("%s, row %d: %v", name, row, rows[row+1])
		}
	}
	e.orders[at(1, "number")] = append(e.orders[at(1, "number")], at(2, "remark"))
}

// push starts a process that pushes over the hub's connection. kill ends it.
func (h *hub) push() (kill func()) {
	h.Helper()
	var streams []push.Stream
	for _, s := range h.connections.Streams(h.conn) {
		if m, ok := h.mappings.For("file", s.Entity); ok && s.Push {
			streams = append(streams, push.Stream{Stream: s, Mapping: m})
		}
	}
	db, err := postgres.Open(h.Context(), postgres.Config{URL: h.url})
	if err != nil {
		h.Fatal(err)
	}
	session, err := h.connections.Open(h.conn)
	if err != nil {
		h.Fatal(err)
	}
	p, err := push.New(push.Config{
		DB: db, Principal: h.conn.Principal(), Connection: h.conn.ID, Code: h.conn.Code, Streams: streams, Session: session, CRM: &crm.Store{},
		Logger: slog.New(slog.DiscardHandler), Metrics: push.NewMetrics(prometheus.NewRegistry()), Timeout: time.Minute,
	})
	if err != nil {
		h.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.Context()))
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	return func() {
		cancel()
		if err := errors.Join(<-done, session.Close()); err != nil {
			h.Error(err)
		}
		db.Close()
	}
}

func TestOrdersReachASystemThatTakesFilesEachOnceThroughAllFaults(t *testing.T) {
	t.Parallel()
	i, _, lose := onServer(t)
	maps.Copy(i.config, map[string]any{
		"customer": map[string]any{"write": "jsonl"}, "product": map[string]any{"write": "xlsx"}, "order": map[string]any{"write": "csv", "folder": "out/orders"},
	})
	h := newHubOf(t, i)
	e := &erp{hub: h, orders: map[string][]string{}}
	by := crm.By{Actor: h.who.Actor, Origin: "crm"}
	save := func(batch ...crm.Entity) {
		h.tx(func(tx pgx.Tx) error { return (&crm.Store{}).Save(t.Context(), tx, by, batch) })
	}
	anna := &crm.Customer{Code: "ANNA", Name: "Anna"}
	products := []crm.Entity{&crm.Product{SKU: "CHAI", Name: "Chai"}, &crm.Product{SKU: "MATE", Name: "Mate"}}
	save(anna)
	save(products...)
	const count = 20
	orders, want := make([]crm.Entity, count), map[string][]string{}
	for n := range orders {
		o := &crm.Order{CustomerID: anna.ID, Date: crm.DateOf(time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)), Currency: "EUR", Number: fmt.Sprintf("SO-%d", n), Remark: "=first"}
		for _, p := range products {
			id := crm.HeadOf(p).ID
			o.Lines = append(o.Lines, crm.OrderLine{ProductID: &id, Qty: decimal.NewFromInt(2), Price: decimal.NewFromInt(9)})
		}
		orders[n], want[o.Number] = o, []string{"'=first"}
	}
	save(orders...)
	// Each time that some files came the answer to another request of the hub is lost, though the server did what it asked for.
	through := func(files int) {
		next, lost := e.files+3, 0
		h.eventually(fmt.Sprint(files, " files"), func() bool {
			if e.take(); e.files >= next && lost < 4 {
				lose()
				next, lost = e.files+4, lost+1
			}
			return e.files >= files
		})
	}
	kill := h.push()
	through(len(products) + 1 + count/2)
	kill() // in the middle
	e.take()
	kill = h.push()
	through(len(products) + 1 + count)
	linked := func(version int) bool {
		var n int
		h.tx(func(tx pgx.Tx) error {
			return tx.QueryRow(t.Context(), "select count(*) from links where entity = 'order' and state = 'linked' and synced_version = $1", version).Scan(&n)
		})
		return n == count
	}
	h.eventually("all orders are linked", func() bool { return linked(1) })
	e.take()
	h.want("orders", e.orders, want)

	for _, o := range orders {
		order, _ := o.(*crm.Order)
		order.Remark = "second"
		want[order.Number] = append(want[order.Number], "second")
	}
	save(orders...)
	kill()
	kill = h.push() // it finds what changed
	h.eventually("the changes are linked", func() bool { return linked(2) })
	kill()
	e.take()
	h.want("orders", e.orders, want)
	if e.files != len(products)+1+2*count {
		t.Errorf("%d files came", e.files)
	}
	h.want("dead letters", h.lines("select message from dead_letters"), []string{})
}
