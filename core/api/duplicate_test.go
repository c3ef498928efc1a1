package api_test

import (
	"encoding/json"
	"net/http"
	"testing"
)

// mergeSome makes a pair of duplicates and a merge.
func (h *hub) mergeSome() {
	h.t.Helper()
	h.make("twin", "/customers", `{"name":"Zwilling GmbH","kind":"company","lifecycle":"lead","phone":"+49 30 123456"}`)
	h.make("other twin", "/customers?duplicates=accept", `{"name":"Zwilling AG","kind":"company","lifecycle":"lead","phone":"030 / 123456","currency":"EUR"}`)
	h.make("third", "/customers?duplicates=accept", `{"name":"Zwilling","kind":"company","lifecycle":"lead"}`)
	if w := h.request(http.MethodPost, "/duplicates/find", `{"entity":"customer"}`); w.Code != http.StatusOK {
		h.t.Fatalf("find: %d %s", w.Code, w.Body)
	}
	var pairs struct{ Items []struct{ ID string } }
	if err := json.Unmarshal(h.request(http.MethodGet, "/duplicates?status=open", "").Body.Bytes(), &pairs); err != nil || len(pairs.Items) != 3 {
		h.t.Fatalf("pairs: %v %v", pairs, err)
	}
	w := h.request(http.MethodPost, "/customers/{twin}/merge", `{"loser_id":"{other twin}","loser_version":1,"take":["name"]}`, `If-Match: "1"`)
	if w.Code != http.StatusOK {
		h.t.Fatalf("merge: %d %s", w.Code, w.Body)
	}
	h.ids["merge"] = field(h.t, w, "id")
	if err := json.Unmarshal(h.request(http.MethodGet, "/duplicates?status=open", "").Body.Bytes(), &pairs); err != nil || len(pairs.Items) != 1 {
		h.t.Fatalf("pairs after the merge: %v %v", pairs, err)
	}
	h.ids["duplicate"] = pairs.Items[0].ID
}

func TestSearchGroupsByKind(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.play([]scenario{
		{name: "all kinds", method: "GET", path: "/search?q=so-1", status: 200, has: []string{`{"groups":[{"entity":"order","hits":[{"entity":"order","id":"` + h.ids["order"] + `","title":"SO-1","field":"number"}]}]}`}},
		{name: "one kind", method: "GET", path: "/search?q=beisp&entity=customer&limit=1", status: 200, has: []string{`"title":"Beispiel GmbH"`, `"subtitle":"C1"`, `"field":"name"`}},
		{name: "another kind", method: "GET", path: "/search?q=beisp&entity=product", status: 200, has: []string{`{"groups":[]}`}},
		{name: "signs only", method: "GET", path: "/search?q=...", status: 200, has: []string{`{"groups":[]}`}},
		{name: "nothing asked", method: "GET", path: "/search", status: 400, has: []string{`"parameter":"q"`}},
		{name: "too many", method: "GET", path: "/search?q=a&limit=51", status: 400, has: []string{`"parameter":"limit"`}},
		{name: "no such kind", method: "GET", path: "/search?q=a&entity=user", status: 400, has: []string{`"parameter":"entity"`}},
		{name: "another organization", method: "GET", path: "/search?q=beisp", headers: []string{"Authorization: Bearer " + h.tokenB}, status: 200, has: []string{`{"groups":[]}`}},
	})
}

func TestDuplicatesAreRefusedFoundAndMerged(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.mergeSome()
	const twin = `{"name":"Zwilling GmbH","kind":"company","lifecycle":"lead","phone":"+4930123456"}`
	h.play([]scenario{
		{name: "a check", method: "POST", path: "/duplicates/check-customers", body: `{"phone":"030123456"}`, status: 200, has: []string{`{"matches":[]}`}},
		{name: "a hit", method: "POST", path: "/duplicates/check-customers", body: `{"phone":"+4930123456"}`, status: 200, has: []string{`"id":"` + h.ids["twin"] + `"`, `"class":"possible"`, `"reasons":[{"kind":"phone","score":60}]`}},
		{name: "no such field", method: "POST", path: "/duplicates/check-customers", body: `{"telephone":"1"}`, status: 422, has: []string{`"pointer":"/telephone"`}},
		{name: "a repetition", method: "POST", path: "/customers", body: twin, status: 409, has: []string{"urn:crmhub:problem:duplicate", `"id":"` + h.ids["twin"] + `"`, `"score":120`}},
		{name: "meant so", method: "POST", path: "/customers?duplicates=accept", body: twin, status: 201},
		{name: "another word", method: "POST", path: "/customers?duplicates=yes", body: twin, status: 400, has: []string{`"parameter":"duplicates"`}},
		{name: "the survivor", method: "GET", path: "/customers/{twin}", status: 200, has: []string{`"name":"Zwilling AG"`, `"currency":"EUR"`, `"version":2`}},
		{name: "the loser", method: "GET", path: "/customers/{other twin}", status: 404},
		{name: "where it went", method: "GET", path: "/merges?entity_id={other twin}", status: 200, has: []string{`"survivor_id":"` + h.ids["twin"] + `"`}},
		{name: "two are two", method: "POST", path: "/duplicates/{duplicate}/dismiss", status: 200, has: []string{`"status":"dismissed"`}},
		{name: "found anew", method: "POST", path: "/duplicates/find", body: `{"entity":"customer"}`, status: 200},
		{name: "and still two", method: "GET", path: "/duplicates?status=dismissed", status: 200, has: []string{`"id":"` + h.ids["duplicate"] + `"`}},
		{name: "a merge without the version", method: "POST", path: "/customers/{twin}/merge", body: `{"loser_id":"{third}","loser_version":1}`, status: 428},
		{name: "a stale loser", method: "POST", path: "/customers/{twin}/merge", body: `{"loser_id":"{third}","loser_version":7}`, headers: []string{"If-Match: *"}, status: 412},
		{name: "no such field to take", method: "POST", path: "/customers/{twin}/merge", body: `{"loser_id":"{third}","loser_version":1,"take":["id"]}`, headers: []string{"If-Match: *"}, status: 422, has: []string{`"pointer":"/take/0"`}},
		{name: "the loser is not taken back without what was its own", method: "POST", path: "/customers/{other twin}/restore", headers: []string{"If-Match: *"}, status: 422, has: []string{`"rule":"merged"`}},
		{name: "undone", method: "POST", path: "/merges/{merge}/undo", status: 200, has: []string{`"fields":[]`, `"unmerged_at"`}},
		{name: "undone twice", method: "POST", path: "/merges/{merge}/undo", status: 404},
		{name: "the loser again", method: "GET", path: "/customers/{other twin}", status: 200, has: []string{`"name":"Zwilling AG"`, `"version":3`}},
		{name: "documents are no parties", method: "POST", path: "/orders/{order}/merge", body: `{}`, status: 404},
	})
}
