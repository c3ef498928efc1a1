package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// bulkAnswer is what a bulk says, as far as tests look.
type bulkAnswer struct {
	Results []struct {
		Status  int
		ID      string
		Version int64
	}
	Written, Refused int
}

func (a bulkAnswer) statuses() []int {
	all := make([]int, len(a.Results))
	for i, r := range a.Results {
		all[i] = r.Status
	}
	return all
}

func (h *hub) bulk(path string, items []any, headers ...string) (answer bulkAnswer) {
	h.t.Helper()
	body, err := json.Marshal(map[string]any{"items": items})
	if err != nil {
		h.t.Fatal(err)
	}
	w := h.request(http.MethodPost, path, string(body), headers...)
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK {
		h.t.Fatal(w.Code, w.Body, err)
	}
	return answer
}

const mixedBulk = `{"items":[
	{"action":"create","entity":{"name":"Neu","code":"N1"}},
	{"action":"create","entity":{"name":"","kind":"robot"}},
	{"action":"update","id":"{customer}","version":1,"entity":{"level":"A","kind":null}},
	{"action":"update","id":"{other}","version":7,"entity":{"level":"A"}},
	{"action":"update","id":"0199a1b2-0000-7000-8000-0000000000ff","version":0,"entity":{"level":"A"}},
	{"action":"create","entity":{"name":"Taken","code":"C1"}},
	{"action":"create","entity":{"name":"Child","code":"N2","parent_id":"0199a1b2-0000-7000-8000-0000000000ff"}},
	{"action":"delete","id":"{third}","version":1},
	{"action":"create","entity":{"name":"Successor","code":"C3"}}]}`

func TestABulkLosesNothing(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.make("customer", "/customers", `{"name":"Anton","code":"C1"}`)
	h.make("other", "/customers", `{"name":"Berta","code":"C2"}`)
	h.make("third", "/customers", `{"name":"Cäsar","code":"C3"}`)
	key := []string{"Idempotency-Key: k1"}
	h.play([]scenario{
		{
			name: "all or nothing names all that is wrong", method: "POST", path: "/customers/bulk?atomic=true", body: mixedBulk, status: 422,
			has:    []string{`"pointer":"/items/1/entity/name"`, `"pointer":"/items/1/entity/kind"`, `"pointer":"/items/3","rule":"stale"`, `"pointer":"/items/4","rule":"not-found"`, `"pointer":"/items/5/entity/code","rule":"unique"`, `"pointer":"/items/6/entity/parent_id"`},
			hasNot: []string{"/items/0", "/items/2", "/items/7", "/items/8"},
		},
		{name: "and writes nothing", method: "GET", path: "/customers?fields=code&sort=code", status: 200, has: []string{`C1`, `C2`, `C3`}, hasNot: []string{`N1`}},
		{
			name: "else what is right is written", method: "POST", path: "/customers/bulk", body: mixedBulk, headers: key, status: 200,
			has: []string{
				`"written":4,"refused":5`, `{"results":[{"status":201,"id":"`, `"status":200,"id":"` + h.ids["customer"] + `","version":2`, `"status":204,"id":"` + h.ids["third"] + `","version":2`,
				`"pointer":"/items/1/entity/name"`, `"status":412,"id":"` + h.ids["other"], `"version":1}`, `"status":404`, `"pointer":"/items/5/entity/code"`,
			},
		},
		{name: "once", method: "POST", path: "/customers/bulk", body: mixedBulk, headers: key, status: 200, has: []string{"Idempotency-Replayed: true", `"written":4`}},
		{name: "it is there", method: "GET", path: "/customers?fields=code,name,level&sort=code", status: 200, has: []string{`"code":"N1"`, `"level":"A","name":"Anton"`, `"code":"C3","id":`, `"name":"Successor"`}, hasNot: []string{"Cäsar", "Taken", "Child"}},
		{name: "the whole goes through", method: "POST", path: "/customers/bulk?atomic=true", body: `{"items":[{"action":"create","entity":{"name":"Neuer"}},{"action":"delete","id":"{customer}","version":0}]}`, status: 200, has: []string{`"written":2,"refused":0`}},
		{
			name: "what an item lacks", method: "POST", path: "/customers/bulk",
			body: `{"items":[{"action":"create","id":"{other}","version":1},{"action":"update"},{"action":"delete","id":"{other}","version":1,"entity":{}},{"action":"delete","id":"{other}","version":1}]}`, status: 200,
			has: []string{`"pointer":"/items/0/id"`, `"pointer":"/items/0/version"`, `"pointer":"/items/0/entity"`, `"pointer":"/items/1/id"`, `"pointer":"/items/1/version"`, `"pointer":"/items/2/entity"`, `"pointer":"/items/3/id","rule":"unique"`, `"refused":4`},
		},
		{name: "an action there is not", method: "POST", path: "/customers/bulk", body: `{"items":[{"action":"merge"}]}`, status: 422, has: []string{`"pointer":"/items/0/action"`}},
		{name: "nothing to do", method: "POST", path: "/customers/bulk", body: `{"items":[]}`, status: 422, has: []string{`"pointer":"/items"`}},
		{name: "neither all nor some", method: "POST", path: "/customers/bulk?atomic=maybe", body: mixedBulk, status: 400, has: []string{`"parameter":"atomic"`}},
		{name: "no customer is called bulk", method: "GET", path: "/customers/bulk", status: 405, has: []string{"Allow: POST\r"}},
	})
}

func TestABulkRefusesDuplicates(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.make("customer", "/customers", `{"name":"Zwilling GmbH","phone":"+49 30 123456"}`)
	items := []any{
		map[string]any{"action": "create", "entity": map[string]any{"name": "Zwilling", "phone": "+4930123456"}},
		map[string]any{"action": "create", "entity": map[string]any{"name": "Neuling", "tax_id": "DE 1"}},
		map[string]any{"action": "create", "entity": map[string]any{"name": "Neuling AG", "tax_id": "DE1"}},
	}
	if d := cmp.Diff([]int{409, 201, 409}, h.bulk("/customers/bulk", items).statuses()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]int{201, 201, 201}, h.bulk("/customers/bulk?duplicates=accept", items).statuses()); d != "" {
		t.Error(d)
	}
}

// TestABulkDoesWhatTheSingleOperationsDo sends the same to two organizations, in one as a bulk, in the other one by one.
func TestABulkDoesWhatTheSingleOperationsDo(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	one := "Authorization: Bearer " + h.tokenB
	state := func(headers ...string) (rows []map[string]any) {
		var list struct{ Items []map[string]any }
		w := h.request(http.MethodGet, "/products?fields=sku,name,list_price,version&sort=id&limit=200", "", headers...)
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
			t.Fatal(err)
		}
		return list.Items
	}
	ids := []string{"0199a1b2-0000-7000-8000-0000000000ff"}
	rapid.Check(t, func(rt *rapid.T) {
		known := slices.Clone(ids)
		var items []any
		var singly, deletions []func() int
		for range rapid.IntRange(1, 12).Draw(rt, "items") {
			entity := map[string]any{}
			for name, values := range map[string][]any{"name": {"a", "b", "", nil}, "list_price": {"1", "-1", "x"}, "colour": {"red"}} {
				if rapid.IntRange(0, 3).Draw(rt, name+" given") == 0 {
					entity[name] = rapid.SampledFrom(values).Draw(rt, name)
				}
			}
			send := func(method, path string, body any, version int) int {
				var text []byte
				if body != nil {
					text, _ = json.Marshal(body)
				}
				match := `If-Match: *`
				if version > 0 {
					match = fmt.Sprintf(`If-Match: "%d"`, version)
				}
				return h.request(method, path, string(text), one, match).Code
			}
			action := rapid.SampledFrom([]string{"create", "create", "update", "update", "delete"}).Draw(rt, "action")
			if action == "create" {
				id := uuid.Must(uuid.NewV7()).String()
				ids = append(ids, id)
				entity["id"], entity["unit"] = id, "unit"
				entity["sku"] = rapid.SampledFrom([]string{"s1", "s2", "s3", "s4", "s5", "s6"}).Draw(rt, "sku")
				if _, ok := entity["name"]; !ok {
					entity["name"] = "n"
				}
				items = append(items, map[string]any{"action": action, "entity": entity})
				singly = append(singly, func() int { return send("POST", "/products", entity, 0) })
				continue
			}
			if len(known) == 0 {
				continue
			}
			at := rapid.IntRange(0, len(known)-1).Draw(rt, "id")
			id, version := known[at], rapid.IntRange(0, 3).Draw(rt, "version")
			known = slices.Delete(known, at, at+1)
			item := map[string]any{"action": action, "id": id, "version": version}
			items = append(items, item)
			if action == "delete" {
				singly = append(singly, nil)
				deletions = append(deletions, func() int { return send("DELETE", "/products/"+id, nil, version) })
				continue
			}
			item["entity"] = entity
			singly = append(singly, func() int { return send("PATCH", "/products/"+id, entity, version) })
		}
		if len(items) == 0 {
			return
		}
		got := h.bulk("/products/bulk", items).statuses()
		var gone, want []int
		for _, do := range deletions { // they come first
			gone = append(gone, do())
		}
		for _, do := range singly {
			if do == nil {
				want, gone = append(want, gone[0]), gone[1:]
			} else {
				want = append(want, do())
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			rt.Fatalf("%v\n%s", items, d)
		}
		if d := cmp.Diff(state(one), state()); d != "" {
			rt.Fatal(d)
		}
	})
}

func TestABulkTakesAThousand(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	items := make([]any, 1000)
	for i := range items {
		items[i] = map[string]any{"action": "create", "entity": map[string]any{"name": fmt.Sprint("Firma ", i), "remark": strings.Repeat("x", 2000)}}
	}
	got := h.bulk("/customers/bulk", items)
	if got.Written != 1000 {
		t.Fatal(got.Written, got.Refused)
	}
	patches := make([]any, 1000)
	for i, r := range got.Results {
		patches[i] = map[string]any{"action": "update", "id": r.ID, "version": 1, "entity": map[string]any{"level": "A"}}
		if i%2 == 0 {
			patches[i] = map[string]any{"action": "delete", "id": r.ID, "version": 1}
		}
	}
	if got := h.bulk("/customers/bulk?atomic=true", patches); got.Written != 1000 {
		t.Error(got.Written, got.Refused)
	}
	body, err := json.Marshal(map[string]any{"items": slices.Concat(items, items[:1])})
	if err != nil {
		t.Fatal(err)
	}
	h.play([]scenario{
		{name: "not one more", method: "POST", path: "/customers/bulk", body: string(body), status: 422, has: []string{`"pointer":"/items"`, `"rule":"maxItems"`}},
		{name: "nor larger ones", method: "POST", path: "/customers/bulk", body: strings.Repeat(" ", 8<<20) + "{}", status: 413, has: []string{"at most 8 MiB"}},
	})
}
