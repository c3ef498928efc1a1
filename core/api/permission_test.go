package api_test

import (
	"net/http"
	"strings"
	"testing"

	"crmhub/core/access"
)

// as plays scenarios as the one the firm calls me.
func (f *firm) as(scenarios []scenario) {
	f.t.Helper()
	for i := range scenarios {
		scenarios[i].headers = append([]string{"Authorization: Bearer " + f.me}, scenarios[i].headers...)
	}
	f.play(scenarios)
}

// become gives me a role.
func (f *firm) become(r access.Role) {
	f.t.Helper()
	_, err := f.access.ChangeRole(f.t.Context(), f.principalA, f.role, func(old *access.Role) { old.Grants, old.Fields = r.Grants, r.Fields })
	if err != nil {
		f.t.Fatal(err)
	}
}

func TestFieldRulesHoldOnEveryWay(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	f.make("full", "/customers", `{"code":"SECRETCODE","name":"Full","kind":"company","lifecycle":"lead","phone":"+49 30 1234567","email":"ab@c.de",
		"credit_limit":"12345.67","annual_revenue":"8888888","level":"A","remark":"left alone"}`)
	f.become(access.Role{
		Grants: []access.Grant{{Resource: "customer", Action: access.Any, Scope: "organization"}},
		Fields: []access.FieldRule{
			{Resource: "customer", Field: "code", Access: access.FieldHidden},
			{Resource: "customer", Field: "phone", Access: access.FieldMasked},
			{Resource: "customer", Field: "email", Access: access.FieldMasked},
			{Resource: "customer", Field: "annual_revenue", Access: access.FieldMasked},
			{Resource: "customer", Field: "level", Access: access.FieldMasked},
			{Resource: "customer", Field: "credit_limit", Access: access.FieldRead},
		},
	})
	secrets := []string{"SECRETCODE", `"code"`, "1234567", "ab@", "8888888", `"annual_revenue"`, `"level"`}
	shown := []string{`"phone":"**********4567"`, `"email":"*******"`, `"credit_limit":"12345.67"`, `"name":"Full"`}
	f.as([]scenario{
		{name: "get", method: "GET", path: "/customers/{full}", status: 200, has: shown, hasNot: secrets},
		{name: "list", method: "GET", path: "/customers?name=Full", status: 200, has: shown, hasNot: secrets},
		{name: "filter by a hidden field", method: "GET", path: "/customers?code=SECRETCODE", status: 400, has: []string{`"parameter":"code"`, `"rule":"permission"`}},
		{name: "filter by a masked field", method: "GET", path: "/customers?phone[contains]=1", status: 400, has: []string{`"parameter":"phone[contains]"`}},
		{name: "is it there at all", method: "GET", path: "/customers?annual_revenue[null]=false", status: 400, has: []string{`"parameter":"annual_revenue[null]"`}},
		{name: "sort by a masked field", method: "GET", path: "/customers?sort=-annual_revenue", status: 400, has: []string{`"parameter":"sort"`}},
		{name: "nothing is found by a hidden field", method: "GET", path: "/customers?q=SECRETCODE", status: 200, hasNot: []string{`"name":"Full"`}},
		{name: "nor by a masked one", method: "GET", path: "/customers?q=1234567", status: 200, hasNot: []string{`"name":"Full"`}},
		{name: "nor by both together with what can be read", method: "GET", path: "/search?q=Full+SECRETCODE", status: 200, has: []string{`"groups":[]`}},
		{name: "but by what can be read", method: "GET", path: "/search?q=Full", status: 200, has: []string{`"title":"Full"`}, hasNot: secrets},
		{name: "filter by what can be read", method: "GET", path: "/customers?credit_limit[ge]=12345", status: 200, has: []string{`"name":"Full"`}},
		{name: "patch them", method: "PATCH", path: "/customers/{full}", body: `{"code":"X","phone":"**********4567","credit_limit":"1","level":null,"name":"x"}`, headers: []string{`If-Match: "1"`}, status: 422, has: []string{`"pointer":"/code"`, `"pointer":"/phone"`, `"pointer":"/credit_limit"`, `"pointer":"/level"`, `"rule":"permission"`}, hasNot: []string{`"pointer":"/name"`}},
		{name: "ask whose number it is", method: "POST", path: "/duplicates/check-customers", body: `{"name":"x","phone":"+49 30 1234567","code":"SECRETCODE"}`, status: 422, has: []string{`"pointer":"/phone"`, `"pointer":"/code"`, `"rule":"permission"`}, hasNot: secrets},
		{name: "patch another", method: "PATCH", path: "/customers/{full}", body: `{"name":"Renamed"}`, headers: []string{`If-Match: "1"`}, status: 200, has: []string{`"name":"Renamed"`, `"phone":"**********4567"`}, hasNot: secrets},
		{name: "create with one", method: "POST", path: "/customers", body: `{"name":"x","kind":"company","lifecycle":"lead","credit_limit":"1"}`, status: 422, has: []string{`"pointer":"/credit_limit"`}},
		{name: "create without", method: "POST", path: "/customers", body: `{"name":"x","kind":"company","lifecycle":"lead"}`, status: 201, hasNot: []string{`"code"`}},
		{name: "reveal", method: "POST", path: "/customers/{full}/reveal", status: 200, has: []string{`"phone":"+49 30 1234567"`, `"annual_revenue":"8888888"`, `"level":"A"`}, hasNot: []string{"SECRETCODE"}},
		{name: "me", method: "GET", path: "/me", status: 200, has: []string{`"fields":{"customer":{"annual_revenue":"masked"`, `"customer":{"assign":"organization"`}},
	})
	if log := f.log.String(); !strings.Contains(log, "masked fields revealed") || strings.Contains(log, "1234567") {
		t.Error("the log does not say who revealed what, or says too much")
	}
	f.play([]scenario{{
		name: "what could not be seen is still there", method: "GET", path: "/customers/{full}", status: 200,
		has: []string{`"code":"SECRETCODE"`, `"phone":"+49 30 1234567"`, `"annual_revenue":"8888888"`, `"level":"A"`, `"credit_limit":"12345.67"`},
	}})
}

func TestOwnersAndReferences(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	for name, id := range f.users {
		f.ids["user "+name] = id.String()
	}
	f.become(access.Role{Grants: []access.Grant{
		{Resource: "customer", Action: access.Read, Scope: "department_tree"},
		{Resource: "customer", Action: access.Create, Scope: "own"},
		{Resource: "customer", Action: access.Update, Scope: "own"},
		{Resource: "customer", Action: access.Assign, Scope: "department"},
		{Resource: "order", Action: access.Read, Scope: "own"},
		{Resource: "order", Action: access.Create, Scope: "own"},
		{Resource: "order", Action: access.Update, Scope: "own"},
	}})
	order := func(customer string) string {
		return `{"customer_id":"` + customer + `","date":"2026-09-01","currency":"EUR","lines":[{"description":"x","qty":"1","price":"1"}]}`
	}
	match := []string{"If-Match: *"}
	f.as([]scenario{
		{name: "what I create is mine", method: "POST", path: "/customers", body: `{"name":"x","kind":"company","lifecycle":"lead"}`, status: 201, has: []string{`"owner_id":"` + f.users["me"].String()}},
		{name: "not a colleague's", method: "POST", path: "/customers", body: `{"name":"x","kind":"company","lifecycle":"lead","owner_id":"{user colleague}"}`, status: 422, has: []string{`"pointer":"/owner_id"`, `"rule":"permission"`}},
		{name: "give mine away", method: "PATCH", path: "/customers/{customer of me}", body: `{"owner_id":"{user colleague}"}`, headers: match, status: 200},
		{name: "write it no more", method: "PATCH", path: "/customers/{customer of me}", body: `{"remark":"x"}`, headers: match, status: 403, has: []string{`"permission":"customer:update"`, "reaches the scope own"}},
		{name: "nor both at once", method: "PATCH", path: "/customers/{customer of me}", body: `{"owner_id":"{user me}","remark":"x"}`, headers: match, status: 403},
		{name: "take it back", method: "PATCH", path: "/customers/{customer of me}", body: `{"owner_id":"{user me}"}`, headers: match, status: 200},
		{name: "not out of the department", method: "PATCH", path: "/customers/{customer of me}", body: `{"owner_id":"{user below}"}`, headers: match, status: 422, has: []string{`"pointer":"/owner_id"`}},
		{name: "not to nobody", method: "PATCH", path: "/customers/{customer of me}", body: `{"owner_id":null}`, headers: match, status: 422, has: []string{`"pointer":"/owner_id"`}},
		{name: "what I see is not all mine to give", method: "PATCH", path: "/customers/{customer of below}", body: `{"owner_id":"{user me}"}`, headers: match, status: 403, has: []string{`"permission":"customer:update or customer:assign"`}},
		{name: "what I do not see is not there", method: "PATCH", path: "/customers/{customer of above}", body: `{"owner_id":"{user me}"}`, headers: match, status: 404},
		{name: "an order for a customer I see", method: "POST", path: "/orders", body: order("{customer of below}"), status: 201},
		{name: "an order for one I do not see", method: "POST", path: "/orders", body: order("{customer of above}"), status: 422, has: []string{`"pointer":"/customer_id"`, "must be the id of a customer here"}},
		{name: "revealing is a permission", method: "POST", path: "/customers/{customer of me}/reveal", status: 403, has: []string{`"permission":"customer:reveal"`}},
		{name: "my order whose customer I do not see", method: "PATCH", path: "/orders/{order of me}", body: `{"remark":"x","lines":[{"description":"x","qty":"1","price":"2"}]}`, headers: match, status: 200, has: []string{`"total":"2"`}},
		{name: "I may not confirm it", method: "POST", path: "/orders/{order of me}/status", body: `{"status":"confirmed"}`, status: 403, has: []string{`"permission":"order:approve"`}},
		{name: "by no way", method: "PATCH", path: "/orders/{order of me}", body: `{"status":"confirmed"}`, headers: match, status: 403, has: []string{`"permission":"order:approve"`}},
		{name: "but submit it", method: "POST", path: "/orders/{order of me}/status", body: `{"status":"submitted"}`, status: 200},
	})
	f.become(access.Role{Grants: []access.Grant{{Resource: "order", Action: access.Read, Scope: "organization"}, {Resource: "order", Action: access.Approve, Scope: "department"}}})
	f.as([]scenario{
		{name: "approving is confirming", method: "POST", path: "/orders/{order of me}/status", body: `{"status":"confirmed"}`, status: 200, has: []string{`"status":"confirmed"`}},
		{name: "and nothing else", method: "POST", path: "/orders/{order of me}/status", body: `{"status":"cancelled"}`, status: 403},
		{name: "nor for others", method: "POST", path: "/orders/{order of below}/status", body: `{"status":"confirmed"}`, status: 403},
	})
}

func TestTokensMayNoMoreThanTheirScopesAndTheirUser(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	f.become(access.Role{Grants: []access.Grant{
		{Resource: "customer", Action: access.Any, Scope: "department"},
		{Resource: "order", Action: access.Read, Scope: "own"},
		{Resource: "token", Action: access.Any, Scope: "own"},
	}})
	w := f.request("POST", "/tokens", `{"name":"narrow","scopes":["customer:read","token:*"]}`, "Authorization: Bearer "+f.me)
	if w.Code != http.StatusCreated {
		t.Fatal(w.Code, w.Body)
	}
	narrow := []string{"Authorization: Bearer " + field(t, w, "token")}
	f.play([]scenario{
		{name: "in both", method: "GET", path: "/customers/{customer of colleague}", headers: narrow, status: 200},
		{name: "not beyond the user's scope", method: "GET", path: "/customers/{customer of below}", headers: narrow, status: 404},
		{name: "the user may, the token not", method: "PATCH", path: "/customers/{customer of me}", body: `{"remark":"x"}`, headers: append(narrow, "If-Match: *"), status: 403, has: []string{`"permission":"customer:update or customer:assign"`}},
		{name: "nor read orders", method: "GET", path: "/orders", headers: narrow, status: 403},
		{name: "no scope of which the user may nothing", method: "POST", path: "/tokens", body: `{"name":"x","scopes":["customer:read","invoice:*"]}`, headers: []string{"Authorization: Bearer " + f.me}, status: 422, has: []string{`"pointer":"/scopes/1"`, `"rule":"permission"`}},
		{name: "me", method: "GET", path: "/me", headers: narrow, status: 200, has: []string{`"permissions":{"customer":{"read":"department"},"token":{`}},
		{name: "it makes no wider one", method: "POST", path: "/tokens", body: `{"name":"wide"}`, headers: narrow, status: 422, has: []string{`"pointer":"/scopes"`}},
		{name: "nor one with another scope", method: "POST", path: "/tokens", body: `{"name":"wide","scopes":["customer:*"]}`, headers: narrow, status: 422},
		{name: "but one as narrow", method: "POST", path: "/tokens", body: `{"name":"same","scopes":["customer:read"]}`, headers: narrow, status: 201, has: []string{`"scopes":["customer:read"]`}},
		{name: "the list shows", method: "GET", path: "/tokens", headers: narrow, status: 200, has: []string{`"scopes":["customer:read","token:*"]`, `"scopes":[]`}},
		{name: "no scope there is", method: "POST", path: "/tokens", body: `{"name":"x","scopes":["customer","unicorn:read","customer:fly","*:read"]}`, status: 422, has: []string{`"pointer":"/scopes/0"`, `"pointer":"/scopes/1"`, `"pointer":"/scopes/2"`}, hasNot: []string{`"pointer":"/scopes/3"`}},
	})
}

func TestUsersRolesAndDepartments(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.play([]scenario{
		{name: "departments", method: "GET", path: "/departments", status: 200, has: []string{`"name":"Sales"`}},
		{name: "taken", method: "POST", path: "/departments", body: `{"name":"SALES"}`, status: 422, has: []string{`"pointer":"/name"`, `"rule":"unique"`}},
		{name: "not empty", method: "DELETE", path: "/departments/{department}", status: 409},
		{name: "rename", method: "PATCH", path: "/departments/{department}", body: `{"name":"Sales 1"}`, status: 200, has: []string{`"name":"Sales 1"`}},
		{name: "below itself", method: "PATCH", path: "/departments/{department}", body: `{"parent_id":"{department}"}`, status: 422, has: []string{`"pointer":"/parent_id"`}},
		{name: "below nothing there is", method: "POST", path: "/departments", body: `{"name":"x","parent_id":"{customer}"}`, status: 422, has: []string{`"pointer":"/parent_id"`}},

		{name: "users", method: "GET", path: "/users", status: 200, has: []string{`"login":"helper"`, `"roles":["helper"]`, `"login":"alpha"`, `"roles":["admin"]`}, hasNot: []string{"beta", "argon2"}},
		{name: "user", method: "GET", path: "/users/{user}", status: 200, has: []string{`"department_id":"` + h.ids["department"]}},
		{name: "no such role", method: "POST", path: "/users", body: `{"login":"x","name":"x","password":"correct horse","roles":["king"]}`, status: 422, has: []string{`"pointer":"/roles"`}},
		{name: "no such department", method: "PATCH", path: "/users/{user}", body: `{"department_id":"{customer}"}`, status: 422, has: []string{`"pointer":"/department_id"`}},
		{name: "out of the department", method: "PATCH", path: "/users/{user}", body: `{"department_id":null,"roles":["sales","helper"],"email":"h@example.com"}`, status: 200, has: []string{`"roles":["helper","sales"]`, `"email":"h@example.com"`}, hasNot: []string{"department_id"}},
		{name: "now it is empty", method: "DELETE", path: "/departments/{department}", status: 204},
		{name: "gone", method: "GET", path: "/departments/{department}", status: 404},
		{name: "disable", method: "PATCH", path: "/users/{user}", body: `{"status":"disabled"}`, status: 200, has: []string{`"status":"disabled"`}},
		{name: "a login stays", method: "PATCH", path: "/users/{user}", body: `{"login":"x"}`, status: 422, has: []string{`"pointer":"/login"`}},

		{name: "roles", method: "GET", path: "/roles", status: 200, has: []string{`"code":"admin"`, `"grants":[{"resource":"*","action":"*","scope":"organization"}]`, `"code":"auditor"`, `"code":"helper"`}},
		{name: "had by somebody", method: "DELETE", path: "/roles/{role}", status: 409},
		{name: "nothing that is", method: "POST", path: "/roles", body: `{"code":"odd","name":"Odd","grants":[{"resource":"unicorn","action":"read","scope":"own"},{"resource":"order","action":"run","scope":"own"},{"resource":"product","action":"read","scope":"own"}],"fields":[{"resource":"customer","field":"id","access":"hidden"}]}`, status: 422, has: []string{`"pointer":"/grants/0"`, `"pointer":"/grants/1"`, `"pointer":"/grants/2/scope"`, `"pointer":"/fields/0"`}},
		{name: "change", method: "PATCH", path: "/roles/{role}", body: `{"grants":[{"resource":"customer","action":"read","scope":"department"}],"fields":[{"resource":"customer","field":"phone","access":"masked"}]}`, status: 200, has: []string{`"scope":"department"`, `"access":"masked"`, `"name":"Helper"`}},
	})
	var admin string
	for _, u := range []string{"alpha"} {
		users, err := h.access.Users(t.Context(), h.principalA)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range users {
			if found.Login == u {
				admin = found.ID.String()
			}
		}
	}
	roles, err := h.access.Roles(t.Context(), h.principalA)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range roles {
		h.ids["role "+r.Code] = r.ID.String()
	}
	h.ids["admin"] = admin
	h.play([]scenario{
		{name: "the last administrator stays active", method: "PATCH", path: "/users/{admin}", body: `{"status":"disabled"}`, status: 422, has: []string{`"pointer":"/status"`}},
		{name: "and one", method: "PATCH", path: "/users/{admin}", body: `{"roles":["sales"]}`, status: 422, has: []string{`"pointer":"/roles"`}},
		{name: "whose role stays whole", method: "PATCH", path: "/roles/{role admin}", body: `{"grants":[]}`, status: 422, has: []string{`"pointer":"/grants"`}},
		{name: "its name may change", method: "PATCH", path: "/roles/{role admin}", body: `{"name":"Boss"}`, status: 200},
		{name: "it cannot go", method: "DELETE", path: "/roles/{role admin}", status: 409},
		{name: "a preset may change", method: "PATCH", path: "/roles/{role auditor}", body: `{"grants":[]}`, status: 200, has: []string{`"grants":[]`}},
		{name: "and go", method: "DELETE", path: "/roles/{role auditor}", status: 204},
	})
}

// TestNobodyGivesMoreThanHeHas tries to become an administrator by the right to manage users and roles.
func TestNobodyGivesMoreThanHeHas(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	roles, err := f.access.Roles(t.Context(), f.principalA)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range roles {
		f.ids["role "+r.Code] = r.ID.String()
	}
	users, err := f.access.Users(t.Context(), f.principalA)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range users {
		f.ids["user "+u.Login] = u.ID.String()
	}
	f.become(access.Role{
		Grants: []access.Grant{
			{Resource: "user", Action: access.Any, Scope: "organization"},
			{Resource: "role", Action: access.Any, Scope: "organization"},
			{Resource: "customer", Action: access.Read, Scope: "department"},
		},
		Fields: []access.FieldRule{{Resource: "customer", Field: "phone", Access: access.FieldMasked}},
	})
	phone := `"fields":[{"resource":"customer","field":"phone","access":"masked"}]`
	for _, s := range []scenario{
		{name: "to myself", method: "PATCH", path: "/users/{user me}", body: `{"roles":["admin"]}`, status: 403, has: []string{"The role admin allows what you may not do yourself."}},
		{name: "to a new user", method: "POST", path: "/users", body: `{"login":"x","name":"x","password":"correct horse","roles":["admin"]}`, status: 403},
		{name: "an administrator disabled", method: "PATCH", path: "/users/{user alpha}", body: `{"status":"disabled"}`, status: 403},
		{name: "my role widened", method: "PATCH", path: "/roles/{role tested}", body: `{"grants":[{"resource":"customer","action":"read","scope":"organization"}]}`, status: 403},
		{name: "my role opened", method: "PATCH", path: "/roles/{role tested}", body: `{"fields":[]}`, status: 403},
		{name: "a role of more", method: "POST", path: "/roles", body: `{"code":"more","name":"More","grants":[{"resource":"*","action":"*","scope":"organization"}]}`, status: 403},
		{name: "a role of less", method: "POST", path: "/roles", body: `{"code":"less","name":"Less","grants":[{"resource":"customer","action":"read","scope":"own"}],` + phone + `}`, status: 201},
		{name: "given on", method: "PATCH", path: "/users/{user below}", body: `{"roles":["less"]}`, status: 200},
	} {
		f.as([]scenario{s})
	}
	if w := f.request("GET", "/users/{user me}", ""); !strings.Contains(w.Body.String(), `"roles":["tested"]`) {
		t.Error(w.Body)
	}
}

// What a role hides is not in the audit trail either, nor can it be tried out: the salt would let every guess be compared
// with the digest.
func TestTheAuditTrailHidesWhatARoleHides(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	f.make("full", "/customers", `{"code":"SECRETCODE","name":"Full","credit_limit":"12345.67"}`)
	f.seal("/customers/{full}/history", `"salt"`)
	number, _, _ := strings.Cut(strings.TrimPrefix(f.request(http.MethodGet, "/customers/{full}/history", "").Body.String(), `{"items":[{"number":`), ",")
	f.become(access.Role{
		Grants: []access.Grant{{Resource: "customer", Action: access.Read, Scope: "organization"}, {Resource: "audit", Action: access.Read, Scope: "organization"}},
		Fields: []access.FieldRule{{Resource: "customer", Field: "code", Access: access.FieldHidden}, {Resource: "customer", Field: "credit_limit", Access: access.FieldMasked}},
	})
	secrets := []string{"SECRETCODE", "12345.67", `"salt"`}
	f.as([]scenario{
		{name: "history", method: "GET", path: "/customers/{full}/history", status: 200, has: []string{`"name":"Full"`, `"digest"`}, hasNot: secrets},
		{name: "the trail", method: "GET", path: "/audit?entity=customer&entity_id={full}", status: 200, has: []string{`"name":"Full"`}, hasNot: secrets},
		{name: "its entry", method: "GET", path: "/audit/" + number, status: 200, has: []string{`"name":"Full"`}, hasNot: secrets},
		{name: "what has no fields", method: "GET", path: "/audit/1", status: 200, has: []string{`"entity":"organization"`, `"salt"`}},
	})
}

// Files hold what those saw who made them: others get them only where they see as much, and one's own no longer when a role
// takes a field away.
func TestFilesAreNotAWayAroundFieldRules(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	f.make("theirs", "/exports", `{"entity":"customer","columns":["name","phone"],"format":"csv"}`)
	w := f.request(http.MethodPost, "/imports?entity=customer&name=x.csv", "name,phone\nSecret,+49 30 1234567\n", "Content-Type: text/csv")
	if w.Code != http.StatusCreated {
		t.Fatalf("import: %d %s", w.Code, w.Body)
	}
	f.ids["their import"] = field(t, w, "id")
	all := []access.Grant{
		{Resource: "customer", Action: access.Read, Scope: "organization"},
		{Resource: "customer", Action: access.Export, Scope: "organization"},
		{Resource: "customer", Action: access.Import, Scope: "organization"},
	}
	f.become(access.Role{Grants: all})
	f.as([]scenario{
		{name: "who sees all", method: "GET", path: "/exports/{theirs}", status: 200},
		{name: "and their import", method: "GET", path: "/imports/{their import}", status: 200, has: []string{"1234567"}},
	})
	w = f.request(http.MethodPost, "/exports", `{"entity":"customer","columns":["name","phone"],"format":"csv"}`, "Authorization: Bearer "+f.me)
	f.ids["mine"] = field(t, w, "id")
	for name, role := range map[string]access.Role{
		"not a field":  {Grants: all, Fields: []access.FieldRule{{Resource: "customer", Field: "phone", Access: access.FieldMasked}}},
		"not all rows": {Grants: append([]access.Grant{{Resource: "customer", Action: access.Read, Scope: "own"}}, all[1:]...)},
	} {
		f.become(role)
		f.as([]scenario{
			{name: name, method: "GET", path: "/exports/{theirs}", status: 404},
			{name: name, method: "GET", path: "/exports/{theirs}/file", status: 404},
			{name: name, method: "GET", path: "/exports", status: 200, hasNot: []string{f.ids["theirs"]}},
			{name: name, method: "GET", path: "/imports/{their import}", status: 404},
			{name: name, method: "GET", path: "/imports/{their import}/errors", status: 404},
			{name: name, method: "GET", path: "/imports", status: 200, hasNot: []string{"1234567"}},
			{name: name, method: "GET", path: "/exports/{mine}", status: 200},
		})
		if len(role.Fields) > 0 {
			f.as([]scenario{{name: "my own, with what I do not see any more", method: "GET", path: "/exports/{mine}/file", status: 403, has: []string{"phone"}}})
		}
	}
}
