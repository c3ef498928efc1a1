//go:build system

package main_test

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"golang.org/x/sync/errgroup"

	"crmhub/connectors/simulator"
)

// world is a hub with customers and products, whose orders go to some ERP.
type world struct {
	*hub
	customers []string // ids
	products  []string // ids
	orders    map[string]order
	prefix    string        // of the orders' numbers; without one the hub gives them
	pause     time.Duration // between one order and the next that the same person enters
	entered   atomic.Int64  // orders that the API has confirmed so far
}

// order is what the API answered for an order: what the ERP must hold.
type order struct {
	ID       string          `json:"id"`
	Version  int64           `json:"version"`
	Number   string          `json:"number"`
	Currency string          `json:"currency"`
	Total    decimal.Decimal `json:"total"`
	Status   string          `json:"status"`
	Remark   string          `json:"remark"`
}

const apiKey = "system-test-key"

// startSimulator runs an ERP and a finance system in the test's process.
func startSimulator(t testing.TB, c simulator.Config) *simulator.Server {
	t.Helper()
	c.APIKey, c.Logger = apiKey, slog.New(slog.DiscardHandler)
	s, err := simulator.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// newWorld starts a hub and gives it customers and products.
func newWorld(t testing.TB, env ...string) *world {
	t.Helper()
	w := &world{hub: newHub(t, env...), orders: map[string]order{}}
	w.start()
	for i := range 20 {
		var c struct{ ID string }
		w.must(w.create(t.Context(), "/customers", fmt.Sprint("customer-", i), map[string]any{
			"name": fmt.Sprintf("客户 %d", i), "kind": "company", "lifecycle": "customer", "currency": "EUR",
			"addresses": []any{map[string]any{"kind": "bill", "street": "Main 1", "city": "Graz", "postcode": "8010", "country": "AT"}},
		}, &c))
		w.customers = append(w.customers, c.ID)
	}
	for i := range 10 {
		var p struct{ ID string }
		w.must(w.create(t.Context(), "/products", fmt.Sprint("product-", i), map[string]any{
			"sku": fmt.Sprintf("SKU-%d", i), "name": fmt.Sprintf("Product %d", i), "unit": "unit", "currency": "EUR",
			"list_price": "12.34", "tax_rate": "20", "is_active": true,
		}, &p))
		w.products = append(w.products, p.ID)
	}
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// enter creates n confirmed orders through the API, several at a time, and remembers what it answered. It goes on
// through crashes of the hub.
func (w *world) enter(n int) error { return w.enterFrom(0, n) }

// enterFrom enters n more, when the given number was entered before.
func (w *world) enterFrom(first, n int) error {
	g, ctx := errgroup.WithContext(w.t.Context())
	g.SetLimit(8)
	entered := make([]order, n)
	for at := range n {
		i := first + at
		g.Go(func() error {
			in := map[string]any{
				"customer_id": w.customers[i%len(w.customers)], "date": "2026-11-20", "currency": "EUR", "status": "confirmed",
				"client_ref": "PO-" + strconv.Itoa(i),
				"lines": []any{
					map[string]any{"product_id": w.products[i%len(w.products)], "description": "First", "unit": "unit", "qty": strconv.Itoa(1 + i%7), "price": "12.34", "tax_rate": "20"},
					map[string]any{"product_id": w.products[(i+3)%len(w.products)], "description": "Second", "unit": "unit", "qty": "3", "price": "0.99", "discount_pct": "5", "tax_rate": "20"},
				},
			}
			if w.prefix != "" {
				in["number"] = w.prefix + strconv.Itoa(i)
			}
			err := w.create(ctx, "/orders", "order-"+strconv.Itoa(i), in, &entered[at])
			w.entered.Add(1)
			<-time.After(w.pause)
			return err
		})
	}
	err := g.Wait()
	for _, o := range entered {
		if o.ID != "" {
			w.orders[o.Number] = o
		}
	}
	return err
}

// amendEach changes some orders after they were entered, so that their last state must win over earlier ones.
func (w *world) amendEach(every int) {
	w.t.Helper()
	for i, number := range slices.Sorted(maps.Keys(w.orders)) {
		if i%every == 0 {
			w.amend(number, "amended")
		}
	}
}

// amend gives an order a remark.
func (w *world) amend(number, remark string) {
	w.t.Helper()
	o := w.orders[number]
	w.eventually(30*time.Second, "order "+number+" is amended", func() error {
		if _, err := w.call(http.MethodGet, "/orders/"+o.ID, nil, &o); err != nil {
			return err
		}
		_, err := w.call(http.MethodPatch, "/orders/"+o.ID, map[string]any{"remark": remark}, &o,
			"Content-Type", "application/merge-patch+json", "If-Match", fmt.Sprintf("%q", strconv.FormatInt(o.Version, 10)))
		return err
	})
	w.orders[number] = o
}

// inERP compares what the ERP holds with what was entered: every order once, with equal totals.
func (w *world) inERP(documents []simulator.Document) error {
	seen := map[string]int{}
	var faults []error
	for _, d := range documents {
		seen[d.Reference]++
		want, ok := w.orders[d.Reference]
		switch {
		case !ok:
			faults = append(faults, fmt.Errorf("order %q was never entered", d.Reference))
		case seen[d.Reference] == 2:
			faults = append(faults, fmt.Errorf("DUPLICATE: order %s", d.Reference))
		case d.Note != want.Remark:
			faults = append(faults, fmt.Errorf("order %s: its last change has not arrived", d.Reference))
		case !d.Total.Equal(want.Total):
			faults = append(faults, fmt.Errorf("order %s: %s here, %s there", d.Reference, want.Total, d.Total))
		}
	}
	missing := 0
	for number := range w.orders {
		if seen[number] == 0 {
			missing++
		}
	}
	if missing > 0 {
		faults = append(faults, fmt.Errorf("%d of %d orders are missing", missing, len(w.orders)))
	}
	return errors.Join(faults...)
}

// connectSimulator adds the simulated ERP as a connection.
func (w *world) connectSimulator(s *simulator.Server) {
	w.t.Helper()
	w.command("connection", "add", "simulator-erp", "erp", "--set", "url="+s.ERPURL(), "--secret", "api_key="+apiKey, "--every", "2s")
}
