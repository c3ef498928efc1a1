package simulator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
	"go.uber.org/goleak"

	"crmhub/connectors/simulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const apiKey = "test-key"

// remote is a running simulator and a caller of it.
type remote struct {
	*simulator.Server
	t      testing.TB
	client *http.Client
}

func start(t testing.TB, config simulator.Config) remote {
	t.Helper()
	config.APIKey, config.Logger = apiKey, slog.New(slog.DiscardHandler)
	s, err := simulator.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return remote{s, t, &http.Client{Transport: transport}}
}

// try sends a request and returns status and body; an error is a connection that broke or a time that was up.
func (r remote) try(ctx context.Context, method, url, body string, header ...string) (*http.Response, map[string]any, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", apiKey)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var doc map[string]any
	if err := dec.Decode(&doc); err != nil {
		r.t.Fatalf("%s %s: %v: %q", method, url, err, b)
	}
	return resp, doc, nil
}

// do is try for what must succeed with a status.
func (r remote) do(status int, method, url, body string, header ...string) map[string]any {
	r.t.Helper()
	resp, doc, err := r.try(r.t.Context(), method, url, body, header...)
	if err != nil {
		r.t.Fatal(err)
	}
	if resp.StatusCode != status {
		r.t.Fatalf("%s %s: %s, not %d: %v", method, url, resp.Status, status, doc)
	}
	return doc
}

const (
	party   = `{"external_ref": "ALFKI", "name1": "Alfreds Futterkiste", "category": "ORG", "blocked": false, "addresses": []}`
	article = `{"external_ref": "NW-001", "title": "Chai", "uom": "PCE", "price_per_100": 1800, "vat": 0.2, "phase": "ACTIVE"}`
	client  = `{"external_ref": "ALFKI", "company": "Alfreds Futterkiste"}`
)

// order has two tax rates and a rebate: 3 × 18.00 − 5 % = 51.30 + 20 %, and 1 × 1.05 + 10 %.
func order(reference string) string {
	return fmt.Sprintf(`{"external_ref": %q, "party_no": "K10001", "doc_date": "20260105", "currency": "USD", "positions": [
		{"article_no": "A20001", "text": "Chai", "quantity": 3, "price_per_100": 1800, "rebate": 0.05, "vat_rate": 0.2},
		{"text": "Freight", "quantity": 1, "price_per_100": 105, "rebate": 0, "vat_rate": 0.1}]}`, reference)
}

// trade creates the party, the article and the client that order refers to.
func (r remote) trade() {
	r.t.Helper()
	r.do(http.StatusCreated, "POST", r.ERPURL()+"/parties", party)
	r.do(http.StatusCreated, "POST", r.ERPURL()+"/articles", article)
	r.do(http.StatusCreated, "POST", r.FinanceURL()+"/clients", client)
}

func TestAnOrderGoesItsWayUntilItIsPaid(t *testing.T) {
	t.Parallel()
	r := start(t, simulator.Config{})
	r.trade()
	for i := range 5 {
		r.do(http.StatusCreated, "POST", r.ERPURL()+"/orders", order(fmt.Sprint("O", i+1)))
	}
	type world struct {
		Order, Fifth, Invoice, FifthInvoice string
		Payments                            int
	}
	var got []world
	for range 6 {
		erp, finance := r.ERP.Snapshot(), r.Finance.Snapshot()
		w := world{Order: erp.Orders[0].State, Fifth: erp.Orders[4].State, Payments: len(finance.Payments)}
		if len(finance.Invoices) == 5 {
			w.Invoice, w.FifthInvoice = finance.Invoices[0].State, finance.Invoices[4].State
		}
		got = append(got, w)
		r.Tick()
	}
	want := []world{
		{"received", "received", "", "", 0},
		{"confirmed", "confirmed", "", "", 0},
		{"shipped", "shipped", "", "", 0},
		{"invoiced", "invoiced", "open", "open", 0},
		{"invoiced", "invoiced", "paid", "part_paid", 5},
		{"invoiced", "invoiced", "paid", "paid", 6},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	sum := func(of []simulator.Document) (s decimal.Decimal) {
		for _, d := range of {
			s = s.Add(d.Total)
		}
		return s
	}
	erp, finance := r.ERP.Snapshot(), r.Finance.Snapshot()
	for what, got := range map[string]decimal.Decimal{"orders": sum(erp.Orders), "invoices": sum(finance.Invoices), "payments": sum(finance.Payments)} {
		if want := decimal.RequireFromString("313.60"); !got.Equal(want) { // 5 × (51.30 + 10.26 + 1.05 + 0.11)
			t.Errorf("%s: %s, not %s", what, got, want)
		}
	}
}

func TestAnOrderWaitsForItsClient(t *testing.T) {
	t.Parallel()
	r := start(t, simulator.Config{})
	r.do(http.StatusCreated, "POST", r.ERPURL()+"/parties", party)
	r.do(http.StatusCreated, "POST", r.ERPURL()+"/articles", article)
	r.do(http.StatusCreated, "POST", r.ERPURL()+"/orders", order("O1"))
	for range 5 {
		r.Tick()
	}
	if got := r.ERP.Snapshot().Orders[0].State; got != "received" {
		t.Errorf("without a client the order is %s, not received", got)
	}
	r.do(http.StatusCreated, "POST", r.FinanceURL()+"/clients", client)
	r.Tick()
	if got := r.ERP.Snapshot().Orders[0].State; got != "confirmed" {
		t.Errorf("with a client the order is %s, not confirmed", got)
	}
}

func TestARepeatedCreateIsDroppedOnlyWithAnIdempotencyKey(t *testing.T) {
	t.Parallel()
	r := start(t, simulator.Config{})
	first := r.do(http.StatusCreated, "POST", r.ERPURL()+"/parties", party, "Idempotency-Key", "1")
	again := r.do(http.StatusOK, "POST", r.ERPURL()+"/parties", party, "Idempotency-Key", "1")
	if diff := cmp.Diff(first, again); diff != "" {
		t.Error(diff)
	}
	r.do(http.StatusCreated, "POST", r.ERPURL()+"/articles", article, "Idempotency-Key", "1")
	for range 2 {
		r.do(http.StatusCreated, "POST", r.ERPURL()+"/orders", order("O1"), "Idempotency-Key", "1")
	}
	r.do(http.StatusCreated, "POST", r.FinanceURL()+"/clients", client)
	r.do(http.StatusConflict, "POST", r.FinanceURL()+"/clients", client)
	erp, finance := r.ERP.Snapshot(), r.Finance.Snapshot()
	got := []int{len(erp.Customers), len(erp.Products), len(erp.Orders), len(finance.Customers)}
	if diff := cmp.Diff([]int{1, 1, 2, 1}, got); diff != "" {
		t.Error(diff)
	}
	found := r.do(http.StatusOK, "GET", r.ERPURL()+"/orders?external_ref=O1", "")
	if n := len(found["data"].([]any)); n != 2 {
		t.Errorf("%d orders found by reference, not 2", n)
	}
}

func TestAnUpdateMustHaveSeenTheLastOne(t *testing.T) {
	t.Parallel()
	r := start(t, simulator.Config{})
	r.trade()
	changed := `{"external_ref": "another", "name1": "Alfred", "category": "PER", "blocked": true, "addresses": []}`
	r.do(http.StatusOK, "PUT", r.ERPURL()+"/parties/K10001", changed, "If-Match", `"1"`)
	r.do(http.StatusPreconditionFailed, "PUT", r.ERPURL()+"/parties/K10001", changed, "If-Match", `"1"`)
	got := r.do(http.StatusOK, "GET", r.ERPURL()+"/parties/K10001", "")
	delete(got, "changed")
	want := map[string]any{
		"party_no": "K10001", "rev": json.Number("2"), "external_ref": "another", "name1": "Alfred", "category": "PER", "blocked": true,
		"addresses": []any{},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	r.do(http.StatusUnprocessableEntity, "POST", r.ERPURL()+"/orders", order("O1")) // the party is blocked now
}

func TestCallersSayWhetherAnOrderGoesItsWay(t *testing.T) {
	t.Parallel()
	r := start(t, simulator.Config{})
	r.trade()
	with := func(state string) string {
		return strings.Replace(order("O1"), `{"external_ref"`, `{"state": "`+state+`", "external_ref"`, 1)
	}
	r.do(http.StatusLocked, "POST", r.ERPURL()+"/orders", with("shipped"))
	r.do(http.StatusCreated, "POST", r.ERPURL()+"/orders", with("parked"))
	steps := []struct {
		wanted string
		status int
		state  string // after a tick
	}{
		{"offered", http.StatusOK, "offered"},
		{"received", http.StatusOK, "confirmed"},
		{"blocked", http.StatusOK, "blocked"},
		{"received", http.StatusOK, "confirmed"},
		{"shipped", http.StatusLocked, "shipped"}, // the ERP itself shipped it
		{"received", http.StatusOK, "invoiced"},   // it is what is stored: nothing changes
	}
	for i, step := range steps {
		r.do(step.status, "PUT", r.ERPURL()+"/orders/500001", with(step.wanted))
		r.Tick()
		if got := r.ERP.Snapshot().Orders[0].State; got != step.state {
			t.Errorf("step %d: the order is %s, not %s", i+1, got, step.state)
		}
	}
	for _, wanted := range []string{"cancelled", "closed"} {
		made := r.do(http.StatusCreated, "POST", r.ERPURL()+"/orders", with("received"))
		path := r.ERPURL() + "/orders/" + made["order_id"].(json.Number).String()
		if wanted == "closed" {
			r.do(http.StatusLocked, "PUT", path, with(wanted))
			r.Tick()
			r.Tick()
		}
		r.do(http.StatusOK, "PUT", path, with(wanted))
		r.Tick()
		r.do(http.StatusLocked, "PUT", path, strings.Replace(with(wanted), "Freight", "Postage", 1))
		if got := r.do(http.StatusOK, "GET", path, "")["state"]; got != wanted {
			t.Errorf("the %s order is %s", wanted, got)
		}
	}
	if got := len(r.Finance.Snapshot().Invoices); got != 1 {
		t.Errorf("%d orders were billed, not 1", got)
	}
}

func TestPagesGiveEveryChangeOnce(t *testing.T) {
	t.Parallel()
	r := start(t, simulator.Config{})
	r.trade()
	const n = 25
	for i := range n {
		r.do(http.StatusCreated, "POST", r.ERPURL()+"/orders", order(fmt.Sprint("O", i)))
	}
	r.Tick() // all change at the same time
	from := ""
	read := func() (ids []string) {
		q := url.Values{"changed_from": {from}, "limit": {"7"}}
		for {
			p := r.do(http.StatusOK, "GET", r.ERPURL()+"/orders?"+q.Encode(), "")
			for _, record := range p["data"].([]any) {
				o := record.(map[string]any)
				from = o["changed"].(string)
				ids = append(ids, o["order_id"].(json.Number).String())
			}
			cursor, more := p["next"].(string)
			if !more {
				return ids
			}
			q.Set("cursor", cursor)
		}
	}
	want := make([]string, n)
	for i := range want {
		want[i] = fmt.Sprint(500001 + i)
	}
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("the first time: %s", diff)
	}
	for range 3000 { // so often that the table throws the old changes away
		r.do(http.StatusOK, "PUT", r.ERPURL()+"/orders/500003", order("O2"))
	}
	want = append(slices.Delete(want, 2, 3), "500003")
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("since the last time, inclusive: %s", diff)
	}
	if diff := cmp.Diff([]string{"500003"}, read()); diff != "" {
		t.Errorf("since the last time, once more: %s", diff)
	}
}

func TestAWrongKeyIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t, simulator.Config{})
	r.do(http.StatusUnauthorized, "GET", r.ERPURL()+"/ping", "", "X-Api-Key", "guess")
	r.do(http.StatusOK, "GET", r.FinanceURL()+"/ping", "")
}

func TestFaultsDoWhatTheySay(t *testing.T) {
	t.Parallel()
	short := func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, 50*time.Millisecond)
	}
	tests := map[string]struct {
		faults simulator.Faults
		status int // 0: no answer
		stored int
		fault  simulator.Fault
	}{
		"too many":          {simulator.Faults{TooMany: 1, RetryAfter: 3 * time.Second}, http.StatusTooManyRequests, 0, simulator.TooMany},
		"error before":      {simulator.Faults{ErrorBefore: 1}, http.StatusInternalServerError, 0, simulator.ErrorBefore},
		"connection before": {simulator.Faults{CloseBefore: 1}, 0, 0, simulator.CloseBefore},
		"error after":       {simulator.Faults{ErrorAfter: 1}, http.StatusInternalServerError, 1, simulator.ErrorAfter},
		"hang after":        {simulator.Faults{HangAfter: 1}, 0, 1, simulator.HangAfter},
		"hang to the end":   {simulator.Faults{HangAfter: 1, MaxHang: time.Millisecond}, 0, 1, simulator.HangAfter},
		"connection after":  {simulator.Faults{CloseAfter: 1}, 0, 1, simulator.CloseAfter},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, simulator.Config{ERP: tt.faults})
			ctx, cancel := short(t.Context())
			if tt.fault != simulator.HangAfter {
				ctx = t.Context()
			}
			defer cancel()
			resp, _, err := r.try(ctx, "POST", r.ERPURL()+"/parties", party)
			status := 0
			if err == nil {
				status = resp.StatusCode
			}
			if status != tt.status {
				t.Errorf("the answer is %d (%v), not %d", status, err, tt.status)
			}
			if tt.faults.RetryAfter > 0 && resp.Header.Get("Retry-After") != "3" {
				t.Errorf("Retry-After is %q, not 3", resp.Header.Get("Retry-After"))
			}
			got := r.ERP.Snapshot()
			if len(got.Customers) != tt.stored {
				t.Errorf("%d parties are stored, not %d", len(got.Customers), tt.stored)
			}
			if diff := cmp.Diff(map[simulator.Fault]int{tt.fault: 1}, got.Faults); diff != "" {
				t.Error(diff)
			}
			r.ERP.SetFaults(simulator.Faults{})
			r.do(http.StatusCreated, "POST", r.ERPURL()+"/parties", party)
		})
	}
}

func TestTheSameSeedGivesTheSameFaults(t *testing.T) {
	t.Parallel()
	var runs [2][]int
	for i := range runs {
		r := start(t, simulator.Config{ERP: simulator.Faults{Seed: 7, TooMany: 0.3, ErrorBefore: 0.3}})
		for range 50 {
			resp, _, err := r.try(t.Context(), "GET", r.ERPURL()+"/ping", "")
			if err != nil {
				t.Fatal(err)
			}
			runs[i] = append(runs[i], resp.StatusCode)
		}
	}
	if diff := cmp.Diff(runs[0], runs[1]); diff != "" {
		t.Error(diff)
	}
}

func TestMoreThanTheLimitIsTooMany(t *testing.T) {
	t.Parallel()
	r := start(t, simulator.Config{ERP: simulator.Faults{PerSecond: 0.001}})
	r.do(http.StatusOK, "GET", r.ERPURL()+"/ping", "")
	r.do(http.StatusTooManyRequests, "GET", r.ERPURL()+"/ping", "")
}

func BenchmarkCreateOrder(b *testing.B) {
	r := start(b, simulator.Config{})
	r.trade()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r.do(http.StatusCreated, "POST", r.ERPURL()+"/orders", order("O1"))
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}

func TestFinanceNamesTheNextPagesAddress(t *testing.T) {
	t.Parallel()
	r := start(t, simulator.Config{})
	for i := range 5 {
		r.do(http.StatusCreated, "POST", r.FinanceURL()+"/clients", fmt.Sprintf(`{"external_ref": "C%d", "company": "Company"}`, i))
	}
	var got []string
	for next := r.FinanceURL() + "/clients?limit=2"; next != ""; {
		p := r.do(http.StatusOK, "GET", next, "")
		for _, record := range p["items"].([]any) {
			got = append(got, record.(map[string]any)["id"].(string))
		}
		next, _ = p["next_url"].(string)
	}
	if diff := cmp.Diff([]string{"cl_000001", "cl_000002", "cl_000003", "cl_000004", "cl_000005"}, got); diff != "" {
		t.Error(diff)
	}
}
