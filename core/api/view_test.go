package api_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestViews(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	w := h.request(http.MethodPost, "/views", `{"entity":"order","name":"Mine","filter":{"owner_id":"none","total[ge]":"5","updated_at[ge]":"2026-01-01"},"sort":"-total","columns":["number","total"],"share":{"everybody":true},"is_default":true}`)
	if w.Code != http.StatusCreated {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	h.ids["mine"] = field(t, w, "id")
	list := strings.TrimPrefix(field(t, w, "list"), "/api/v1")
	h.play([]scenario{
		{name: "what it finds", method: "GET", path: list, status: 200, has: []string{`"number":"SO-1"`}},
		{name: "list", method: "GET", path: "/views?entity=order", status: 200, has: []string{`"name":"Mine"`, `"name":"Drafts"`, `"is_default":true`}},
		{name: "list another entity", method: "GET", path: "/views?entity=customer", status: 200, has: []string{`{"items":[]}`}},
		{name: "list no entity", method: "GET", path: "/views?entity=robot", status: 400, has: []string{`"parameter":"entity"`}},
		{name: "of no entity", method: "POST", path: "/views", body: `{"entity":"robot","name":"x"}`, status: 422, has: []string{`"pointer":"/entity"`}},
		{name: "of nothing that is there", method: "POST", path: "/views", body: `{"entity":"order","name":"x","filter":{"robot":"1","status":"sunny"},"columns":["lines"]}`, status: 422, has: []string{`"pointer":"/filter/robot"`, `"pointer":"/filter/status"`, `"pointer":"/columns/0"`}},
		{name: "the name is taken", method: "POST", path: "/views", body: `{"entity":"order","name":"MINE"}`, status: 422, has: []string{`"pointer":"/name"`, `"rule":"unique"`}},
		{name: "with a department of others", method: "POST", path: "/views", body: `{"entity":"order","name":"x","share":{"department_id":"{department}"}}`, status: 422, has: []string{`"pointer":"/share/department_id"`}},
		{name: "change", method: "PATCH", path: "/views/{mine}", body: `{"name":"Large","sort":null,"filter":{"total[ge]":"10"},"share":{},"is_default":false}`, status: 200, has: []string{`"name":"Large"`, `"is_default":false`, `"share":{}`, `"columns":["number","total"]`}, hasNot: []string{`"sort"`, "owner_id\":\"none"}},
		{name: "change nothing", method: "PATCH", path: "/views/{mine}", body: `{}`, status: 200, has: []string{`"name":"Large"`}},
		{name: "take the columns away", method: "PATCH", path: "/views/{mine}", body: `{"columns":null}`, status: 200, hasNot: []string{`"columns"`}},
		{name: "delete", method: "DELETE", path: "/views/{mine}", status: 204},
		{name: "gone", method: "GET", path: "/views/{mine}", status: 404},
	})
}
