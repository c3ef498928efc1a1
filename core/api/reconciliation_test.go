package api_test

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"crmhub/core/reconcile"
	"crmhub/core/secret"
)

func TestReconciliations(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.play([]scenario{
		{name: "list", method: "GET", path: "/reconciliations?connection_id={connection}&entity=order&verdict=differs", status: 200, has: []string{`"id":"` + h.ids["reconciliation"] + `"`, `"missing_there":1`}},
		{name: "list others", method: "GET", path: "/reconciliations?verdict=equal", status: 200, has: []string{`{"items":[]}`}},
		{name: "list of a verdict there is not", method: "GET", path: "/reconciliations?verdict=fine", status: 400, has: []string{`"parameter":"verdict"`}},
		{name: "list from nowhere", method: "GET", path: "/reconciliations?after=x", status: 400, has: []string{`"parameter":"after"`}},
		{name: "get", method: "GET", path: "/reconciliations/{reconciliation}", status: 200, has: []string{`"sums":[]`, `"verdict":"differs"`}},
		{name: "differences", method: "GET", path: "/reconciliations/{reconciliation}/differences?kind=different&state=open", status: 200, has: []string{`"title":"SO-1"`, `"ours":"a","theirs":"b","agreed":null`}, hasNot: []string{"missing_there"}},
		{name: "differences of a kind there is not", method: "GET", path: "/reconciliations/{reconciliation}/differences?kind=odd", status: 400, has: []string{`"parameter":"kind"`}},
		{name: "differences, a page", method: "GET", path: "/reconciliations/{reconciliation}/differences?limit=1", status: 200, has: []string{`"next":"/api/v1/reconciliations/`}},

		{name: "mend what is never sent", method: "POST", path: "/reconciliations/{reconciliation}/mend", body: `{"action":"push","kind":"missing_there"}`, status: 200, has: []string{`"done":0`, `this connection is never sent a order`}},
		{name: "mend by what does not mend it", method: "POST", path: "/reconciliations/{reconciliation}/mend", body: `{"action":"link","ids":["{difference}"]}`, status: 200, has: []string{`"done":0`, `cannot be mended by link`}},
		{name: "mend nothing", method: "POST", path: "/reconciliations/{reconciliation}/mend", body: `{"action":"push"}`, status: 422, has: []string{`"pointer":"/ids"`}},
		{name: "mend no id", method: "POST", path: "/reconciliations/{reconciliation}/mend", body: `{"action":"push","ids":["x"]}`, status: 422, has: []string{`"pointer":"/ids/0"`}},
		{name: "mend by ignoring", method: "POST", path: "/reconciliations/{reconciliation}/mend", body: `{"action":"ignore","kind":"different"}`, status: 422, has: []string{`"pointer":"/action"`}},
		{name: "ignore for no reason", method: "POST", path: "/reconciliations/{reconciliation}/ignore", body: `{"kind":"different"}`, status: 422, has: []string{`"pointer":"/reason"`}},
		{name: "ignore", method: "POST", path: "/reconciliations/{reconciliation}/ignore", body: `{"kind":"different","reason":"an alias"}`, status: 200, has: []string{`{"done":1,"refused":[],"left":0}`}},
		{name: "ignored", method: "GET", path: "/reconciliations/{reconciliation}/differences?state=ignored", status: 200, has: []string{`"reason":"an alias"`, `"changed_by":"token:`}},
		{name: "ignored once", method: "POST", path: "/reconciliations/{reconciliation}/ignore", body: `{"kind":"different","reason":"an alias"}`, status: 200, has: []string{`"done":0`}},

		{name: "start", method: "POST", path: "/reconciliations", body: `{"connection_id":"{connection}","entity":"order"}`, status: 202, has: []string{`"status":"queued"`, "Location: /api/v1/runs/"}},
		{name: "its job", method: "GET", path: "/jobs?connection_id={connection}", status: 200, has: []string{`"name":"reconcile order"`}},
		{name: "start what the connector cannot list", method: "POST", path: "/reconciliations", body: `{"connection_id":"{connection}","entity":"invoice"}`, status: 422, has: []string{`"pointer":"/entity"`}},
		{name: "start on no connection", method: "POST", path: "/reconciliations", body: `{"connection_id":"{order}","entity":"order"}`, status: 422, has: []string{`"pointer":"/connection_id"`}},
	})

	w := h.request("GET", "/reconciliations/{reconciliation}/report", "")
	key, err := secret.NewKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	public, _ := key.Notary().Public().(ed25519.PublicKey)
	v, err := reconcile.Verify(bytes.NewReader(w.Body.Bytes()), public)
	if err != nil || v.ID.String() != h.ids["reconciliation"] || v.Differences != 2 || v.Connection != "erp" || v.Organization != "alpha" {
		t.Errorf("%d %+v: %v\n%s", w.Code, v, err, w.Body)
	}
}
