//go:build system

package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"crmhub/connectors/tryton/trytontest"
)

// An order entered here becomes a sale in a real ERP; the invoice that people post there and the payments they enter
// come back to it.
func TestTrytonGetsAnOrderAndSendsItsInvoiceAndPayments(t *testing.T) {
	erp := trytontest.Open(t)
	w := newWorld(t)
	w.prefix = runPrefix()
	w.connectTryton(erp, "2s")
	w.must(w.enter(1))
	entered := w.orders[w.prefix+"0"]

	var sold []sale
	w.eventually(3*time.Minute, "the sale is in process", func() error {
		sold = sales(erp, w.prefix)
		return w.inTryton(sold)
	})
	var c struct{ Code, Name string }
	w.get("/customers/"+w.customers[0], &c)
	want := sale{
		ID: sold[0].ID, Reference: entered.Number, Description: "PO-0", State: "processing", Party: c.Code + " " + c.Name, Currency: "EUR", Total: "18.19",
		Lines: []string{"SKU-0 1.0 u at 12.34 is 12.34", "SKU-3 3.0 u at 0.9405 is 2.82"},
	}
	if diff := cmp.Diff([]sale{want}, sold); diff != "" {
		t.Fatalf("the sale (-want +got):\n%s", diff)
	}

	invoices := erp.PostInvoices(sold[0].ID)
	if len(invoices) != 1 {
		t.Fatalf("the sale has %d invoices", len(invoices))
	}
	number := erp.Read("account.invoice", invoices[0], "number").(string)
	i := w.comesBack(invoice{
		Number: number, OrderID: entered.ID, CustomerID: w.customers[0], Currency: "EUR",
		Untaxed: "15.16", Tax: "3.03", Total: "18.19", Residual: "18.19", Status: "issued", PaymentStatus: "unpaid",
	})
	if entered.Total.String() != i.Total {
		t.Errorf("the order's total is %s, the invoice's %s", entered.Total, i.Total)
	}

	erp.Pay(invoices[0], "10")
	i.Residual, i.PaymentStatus = "8.19", "partial"
	w.comesBack(i)
	erp.Pay(invoices[0], "8.19")
	i.Residual, i.PaymentStatus = "0", "paid"
	w.comesBack(i)
	w.eventually(3*time.Minute, "both payments are back", func() error {
		var page struct{ Items []payment }
		w.get("/payments?customer_id="+w.customers[0]+"&sort=amount", &page)
		pay := func(amount string) payment {
			return payment{CustomerID: i.CustomerID, Currency: "EUR", Amount: amount, Status: "posted", Allocations: []allocation{{InvoiceID: i.ID, Amount: amount}}}
		}
		return differ([]payment{pay("8.19"), pay("10")}, page.Items)
	})
	w.eventually(3*time.Minute, "the order knows that it is billed and paid", func() error {
		type progress struct {
			Status  string `json:"status"`
			Billing string `json:"billing_status"`
			Payment string `json:"payment_status"`
		}
		var got progress
		w.get("/orders/"+entered.ID, &got)
		return differ(progress{"in_progress", "full", "full"}, got)
	})
}

// A hub that is killed while it pushes, again and again, brings every order to a real ERP exactly once, and through all
// its steps there.
func TestTrytonGetsEveryOrderOnceFromAKilledHub(t *testing.T) {
	erp := trytontest.Open(t)
	w := newWorld(t)
	w.prefix = runPrefix()
	w.pause = 1500 * time.Millisecond // so that there is something to push whenever it is killed
	w.connectTryton(erp, "1m")
	w.eventually(3*time.Minute, "customers and products are linked", func() error {
		var page struct{ Items []json.RawMessage }
		w.get("/links?state=linked&limit=100", &page)
		return differ(len(w.customers)+len(w.products), len(page.Items))
	})
	n := number(t, "CRMHUB_TEST_ORDERS", 500)
	began := time.Now()
	kills := w.enterAndKill(n, 20, 5*time.Second)
	t.Logf("entered %d orders through %d kills in %v", len(w.orders), kills, time.Since(began))
	w.eventually(8*time.Minute, "every order is in process", func() error {
		// Reading all the sales again and again would keep the ERP from its work.
		in := erp.Call("sale.sale.search_count", []any{[]any{"reference", "like", w.prefix + "%"}, []any{"state", "=", "processing"}})
		if n, err := in.(json.Number).Int64(); err != nil || n < int64(len(w.orders)) {
			return fmt.Errorf("%v of %d", in, len(w.orders))
		}
		return nil
	})
	w.must(w.inTryton(sales(erp, w.prefix)))
	t.Logf("all in process after %v", time.Since(began))
}

// connectTryton adds the ERP as a connection that is pulled from so often.
func (w *world) connectTryton(erp *trytontest.Server, every string) {
	w.t.Helper()
	w.command("connection", "add", "tryton", "erp", "--every", every, "--secret", "password="+erp.Password, "--set", "url="+erp.URL,
		"--set", "database="+trytontest.Database, "--set", "user="+trytontest.User, "--set", "account_category="+trytontest.Category)
}

// runPrefix sets one run's order numbers apart from those of other runs on the same server.
func runPrefix() string { return "T" + strconv.FormatInt(time.Now().UnixMilli(), 36) + "-" }

// sale is what Tryton holds of an order.
type sale struct {
	ID                                                    json.Number
	Reference, Description, State, Party, Currency, Total string
	Lines                                                 []string
}

// sales are the sales in Tryton whose references begin so.
func sales(erp *trytontest.Server, prefix string) []sale {
	type decimal struct{ Decimal string }
	var all []sale
	for {
		page := erp.Call("sale.sale.search_read", []any{[]any{"reference", "like", prefix + "%"}}, len(all), 200, []any{[]any{"id", "ASC"}}, []any{
			"reference", "description", "state", "currency.code", "total_amount", "party.code", "party.name",
			"lines.product.code", "lines.quantity", "lines.unit.symbol", "lines.unit_price", "lines.amount",
		})
		var read []struct {
			ID                            json.Number
			Reference, Description, State string
			Currency                      struct{ Code string }       `json:"currency."`
			Party                         struct{ Code, Name string } `json:"party."`
			Total                         decimal                     `json:"total_amount"`
			Lines                         []struct {
				Product  struct{ Code string } `json:"product."`
				Quantity json.Number
				Unit     struct{ Symbol string } `json:"unit."`
				Price    decimal                 `json:"unit_price"`
				Amount   decimal
			} `json:"lines."`
		}
		decode(page, &read)
		for _, r := range read {
			s := sale{
				ID: r.ID, Reference: r.Reference, Description: r.Description, State: r.State, Party: r.Party.Code + " " + r.Party.Name,
				Currency: r.Currency.Code, Total: r.Total.Decimal,
			}
			for _, l := range r.Lines {
				s.Lines = append(s.Lines, fmt.Sprint(l.Product.Code, " ", l.Quantity, " ", l.Unit.Symbol, " at ", l.Price.Decimal, " is ", l.Amount.Decimal))
			}
			all = append(all, s)
		}
		if len(read) < 200 {
			return all
		}
	}
}

// decode reads what was decoded before into something with a shape.
func decode(v, into any) {
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		panic(err)
	}
}

// inTryton compares what Tryton holds with what was entered: every order once, in process, with equal totals.
func (w *world) inTryton(sold []sale) error {
	seen := map[string]int{}
	var faults []error
	for _, s := range sold {
		seen[s.Reference]++
		want, ok := w.orders[s.Reference]
		switch total, err := decimal.NewFromString(s.Total); {
		case !ok:
			faults = append(faults, fmt.Errorf("order %q was never entered", s.Reference))
		case seen[s.Reference] == 2:
			faults = append(faults, fmt.Errorf("DUPLICATE: order %s", s.Reference))
		case err != nil || !total.Equal(want.Total):
			faults = append(faults, fmt.Errorf("order %s: %s here, %s there", s.Reference, want.Total, s.Total))
		case s.State != "processing":
			faults = append(faults, fmt.Errorf("order %s: %s there", s.Reference, s.State))
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

// invoice and payment are what the hub holds.
type invoice struct {
	ID            string `json:"id"`
	Number        string `json:"number"`
	OrderID       string `json:"order_id"`
	CustomerID    string `json:"customer_id"`
	Currency      string `json:"currency"`
	Untaxed       string `json:"untaxed"`
	Tax           string `json:"tax"`
	Total         string `json:"total"`
	Residual      string `json:"residual"`
	Status        string `json:"status"`
	PaymentStatus string `json:"payment_status"`
}

type payment struct {
	CustomerID  string       `json:"customer_id"`
	Currency    string       `json:"currency"`
	Amount      string       `json:"amount"`
	Status      string       `json:"status"`
	Allocations []allocation `json:"allocations"`
}

type allocation struct {
	InvoiceID string `json:"invoice_id"`
	Amount    string `json:"amount"`
}

// comesBack waits until the hub's invoice is as wanted, and returns it with its id.
func (w *world) comesBack(want invoice) invoice {
	w.t.Helper()
	w.eventually(3*time.Minute, "invoice "+want.Number+" is back", func() error {
		var page struct{ Items []invoice }
		w.get("/invoices?number="+url.QueryEscape(want.Number), &page)
		if want.ID == "" && len(page.Items) == 1 {
			want.ID = page.Items[0].ID
		}
		return differ([]invoice{want}, page.Items)
	})
	return want
}

func (w *world) get(path string, out any) {
	w.t.Helper()
	_, err := w.call(http.MethodGet, path, nil, out)
	w.must(err)
}

// differ is an error that says in what two values differ; nil if they do not.
func differ(want, got any) error {
	if diff := cmp.Diff(want, got); diff != "" {
		return errors.New("(-want +got):\n" + diff)
	}
	return nil
}
