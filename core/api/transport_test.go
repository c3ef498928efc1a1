package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestWhatIsNoRequestOfThisAPI(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.make("customer", "/customers", `{"name":"Neu"}`)
	h.play([]scenario{
		{name: "nobody", method: "GET", path: "/customers", headers: []string{"Authorization:"}, status: 401, has: []string{`Www-Authenticate: Bearer realm="crmhub"`, `problem:unauthenticated`}},
		{name: "unknown token", method: "GET", path: "/customers", headers: []string{"Authorization: Bearer chb_x"}, status: 401},
		{name: "another scheme", method: "GET", path: "/customers", headers: []string{"Authorization: Basic YTpi"}, status: 401},
		{name: "not UTF-8", method: "POST", path: "/customers", body: "{\"name\":\"a\xffb\"}", status: 400, has: []string{"well-formed JSON in UTF-8"}},
		{name: "nobody is told before what is wrong", method: "POST", path: "/customers", body: `{"surname":1}`, headers: []string{"Authorization:"}, status: 401, hasNot: []string{"surname"}},
		{name: "unknown session", method: "GET", path: "/customers", headers: []string{"Authorization:", "Cookie: crmhub_session=x"}, status: 401},

		{name: "no such path", method: "GET", path: "/cats", status: 404, has: []string{"openapi.json"}},
		{name: "no such method", method: "PUT", path: "/customers", status: 405, has: []string{"Allow: GET, POST", `"allowed":["GET","POST"]`}},
		{name: "form", method: "POST", path: "/customers", body: "name=x", headers: []string{"Content-Type: application/x-www-form-urlencoded"}, status: 415, has: []string{"Accept-Post: application/json"}},
		{name: "no media type", method: "POST", path: "/customers", body: "{}", headers: []string{"Content-Type:"}, status: 415},
		{name: "another charset", method: "POST", path: "/customers", body: "{}", headers: []string{"Content-Type: application/json; charset=latin1"}, status: 415},
		{name: "the usual charset", method: "POST", path: "/customers", body: `{"name":"x"}`, headers: []string{"Content-Type: application/json; charset=UTF-8"}, status: 201},
		{name: "no JSON", method: "POST", path: "/customers", body: `{"name":`, status: 400, has: []string{`problem:syntax`}},
		{name: "two documents", method: "POST", path: "/customers", body: `{"name":"x"}{}`, status: 400},
		{name: "a list", method: "POST", path: "/customers", body: `[]`, status: 422, has: []string{`"pointer":""`, `"rule":"type"`}},
		{name: "a name twice", method: "POST", path: "/customers", body: `{"name":"x","name":"y","ext":{"a":1,"b":[{"c":1,"c":1}]}}`, status: 422, has: []string{`"pointer":"/name"`, `"pointer":"/ext/b/0/c"`, `"rule":"json"`}},
		{name: "no body", method: "POST", path: "/customers", headers: []string{"Content-Type: application/json"}, status: 400},
		{name: "too much", method: "POST", path: "/customers", body: `{"name":"` + strings.Repeat("x", 1<<20) + `"}`, status: 413, has: []string{`problem:too-large`}},
		{name: "a body where there is none", method: "GET", path: "/customers", body: `{}`, status: 400},
		{name: "unknown parameter", method: "GET", path: "/me?x=1", status: 400, has: []string{`"parameter":"x"`}},
		{name: "a key of no form", method: "POST", path: "/customers", body: `{"name":"x"}`, headers: []string{"Idempotency-Key: a b"}, status: 400, has: []string{`"parameter":"Idempotency-Key"`}},
	})
}

func TestAnswersCarryTheRequestsIDAndKeepBrowsersCareful(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.play([]scenario{
		{name: "given", method: "GET", path: "/me", headers: []string{"X-Request-Id: proxy-0001"}, status: 200, has: []string{"X-Request-Id: proxy-0001", "X-Content-Type-Options: nosniff", "Cache-Control: no-store", "Content-Security-Policy: default-src 'none'"}},
		{name: "of no form", method: "GET", path: "/cats", headers: []string{"X-Request-Id: a b"}, status: 404, hasNot: []string{"a b"}},
		{name: "in problems", method: "GET", path: "/cats", headers: []string{"X-Request-Id: proxy-0002"}, status: 404, has: []string{`"instance":"urn:crmhub:request:proxy-0002"`}},
	})
}

func TestSessionCookieCountsForOwnPagesOnly(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	cookie := []string{"Authorization:", "Cookie: crmhub_session=" + h.signIn()}
	h.play([]scenario{
		{name: "read", method: "GET", path: "/me", headers: cookie, status: 200, has: []string{`"actor":"user:`}},
		{name: "write", method: "POST", path: "/customers", body: `{"name":"x"}`, headers: append(cookie, "Sec-Fetch-Site: same-origin"), status: 201},
		{name: "write from elsewhere", method: "POST", path: "/customers", body: `{"name":"x"}`, headers: append(cookie, "Sec-Fetch-Site: cross-site"), status: 403, has: []string{`problem:cross-origin`}},
		{name: "a token from elsewhere", method: "POST", path: "/customers", body: `{"name":"x"}`, headers: []string{"Sec-Fetch-Site: cross-site"}, status: 201},
	})
}

func TestLogAndMetricsSayWhichRouteButNoData(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	h.request(http.MethodGet, "/customers?name=Secretname", "", "Traceparent: 00-"+trace+"-00f067aa0ba902b7-01")
	h.request(http.MethodPost, "/customers", `{"name":"Secretname"}`)
	h.request("BREW", "/cats", "")
	log := h.log.String()
	if strings.Contains(log, "Secretname") || strings.Contains(log, h.tokenA) {
		t.Errorf("the log tells too much:\n%s", log)
	}
	if !strings.Contains(log, "method=GET route=/api/v1/customers status=200") {
		t.Errorf("the log lacks the request:\n%s", log)
	}
	const want = `
# HELP crmhub_api_requests_total Requests answered by the REST API.
# TYPE crmhub_api_requests_total counter
crmhub_api_requests_total{method="GET",route="/api/v1/customers",status="200"} 1
crmhub_api_requests_total{method="POST",route="/api/v1/customers",status="201"} 1
crmhub_api_requests_total{method="other",route="none",status="404"} 1
`
	if err := testutil.GatherAndCompare(h.registry, strings.NewReader(want), "crmhub_api_requests_total"); err != nil {
		t.Error(err)
	}
}

func TestWritesCarryTheTraceToTheOutbox(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	const given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	h.request(http.MethodPost, "/customers", `{"name":"a"}`, "Traceparent: "+given)
	h.request(http.MethodPost, "/customers", `{"name":"b"}`, "Traceparent: nonsense")
	traces := h.traces()
	if len(traces) != 2 || traces[0] != given || len(traces[1]) != len(given) {
		t.Errorf("got %q", traces)
	}
}

func TestClientThatLeftGetsNothing(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/v1/customers", nil)
	r.Header.Set("Authorization", "Bearer "+h.tokenA)
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	if w.Code != 499 || w.Body.Len() != 0 || strings.Contains(h.log.String(), "level=ERROR") {
		t.Errorf("got %d %s\n%s", w.Code, w.Body, h.log.String())
	}
}

func TestFailureSaysNothingButTheRequest(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.db.Close()
	w := h.request(http.MethodGet, "/customers", "")
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "pool") || !strings.Contains(w.Body.String(), "urn:crmhub:request:") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if !strings.Contains(h.log.String(), "closed pool") {
		t.Errorf("the log does not say why:\n%s", h.log.String())
	}
}

func TestWriteThatLostItsSessionMayBeRepeated(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.make("customer", "/customers", `{"name":"Neu"}`)
	answer := make(chan *httptest.ResponseRecorder)
	err := h.db.As(t.Context(), h.principalA, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "select from customers for update"); err != nil {
			return err
		}
		go func() { answer <- h.request(http.MethodDelete, "/customers/{customer}", "", "If-Match: *") }()
		if _, err := tx.Exec(t.Context(), "reset role"); err != nil {
			return err
		}
		const sql = `select count(pg_terminate_backend(pid)) > 0 from pg_locks w where not granted and exists (select from pg_locks o
			where o.pid = w.pid and o.database = (select oid from pg_database where datname = current_database()))`
		until(t, "the request waits and is killed", func() (killed bool, err error) {
			err = tx.QueryRow(t.Context(), sql).Scan(&killed)
			return killed, err
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if w := <-answer; w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}
