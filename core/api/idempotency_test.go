package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

func TestWriteHappensOncePerKey(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	const body = `{"name":"Neu"}`
	first := h.request(http.MethodPost, "/customers", body, "Idempotency-Key: k1")
	again := h.request(http.MethodPost, "/customers", body, "Idempotency-Key: k1")
	if first.Code != http.StatusCreated || again.Header().Get("Idempotency-Replayed") != "true" {
		t.Errorf("got %d %s, then %d %s", first.Code, first.Header(), again.Code, again.Header())
	}
	if d := cmp.Diff(first.Body.String(), again.Body.String()); d != "" {
		t.Error(d)
	}
	for _, name := range []string{"Etag", "Location", "Content-Type"} {
		if a, b := first.Header().Get(name), again.Header().Get(name); a != b || a == "" {
			t.Errorf("%s was %q, then %q", name, a, b)
		}
	}
	h.play([]scenario{
		{name: "one was made", method: "GET", path: "/customers?sort=code", status: 200, has: []string{`"C-000001"`}, hasNot: []string{`"C-000002"`}},
		{name: "another body", method: "POST", path: "/customers", body: `{"name":"Other"}`, headers: []string{"Idempotency-Key: k1"}, status: 422, has: []string{`problem:key-reused`, `"parameter":"Idempotency-Key"`}},
		{name: "another path", method: "POST", path: "/contacts", body: body, headers: []string{"Idempotency-Key: k1"}, status: 422, has: []string{`problem:key-reused`}},
		{name: "another organization", method: "POST", path: "/customers", body: body, headers: []string{"Idempotency-Key: k1", "Authorization: Bearer " + h.tokenB}, status: 201, hasNot: []string{"Replayed"}},
		{name: "a failure is not kept", method: "POST", path: "/customers", body: `{"name":""}`, headers: []string{"Idempotency-Key: k2"}, status: 422},
		{name: "so its key is free", method: "POST", path: "/customers", body: body, headers: []string{"Idempotency-Key: k2"}, status: 201},
	})
	h.make("customer", "/customers", body)
	h.play([]scenario{
		{name: "no key", method: "POST", path: "/customers", body: body, headers: []string{"Idempotency-Key: é"}, status: 400, has: []string{`"parameter":"Idempotency-Key"`, "visible ASCII"}},
		{name: "no key, for what writes nothing", method: "POST", path: "/customers/{customer}/erase", body: `{"dry_run":true,"reason":"asked"}`, headers: []string{"Idempotency-Key: é"}, status: 400, has: []string{`"parameter":"Idempotency-Key"`}},
		{name: "delete", method: "DELETE", path: "/customers/{customer}", headers: []string{"Idempotency-Key: k3", `If-Match: "1"`}, status: 204},
		{name: "delete again", method: "DELETE", path: "/customers/{customer}", headers: []string{"Idempotency-Key: k3", `If-Match: "1"`}, status: 204, has: []string{"Idempotency-Replayed: true"}},
	})
}

func TestRequestInFlightIsNotRunTwice(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.make("customer", "/customers", `{"name":"Neu"}`)
	const body = `{"name":"Neuer"}`
	done := make(chan string)
	err := h.db.As(t.Context(), h.principalA, func(tx pgx.Tx) error {
		// While this transaction holds the row, the first request waits for it, with its key.
		if _, err := tx.Exec(t.Context(), "select from customers for update"); err != nil {
			return err
		}
		go func() {
			w := h.request(http.MethodPatch, "/customers/{customer}", body, `If-Match: "1"`, "Idempotency-Key: k")
			done <- w.Body.String()
		}()
		const sql = "select exists (select from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database()))"
		until(t, "the first request takes its key", func() (waiting bool, err error) {
			err = tx.QueryRow(t.Context(), sql).Scan(&waiting)
			return waiting, err
		})
		w := h.request(http.MethodPatch, "/customers/{customer}", body, `If-Match: "1"`, "Idempotency-Key: k")
		if w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "problem:in-flight") || w.Header().Get("Retry-After") == "" {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if first := <-done; !strings.Contains(first, `"version":2`) {
		t.Errorf("the first request got %s", first)
	}
}
