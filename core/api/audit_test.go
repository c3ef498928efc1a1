package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// seal waits until the audit trails hold as much as they will.
func (h *hub) seal(path string, has string) {
	h.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		if _, err := h.sealer.Seal(h.t.Context()); err != nil {
			h.t.Fatal(err)
		}
		body := h.request(http.MethodGet, path, "").Body.String()
		if strings.Contains(body, has) {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("%s lacks %s\n%s", path, has, body)
		}
	}
}

func TestEveryWriteIsInTheAuditTrail(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.play([]scenario{
		{name: "change", method: "PATCH", path: "/customers/{customer}", body: `{"phone":"+49 30 1"}`, headers: []string{`If-Match: *`}, status: 200},
		{name: "new secret", method: "PATCH", path: "/connections/{connection}", body: `{"config":{"password":"right"}}`, headers: []string{`If-Match: *`}, status: 200},
		{name: "replay", method: "POST", path: "/dead-letters/{letter}/replay", status: 200},
		{name: "delete", method: "DELETE", path: "/contacts/{contact}", headers: []string{`If-Match: *`}, status: 204},
	})
	h.seal("/contacts/{contact}/history", `"action":"deleted"`)
	h.play([]scenario{
		{name: "history", method: "GET", path: "/customers/{customer}/history", status: 200, has: []string{`"action":"updated"`, `"version":2`, `"phone":[null,"+49 30 1"]`, `"actor":"token:`, `"action":"created"`, `"code":"C1"`}},
		{name: "history by pages", method: "GET", path: "/customers/{customer}/history?limit=1", status: 200, has: []string{`"version":2`, `"next":"/api/v1/customers/`}, hasNot: []string{`"action":"created"`}},
		{name: "history of what was deleted", method: "GET", path: "/contacts/{contact}/history", status: 200, has: []string{`"deleted_at":[null,"`}},
		{name: "history of another kind", method: "GET", path: "/orders/{customer}/history", status: 404},
		{name: "history from nowhere", method: "GET", path: "/customers/{customer}/history?after=x", status: 400, has: []string{`"parameter":"after"`}},
		{name: "connection, without its secret", method: "GET", path: "/audit?entity=connection&entity_id={connection}&action=updated", status: 200, has: []string{`"secrets_given":[null,["password"]]`}, hasNot: []string{"right", "hunter2"}},
		{name: "replayed letter", method: "GET", path: "/audit?entity=dead_letter", status: 200, has: []string{`"action":"replayed"`, h.ids["letter"]}},
		{name: "user and token", method: "GET", path: "/audit?action=created&limit=200", status: 200, has: []string{`"entity":"user"`, `"entity":"token"`, `"entity":"job"`, `"entity":"connection"`}, hasNot: []string{"hunter2"}},
		{name: "of a time", method: "GET", path: "/audit?to=2020-01-01T00:00:00Z&from=2019-01-01T00:00:00%2B08:00", status: 200, has: []string{`{"items":[]}`}},
		{name: "of no time", method: "GET", path: "/audit?from=yesterday", status: 400, has: []string{`"parameter":"from"`}},
		{name: "one", method: "GET", path: "/audit/1", status: 200, has: []string{`"number":1`, `"previous_hash":"` + strings.Repeat("0", 64) + `"`}},
		{name: "none", method: "GET", path: "/audit/1000", status: 404},
		{name: "no number", method: "GET", path: "/audit/x", status: 400, has: []string{`"parameter":"number"`}},
		{name: "verify", method: "GET", path: "/audit/verify", status: 200, has: []string{`"intact":true`, `"more":false`}, hasNot: []string{`"fault"`}},
		{name: "verify a part", method: "GET", path: "/audit/verify?from=2&limit=2", status: 200, has: []string{`"intact":true`, `"entries":2`, `"last":3`, `"more":true`}},
		{name: "verify too much", method: "GET", path: "/audit/verify?limit=100001", status: 400, has: []string{`"parameter":"limit"`}},
		{name: "verify from nowhere", method: "GET", path: "/audit/verify?from=0", status: 400, has: []string{`"parameter":"from"`}},
		{name: "another's trail", method: "GET", path: "/audit", headers: []string{"Authorization: Bearer " + h.tokenB}, status: 200, has: []string{`"login":"beta"`}, hasNot: []string{`"login":"alpha"`, h.ids["customer"]}},
		{name: "another's history", method: "GET", path: "/customers/{customer}/history", headers: []string{"Authorization: Bearer " + h.tokenB}, status: 404},
	})
	h.sql("set local session_replication_role = replica", fmt.Sprintf("update audit_log set actor = 'system' where number = 4 and organization_id = '%s'", h.principalA.Organization))
	h.play([]scenario{
		{name: "verify what was changed", method: "GET", path: "/audit/verify", status: 200, has: []string{`"intact":false`, `"fault":{"number":4,"kind":"changed"}`}},
		{name: "verify what was not", method: "GET", path: "/audit/verify", headers: []string{"Authorization: Bearer " + h.tokenB}, status: 200, has: []string{`"intact":true`}},
	})
}

// sql runs statements as the server's superuser.
func (h *hub) sql(statements ...string) {
	h.t.Helper()
	err := h.db.AsSystem(h.t.Context(), func(tx pgx.Tx) error {
		for _, s := range append([]string{"reset role"}, statements...) {
			if _, err := tx.Exec(h.t.Context(), s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}
