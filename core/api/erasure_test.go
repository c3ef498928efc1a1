package api_test

import (
	"net/http"
	"strings"
	"testing"
)

// eraseSome makes somebody and erases him.
func (h *hub) eraseSome() {
	h.t.Helper()
	h.make("zanna", "/customers", `{"name":"Zanna Muster","kind":"person","email":"zanna@example.com"}`)
	w := h.request(http.MethodPost, "/customers/{zanna}/erase", `{"reason":"Letter 17"}`)
	if w.Code != http.StatusOK {
		h.t.Fatalf("erase: %d %s", w.Code, w.Body)
	}
	h.ids["erasure"] = field(h.t, w, "id")
}

func TestPersonIsErasedAtHisRequest(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.eraseSome()
	h.make("max", "/customers", `{"name":"Max Beispiel","kind":"person","email":"max@example.com"}`)
	h.play([]scenario{
		{name: "no reason", method: "POST", path: "/customers/{max}/erase", body: `{"reason":" "}`, status: 422, has: []string{`"pointer":"/reason"`}},
		{name: "nobody", method: "POST", path: "/contacts/{max}/erase", body: `{"reason":"x"}`, status: 404},
		{name: "only asked", method: "POST", path: "/customers/{max}/erase", body: `{"reason":"x","dry_run":true}`, status: 200, has: []string{`"erased":{`, `"customer":1`}},
		{name: "what is held", method: "GET", path: "/customers/{max}/personal-data", status: 200, has: []string{`"entities":{"customer":[{`, "max@example.com", `"files":[]`, `"records":[]`}},
		{name: "of nobody", method: "GET", path: "/contacts/{max}/personal-data", status: 404},
		{name: "nothing went", method: "GET", path: "/customers/{max}", status: 200, has: []string{"Max Beispiel"}},
		{name: "gone", method: "GET", path: "/customers/{zanna}", status: 200, has: []string{`"name":"Erased `, `"version":2`}},
		{name: "the list", method: "GET", path: "/erasures", status: 200, has: []string{`"reason":"Letter 17"`, `"created_by"`}},
		{name: "one", method: "GET", path: "/erasures/{erasure}", status: 200, has: []string{`"entity":"customer"`, `"customer":1`}},
		{name: "its history", method: "GET", path: "/customers/{zanna}/history", status: 200},
	})
	for _, path := range []string{"/customers/{zanna}", "/customers/{zanna}/history", "/erasures/{erasure}", "/search?q=zanna"} {
		if body := h.request(http.MethodGet, path, "").Body.String(); strings.Contains(strings.ToLower(body), "zanna") {
			t.Errorf("%s still says %s", path, body)
		}
	}
}

func TestAnswerThatHeldErasedDataIsGone(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	const body = `{"name":"Zanna Quillfeather","kind":"person"}`
	w := h.request(http.MethodPost, "/customers", body, "Idempotency-Key: k")
	h.ids["zanna"] = field(t, w, "id")
	h.play([]scenario{
		{name: "said again", method: "POST", path: "/customers", body: body, headers: []string{"Idempotency-Key: k"}, status: 201, has: []string{"Quillfeather"}},
		{name: "erased", method: "POST", path: "/customers/{zanna}/erase", body: `{"reason":"Letter 18"}`, status: 200},
		{name: "neither said nor done again", method: "POST", path: "/customers", body: body, headers: []string{"Idempotency-Key: k"}, status: 409, has: []string{"problem:answer-erased"}, hasNot: []string{"Quillfeather"}},
		{name: "one was made", method: "GET", path: "/customers?q=Quillfeather", status: 200, hasNot: []string{`"id"`}},
	})
}
