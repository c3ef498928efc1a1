package api_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/schema"
)

func TestReadersChooseFields(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.play([]scenario{
		{name: "of one", method: "GET", path: "/orders/{order}?fields=number,total", status: 200, has: []string{`{"id":"` + h.ids["order"] + `","number":"SO-1","total":"24.99"}`, "Etag: \"1\""}},
		{name: "of a list", method: "GET", path: "/orders?fields=number", status: 200, has: []string{`{"items":[{"id":"` + h.ids["order"] + `","number":"SO-1"}]}`}},
		{name: "those that are empty are absent", method: "GET", path: "/orders/{order}?fields=remark", status: 200, has: []string{`{"id":"` + h.ids["order"] + `"}`}},
		{name: "the next page has them too", method: "GET", path: "/contacts?fields=name&limit=1", status: 200, hasNot: []string{"created_at"}},
		{name: "unknown ones", method: "GET", path: "/orders/{order}?fields=number,colour,size", status: 400, has: []string{`"parameter":"fields"`, `"rule":"field"`, `no field \"colour\"`, `no field \"size\"`}},
		{name: "all that is wrong at once", method: "GET", path: "/orders?fields=&expand=colour&limit=0", status: 400, has: []string{`"parameter":"fields"`, `"parameter":"expand"`, `"parameter":"limit"`}},
		{name: "not of exports", method: "POST", path: "/exports", body: `{"entity":"order","format":"csv","filter":{"fields":"number"}}`, status: 422, has: []string{`"pointer":"/filter/fields"`}},
	})
}

func TestASelectionIsAPartOfTheWhole(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	var whole map[string]any
	read := func(path string, into any) {
		t.Helper()
		w := h.request(http.MethodGet, path, "")
		if w.Code != http.StatusOK {
			t.Fatal(path, w.Code, w.Body)
		}
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			t.Fatal(err)
		}
	}
	read("/orders/{order}", &whole)
	var names []string
	for _, f := range crm.Fields(crm.KindOrder) {
		names = append(names, f.Name)
	}
	rapid.Check(t, func(rt *rapid.T) {
		chosen := rapid.SliceOfN(rapid.SampledFrom(names), 1, 8).Draw(rt, "fields")
		want := map[string]any{"id": whole["id"]}
		for _, name := range chosen {
			if v, ok := whole[name]; ok {
				want[name] = v
			}
		}
		var one map[string]any
		var all struct{ Items []map[string]any }
		query := "?fields=" + strings.Join(chosen, ",")
		read("/orders/{order}"+query, &one)
		read("/orders"+query, &all)
		if d := cmp.Diff([]map[string]any{want, want}, append(all.Items, one)); d != "" {
			rt.Fatal(d)
		}
	})
}

func TestWhatIsReferredToIsExpanded(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.make("bare", "/orders", `{"customer_id":"{customer}","date":"2026-09-01","currency":"EUR"}`)
	h.ids["alpha"] = field(t, h.request(http.MethodGet, "/me", ""), "user_id")
	h.make("owned", "/tasks", `{"subject":"Call","customer_id":"{customer}","owner_id":"{alpha}"}`)
	customer := `"customer":{"id":"` + h.ids["customer"] + `"`
	h.play([]scenario{
		{name: "one", method: "GET", path: "/orders/{order}?expand=customer", status: 200, has: []string{customer, `"name":"Beispiel GmbH"`, `"customer_id":"` + h.ids["customer"]}},
		{name: "in a list, with some fields", method: "GET", path: "/orders?fields=number&expand=customer&number=SO-1", status: 200, has: []string{`{"items":[{` + customer}, hasNot: []string{"customer_id", "lines"}},
		{name: "in a list of the entity", method: "GET", path: "/orders/{order}?fields=number&expand=lines.product", status: 200, has: []string{`"lines":[{`, `"product":{"id":"` + h.ids["product"] + `"`, `"sku":"P1"`}},
		{name: "a person", method: "GET", path: "/tasks/{owned}?expand=owner", status: 200, has: []string{`"owner":{"id":"` + h.ids["alpha"] + `","login":"alpha"`}, hasNot: []string{"password"}},
		{name: "what refers to nothing", method: "GET", path: "/orders/{bare}?expand=contact,lines.product,owner", status: 200, has: []string{`"contact":null`, `"owner":null`, `"lines":[]`}},
		{name: "unknown", method: "GET", path: "/orders/{order}?expand=customer_id", status: 400, has: []string{`"parameter":"expand"`, `nothing called \"customer_id\"`}},
		{name: "of what refers to nothing at all", method: "GET", path: "/pipelines?expand=customer", status: 400, has: []string{`"parameter":"expand"`, `"rule":"unknown"`}},
		{name: "what it is expanded to goes", method: "DELETE", path: "/products/{product}", headers: []string{"If-Match: *"}, status: 204},
		{name: "what was deleted is not there", method: "GET", path: "/orders/{order}?expand=lines.product", status: 200, has: []string{`"product":null`, `"product_id":"` + h.ids["product"]}},
	})
}

func TestExpandedThingsAreReadAsTheCallerReadsThem(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	order := func(name, customer string) {
		f.make(name, "/orders", `{"customer_id":"{`+customer+`}","date":"2026-09-01","currency":"EUR","owner_id":"`+f.users["me"].String()+`"}`)
	}
	f.make("mine", "/customers", `{"code":"SECRETCODE","name":"Full","phone":"+49 30 1234567","owner_id":"`+f.users["me"].String()+`"}`)
	order("seen", "mine")
	order("unseen", "customer of above")
	role := access.Role{
		Grants: []access.Grant{
			{Resource: "order", Action: access.Read, Scope: "organization"},
			{Resource: "customer", Action: access.Read, Scope: "own"},
		},
		Fields: []access.FieldRule{
			{Resource: "customer", Field: "code", Access: access.FieldHidden},
			{Resource: "customer", Field: "phone", Access: access.FieldMasked},
			{Resource: "order", Field: "opportunity_id", Access: access.FieldHidden},
			{Resource: "order", Field: "contact_id", Access: access.FieldMasked},
			{Resource: "order", Field: "lines", Access: access.FieldHidden},
		},
	}
	f.become(role)
	secrets := []string{"SECRETCODE", "1234567"}
	f.as([]scenario{
		{name: "its field rules hold", method: "GET", path: "/orders/{seen}?expand=customer", status: 200, has: []string{`"name":"Full"`, `"phone":"**********4567"`}, hasNot: secrets},
		{name: "its owner counts", method: "GET", path: "/orders/{unseen}?expand=customer", status: 200, has: []string{`"customer":null`, `"customer_id":"` + f.ids["customer of above"]}},
		{name: "in lists too", method: "GET", path: "/orders?expand=customer&fields=number", status: 200, has: []string{`"customer":null`, `"phone":"**********4567"`}, hasNot: secrets},
		{name: "people are a permission", method: "GET", path: "/orders/{seen}?expand=owner", status: 200, has: []string{`"owner":null`}},
		{name: "a hidden field is not chosen", method: "GET", path: "/customers?fields=name,code", status: 400, has: []string{`"parameter":"fields"`, `"rule":"permission"`}},
		{name: "a masked one shows its end", method: "GET", path: "/customers/{mine}?fields=phone", status: 200, has: []string{`"phone":"**********4567"`}, hasNot: secrets},
		{name: "a hidden reference is not expanded", method: "GET", path: "/orders?expand=opportunity", status: 400, has: []string{`"parameter":"expand"`, `"rule":"permission"`}},
		{name: "nor a masked one", method: "GET", path: "/orders?expand=contact", status: 400, has: []string{`"rule":"permission"`}},
		{name: "nor one in a hidden list", method: "GET", path: "/orders?expand=lines.product", status: 400, has: []string{`"rule":"permission"`}},
	})
	role.Grants = role.Grants[:1]
	f.become(role)
	f.as([]scenario{
		{name: "without a permission there is nothing", method: "GET", path: "/orders/{seen}?expand=customer", status: 200, has: []string{`"customer":null`}},
	})
	// Whoever writes anything sees these rows in the database, to refer to them; to read them is a permission all the same.
	f.become(access.Role{Grants: []access.Grant{
		{Resource: "opportunity", Action: access.Read, Scope: "organization"}, {Resource: "opportunity", Action: access.Update, Scope: "organization"},
	}})
	f.as([]scenario{
		{name: "nor of what everybody refers to", method: "GET", path: "/opportunities/{opportunity of me}?expand=pipeline", status: 200, has: []string{`"pipeline":null`}},
	})
}

// TestAnswersKeepTheSchemaOfSelections reads each kind with everything expanded.
func TestAnswersKeepTheSchemaOfSelections(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	var doc struct{ Components json.RawMessage }
	if err := json.Unmarshal(h.request(http.MethodGet, "/openapi.json", "").Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	paths := readDocument(t, h).Paths
	shapes := map[string]any{}
	for _, kind := range crm.Kinds() {
		for _, at := range []string{pathOf(kind), pathOf(kind) + "/{id}"} {
			shapes[at] = paths[at]["get"].Responses["200"].Content["application/json"].Schema
		}
	}
	compiled := compileShapes(t, shapes, doc.Components)
	for _, kind := range crm.Kinds() {
		path := pathOf(kind)
		for _, at := range []string{path, path + "/{id}"} {
			url := strings.ReplaceAll(at, "{id}", field(t, h.request(http.MethodGet, path, ""), "items", "id"))
			if names := expandable(paths[at]["get"]); len(names) > 0 {
				url += "?expand=" + strings.Join(names, ",")
			}
			w := h.request(http.MethodGet, url, "")
			v, err := schema.DecodeJSON(w.Body.Bytes())
			if err != nil || w.Code != http.StatusOK {
				t.Fatal(url, w.Code, w.Body, err)
			}
			if vs := compiled.Validate(map[string]any{at: v}); vs != nil {
				t.Errorf("%s: %v\n%s", url, vs, w.Body)
			}
		}
	}
}

// expandable are the relations that the document says can be expanded.
func expandable(op operation) []string {
	for _, p := range op.Parameters {
		if p.Name == "expand" {
			return p.Schema.Items.Enum
		}
	}
	return nil
}

func TestEveryReferenceCanBeExpanded(t *testing.T) {
	t.Parallel()
	paths := readDocument(t, newHub(t)).Paths
	got := map[crm.Kind][]string{}
	for _, kind := range crm.Kinds() {
		names := expandable(paths[pathOf(kind)]["get"])
		for _, f := range crm.Fields(kind) {
			if slices.Contains(names, f.Name) {
				t.Errorf("%s.%s is both a field and a relation", kind, f.Name)
			}
		}
		if names != nil {
			got[kind] = names
		}
	}
	if d := cmp.Diff([]string{"customer", "contact", "opportunity", "owner", "lines.product"}, got[crm.KindOrder]); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"owner", "customers.customer"}, got[crm.KindContact]); d != "" {
		t.Error(d)
	}
	if without := len(crm.Kinds()) - len(slices.Collect(maps.Keys(got))); without != 3 {
		t.Errorf("%d kinds have nothing to expand", without)
	}
}
