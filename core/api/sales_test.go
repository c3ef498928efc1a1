package api_test

import (
	"strings"
	"testing"
)

func TestMovingAnOpportunity(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.play([]scenario{
		{name: "begins", method: "GET", path: "/opportunities/{opportunity}", status: 200, has: []string{`"stage":"qualify"`, `"status":"open"`, `"probability":10`, `"number":"OPP-`}},
		{name: "next stage", method: "POST", path: "/opportunities/{opportunity}/stage", body: `{"stage":"proposal"}`, status: 200, has: []string{`"probability":50`, `"forecast_category":"best_case"`, "Etag: \"2\""}},
		{name: "no such stage", method: "POST", path: "/opportunities/{opportunity}/stage", body: `{"stage":"heaven"}`, status: 422, has: []string{`"pointer":"/stage"`, `"rule":"exists"`, "negotiation"}},
		{name: "lost without a reason", method: "POST", path: "/opportunities/{opportunity}/stage", body: `{"stage":"lost"}`, status: 422, has: []string{`"pointer":"/lost_reason"`}},
		{name: "a stale version", method: "POST", path: "/opportunities/{opportunity}/stage", body: `{"stage":"won"}`, headers: []string{`If-Match: "1"`}, status: 412},
		{name: "lost", method: "POST", path: "/opportunities/{opportunity}/stage", body: `{"stage":"lost","lost_reason":"price","lost_notes":"by far"}`, status: 200, has: []string{`"status":"lost"`, `"closed_at":"`, `"lost_notes":"by far"`, `"forecast_category":"omitted"`}},
		{name: "won at once", method: "POST", path: "/opportunities/{opportunity}/stage", body: `{"stage":"won"}`, status: 422, has: []string{`"rule":"transition"`, "from what is lost only qualify, needs, proposal, negotiation, contract, lost may follow"}},
		{name: "status is the stage's", method: "PATCH", path: "/opportunities/{opportunity}", body: `{"status":"won","name":"Big pumps"}`, headers: []string{`If-Match: *`}, status: 200, has: []string{`"status":"lost"`, `"name":"Big pumps"`}},
		{name: "its way", method: "GET", path: "/opportunities/{opportunity}/stages", status: 200, has: []string{`"to":"qualify"}`, `"from":"qualify","to":"proposal","seconds":`, `"from":"proposal","to":"lost"`}},
		{name: "by status", method: "GET", path: "/opportunities?status=open", status: 200, has: []string{`{"items":[]}`}},
	})
}

func TestMovingStatuses(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.play([]scenario{
		{name: "a ticket", method: "POST", path: "/tickets/{ticket}/status", body: `{"status":"resolved"}`, status: 200, has: []string{`"status":"resolved"`, `"resolved_at":"`, `"first_responded_at":"`}},
		{name: "where it cannot go", method: "POST", path: "/tickets/{ticket}/status", body: `{"status":"new"}`, status: 422, has: []string{`"rule":"transition"`, "from resolved only closed, assigned may follow"}},
		{name: "a campaign", method: "POST", path: "/campaigns/{campaign}/status", body: `{"status":"active"}`, status: 200, has: []string{`"status":"active"`}},
		{name: "a member", method: "POST", path: "/campaign-members/{member}/status", body: `{"status":"sent"}`, status: 200, has: []string{`"status":"sent"`}},
		{name: "a contract", method: "POST", path: "/contracts/{contract}/status", body: `{"status":"signed"}`, status: 422, has: []string{`"pointer":"/start_date"`}},
		{name: "a task", method: "POST", path: "/tasks/{task}/status", body: `{"status":"completed"}`, status: 200, has: []string{`"done_at":"`}},
		{name: "an invoice", method: "POST", path: "/invoices/{invoice}/status", body: `{"status":"cancelled"}`, status: 200, has: []string{`"status":"cancelled"`}},
		{name: "a product has none", method: "POST", path: "/products/{product}/status", body: `{"status":"x"}`, status: 404},
		{name: "what happened in the campaign", method: "GET", path: "/campaigns/{campaign}/events?limit=1", status: 200, has: []string{`"type":"sent"`, `"next":"/api/v1/campaigns/`}, hasNot: []string{"targeted"}},
		{name: "after nothing", method: "GET", path: "/campaigns/{campaign}/events?after=x", status: 400, has: []string{`"parameter":"after"`}},
	})
	next := nextOf(h.request("GET", "/campaigns/{campaign}/events?limit=1", ""))
	h.play([]scenario{{name: "and before", method: "GET", path: strings.TrimPrefix(next, "/api/v1"), status: 200, has: []string{`"type":"targeted"`}, hasNot: []string{`"next"`}}})
}

func TestRecycleBin(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.play([]scenario{
		{name: "not deleted", method: "POST", path: "/contacts/{contact}/restore", headers: []string{"If-Match: *"}, status: 404},
		{name: "delete", method: "DELETE", path: "/contacts/{contact}", headers: []string{`If-Match: "1"`}, status: 204},
		{name: "in the bin", method: "GET", path: "/contacts?deleted_at[null]=false", status: 200, has: []string{`"name":"Erika Muster"`, `"version":2`}},
		{name: "version unsaid", method: "POST", path: "/contacts/{contact}/restore", status: 428},
		{name: "a stale version", method: "POST", path: "/contacts/{contact}/restore", headers: []string{`If-Match: "1"`}, status: 412},
		{name: "restore", method: "POST", path: "/contacts/{contact}/restore", headers: []string{`If-Match: "2"`}, status: 200, has: []string{"Etag: \"3\"", `"customers":[{`}, hasNot: []string{"deleted_at"}},
		{name: "there again", method: "GET", path: "/contacts/{contact}", status: 200},
	})
}

func TestTagsCustomFieldsAndSegments(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.play([]scenario{
		{name: "declare", method: "POST", path: "/custom-fields", body: `{"entity":"customer","name":"region","kind":"choice","choices":["north","south"]}`, status: 201},
		{name: "not as declared", method: "PATCH", path: "/customers/{customer}", body: `{"ext":{"region":"west","x":1}}`, headers: []string{"If-Match: *"}, status: 422, has: []string{`"pointer":"/ext/region"`, `"pointer":"/ext/x"`}},
		{name: "as declared", method: "PATCH", path: "/customers/{customer}", body: `{"ext":{"region":"north"},"tags":["vip","vip"]}`, headers: []string{"If-Match: *"}, status: 200, has: []string{`"tags":["vip"]`}},
		{name: "by custom field", method: "GET", path: "/customers?ext.region=north", status: 200, has: []string{`"code":"C1"`}},
		{name: "by another value", method: "GET", path: "/customers?ext.region[in]=south,west", status: 200, has: []string{`{"items":[]}`}},
		{name: "by no name", method: "GET", path: "/customers?ext.Region!=north", status: 400},
		{name: "by tag", method: "GET", path: "/customers?tags[has]=vip", status: 200, has: []string{`"code":"C1"`}},
		{name: "tags are no text", method: "GET", path: "/customers?tags=vip", status: 400, has: []string{`"parameter":"tags"`, `"rule":"operator"`}},
		{name: "tag of another type", method: "PATCH", path: "/customers/{customer}", body: `{"tags":[1]}`, headers: []string{"If-Match: *"}, status: 422, has: []string{`"pointer":"/tags/0"`}},
		{name: "a segment's members", method: "GET", path: "/segments/{segment}/members", status: 200, has: []string{`"code":"C1"`}},
		{name: "a segment of nothing", method: "POST", path: "/segments", body: `{"name":"x","rule":[{"field":"colour","values":["red"]}]}`, status: 422, has: []string{`"pointer":"/rule/0/field"`}},
		{name: "a page of nobody", method: "GET", path: "/segments/{segment}/members?after=zzz", status: 400, has: []string{`"parameter":"after"`}},
	})
}
