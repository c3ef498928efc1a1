package api_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/upkeep"
)

// team is a hub with a sales manager, two sales persons below him and one beside, each with a token, as headers.
type team struct {
	*hub
	manager, ann, bob, stranger []string
}

func newTeam(t *testing.T) *team {
	t.Helper()
	h := newHub(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	north, err := h.access.AddDepartment(t.Context(), h.principalA, access.Department{Name: "North"})
	must(err)
	south, err := h.access.AddDepartment(t.Context(), h.principalA, access.Department{Name: "South"})
	must(err)
	join := func(login, role string, department uuid.UUID) []string {
		u, err := h.access.AddUser(t.Context(), h.principalA, access.User{Login: login, Name: login, DepartmentID: &department, Roles: []string{role}}, "correct horse")
		must(err)
		_, token, err := h.access.AddToken(t.Context(), h.principalA, u.ID, "test", nil)
		must(err)
		h.ids[login] = u.ID.String()
		return []string{"Authorization: Bearer " + token}
	}
	return &team{
		hub: h, manager: join("manager", "sales_manager", north.ID), ann: join("ann", "sales", north.ID), bob: join("bob", "sales", north.ID),
		stranger: join("stranger", "sales", south.ID),
	}
}

// customer makes one of somebody.
func (c *team) customer(name, owner string) {
	c.t.Helper()
	c.make(name, "/customers?duplicates=accept", `{"name":"`+name+`","kind":"company","lifecycle":"lead","phone":"+49 30 1234567","email":"boss@example.com","owner_id":"{`+owner+`}"}`)
}

func TestThePoolThroughTheAPI(t *testing.T) {
	t.Parallel()
	c := newTeam(t)
	for name, owner := range map[string]string{"Alder": "ann", "Birch": "bob", "Cedar": "stranger", "Dogwood": "ann"} {
		c.customer(name, owner)
	}
	secrets := []string{"1234567", "boss@", `"phone"`, `"email"`}
	c.play([]scenario{
		{name: "nothing there yet", method: "GET", path: "/pool", headers: c.ann, status: 200, has: []string{`{"items":[]}`}},
		{name: "a foreign customer is not hers to give up", method: "POST", path: "/pool/release", body: `{"ids":["{Birch}","{Alder}"],"reason":"too far"}`, headers: c.ann, status: 200, has: []string{`"id":"` + c.ids["Birch"] + `","done":false,"refusal":{"code":"not_found"`, `"id":"` + c.ids["Alder"] + `","done":true,"version":2`}},
		{name: "the pool", method: "GET", path: "/pool?q=alder", headers: c.bob, status: 200, has: []string{`"name":"Alder"`, `"has_phone":true`, `"reason":"too far"`, `"from_owner":"ann"`}, hasNot: append(secrets, "Birch", "Cedar")},
		{name: "no other door", method: "GET", path: "/customers/{Alder}", headers: c.bob, status: 404},
		{name: "nor the list", method: "GET", path: "/customers", headers: c.bob, status: 200, has: []string{"Birch"}, hasNot: []string{"Alder"}},
		{name: "nor the search", method: "GET", path: "/search?q=Alder", headers: c.bob, status: 200, has: []string{`"groups":[]`}},
		{name: "nor by what hangs on it", method: "POST", path: "/activities", body: `{"kind":"call","subject":"x","customer_id":"{Alder}","at":"2026-01-01T00:00:00Z"}`, headers: c.bob, status: 422, has: []string{`"pointer":"/customer_id"`}},
		{name: "what he may", method: "GET", path: "/pool/capacity", headers: c.bob, status: 200, has: []string{`"owned":1`, `"claimed_today":0`}, hasNot: []string{"max_owned"}},
		{name: "claim", method: "POST", path: "/pool/claim", body: `{"ids":["{Alder}","{Cedar}"]}`, headers: c.bob, status: 200, has: []string{`"done":true,"version":3`, `"code":"not_pooled"`}},
		{name: "it is his", method: "GET", path: "/customers/{Alder}", headers: c.bob, status: 200, has: []string{`"owner_id":"` + c.ids["bob"], "+49 30 1234567"}},
		{name: "who comes late hears who was first", method: "POST", path: "/pool/claim", body: `{"ids":["{Alder}"]}`, headers: c.stranger, status: 200, has: []string{`"code":"taken"`, "bob got it", `"help":`}},
		{name: "its log", method: "GET", path: "/pool/log?customer_id={Alder}", headers: c.ann, status: 200, has: []string{`"event":"claimed"`, `"event":"released"`, `"to_owner_id":"` + c.ids["bob"]}},
		{name: "its history", method: "GET", path: "/pool/log?event=recycled", headers: c.ann, status: 200, has: []string{`{"items":[]}`}},

		{name: "a limit", method: "POST", path: "/pool-limits", body: `{"role":"sales","max_owned":2}`, status: 201, has: []string{`"role":"sales","max_owned":2`}},
		{name: "again", method: "POST", path: "/pool-limits", body: `{"role":"sales","max_owned":3}`, status: 422, has: []string{`"rule":"unique"`}},
		{name: "of nobody", method: "POST", path: "/pool-limits", body: `{"role":"kings","cooldown_days":-1}`, status: 422, has: []string{`"pointer":"/cooldown_days"`}},
		{name: "of no role", method: "POST", path: "/pool-limits", body: `{"role":"kings"}`, status: 422, has: []string{`"pointer":"/role"`}},
		{name: "a sales person sets none", method: "POST", path: "/pool-limits", body: `{"max_owned":9}`, headers: c.bob, status: 403, has: []string{`"permission":"pool:create"`}},
		{name: "give up", method: "POST", path: "/pool/release", body: `{"ids":["{Dogwood}"]}`, headers: c.manager, status: 200, has: []string{`"done":true`}},
		{name: "enough is enough", method: "POST", path: "/pool/claim", body: `{"ids":["{Dogwood}"]}`, headers: c.bob, status: 200, has: []string{`"code":"max_owned"`, "bob owns 2 customers, and may own 2"}},
		{name: "a sales person assigns nothing", method: "POST", path: "/pool/assign", body: `{"ids":["{Dogwood}"],"owner_id":"{bob}"}`, headers: c.ann, status: 403, has: []string{`"permission":"customer:assign"`}},
		{name: "not beyond the department", method: "POST", path: "/pool/assign", body: `{"ids":["{Dogwood}"],"owner_id":"{stranger}"}`, headers: c.manager, status: 422, has: []string{`"pointer":"/owner_id"`, `"rule":"permission"`}},
		{name: "nor beyond the limit", method: "POST", path: "/pool/assign", body: `{"ids":["{Dogwood}"],"owner_id":"{bob}"}`, headers: c.manager, status: 200, has: []string{`"code":"max_owned"`}},
		{name: "assign", method: "POST", path: "/pool/assign", body: `{"ids":["{Dogwood}"],"owner_id":"{ann}"}`, headers: c.manager, status: 200, has: []string{`"done":true`}},
		{name: "no ids", method: "POST", path: "/pool/claim", body: `{"ids":[]}`, headers: c.bob, status: 422, has: []string{`"pointer":"/ids"`}},
		{name: "no id", method: "POST", path: "/pool/claim", body: `{"ids":["x"]}`, headers: c.bob, status: 422, has: []string{`"pointer":"/ids/0"`, `"rule":"format"`}},
		{name: "twice", method: "POST", path: "/pool/claim", body: `{"ids":["{Cedar}","{Cedar}"]}`, headers: c.bob, status: 422, has: []string{`"pointer":"/ids/1"`}},
		{name: "from nowhere", method: "GET", path: "/pool?after=x", headers: c.bob, status: 400, has: []string{`"parameter":"after"`}},
		{name: "no lifecycle", method: "GET", path: "/pool?lifecycle=x", headers: c.bob, status: 400, has: []string{`"parameter":"lifecycle"`}},
	})
}

func TestRecycleRulesThroughTheAPI(t *testing.T) {
	t.Parallel()
	c := newTeam(t)
	for name, owner := range map[string]string{"Alder": "ann", "Birch": "bob", "Cedar": "stranger"} {
		c.customer(name, owner)
	}
	c.make("rule", "/recycle-rules", `{"name":"Forgotten","is_active":true,"basis":"contact","days":10,"warn_days":10,"keeps":["open_order"]}`)
	c.play([]scenario{
		{name: "what is wrong with one", method: "POST", path: "/recycle-rules", body: `{"name":"x","is_active":true,"basis":"mood","days":0}`, status: 422, has: []string{`"pointer":"/basis"`, `"pointer":"/days"`}},
		{name: "and what the schema does not see", method: "POST", path: "/recycle-rules", body: `{"name":" ","is_active":true,"basis":"deal","days":5,"warn_days":6,"lifecycles":["king"],"levels":["A","Z"],"tags":[""]}`, status: 422, has: []string{`"pointer":"/name"`, `"pointer":"/warn_days"`, `"pointer":"/lifecycles/0"`, `"pointer":"/levels/1"`, `"pointer":"/tags/0"`}},
		{name: "no keep", method: "POST", path: "/recycle-rules", body: `{"name":"x","is_active":true,"basis":"deal","days":5,"keeps":["mood"]}`, status: 422, has: []string{`"pointer":"/keeps/0"`}},
		{name: "no department", method: "POST", path: "/recycle-rules", body: `{"name":"x","is_active":true,"basis":"deal","days":5,"department_id":"{Alder}"}`, status: 422, has: []string{`"pointer":"/department_id"`}},
		{name: "list", method: "GET", path: "/recycle-rules", headers: c.ann, status: 200, has: []string{`"name":"Forgotten"`}},
		{name: "a sales person makes none", method: "POST", path: "/recycle-rules", body: `{"name":"x","is_active":true,"basis":"deal","days":5}`, headers: c.ann, status: 403, has: []string{`"permission":"pool:create"`}},
		{name: "nor changes one", method: "PATCH", path: "/recycle-rules/{rule}", body: `{"days":5}`, headers: c.ann, status: 403},
		{name: "change", method: "PATCH", path: "/recycle-rules/{rule}", body: `{"days":12,"keeps":[]}`, status: 200, has: []string{`"days":12`, `"name":"Forgotten"`, `"warn_days":10`}, hasNot: []string{"open_order"}},
		{name: "change to nothing", method: "PATCH", path: "/recycle-rules/{rule}", body: `{"days":0}`, status: 422, has: []string{`"pointer":"/days"`}},
		{name: "nothing is due", method: "GET", path: "/pool/due", status: 200, has: []string{`{"items":[]}`}},
		{name: "in twelve days her own", method: "GET", path: "/pool/due?ahead=12", headers: c.ann, status: 200, has: []string{`"name":"Alder"`, `"rule":"Forgotten"`, `"basis":"contact"`, `"days":12`}, hasNot: []string{"Birch", "Cedar"}},
		{name: "to the manager those of his people", method: "GET", path: "/pool/due?ahead=12", headers: c.manager, status: 200, has: []string{"Alder", "Birch"}, hasNot: []string{"Cedar"}},
		{name: "or of one of them", method: "GET", path: "/pool/due?ahead=12&owner_id={bob}", headers: c.manager, status: 200, has: []string{"Birch"}, hasNot: []string{"Alder"}},
		{name: "not of a stranger", method: "GET", path: "/pool/due?ahead=12&owner_id={stranger}", headers: c.manager, status: 200, has: []string{`{"items":[]}`}},
		{name: "not for ever", method: "GET", path: "/pool/due?ahead=999", status: 400, has: []string{`"parameter":"ahead"`}},
		{name: "the hub is no oracle", method: "GET", path: "/follow-ups?why=recycle&owner_id={stranger}", headers: c.manager, status: 200, has: []string{`{"items":[]}`}},
		{name: "two days before there is none", method: "GET", path: "/follow-ups?why=recycle", headers: c.ann, status: 200, has: []string{`{"items":[]}`}},
		{name: "warn as early as that", method: "PATCH", path: "/recycle-rules/{rule}", body: `{"warn_days":12}`, status: 200},
		{name: "she is warned", method: "GET", path: "/follow-ups", headers: c.ann, status: 200, has: []string{`"why":"recycle"`, `"note":"Forgotten"`, `"title":"Alder"`}, hasNot: []string{"Birch", "Cedar"}},
		{name: "settings", method: "GET", path: "/pool/settings", status: 200, has: []string{`"time_zone":"UTC","recycle_hour":2,"next_recycle_at":`}},
		{name: "no zone", method: "PATCH", path: "/pool/settings", body: `{"time_zone":"Moon/Crater","recycle_hour":24}`, status: 422, has: []string{`"pointer":"/recycle_hour"`}},
		{name: "another zone", method: "PATCH", path: "/pool/settings", body: `{"time_zone":"Asia/Shanghai"}`, status: 200, has: []string{`"time_zone":"Asia/Shanghai","recycle_hour":2`}},
		{name: "now", method: "POST", path: "/pool/recycle", status: 202},
		{name: "not for everybody", method: "POST", path: "/pool/recycle", headers: c.manager, status: 403, has: []string{`"permission":"pool:run"`}},
		{name: "take it away", method: "DELETE", path: "/recycle-rules/{rule}", status: 204},
		{name: "it is gone", method: "GET", path: "/recycle-rules/{rule}", status: 404},
	})
}

func TestUpkeepKeepsFieldRules(t *testing.T) {
	t.Parallel()
	c := newTeam(t)
	c.customer("Secretname", "ann")
	c.customer("Othername", "ann")
	c.make("task", "/tasks", `{"subject":"Call","customer_id":"{Secretname}","owner_id":"{ann}","due_at":"2026-01-01T00:00:00Z"}`)
	c.make("rule", "/recycle-rules", `{"name":"Forgotten","is_active":true,"basis":"contact","days":1}`)
	c.play([]scenario{{name: "into the pool", method: "POST", path: "/pool/release", body: `{"ids":["{Secretname}"]}`, headers: c.ann, status: 200, has: []string{`"done":true`}}})
	roles, err := c.access.Roles(t.Context(), c.principalA)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range roles {
		if r.Code != "sales" && r.Code != "sales_manager" {
			continue
		}
		_, err := c.access.ChangeRole(t.Context(), c.principalA, r.ID, func(r *access.Role) {
			for _, field := range []string{"name", "phone", "owner_id", "last_contact_at"} {
				r.Fields = append(r.Fields, access.FieldRule{Resource: access.Resource(crm.KindCustomer), Field: field, Access: access.FieldHidden})
			}
			r.Fields = append(r.Fields, access.FieldRule{Resource: access.Resource(crm.KindTask), Field: "subject", Access: access.FieldMasked})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	hidden := []string{"Secretname", "Othername", "has_phone", "from_owner", c.ids["ann"], "last_contact_at"}
	c.play([]scenario{
		{name: "the pool", method: "GET", path: "/pool", headers: c.ann, status: 200, has: []string{`"has_email":true`, `"lifecycle":"lead"`}, hasNot: hidden},
		{name: "asking by a hidden field", method: "GET", path: "/pool?q=Secret", headers: c.ann, status: 400, has: []string{`"parameter":"q"`, `"rule":"permission"`}},
		{name: "the log", method: "GET", path: "/pool/log", headers: c.bob, status: 200, has: []string{`"event":"released"`}, hasNot: []string{"owner_id"}},
		{name: "the dry run", method: "GET", path: "/pool/due?ahead=1", headers: c.ann, status: 200, has: []string{`"rule":"Forgotten"`}, hasNot: append([]string{`"since"`, `"basis"`, `"owner"`}, hidden...)},
		{name: "the dry run of somebody", method: "GET", path: "/pool/due?owner_id={bob}", headers: c.ann, status: 400, has: []string{`"parameter":"owner_id"`, `"rule":"permission"`}},
		{name: "her follow-ups, to him", method: "GET", path: "/follow-ups?whose=all", headers: c.manager, status: 200, has: []string{`"why":"task"`}, hasNot: hidden},
		{name: "who hers are he does not find out", method: "GET", path: "/follow-ups?owner_id={ann}", headers: c.manager, status: 200, has: []string{`{"items":[]}`}},
		{name: "follow-ups", method: "GET", path: "/follow-ups", headers: c.ann, status: 200, has: []string{`"title":"****"`}, hasNot: append([]string{"Call"}, hidden...)},
	})
}

func TestHandOverThroughTheAPI(t *testing.T) {
	t.Parallel()
	c := newTeam(t)
	c.customer("Alder", "ann")
	c.make("task", "/tasks", `{"subject":"Call","owner_id":"{ann}"}`)
	c.make("feedback", "/feedback", `{"customer_id":"{Alder}","at":"2026-09-01T08:00:00Z","score":4,"owner_id":"{ann}"}`)
	c.make("campaign", "/campaigns", `{"name":"Spring","owner_id":"{ann}"}`)
	c.play([]scenario{
		{name: "count", method: "POST", path: "/users/{ann}/hand-over/preview", body: `{"to_user_id":"{bob}"}`, headers: c.manager, status: 200, has: []string{
			`"entity":"customer","to_user_id":"` + c.ids["bob"] + `","count":1,"permitted":true`, `"entity":"campaign","to_user_id":"` + c.ids["bob"] + `","count":1,"permitted":false`, `"entity":"feedback"`,
		}},
		{name: "count what is open", method: "POST", path: "/users/{ann}/hand-over/preview", body: `{"to_user_id":"{bob}","open_only":true}`, headers: c.manager, status: 200, has: []string{`"entity":"task"`}, hasNot: []string{`"entity":"feedback"`}},
		{name: "not what one may not give", method: "POST", path: "/users/{ann}/hand-over", body: `{"to_user_id":"{bob}"}`, headers: c.manager, status: 403, has: []string{`"permission":"campaign:assign"`}},
		{name: "nor to whom one may not", method: "POST", path: "/users/{ann}/hand-over", body: `{"by_kind":{"customer":"{stranger}"}}`, headers: c.manager, status: 403, has: []string{`"permission":"customer:assign"`}},
		{name: "a sales person hands nothing over", method: "POST", path: "/users/{ann}/hand-over", body: `{"to_user_id":"{bob}"}`, headers: c.ann, status: 403},
		{name: "to nobody", method: "POST", path: "/users/{ann}/hand-over", body: `{"by_kind":{"customer":"x","product":"{bob}"}}`, headers: c.manager, status: 422, has: []string{`"pointer":"/by_kind/customer"`}},
		{name: "what has no owner", method: "POST", path: "/users/{ann}/hand-over", body: `{"by_kind":{"product":"{bob}"}}`, headers: c.manager, status: 422, has: []string{`"pointer":"/by_kind/product"`}},
	})
	w := c.request(http.MethodPost, "/users/{ann}/hand-over", `{"to_user_id":"{bob}","by_kind":{"campaign":"{boss}"}}`)
	if w.Code != http.StatusUnprocessableEntity {
		t.Errorf("to somebody who is not there: %d %s", w.Code, w.Body)
	}
	begun := c.request(http.MethodPost, "/users/{ann}/hand-over", `{"by_kind":{"customer":"{bob}","task":"{manager}"}}`, c.manager...)
	if begun.Code != http.StatusAccepted {
		t.Fatalf("%d %s", begun.Code, begun.Body)
	}
	c.ids["hand-over"] = field(t, begun, "id")
	runner := upkeep.Runner{DB: c.db, Access: c.access, Store: &upkeep.Store{Entities: &crm.Store{}}, Logger: slog.New(slog.DiscardHandler)}
	if err := runner.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.play([]scenario{
		{name: "done", method: "GET", path: "/hand-overs/{hand-over}", headers: c.manager, status: 200, has: []string{`"status":"done"`, `"expected":1,"moved":1`}, hasNot: []string{`"moved":0`}},
		{name: "not everybody's to see", method: "GET", path: "/hand-overs/{hand-over}", headers: c.ann, status: 403},
		{name: "the administrator's", method: "GET", path: "/hand-overs", status: 200, has: []string{c.ids["hand-over"]}},
		{name: "over is over", method: "POST", path: "/hand-overs/{hand-over}/cancel", headers: c.manager, status: 200, has: []string{`"status":"done"`}},
		{name: "his now", method: "GET", path: "/customers/{Alder}", headers: c.bob, status: 200},
		{name: "hers no more", method: "GET", path: "/customers/{Alder}", headers: c.ann, status: 404},
		{name: "her campaign stays", method: "GET", path: "/campaigns/{campaign}", status: 200, has: []string{c.ids["ann"]}},
	})
	if log := c.log.String(); strings.Contains(log, "level=ERROR") {
		t.Error(log)
	}
}
