//go:build system

package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crmhub/connectors/simulator"
)

// What goes apart behind the hub's back is found, mended and proven, with a report that an auditor verifies.
func TestReconciliationFindsMendsAndProves(t *testing.T) {
	sim := startSimulator(t, simulator.Config{})
	w := newWorld(t)
	w.connectSimulator(sim)
	w.must(w.enter(40))
	w.eventually(2*time.Minute, "every order is in the ERP", func() error { return w.inERP(sim.ERP.Snapshot().Orders) })
	w.eventually(2*time.Minute, "both sides are equal", func() error {
		_, err := w.try("reconcile", "run", "erp", "order")
		return err
	})

	// Nobody mends it before it was found.
	var jobs struct{ Items []struct{ ID string } }
	_, err := w.call(http.MethodGet, "/jobs", nil, &jobs)
	w.must(err)
	for _, j := range jobs.Items {
		_, err := w.call(http.MethodPost, "/jobs/"+j.ID+"/pause", nil, nil)
		w.must(err)
	}
	for _, status := range []string{"queued", "running"} { // what was asked for before
		w.eventually(2*time.Minute, "no run is "+status, func() error {
			var runs struct{ Items []struct{ ID string } }
			if _, err := w.call(http.MethodGet, "/runs?status="+status, nil, &runs); err != nil || len(runs.Items) > 0 {
				return fmt.Errorf("%d, %w", len(runs.Items), err)
			}
			return nil
		})
	}
	erp := remoteERP{t: t, url: sim.ERPURL()}
	orders := erp.orders()
	erp.change(orders[3], "note", "written in the ERP")
	erp.change(orders[4], "your_ref", "changed in the ERP")
	erp.create(orders[5]) // posted twice: the worst that can happen

	out, err := w.try("reconcile", "run", "erp", "order", "--json")
	if err == nil {
		t.Fatal("it says that both sides are equal")
	}
	var r struct {
		ID      string
		Verdict string
		Counts  struct{ Ours, Theirs, Equal, Different, Duplicate int }
		Sums    []struct {
			Currency, Month, Ours, Theirs string
			Equal                         bool
		}
	}
	w.must(json.Unmarshal([]byte(out), &r))
	if r.Verdict != "differs" || r.Counts.Ours != 40 || r.Counts.Theirs != 41 || r.Counts.Equal != 38 || r.Counts.Different != 2 || r.Counts.Duplicate != 1 {
		t.Errorf("%s", out)
	}
	if len(r.Sums) != 1 || r.Sums[0].Equal || r.Sums[0].Month != "2026-11" {
		t.Errorf("an order that is there twice leaves the sums as they are: %+v", r.Sums)
	}
	shown := w.command("reconcile", "show", "erp", "order")
	for _, want := range []string{"remark", `"written in the ERP" there`, "client_ref", "duplicate", "DIFFERENT by -"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not shown:\n%s", want, shown)
		}
	}

	// One of the two goes each way.
	differences := w.differences(r.ID)
	for _, d := range differences {
		switch {
		case d.Kind == "duplicate":
			w.command("reconcile", "mend", r.ID, "ignore", d.ID, "--reason", "cancelled there by hand")
		case d.Fields[0].Field == "remark":
			w.command("reconcile", "mend", r.ID, "pull", d.ID)
		default:
			w.command("reconcile", "mend", r.ID, "push", d.ID)
		}
	}
	report := filepath.Join(t.TempDir(), "report.jsonl")
	w.must(os.WriteFile(report, []byte(w.command("reconcile", "report", r.ID)), 0o600))
	if out := w.command("reconcile", "verify", report, "--key", strings.TrimSpace(w.command("reconcile", "key"))); !strings.Contains(out, "The signature of main holds") {
		t.Errorf("%s", out)
	}
	b, err := os.ReadFile(report)
	w.must(err)
	w.must(os.WriteFile(report, bytes.Replace(b, []byte("written in the ERP"), []byte("never written there"), 1), 0o600))
	if out, err := w.try("reconcile", "verify", report); err == nil {
		t.Errorf("a forged report verifies: %s", out)
	}

	w.eventually(2*time.Minute, "both sides are equal again", func() error {
		_, err := w.try("reconcile", "run", "erp", "order")
		return err
	})
	for _, o := range erp.orders() {
		if o["order_id"] == orders[4]["order_id"] && o["your_ref"] == "changed in the ERP" {
			t.Error("what was pushed is not in the ERP")
		}
	}
	var all struct{ Items []order }
	_, err = w.call(http.MethodGet, "/orders?remark=written+in+the+ERP", nil, &all)
	if w.must(err); len(all.Items) != 1 {
		t.Errorf("%d orders have what was pulled", len(all.Items))
	}
}

type difference struct {
	ID, Kind string
	Fields   []struct{ Field string }
}

func (w *world) differences(of string) []difference {
	w.t.Helper()
	var page struct{ Items []difference }
	_, err := w.call(http.MethodGet, "/reconciliations/"+of+"/differences", nil, &page)
	w.must(err)
	return page.Items
}

// try runs a command that may fail.
func (h *hub) try(args ...string) (string, error) {
	cmd := exec.Command(program, args...)
	cmd.Env = h.env
	out, err := cmd.Output()
	if ended, ok := err.(*exec.ExitError); ok { //nolint:errorlint // Output returns no other
		return string(out), fmt.Errorf("%w: %s", err, ended.Stderr)
	}
	return string(out), err
}

// remoteERP speaks to the simulated ERP as its own users would.
type remoteERP struct {
	t   testing.TB
	url string
}

func (e remoteERP) call(method, path string, in, out any, header ...string) {
	e.t.Helper()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			e.t.Fatal(err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(e.t.Context(), method, e.url+path, body)
	if err != nil {
		e.t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", apiKey)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	r, err := client.Do(req)
	if err != nil {
		e.t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode >= 300 {
		e.t.Fatalf("%s %s: %s %s %v", method, path, r.Status, b, err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(out); err != nil {
		e.t.Fatal(err)
	}
}

func (e remoteERP) orders() []map[string]any {
	e.t.Helper()
	var page struct{ Data []map[string]any }
	e.call(http.MethodGet, "/orders?limit=100", nil, &page)
	return page.Data
}

func (e remoteERP) change(o map[string]any, field string, to any) {
	e.t.Helper()
	e.call(http.MethodPut, fmt.Sprint("/orders/", o["order_id"]), e.writable(o, field, to), &map[string]any{}, "If-Match", fmt.Sprint(o["rev"]))
}

func (e remoteERP) create(o map[string]any) {
	e.t.Helper()
	e.call(http.MethodPost, "/orders", e.writable(o, "note", o["note"]), &map[string]any{})
}

// writable is an order with a field set, without what only the ERP sets.
func (e remoteERP) writable(o map[string]any, field string, to any) map[string]any {
	in := map[string]any{}
	for name, v := range o {
		switch name {
		case "order_id", "rev", "changed", "net", "vat", "gross":
		default:
			in[name] = v
		}
	}
	in[field] = to
	if in[field] == nil {
		delete(in, field)
	}
	return in
}
