package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// scenario is one request and what must and must not be in its answer, headers ("Etag: ...") included.
type scenario struct {
	name    string
	method  string
	path    string
	body    string
	headers []string
	status  int
	has     []string
	hasNot  []string
}

func (h *hub) play(scenarios []scenario) {
	h.t.Helper()
	for _, s := range scenarios {
		w := h.request(s.method, s.path, s.body, s.headers...)
		var answer strings.Builder
		_ = w.Header().Write(&answer)
		answer.WriteString(w.Body.String())
		if w.Code != s.status {
			h.t.Errorf("%s: got %d, want %d\n%s", s.name, w.Code, s.status, answer.String())
			continue
		}
		for _, part := range s.has {
			if !strings.Contains(answer.String(), part) {
				h.t.Errorf("%s: the answer lacks %s\n%s", s.name, part, answer.String())
			}
		}
		for _, part := range s.hasNot {
			if strings.Contains(answer.String(), part) {
				h.t.Errorf("%s: the answer has %s\n%s", s.name, part, answer.String())
			}
		}
		if s.status >= 400 && w.Header().Get("Content-Type") != "application/problem+json" {
			h.t.Errorf("%s: a %d is %s", s.name, s.status, w.Header().Get("Content-Type"))
		}
	}
}

func TestReadingAndWritingEntities(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.play([]scenario{
		{
			name: "create", method: "POST", path: "/customers", body: `{"name":"Neu","id":"0199a1b2-0000-7000-8000-00000000beef"}`, status: 201,
			has: []string{`"id":"0199a1b2-0000-7000-8000-00000000beef"`, "Etag: \"1\"", "Location: /api/v1/customers/0199a1b2-0000-7000-8000-00000000beef", `"created_by":"token:`, `"origin":"crm"`},
		},
		{name: "create with a taken id", method: "POST", path: "/customers", body: `{"name":"Neu","id":"{customer}"}`, status: 422, has: []string{`"pointer":"/id"`, `"rule":"unique"`}},
		{name: "create with a taken code", method: "POST", path: "/customers", body: `{"name":"Neu","code":"C1"}`, status: 422, has: []string{`"pointer":"/code"`, `"rule":"unique"`}},
		{name: "read-only fields are ignored", method: "POST", path: "/orders", body: `{"customer_id":"{customer}","date":"2026-09-01","currency":"EUR","version":9,"total":"999","origin":"me","created_by":"x","lines":[{"qty":"1","price":"2","untaxed":"50"}]}`, status: 201, has: []string{`"total":"2"`, `"version":1`, `"origin":"crm"`}},
		{name: "unknown field", method: "POST", path: "/customers", body: `{"name":"Neu","surname":"x"}`, status: 422, has: []string{`"pointer":"/surname"`, `"rule":"additionalProperties"`}},
		{name: "missing field", method: "POST", path: "/orders", body: `{"date":"2026-09-01","currency":"EUR"}`, status: 422, has: []string{`"pointer":"/customer_id"`, `"rule":"required"`}},
		{name: "all faults at once", method: "POST", path: "/customers", body: `{"name":"","kind":"robot","phone":5}`, status: 422, has: []string{`"pointer":"/name"`, `"pointer":"/kind"`, `"pointer":"/phone"`}},
		{name: "amount as a number", method: "POST", path: "/products", body: `{"sku":"P2","name":"x","unit":"unit","list_price":1.5}`, status: 422, has: []string{`"pointer":"/list_price"`, `"rule":"type"`}},
		{name: "somebody else's reference", method: "POST", path: "/orders", body: `{"customer_id":"0199a1b2-0000-7000-8000-0000000000ff","date":"2026-09-01","currency":"EUR"}`, status: 422, has: []string{`"pointer":"/customer_id"`}},

		{name: "get", method: "GET", path: "/orders/{order}", status: 200, has: []string{"Etag: \"1\"", `"number":"SO-1"`, `"total":"24.99"`}},
		{name: "get nothing", method: "GET", path: "/orders/0199a1b2-0000-7000-8000-0000000000ff", status: 404, has: []string{`"type":"urn:crmhub:problem:not-found"`, `"instance":"urn:crmhub:request:`}},
		{name: "get another kind", method: "GET", path: "/orders/{customer}", status: 404},
		{name: "get no id", method: "GET", path: "/orders/77", status: 400, has: []string{`"parameter":"id"`}},

		{name: "patch", method: "PATCH", path: "/customers/{customer}", body: `{"phone":"+49 30 1","level":"A"}`, headers: []string{`If-Match: "1"`}, status: 200, has: []string{`"phone":"+49 30 1"`, `"level":"A"`, `"code":"C1"`, "Etag: \"2\""}},
		{name: "patch clears", method: "PATCH", path: "/customers/{customer}", body: `{"level":null}`, headers: []string{`If-Match: *`}, status: 200, has: []string{`"phone":"+49 30 1"`, "Etag: \"3\""}, hasNot: []string{`"level"`}},
		{name: "patch keeps id and version", method: "PATCH", path: "/customers/{customer}", body: `{"id":"0199a1b2-0000-7000-8000-0000000000ff","version":40,"name":"Neu"}`, headers: []string{`If-Match: "3"`}, status: 200, has: []string{`"id":"` + h.ids["customer"] + `"`, "Etag: \"4\""}},
		{name: "patch a stale version", method: "PATCH", path: "/customers/{customer}", body: `{"level":"B"}`, headers: []string{`If-Match: "1"`}, status: 412, has: []string{`"version":4`, `problem:stale`}},
		{name: "patch any version unsaid", method: "PATCH", path: "/customers/{customer}", body: `{"level":"B"}`, status: 428, has: []string{`precondition-required`}},
		{name: "patch with no ETag of ours", method: "PATCH", path: "/customers/{customer}", body: `{"level":"B"}`, headers: []string{`If-Match: W/"4"`}, status: 400, has: []string{`"parameter":"If-Match"`}},
		{name: "patch breaks a rule", method: "PATCH", path: "/customers/{customer}", body: `{"level":"Z"}`, headers: []string{`If-Match: "4"`}, status: 422, has: []string{`"pointer":"/level"`}},
		{name: "patch as plain JSON", method: "PATCH", path: "/customers/{customer}", body: `{"level":"B"}`, headers: []string{`If-Match: "4"`, "Content-Type: application/json"}, status: 415, has: []string{"Accept-Patch: application/merge-patch+json"}},
		{name: "patch with a list", method: "PATCH", path: "/customers/{customer}", body: `[]`, headers: []string{`If-Match: "4"`}, status: 422, has: []string{`"pointer":""`}},

		{name: "move", method: "POST", path: "/orders/{order}/status", body: `{"status":"confirmed"}`, status: 200, has: []string{`"status":"confirmed"`, `"total":"24.99"`, "Etag: \"2\""}},
		{name: "move where it cannot go", method: "POST", path: "/orders/{order}/status", body: `{"status":"completed"}`, status: 422, has: []string{`"rule":"transition"`, "in_progress", "cancelled"}},
		{name: "move to nowhere", method: "POST", path: "/orders/{order}/status", body: `{"status":"lost"}`, status: 422, has: []string{`"pointer":"/status"`, `"rule":"enum"`}},
		{name: "move a stale version", method: "POST", path: "/orders/{order}/status", body: `{"status":"cancelled"}`, headers: []string{`If-Match: "1"`}, status: 412},

		{name: "delete unsaid", method: "DELETE", path: "/contacts/{contact}", status: 428},
		{name: "delete stale", method: "DELETE", path: "/contacts/{contact}", headers: []string{`If-Match: "9"`}, status: 412},
		{name: "delete", method: "DELETE", path: "/contacts/{contact}", headers: []string{`If-Match: "1"`}, status: 204},
		{name: "deleted is gone", method: "GET", path: "/contacts/{contact}", status: 404},
		{name: "deleted cannot be changed", method: "PATCH", path: "/contacts/{contact}", body: `{}`, headers: []string{`If-Match: *`}, status: 404},
	})
}

func TestLists(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	for _, body := range []string{
		`{"code":"A","name":"Anton","level":"A","credit_limit":"100"}`,
		`{"code":"B","name":"Berta","level":"B","credit_limit":"99.99"}`,
		`{"code":"C","name":"Cäsar","credit_limit":"1000"}`,
	} {
		h.make("customer", "/customers", body)
	}
	h.play([]scenario{
		{name: "all", method: "GET", path: "/customers", status: 200, has: []string{`"code":"A"`, `"code":"B"`, `"code":"C"`}, hasNot: []string{`"next"`}},
		{name: "equal", method: "GET", path: "/customers?level=A", status: 200, has: []string{`"code":"A"`}, hasNot: []string{`"code":"B"`, `"code":"C"`}},
		{name: "compared as a number", method: "GET", path: "/customers?credit_limit[ge]=100", status: 200, has: []string{`"code":"A"`, `"code":"C"`}, hasNot: []string{`"code":"B"`}},
		{name: "one of", method: "GET", path: "/customers?level[in]=A,B", status: 200, has: []string{`"code":"A"`, `"code":"B"`}, hasNot: []string{`"code":"C"`}},
		{name: "empty", method: "GET", path: "/customers?level[null]=true", status: 200, has: []string{`"code":"C"`}, hasNot: []string{`"code":"A"`}},
		{name: "text", method: "GET", path: "/customers?q=cäs", status: 200, has: []string{`"code":"C"`}, hasNot: []string{`"code":"A"`}},
		{name: "nothing", method: "GET", path: "/orders", status: 200, has: []string{`{"items":[]}`}},
		{name: "a zone that PostgreSQL does not know", method: "GET", path: "/customers?updated_at[ge]=2003-12-30T16:40:22-23:38", status: 200, has: []string{`"code":"A"`}},
		{name: "a year before all", method: "GET", path: "/customers?updated_at[ge]=0001-01-01T00:00:00%2B01:00", status: 400, has: []string{`"parameter":"updated_at[ge]"`}},
		{name: "first page", method: "GET", path: "/customers?sort=-name&limit=1&level[null]=false", status: 200, has: []string{`"code":"B"`, `"next":"/api/v1/customers?after=`, `level%5Bnull%5D=false`}, hasNot: []string{`"code":"A"`}},

		{name: "unknown parameter", method: "GET", path: "/customers?colour=red&b%ADd=1", status: 400, has: []string{`"parameter":"colour"`, `"rule":"unknown"`}},
		{name: "unknown operator", method: "GET", path: "/customers?name[near]=x", status: 400, has: []string{`"parameter":"name[near]"`}},
		{name: "broken operator", method: "GET", path: "/customers?name[eq=x", status: 400, has: []string{`"parameter":"name[eq"`}},
		{name: "value of another type", method: "GET", path: "/customers?credit_limit[ge]=much", status: 400, has: []string{`"parameter":"credit_limit[ge]"`, `"rule":"format"`}},
		{name: "said twice", method: "GET", path: "/customers?level=A&level=B", status: 400, has: []string{`"parameter":"level"`, `"rule":"repeated"`}},
		{name: "unknown field to sort by", method: "GET", path: "/customers?sort=colour", status: 400, has: []string{`"parameter":"sort"`}},
		{name: "limit too high", method: "GET", path: "/customers?limit=201", status: 400, has: []string{`"parameter":"limit"`}},
		{name: "limit is no number", method: "GET", path: "/customers?limit=many", status: 400, has: []string{`"parameter":"limit"`}},
		{name: "cursor of nobody", method: "GET", path: "/customers?after=zzz", status: 400, has: []string{`"parameter":"after"`}},
		{name: "query of no form", method: "GET", path: "/customers?a=%zz", status: 400},
		{name: "two faults", method: "GET", path: "/customers?limit=0&sort=colour", status: 400, has: []string{`"parameter":"limit"`}},
		{name: "injection", method: "GET", path: "/customers?sort=name%3Bdrop%20table%20customers", status: 400, has: []string{`"parameter":"sort"`}},
	})

	var codes []string
	for path := "/customers?sort=code&limit=2"; path != ""; {
		w := h.request(http.MethodGet, path, "")
		for _, part := range strings.Split(w.Body.String(), `"code":"`)[1:] {
			codes = append(codes, part[:1])
		}
		path = strings.TrimPrefix(field(t, w, "next"), "/api/v1")
	}
	if got := strings.Join(codes, ""); got != "ABC" {
		t.Errorf("paging gave %s, want ABC", got)
	}
}

func TestNoQueryBreaksTheServer(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	rapid.Check(t, func(t *rapid.T) {
		field := rapid.SampledFrom([]string{"id", "total", "date", "status", "created_at", "version", "customer_id", "lines", "ext", "held_status", "%00", "'"}).Draw(t, "field")
		op := rapid.SampledFrom([]string{"", "[eq]", "[ne]", "[lt]", "[ge]", "[in]", "[contains]", "[null]", "[", "[]"}).Draw(t, "op")
		value := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"true", "1e9", "NaN", "2026-02-30", "infinity", "\x00", "0199a1b2-0000-7000-8000-000000000001"})).Draw(t, "value")
		sort := rapid.SampledFrom([]string{"", "id", "-total,date", "total,-date", "held_status", "-", ","}).Draw(t, "sort")
		path := "/orders?" + field + op + "=" + url.QueryEscape(value) + "&limit=1"
		if sort != "" {
			path += "&sort=" + sort
		}
		for path != "" {
			w := h.request(http.MethodGet, path, "")
			if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
				t.Fatalf("%s: %d %s\n%s", path, w.Code, w.Body, h.log.String())
			}
			path = strings.TrimPrefix(nextOf(w), "/api/v1")
		}
	})
}

func nextOf(w *httptest.ResponseRecorder) string {
	var page struct{ Next string }
	_ = json.Unmarshal(w.Body.Bytes(), &page)
	return page.Next
}
