package api_test

import "testing"

func TestLinksByHand(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.make("other-order", "/orders", `{"number":"SO-2","customer_id":"{customer}","date":"2026-09-01","currency":"EUR"}`)
	h.play([]scenario{
		{name: "get", method: "GET", path: "/links/{link}", status: 200, has: []string{`"remote_id":"1001"`, `"state":"linked"`}},
		{name: "found by its record", method: "GET", path: "/links?remote_id=1001", status: 200, has: []string{`"id":"` + h.ids["link"] + `"`}},
		{name: "a record that is taken", method: "POST", path: "/links", body: `{"connection_id":"{connection}","entity":"order","entity_id":"{other-order}","remote_id":"1001"}`, status: 409, has: []string{h.ids["order"] + " is linked with record 1001"}},
		{name: "an entity that is taken", method: "POST", path: "/links", body: `{"connection_id":"{connection}","entity":"order","entity_id":"{order}","remote_id":"1002"}`, status: 409, has: []string{"record 1001"}},
		{name: "no such entity", method: "POST", path: "/links", body: `{"connection_id":"{connection}","entity":"order","entity_id":"{customer}","remote_id":"1002"}`, status: 422, has: []string{`"pointer":"/entity_id"`}},
		{name: "no such connection", method: "POST", path: "/links", body: `{"connection_id":"{order}","entity":"order","entity_id":"{order}","remote_id":"1002"}`, status: 422, has: []string{`"pointer":"/connection_id"`}},
		{name: "a kind that does not flow", method: "POST", path: "/links", body: `{"connection_id":"{connection}","entity":"invoice","entity_id":"{invoice}","remote_id":"1002"}`, status: 422, has: []string{`"pointer":"/entity"`}},
		{name: "no record", method: "POST", path: "/links", body: `{"connection_id":"{connection}","entity":"order","entity_id":"{order}","remote_id":""}`, status: 422, has: []string{`"pointer":"/remote_id"`}},
		{name: "unlink", method: "POST", path: "/links/{link}/unlink", status: 200, has: []string{`"state":"unlinked"`}, hasNot: []string{`"remote_id"`}},
		{name: "apart", method: "GET", path: "/links?state=unlinked", status: 200, has: []string{`"id":"` + h.ids["link"] + `"`}},
		{name: "with another record", method: "POST", path: "/links", body: `{"connection_id":"{connection}","entity":"order","entity_id":"{order}","remote_id":"1002"}`, status: 201, has: []string{`"remote_id":"1002"`, `"state":"linked"`}},
	})
	h.seal("/audit?entity=link", `"remote_id":"1002"`)
	h.play([]scenario{
		{name: "in the trail", method: "GET", path: "/audit?entity=link", status: 200, has: []string{`"action":"unlinked"`, `"action":"linked"`, `"remote_id":"1001"`}},
	})
}

func TestConflicts(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.play([]scenario{
		{name: "list", method: "GET", path: "/conflicts?connection_id={connection}&entity=order&entity_id={order}&field=remark&status=open", status: 200, has: []string{`"base":null,"ours":"a","theirs":"b"`}},
		{name: "list others", method: "GET", path: "/conflicts?status=theirs", status: 200, has: []string{`{"items":[]}`}},
		{name: "list of a status there is not", method: "GET", path: "/conflicts?status=odd", status: 400, has: []string{`"parameter":"status"`}},
		{name: "list from nowhere", method: "GET", path: "/conflicts?after=x", status: 400, has: []string{`"parameter":"after"`}},
		{name: "get", method: "GET", path: "/conflicts/{conflict}", status: 200, has: []string{`"status":"open"`}},
		{name: "settle by no side", method: "POST", path: "/conflicts/{conflict}/settle", body: `{"side":"both"}`, status: 422, has: []string{`"pointer":"/side"`}},
		{name: "settle without its record", method: "POST", path: "/conflicts/{conflict}/settle", body: `{"side":"ours"}`, status: 200, has: []string{`"settled":false`, "the record was not kept"}},
		{name: "settle all", method: "POST", path: "/conflicts/settle", body: `{"connection_id":"{connection}","entity":"order","field":"remark","side":"ours"}`, status: 200, has: []string{`"settled":0`, "the record was not kept"}},
		{name: "settle all by a value", method: "POST", path: "/conflicts/settle", body: `{"connection_id":"{connection}","entity":"order","field":"remark","side":"value"}`, status: 422, has: []string{`"pointer":"/side"`}},
	})
}
