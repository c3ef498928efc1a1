package api_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConnections(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.play([]scenario{
		{name: "list", method: "GET", path: "/connections", status: 200, has: []string{`"code":"erp"`}, hasNot: []string{"hunter2", "password"}},
		{name: "flows", method: "GET", path: "/sync/flows", status: 200, has: []string{`"code":"erp"`, `"breaker":"closed"`, `"flows":[`}, hasNot: []string{"hunter2"}},
		{name: "get", method: "GET", path: "/connections/{connection}", status: 200, has: []string{`"config":{"url":"https://erp"}`, `"breaker":{"state":"closed"}`, "Etag: \"1\""}, hasNot: []string{"hunter2"}},
		{name: "check fails", method: "POST", path: "/connections/{connection}/check", status: 200, has: []string{`"ok":false`, `"class":"auth"`, `"remedy":"enter it again"`}},
		{name: "a secret alone", method: "PATCH", path: "/connections/{connection}", body: `{"config":{"password":"right"}}`, headers: []string{`If-Match: "1"`}, status: 200, has: []string{`"config":{"url":"https://erp"}`, "Etag: \"2\""}, hasNot: []string{"right"}},
		{name: "check", method: "POST", path: "/connections/{connection}/check", status: 200, has: []string{`"ok":true`}},
		{name: "a name leaves the secret", method: "PATCH", path: "/connections/{connection}", body: `{"name":"Main"}`, headers: []string{`If-Match: "2"`}, status: 200, has: []string{`"name":"Main"`, `"url":"https://erp"`}},
		{name: "check again", method: "POST", path: "/connections/{connection}/check", status: 200, has: []string{`"ok":true`}},
		{name: "null takes the secret", method: "PATCH", path: "/connections/{connection}", body: `{"config":{"password":null}}`, headers: []string{`If-Match: "3"`}, status: 200},
		{name: "check without", method: "POST", path: "/connections/{connection}/check", status: 200, has: []string{`"ok":false`}},
		{name: "stale", method: "PATCH", path: "/connections/{connection}", body: `{"name":"x"}`, headers: []string{`If-Match: "1"`}, status: 412, has: []string{`"version":4`}},
		{name: "config of another form", method: "PATCH", path: "/connections/{connection}", body: `{"config":{"url":7}}`, headers: []string{`If-Match: "4"`}, status: 422, has: []string{`"pointer":"/config/url"`}},
		{name: "code never changes", method: "PATCH", path: "/connections/{connection}", body: `{"code":"x"}`, headers: []string{`If-Match: "4"`}, status: 422, has: []string{`"pointer":"/code"`}},
		{name: "pause", method: "POST", path: "/connections/{connection}/pause", status: 200, has: []string{`"status":"paused"`, "Etag: \"5\""}},
		{name: "pause again", method: "POST", path: "/connections/{connection}/pause", status: 200, has: []string{"Etag: \"5\""}},
		{name: "resume", method: "POST", path: "/connections/{connection}/resume", status: 200, has: []string{`"status":"active"`}},
		{name: "add with a taken code", method: "POST", path: "/connections", body: `{"code":"erp","name":"x","connector":"stub","config":{"url":"u"}}`, status: 422, has: []string{`"pointer":"/code"`, `"rule":"unique"`}},
		{name: "add with no connector there is", method: "POST", path: "/connections", body: `{"code":"x","name":"x","connector":"odd","config":{}}`, status: 422, has: []string{`"pointer":"/connector"`}},
		{name: "add nothing", method: "POST", path: "/connections", body: `{}`, status: 422, has: []string{`"pointer":"/code"`, `"pointer":"/name"`, `"pointer":"/connector"`}},
		{name: "delete", method: "DELETE", path: "/connections/{connection}", headers: []string{`If-Match: "6"`}, status: 204},
		{name: "gone", method: "GET", path: "/connections/{connection}", status: 404},
		{name: "its jobs too", method: "GET", path: "/jobs", status: 200, has: []string{`{"items":[]}`}},
	})
}

func TestFilesAreHandedOver(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.make("bank", "/connections", `{"code":"bank","name":"Bank","connector":"file","config":{}}`)
	h.play([]scenario{
		{name: "a file", method: "POST", path: "/connections/{bank}/files?name=payments%20%E4%BA%94%E6%9C%88.csv", body: "number\nP1\n", headers: []string{asBytes}, status: 201, has: []string{`"name":"payments 五月.csv"`, `"size":10`, `"sha256":"`}},
		{name: "the name is taken", method: "POST", path: "/connections/{bank}/files?name=payments%20%E4%BA%94%E6%9C%88.csv", body: "x", headers: []string{asBytes}, status: 409, has: []string{"waits to be read"}},
		{name: "of no stream", method: "POST", path: "/connections/{bank}/files?name=run.sh", body: "x", headers: []string{asBytes}, status: 400, has: []string{`"parameter":"name"`, "invoices.csv"}},
		{name: "hidden", method: "POST", path: "/connections/{bank}/files?name=.payments.csv", body: "x", headers: []string{asBytes}, status: 400},
		{name: "with a folder", method: "POST", path: "/connections/{bank}/files?name=..%2Fpayments.csv", body: "x", headers: []string{asBytes}, status: 400},
		{name: "without a name", method: "POST", path: "/connections/{bank}/files", body: "x", headers: []string{asBytes}, status: 400},
		{name: "too large", method: "POST", path: "/connections/{bank}/files?name=payments.csv", body: strings.Repeat("x", 64<<20+1), headers: []string{asBytes}, status: 413},
		{name: "to one without files", method: "POST", path: "/connections/{connection}/files?name=payments.csv", body: "x", headers: []string{asBytes}, status: 409, has: []string{"no files"}},
		{name: "to nothing", method: "POST", path: "/connections/{customer}/files?name=payments.csv", body: "x", headers: []string{asBytes}, status: 404},
	})
	var there []string
	err := filepath.WalkDir(h.folders, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(h.folders, path)
			there = append(there, name)
		}
		return err
	})
	if diff := cmp.Diff([]string{"alpha/bank/payments 五月.csv"}, there); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestJobsAndRuns(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.make("comparison", "/jobs", `{"connection_id":"{connection}","kind":"reconcile","entity":"order"}`)
	h.play([]scenario{
		{name: "list", method: "GET", path: "/jobs?connection_id={connection}", status: 200, has: []string{`"name":"pull order"`}},
		{name: "list of another", method: "GET", path: "/jobs?connection_id={customer}", status: 200, has: []string{`{"items":[]}`}},
		{name: "list of no id", method: "GET", path: "/jobs?connection_id=7", status: 400, has: []string{`"parameter":"connection_id"`}},
		{name: "get", method: "GET", path: "/jobs/{job}", status: 200, has: []string{`"schedule":"@hourly"`, `"next_run_at"`}},
		{name: "add one twice", method: "POST", path: "/jobs", body: `{"connection_id":"{connection}","kind":"pull","entity":"order"}`, status: 422, has: []string{`"rule":"unique"`}},
		{name: "add what the connector cannot", method: "POST", path: "/jobs", body: `{"connection_id":"{connection}","kind":"push","entity":"order"}`, status: 422, has: []string{`"pointer":"/entity"`}},
		{name: "add without a connection", method: "POST", path: "/jobs", body: `{"connection_id":"x","kind":"pull","entity":"order"}`, status: 422, has: []string{`"pointer":"/connection_id"`, `"rule":"format"`}},
		{name: "patch", method: "PATCH", path: "/jobs/{job}", body: `{"schedule":"*/5 * * * *"}`, status: 200, has: []string{`"schedule":"*/5 * * * *"`, `"name":"pull order"`}},
		{name: "patch to no schedule", method: "PATCH", path: "/jobs/{job}", body: `{"schedule":"often"}`, status: 422, has: []string{`"pointer":"/schedule"`}},
		{name: "patch clears", method: "PATCH", path: "/jobs/{job}", body: `{"schedule":null}`, status: 200, hasNot: []string{`"schedule"`, `"next_run_at"`}},
		{name: "patch to no name", method: "PATCH", path: "/jobs/{job}", body: `{"name":""}`, status: 422, has: []string{`"pointer":"/name"`}},
		{name: "patch what never changes", method: "PATCH", path: "/jobs/{job}", body: `{"entity":"customer"}`, status: 422, has: []string{`"pointer":"/entity"`}},
		{name: "pause", method: "POST", path: "/jobs/{job}/pause", status: 200, has: []string{`"status":"paused"`}},
		{name: "resume", method: "POST", path: "/jobs/{job}/resume", status: 200, has: []string{`"status":"active"`}},

		{name: "dry run", method: "POST", path: "/jobs/{job}/dry-run", body: `{"limit":7}`, status: 200, has: []string{`"read":7`, `"created":1`, `"remote_id":"77"`}},
		{name: "dry run of all", method: "POST", path: "/jobs/{job}/dry-run", body: `{}`, status: 200, has: []string{`"read":500`}},
		{name: "dry run of too much", method: "POST", path: "/jobs/{job}/dry-run", body: `{"limit":501}`, status: 422, has: []string{`"pointer":"/limit"`}},
		{name: "dry run from nowhere", method: "POST", path: "/jobs/{job}/dry-run", body: `{"after":"x"}`, status: 422, has: []string{`"pointer":"/after"`}},
		{name: "dry run of what only compares", method: "POST", path: "/jobs/{comparison}/dry-run", body: `{}`, status: 409, has: []string{`"type":"urn:crmhub:problem:no-dry-run"`}},
		{name: "dry run with nobody", method: "POST", path: "/jobs/{job}/dry-run", body: `{"after":"down"}`, status: 424},
		{name: "run again gives the queued one", method: "POST", path: "/jobs/{job}/run", status: 202, has: []string{`"id":"` + h.ids["run"] + `"`, "Location: /api/v1/runs/" + h.ids["run"]}},
		{name: "runs", method: "GET", path: "/runs?job_id={job}&status=queued", status: 200, has: []string{`"id":"` + h.ids["run"] + `"`}},
		{name: "runs of a status there is not", method: "GET", path: "/runs?status=lost", status: 400, has: []string{`"parameter":"status"`, `"rule":"enum"`}},
		{name: "runs from nowhere", method: "GET", path: "/runs?after=x", status: 400, has: []string{`"parameter":"after"`}},
		{name: "cancel", method: "POST", path: "/runs/{run}/cancel", status: 200, has: []string{`"status":"cancelled"`}},
		{name: "cancel again", method: "POST", path: "/runs/{run}/cancel", status: 200, has: []string{`"status":"cancelled"`}},
		{name: "patch the timing", method: "PATCH", path: "/jobs/{job}", body: `{"schedule":"0 2 * * *","time_zone":"Asia/Shanghai","overlap":"queue","misfire":"all","jitter_seconds":60}`, status: 200, has: []string{`"overlap":"queue"`, `"misfire":"all"`, `"jitter_seconds":60`, `"time_zone":"Asia/Shanghai"`}},
		{name: "patch one leaves the others", method: "PATCH", path: "/jobs/{job}", body: `{"jitter_seconds":0}`, status: 200, has: []string{`"overlap":"queue"`, `"schedule":"0 2 * * *"`}},
		{name: "patch to no overlap there is", method: "PATCH", path: "/jobs/{job}", body: `{"overlap":"maybe"}`, status: 422, has: []string{`"pointer":"/overlap"`}},
		{name: "patch to after itself", method: "PATCH", path: "/jobs/{job}", body: `{"after":["{job}"]}`, status: 422, has: []string{`"pointer":"/after/0"`, `"rule":"cycle"`, "pull order (erp) after pull order (erp)"}},
		{name: "patch to after no id", method: "PATCH", path: "/jobs/{job}", body: `{"after":["x"]}`, status: 422, has: []string{`"pointer":"/after/0"`}},
		{name: "patch to after nothing", method: "PATCH", path: "/jobs/{job}", body: `{"after":null}`, status: 200, hasNot: []string{`"after"`}},
		{name: "pause a run that has ended", method: "POST", path: "/runs/{run}/pause", status: 409, has: []string{"cancelled"}},
		{name: "resume it", method: "POST", path: "/runs/{run}/resume", status: 409},
		{name: "accept it", method: "POST", path: "/runs/{run}/accept", status: 409},
		{name: "discard it", method: "POST", path: "/runs/{run}/discard", status: 409},
		{name: "its log", method: "GET", path: "/runs/{run}/log", status: 200, has: []string{`{"items":[]}`}},
		{name: "its log from nowhere", method: "GET", path: "/runs/{run}/log?after=x&level=loud", status: 400, has: []string{`"parameter":"after"`, `"parameter":"level"`}},
		{name: "stuck runs", method: "GET", path: "/runs?stuck=true", status: 200, has: []string{`{"items":[]}`}},
		{name: "backfill everything", method: "POST", path: "/jobs/{job}/backfill", body: `{}`, status: 202, has: []string{`"purpose":"backfill"`, "Location: /api/v1/runs/"}},
		{name: "backfill a range of what has none", method: "POST", path: "/jobs/{job}/backfill", body: `{"from":"2026-01-01T00:00:00Z"}`, status: 422, has: []string{`"rule":"range"`}},
		{name: "backfill no time", method: "POST", path: "/jobs/{job}/backfill", body: `{"from":"then"}`, status: 422, has: []string{`"pointer":"/from"`}},
		{name: "all of a connection", method: "POST", path: "/connections/{connection}/run", status: 202, has: []string{`"job_id":"` + h.ids["job"] + `"`}},
		{name: "all of none", method: "POST", path: "/connections/{customer}/run", status: 404},
		{name: "get a run", method: "GET", path: "/runs/{run}", status: 200, has: []string{`"cause":"manual"`}},
		{name: "delete another's", method: "DELETE", path: "/jobs/{job}", headers: []string{"Authorization: Bearer " + h.tokenB}, status: 404},
	})
	h.sql("update runs set status = 'running', worker = 1 where status = 'queued' and purpose = 'regular'")
	h.play([]scenario{{name: "delete while it runs", method: "DELETE", path: "/jobs/{job}", status: 409, has: []string{"cancel it first"}}})
	h.sql("update runs set status = 'failed', worker = null, finished_at = now() where status = 'running'")
	h.play([]scenario{
		{name: "delete", method: "DELETE", path: "/jobs/{job}", status: 204},
		{name: "it is gone", method: "GET", path: "/jobs/{job}", status: 404},
		{name: "its runs too", method: "GET", path: "/runs/{run}", status: 404},
		{name: "delete again", method: "DELETE", path: "/jobs/{job}", status: 404},
	})
}

func TestDeadLettersAndLinks(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.play([]scenario{
		{name: "list", method: "GET", path: "/dead-letters?status=open&direction=pull&entity=order&connection_id={connection}", status: 200, has: []string{`"remote_id":"77"`}},
		{name: "list others", method: "GET", path: "/dead-letters?class=auth", status: 200, has: []string{`{"items":[]}`}},
		{name: "get", method: "GET", path: "/dead-letters/{letter}", status: 200, has: []string{`"message":"bad"`}},
		{name: "dismiss without a reason", method: "POST", path: "/dead-letters/{letter}/dismiss", body: `{}`, status: 422, has: []string{`"pointer":"/reason"`}},
		{name: "replay", method: "POST", path: "/dead-letters/{letter}/replay", status: 200, has: []string{`"status":"resolved"`}},
		{name: "replay again", method: "POST", path: "/dead-letters/{letter}/replay", status: 409, has: []string{`resolved`}},
		{name: "dismiss a closed one", method: "POST", path: "/dead-letters/{letter}/dismiss", body: `{"reason":"old"}`, status: 409},
	})
	h.bury()
	cause := field(t, h.request("GET", "/dead-letters/causes?connection_id={connection}&direction=pull&entity=order", ""), "items", "fingerprint")
	h.play([]scenario{
		{name: "causes", method: "GET", path: "/dead-letters/causes", status: 200, has: []string{`"count":1`, `"message":"bad"`}},
		{name: "causes of others", method: "GET", path: "/dead-letters/causes?class=auth", status: 200, has: []string{`{"items":[]}`}},
		{name: "causes from nowhere", method: "GET", path: "/dead-letters/causes?after=x", status: 400, has: []string{`"parameter":"after"`}},
		{name: "replay a cause", method: "POST", path: "/dead-letters/replay", body: `{"fingerprint":"` + cause + `"}`, status: 202, has: []string{`"purpose":"replay"`, `"expected":1`}},
		{name: "replay since", method: "POST", path: "/dead-letters/replay", body: `{"since":"2999-01-01T00:00:00Z"}`, status: 202, has: []string{`{"items":[]}`}},
		{name: "replay everything", method: "POST", path: "/dead-letters/replay", body: `{}`, status: 422, has: []string{`"rule":"required"`}},
		{name: "dismiss a cause without a reason", method: "POST", path: "/dead-letters/dismiss", body: `{"fingerprint":"` + cause + `"}`, status: 422, has: []string{`"pointer":"/reason"`}},
		{name: "dismiss a cause", method: "POST", path: "/dead-letters/dismiss", body: `{"fingerprint":"` + cause + `","reason":"old"}`, status: 200, has: []string{`{"dismissed":1}`}},
	})
	h.bury()
	h.play([]scenario{
		{name: "dismiss", method: "POST", path: "/dead-letters/{letter}/dismiss", body: `{"reason":"old"}`, status: 200, has: []string{`"status":"dismissed"`, `"reason":"old"`}},
		{name: "links", method: "GET", path: "/links?connection_id={connection}&entity=order&entity_id={order}&remote_id=7&state=linked", status: 200, has: []string{`{"items":[]}`}},
		{name: "a journey", method: "GET", path: "/journeys?entity=order&id={order}", status: 200, has: []string{`"items"`}},
		{name: "a journey by the code", method: "GET", path: "/journeys?entity=customer&number=C1", status: 200, has: []string{`"items"`}},
		{name: "a journey of nothing", method: "GET", path: "/journeys?entity=order&id={customer}", status: 404},
		{name: "a journey of no number there is", method: "GET", path: "/journeys?entity=order&number=none", status: 404},
		{name: "a journey of whom?", method: "GET", path: "/journeys", status: 400, has: []string{`"parameter":"entity"`, `"parameter":"id"`}},
		{name: "a journey from nowhere", method: "GET", path: "/journeys?entity=order&id={order}&after=x", status: 400, has: []string{`"parameter":"after"`}},
		{name: "another's journey", method: "GET", path: "/journeys?entity=order&id={order}", headers: []string{"Authorization: Bearer " + h.tokenB}, status: 404},
		{name: "links of no kind", method: "GET", path: "/links?entity=invoice_line", status: 400, has: []string{`"parameter":"entity"`}},
	})
}

func TestTokens(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	w := h.request("POST", "/tokens", `{"name":"export"}`)
	h.ids["token"] = field(t, w, "id")
	secret := field(t, w, "token")
	h.play([]scenario{
		{name: "me", method: "GET", path: "/me", status: 200, has: []string{`"login":"alpha"`, `"organization":"alpha"`, `"actor":"token:`}},
		{name: "the new one works", method: "GET", path: "/me", headers: []string{"Authorization: Bearer " + secret}, status: 200},
		{name: "list", method: "GET", path: "/tokens", status: 200, has: []string{`"name":"export"`}, hasNot: []string{secret}},
		{name: "no name", method: "POST", path: "/tokens", body: `{}`, status: 422, has: []string{`"pointer":"/name"`}},
		{name: "no time", method: "POST", path: "/tokens", body: `{"name":"x","expires_at":"tomorrow"}`, status: 422, has: []string{`"pointer":"/expires_at"`}},
		{name: "secrets are not kept", method: "POST", path: "/tokens", body: `{"name":"x"}`, headers: []string{"Idempotency-Key: k"}, status: 400, has: []string{`"parameter":"Idempotency-Key"`}},
		{name: "another's token", method: "DELETE", path: "/tokens/{token}", headers: []string{"Authorization: Bearer " + h.tokenB}, status: 404},
		{name: "revoke", method: "DELETE", path: "/tokens/{token}", status: 204},
		{name: "it stops counting", method: "GET", path: "/me", headers: []string{"Authorization: Bearer " + secret}, status: 401},
	})
}
