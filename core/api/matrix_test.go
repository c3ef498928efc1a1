package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"crmhub/core/access"
	"crmhub/core/api"
	"crmhub/core/crm"
	"crmhub/core/postgres"
)

// firm is an organization where somebody, called me, works in a department of a tree, among a colleague there, somebody
// below, and somebody above. Of each kind there is an entity of each of them and one of nobody.
type firm struct {
	*hub
	t     *testing.T
	role  uuid.UUID
	me    string // a token
	users map[string]uuid.UUID
	rows  map[crm.Kind]map[string]string // kind, owner, id
	made  int                            // documents that must differ from all others
}

// alone are the kinds whose documents here refer to nothing.
var alone = []crm.Kind{
	crm.KindCustomer, crm.KindContact, crm.KindProduct, crm.KindSegment, crm.KindCampaign, crm.KindPipeline, crm.KindTask,
	crm.KindCurrencyRate, crm.KindCustomField, crm.KindProductCategory,
}

var people = []string{"me", "colleague", "below", "above", "nobody"}

// reaches is what the scopes mean, said a second time and plainly.
func reaches(scope access.Scope, owner string) bool {
	switch scope {
	case "own":
		return owner == "me"
	case "department":
		return owner == "me" || owner == "colleague"
	case "department_tree":
		return owner == "me" || owner == "colleague" || owner == "below"
	case "organization":
		return true
	}
	return false
}

func newFirm(t *testing.T) *firm {
	t.Helper()
	h := newHub(t)
	f := &firm{hub: h, t: t, users: map[string]uuid.UUID{}, rows: map[crm.Kind]map[string]string{}}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	head, err := h.access.AddDepartment(t.Context(), h.principalA, access.Department{Name: "Head"})
	must(err)
	north, err := h.access.AddDepartment(t.Context(), h.principalA, access.Department{Name: "North", ParentID: &head.ID})
	must(err)
	harbour, err := h.access.AddDepartment(t.Context(), h.principalA, access.Department{Name: "Harbour", ParentID: &north.ID})
	must(err)
	role, err := h.access.AddRole(t.Context(), h.principalA, access.Role{Code: "tested", Name: "Tested"})
	must(err)
	f.role = role.ID
	for login, department := range map[string]uuid.UUID{"me": north.ID, "colleague": north.ID, "below": harbour.ID, "above": head.ID} {
		u, err := h.access.AddUser(t.Context(), h.principalA, access.User{Login: login, Name: login, DepartmentID: &department, Roles: []string{"tested"}}, "correct horse")
		must(err)
		f.users[login] = u.ID
	}
	_, f.me, err = h.access.AddToken(t.Context(), h.principalA, f.users["me"], "test", nil)
	must(err)
	for _, kind := range crm.Kinds() {
		f.rows[kind] = map[string]string{}
		for _, owner := range people {
			if owner != "nobody" && !crm.Owned(kind) {
				continue
			}
			name := string(kind) + " of " + owner
			h.make(name, pathOf(kind), f.document(kind, name, owner))
			f.rows[kind][owner] = h.ids[name]
		}
	}
	return f
}

// everybodys are the kinds that say how the organization works: the database shows them to whoever writes anything.
var everybodys = []crm.Kind{crm.KindPipeline, crm.KindPrice, crm.KindCurrencyRate, crm.KindCustomField, crm.KindProductCategory}

func pathOf(kind crm.Kind) string { return "/" + strings.ReplaceAll(kind.Plural(), "_", "-") }

// document is an entity with what its kind needs; what it refers to is nobody's.
func (f *firm) document(kind crm.Kind, name, owner string) string {
	var doc map[string]any
	customer := f.rows[crm.KindCustomer]["nobody"]
	switch kind {
	case crm.KindCustomer:
		doc = map[string]any{"name": name, "kind": "company", "lifecycle": "lead"}
	case crm.KindContact:
		doc = map[string]any{"name": name}
	case crm.KindProductCategory:
		doc = map[string]any{"code": name, "name": name}
	case crm.KindProduct:
		doc = map[string]any{"sku": name, "name": name, "unit": "unit"}
	case crm.KindOrder:
		doc = map[string]any{"customer_id": customer, "date": "2026-09-01", "currency": "EUR"}
	case crm.KindInvoice:
		doc = map[string]any{"customer_id": customer, "currency": "EUR"}
	case crm.KindPayment:
		doc = map[string]any{"customer_id": customer, "date": "2026-09-01", "currency": "EUR", "amount": "1"}
	case crm.KindSegment:
		doc = map[string]any{"name": name, "rule": []any{map[string]any{"field": "level", "values": []any{"A"}}}}
	case crm.KindCampaign:
		doc = map[string]any{"name": name}
	case crm.KindPipeline:
		doc = map[string]any{"name": name, "stages": []any{
			map[string]any{"code": "open", "name": "Open", "kind": "open", "probability": 20},
			map[string]any{"code": "won", "name": "Won", "kind": "won", "probability": 100},
			map[string]any{"code": "lost", "name": "Lost", "kind": "lost", "probability": 0},
		}}
	case crm.KindOpportunity:
		doc = map[string]any{"name": name, "customer_id": customer, "currency": "EUR", "pipeline_id": f.rows[crm.KindPipeline]["nobody"]}
	case crm.KindContract:
		doc = map[string]any{"name": name, "customer_id": customer, "currency": "EUR"}
	case crm.KindCampaignMember:
		doc = map[string]any{"campaign_id": f.rows[crm.KindCampaign]["nobody"], "contact_id": f.rows[crm.KindContact]["nobody"]}
	case crm.KindTicket:
		doc = map[string]any{"subject": name, "customer_id": customer}
	case crm.KindFeedback:
		doc = map[string]any{"customer_id": customer, "at": "2026-09-01T08:00:00Z", "score": 4}
	case crm.KindActivity:
		doc = map[string]any{"subject": name, "customer_id": customer, "at": "2026-09-01T08:00:00Z"}
	case crm.KindTask:
		doc = map[string]any{"subject": name}
	case crm.KindPrice:
		doc = map[string]any{"product_id": f.rows[crm.KindProduct]["nobody"], "currency": "EUR", "amount": "9.5", "valid_from": "2026-01-01"}
	case crm.KindCurrencyRate:
		f.made++ // one a day
		doc = map[string]any{"currency": "USD", "date": time.Date(2026, 1, f.made, 0, 0, 0, 0, time.UTC).Format(time.DateOnly), "rate": "0.9"}
	case crm.KindCustomField:
		f.made++ // one of a name
		doc = map[string]any{"entity": "task", "name": fmt.Sprintf("field_%d", f.made)}
	default:
		f.t.Fatalf("say here what a %s needs", kind)
	}
	if owner != "nobody" {
		doc["owner_id"] = f.users[owner]
	}
	b, err := json.Marshal(doc)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(b)
}

// allow makes me somebody who may do this and nothing else.
func (f *firm) allow(resource access.Resource, may map[access.Action]access.Scope) {
	f.t.Helper()
	_, err := f.access.ChangeRole(f.t.Context(), f.principalA, f.role, func(r *access.Role) {
		r.Grants, r.Fields = nil, nil
		for action, scope := range may {
			if scope != "" {
				r.Grants = append(r.Grants, access.Grant{Resource: resource, Action: action, Scope: scope})
			}
		}
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *firm) ask(method, path, body string, headers ...string) (status int, answer string) {
	w := f.request(method, path, body, append([]string{"Authorization: Bearer " + f.me}, headers...)...)
	return w.Code, w.Body.String()
}

// checkKind asks for everything that may be done with the entities of a kind and compares with what the scopes mean.
func (f *firm) checkKind(kind crm.Kind, may map[access.Action]access.Scope) {
	f.t.Helper()
	path := pathOf(kind)
	expect := func(what string, got int, want int, body string) {
		f.t.Helper()
		if got != want {
			f.t.Errorf("%s %s with %v: got %d, want %d %s", what, kind, may, got, want, body)
		}
	}
	var seen []string
	for owner, id := range f.rows[kind] {
		visible := reaches(may["read"], owner)
		if visible {
			seen = append(seen, owner)
		}
		// One who may not read at all is told so; else what is out of scope is not there.
		read := http.StatusNotFound
		switch {
		case may["read"] == "":
			read = http.StatusForbidden
		case visible:
			read = http.StatusOK
		}
		status, body := f.ask("GET", path+"/"+id, "")
		expect("get "+owner+"'s", status, read, body)

		// An ETag that is old by far shows who gets as far as writing, and changes nothing.
		write := func(scopes ...access.Scope) int {
			allowed, granted := false, false
			for _, s := range scopes {
				granted, allowed = granted || s != "", allowed || reaches(s, owner)
			}
			switch {
			case !granted:
				return http.StatusForbidden
			case !visible && !slices.Contains(everybodys, kind):
				return http.StatusNotFound
			case allowed:
				return http.StatusPreconditionFailed
			}
			return http.StatusForbidden
		}
		status, body = f.ask("PATCH", path+"/"+id, `{"ext":{"a":1}}`, `If-Match: "999"`)
		want := write(may["update"], may["assign"])
		if may["delete"] != "" && visible && reaches(may["delete"], owner) && want == http.StatusForbidden && may["update"].Wider(may["assign"]) != "" {
			want = http.StatusPreconditionFailed // it could be locked, and its version comes first
		}
		expect("patch "+owner+"'s", status, want, body)
		status, body = f.ask("DELETE", path+"/"+id, "", `If-Match: "999"`)
		want = write(may["delete"])
		if may["delete"] != "" && visible && want == http.StatusForbidden && reaches(may["update"].Wider(may["assign"]), owner) {
			want = http.StatusPreconditionFailed
		}
		expect("delete "+owner+"'s", status, want, body)

		created := http.StatusUnprocessableEntity
		switch {
		case may["create"] == "":
			created = http.StatusForbidden
		case owner == "nobody" && crm.Owned(kind), reaches(may["create"], owner): // without an owner it is mine
			created = http.StatusCreated
		}
		if created == http.StatusCreated && !slices.Contains(alone, kind) {
			created = http.StatusUnprocessableEntity // refers to what I do not see
		}
		status, body = f.ask("POST", path, f.document(kind, uuid.NewString(), owner))
		expect("create "+owner+"'s", status, created, body)
		if status == http.StatusCreated {
			var doc struct{ ID string }
			_ = json.Unmarshal([]byte(body), &doc)
			if w := f.request("DELETE", path+"/"+doc.ID, "", "If-Match: *"); w.Code != http.StatusNoContent {
				f.t.Fatalf("%d %s", w.Code, w.Body)
			}
		}
	}
	f.checkBulk(kind, may)
	if may["read"] == "" {
		return
	}
	status, body := f.ask("GET", path+"?limit=200", "")
	expect("list", status, http.StatusOK, body)
	var list struct{ Items []struct{ ID string } }
	_ = json.Unmarshal([]byte(body), &list)
	var listed []string
	for owner, id := range f.rows[kind] {
		if slices.ContainsFunc(list.Items, func(i struct{ ID string }) bool { return i.ID == id }) {
			listed = append(listed, owner)
		}
	}
	slices.Sort(seen)
	slices.Sort(listed)
	if diff := cmp.Diff(seen, listed); diff != "" || len(list.Items) != len(seen) {
		f.t.Errorf("list of %s with %v has %d (-want +got):\n%s", kind, may, len(list.Items), diff)
	}
}

// checkBulk asks in bulks for what checkKind asks for singly: each item is answered as the operation on it alone.
func (f *firm) checkBulk(kind crm.Kind, may map[access.Action]access.Scope) {
	f.t.Helper()
	path := pathOf(kind)
	var updates, deletions []any
	var wantUpdates, wantDeletions []int
	for _, owner := range slices.Sorted(maps.Keys(f.rows[kind])) {
		id := f.rows[kind][owner]
		updates = append(updates, map[string]any{"action": "update", "id": id, "version": 999, "entity": map[string]any{"ext": map[string]any{"a": 1}}})
		deletions = append(deletions, map[string]any{"action": "delete", "id": id, "version": 999})
		status, _ := f.ask("PATCH", path+"/"+id, `{"ext":{"a":1}}`, `If-Match: "999"`)
		wantUpdates = append(wantUpdates, status)
		status, _ = f.ask("DELETE", path+"/"+id, "", `If-Match: "999"`)
		wantDeletions = append(wantDeletions, status)
	}
	if may["create"].Wider(may["update"]).Wider(may["delete"]).Wider(may["assign"]) == "" {
		if status, body := f.ask("POST", path+"/bulk", `{"items":[{"action":"create","entity":{}}]}`); status != http.StatusForbidden {
			f.t.Errorf("bulk of %s with %v: %d %s", kind, may, status, body)
		}
		return
	}
	got := append(f.bulk(path+"/bulk", updates, "Authorization: Bearer "+f.me).statuses(), f.bulk(path+"/bulk", deletions, "Authorization: Bearer "+f.me).statuses()...)
	if d := cmp.Diff(append(wantUpdates, wantDeletions...), got); d != "" {
		f.t.Errorf("bulk of %s with %v (-singly +bulk):\n%s", kind, may, d)
	}
	if may["create"] == "" {
		created := f.bulk(path+"/bulk", []any{map[string]any{"action": "create", "entity": map[string]any{}}}, "Authorization: Bearer "+f.me)
		if d := cmp.Diff([]int{http.StatusForbidden}, created.statuses()); d != "" {
			f.t.Errorf("create in a bulk of %s with %v:\n%s", kind, may, d)
		}
	}
}

// TestEveryScopeOfEveryActionOnEveryKind walks the matrix: each action alone beside reading everything, and each beside
// reading so far and no further.
func TestEveryScopeOfEveryActionOnEveryKind(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	for _, kind := range crm.Kinds() {
		scopes := append([]access.Scope{""}, postgres.Scopes()...)
		if !crm.Owned(kind) {
			scopes = []access.Scope{"", postgres.ScopeOrganization}
		}
		for _, scope := range scopes {
			for _, may := range []map[access.Action]access.Scope{
				{"read": scope},
				{"read": "organization", "update": scope},
				{"read": "organization", "create": scope},
				{"read": "organization", "delete": scope},
				{"read": scope, "update": "organization", "delete": "organization", "create": "organization"},
			} {
				f.allow(access.Resource(kind), may)
				f.checkKind(kind, may)
			}
			if crm.Owned(kind) {
				may := map[access.Action]access.Scope{"read": "organization", "assign": scope}
				f.allow(access.Resource(kind), may)
				f.checkKind(kind, may)
			}
		}
	}
}

// presets is what the roles that come with an organization may do with entities, said a second time.
var presets = map[string]map[crm.Kind]map[access.Action]access.Scope{
	"admin": kinds(all("organization"), crm.Kinds()...),
	"sales_manager": both(
		kinds(all("department_tree"), "customer", "contact", "order", "opportunity", "contract", "activity", "task"),
		kinds(map[access.Action]access.Scope{"read": "department_tree", "create": "department_tree", "update": "department_tree", "assign": "department_tree"}, "ticket", "feedback"),
		kinds(reading("department_tree"), "invoice", "payment"),
		kinds(reading("organization"), "product", "product_category", "pipeline", "price", "currency_rate", "custom_field", "campaign", "segment"),
	),
	"sales": both(
		kinds(writing("own"), "customer", "contact", "order", "opportunity", "contract", "activity", "task"),
		kinds(map[access.Action]access.Scope{"read": "own", "create": "own"}, "ticket"),
		kinds(reading("own"), "invoice", "payment", "feedback"),
		kinds(reading("organization"), "product", "product_category", "pipeline", "price", "currency_rate", "custom_field", "campaign", "segment"),
	),
	"marketing": both(
		kinds(all("organization"), "campaign", "campaign_member", "segment", "feedback"),
		kinds(writing("own"), "activity", "task"),
		kinds(reading("organization"), "customer", "contact", "order", "product", "product_category", "pipeline", "price", "currency_rate", "custom_field"),
	),
	"service": both(
		kinds(all("organization"), "ticket", "feedback"),
		kinds(writing("own"), "activity", "task"),
		kinds(reading("organization"), "customer", "contact", "order", "product", "product_category", "pipeline", "price", "currency_rate", "custom_field", "campaign", "segment"),
	),
	"finance": both(
		kinds(all("organization"), "invoice", "payment"),
		kinds(map[access.Action]access.Scope{"read": "organization", "update": "organization"}, "customer"),
		kinds(reading("organization"), "contact", "order", "contract", "product", "product_category", "pipeline", "price", "currency_rate", "custom_field", "campaign", "segment"),
	),
	"integrator": kinds(reading("organization"), "customer", "contact", "product", "order", "invoice", "payment", "opportunity", "contract",
		"product_category", "pipeline", "price", "currency_rate", "custom_field"),
	"auditor": kinds(reading("organization"), crm.Kinds()...),
}

func kinds(may map[access.Action]access.Scope, of ...crm.Kind) map[crm.Kind]map[access.Action]access.Scope {
	m := map[crm.Kind]map[access.Action]access.Scope{}
	for _, k := range of {
		m[k] = may
	}
	return m
}

func both(parts ...map[crm.Kind]map[access.Action]access.Scope) map[crm.Kind]map[access.Action]access.Scope {
	m := map[crm.Kind]map[access.Action]access.Scope{}
	for _, p := range parts {
		maps.Copy(m, p)
	}
	return m
}

func reading(s access.Scope) map[access.Action]access.Scope {
	return map[access.Action]access.Scope{"read": s}
}

func writing(s access.Scope) map[access.Action]access.Scope {
	return map[access.Action]access.Scope{"read": s, "create": s, "update": s}
}

func all(s access.Scope) map[access.Action]access.Scope {
	return map[access.Action]access.Scope{"read": s, "create": s, "update": s, "delete": s, "assign": s}
}

// doors are lists of the hub's own things, and which presets may see them.
var doors = map[string][]string{
	"/connections":  {"admin", "integrator", "auditor"},
	"/jobs":         {"admin", "integrator", "auditor"},
	"/runs":         {"admin", "integrator", "auditor"},
	"/links":        {"admin", "integrator", "auditor"},
	"/dead-letters": {"admin", "integrator", "auditor"},

	"/reconciliations": {"admin", "integrator", "auditor"},
	"/conflicts":       {"admin", "integrator", "auditor"},
	"/matchings":       {"admin", "integrator", "auditor"},

	"/roles":       {"admin", "auditor"},
	"/users":       slices.Collect(maps.Keys(presets)),
	"/teams":       slices.Collect(maps.Keys(presets)),
	"/departments": slices.Collect(maps.Keys(presets)),
	"/tokens":      slices.Collect(maps.Keys(presets)),
	"/me":          slices.Collect(maps.Keys(presets)),
	"/pool":        {"admin", "sales_manager", "sales", "auditor"},
	"/hand-overs":  {"admin", "sales_manager", "marketing", "service", "finance"},
	"/follow-ups":  slices.Collect(maps.Keys(presets)),
}

func TestPresetsMayWhatTheyShould(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	roles, err := f.access.Roles(t.Context(), f.principalA)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[access.Resource]map[string]bool{}
	for _, e := range api.Entities() {
		fields[e.Name] = e.Fields
	}
	for _, role := range roles {
		if role.Code == "tested" {
			continue
		}
		for _, rule := range role.Fields {
			if _, ok := fields[rule.Resource][rule.Field]; fields[rule.Resource] != nil && !ok {
				t.Errorf("%s has a rule for %s.%s, which does not exist", role.Code, rule.Resource, rule.Field)
			}
		}
		if _, err := f.access.ChangeUser(t.Context(), f.principalA, f.users["me"], func(u *access.User) { u.Roles = []string{role.Code} }); err != nil {
			t.Fatal(err)
		}
		for _, kind := range crm.Kinds() {
			t.Run(fmt.Sprint(role.Code, " ", kind), func(t *testing.T) {
				f.t = t
				f.checkPreset(kind, presets[role.Code][kind])
			})
		}
		for path, codes := range doors {
			want := http.StatusForbidden
			if slices.Contains(codes, role.Code) {
				want = http.StatusOK
			}
			if status, body := f.ask("GET", path, ""); status != want {
				t.Errorf("%s: GET %s is %d, want %d %s", role.Code, path, status, want, body)
			}
		}
	}
}

// checkPreset is checkKind but for creating, where what is referred to depends on the rest of the role.
func (f *firm) checkPreset(kind crm.Kind, may map[access.Action]access.Scope) {
	f.t.Helper()
	path := pathOf(kind)
	for owner, id := range f.rows[kind] {
		visible := reaches(may["read"], owner)
		for _, c := range []struct {
			method, body string
			action       access.Action
			done         int
		}{{"GET", "", "read", 200}, {"PATCH", `{"remark":"x"}`, "update", 412}, {"DELETE", "", "delete", 412}} {
			want := c.done
			switch {
			case may[c.action] == "":
				want = http.StatusForbidden
			case !visible:
				want = http.StatusNotFound
			case !reaches(may[c.action], owner):
				want = http.StatusForbidden
			}
			if status, body := f.ask(c.method, path+"/"+id, c.body, `If-Match: "999"`); status != want {
				f.t.Errorf("%s %s's: got %d, want %d %s", c.method, owner, status, want, body)
			}
		}
	}
	status, body := f.ask("POST", path, f.document(kind, "x", "me"))
	if refused := status == http.StatusForbidden; refused != (may["create"] == "") {
		f.t.Errorf("POST: %d %s", status, body)
	}
}

// TestNobodyMayDoWhatNoRoleGrants walks every operation as somebody without a role.
func TestNobodyMayDoWhatNoRoleGrants(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	u, err := h.access.AddUser(t.Context(), h.principalA, access.User{Login: "new", Name: "New"}, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	_, token, err := h.access.AddToken(t.Context(), h.principalA, u.ID, "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	for path, methods := range readDocument(t, h).Paths {
		if path == "/me" || strings.HasPrefix(path, "/me/") || strings.HasPrefix(path, "/views") {
			continue // what is one's own needs no role
		}
		for method := range methods {
			const want = http.StatusForbidden
			url := strings.Replace(path, "{id}", h.ids["customer"], 1)
			w := h.request(strings.ToUpper(method), url, "", "Authorization: Bearer "+token)
			if w.Code != want {
				t.Errorf("%s %s: got %d, want %d %s", method, path, w.Code, want, w.Body)
			}
			var problem struct{ Permission string }
			if _ = json.Unmarshal(w.Body.Bytes(), &problem); want == http.StatusForbidden && problem.Permission == "" {
				t.Errorf("%s %s does not say which permission is missing: %s", method, path, w.Body)
			}
		}
	}
}
