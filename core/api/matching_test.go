package api_test

import "testing"

func TestMatchings(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.play([]scenario{
		{name: "list", method: "GET", path: "/matchings?connection_id={connection}&entity=customer&status=finished", status: 200, has: []string{`"id":"` + h.ids["matching"] + `"`, `"review":1`}},
		{name: "list of a status there is not", method: "GET", path: "/matchings?status=odd", status: 400, has: []string{`"parameter":"status"`}},
		{name: "list from nowhere", method: "GET", path: "/matchings?after=x", status: 400, has: []string{`"parameter":"after"`}},
		{name: "get", method: "GET", path: "/matchings/{matching}", status: 200, has: []string{`"accept_certain":false`, `"read":1`}},
		{name: "proposals", method: "GET", path: "/matchings/{matching}/proposals?class=review&state=open&min_score=60", status: 200, has: []string{`"remote_id":"77"`, `"kind":"name"`, `"entity_id":"` + h.ids["customer"] + `"`}},
		{name: "proposals that score more", method: "GET", path: "/matchings/{matching}/proposals?min_score=61", status: 200, has: []string{`{"items":[]}`}},
		{name: "proposals of no score", method: "GET", path: "/matchings/{matching}/proposals?min_score=much", status: 400, has: []string{`"parameter":"min_score"`}},
		{name: "proposals of a class there is not", method: "GET", path: "/matchings/{matching}/proposals?class=odd", status: 400, has: []string{`"parameter":"class"`}},
		{name: "accept what is not certain", method: "POST", path: "/matchings/{matching}/settle", body: `{"action":"accept","class":"review"}`, status: 422, has: []string{`"pointer":"/class"`}},
		{name: "accept none", method: "POST", path: "/matchings/{matching}/settle", body: `{"action":"accept"}`, status: 422, has: []string{`"pointer":"/ids"`}},
		{name: "accept no id", method: "POST", path: "/matchings/{matching}/settle", body: `{"action":"accept","ids":["x"]}`, status: 422, has: []string{`"pointer":"/ids/0"`}},
		{name: "accept another's", method: "POST", path: "/matchings/{matching}/settle", body: `{"action":"accept","ids":["{order}"]}`, status: 200, has: []string{`"done":0`, `no open proposal`}},
		{name: "reject", method: "POST", path: "/matchings/{matching}/settle", body: `{"action":"reject","ids":["{proposal}"],"entity_id":"{customer}"}`, status: 200, has: []string{`"done":1`, `"refused":[]`}},
		{name: "rejected", method: "GET", path: "/matchings/{matching}/proposals", status: 200, has: []string{`"class":"none"`, `"candidates":[]`}},
		{name: "start", method: "POST", path: "/matchings", body: `{"connection_id":"{connection}","entity":"order"}`, status: 202, has: []string{`"status":"queued"`}},
		{name: "start what cannot be matched", method: "POST", path: "/matchings", body: `{"connection_id":"{connection}","entity":"elephant"}`, status: 422, has: []string{`"pointer":"/entity"`}},
		{name: "links by a record's id", method: "GET", path: "/links?q=1001", status: 200, has: []string{`"remote_id":"1001"`}},
		{name: "links by a number", method: "GET", path: "/links?q=SO-1&entity=order", status: 200, has: []string{`"remote_id":"1001"`}},
		{name: "links by what nothing is called", method: "GET", path: "/links?q=nothing+is+called+so", status: 200, has: []string{`{"items":[]}`}},
	})
}
