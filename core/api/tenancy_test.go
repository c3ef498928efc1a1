package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// TestOtherOrganizationsDoNotExist asks for organization A's things with B's token, on every path of the document.
func TestOtherOrganizationsDoNotExist(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.mergeSome()
	h.eraseSome()
	names := map[string]string{
		"customers": "customer", "contacts": "contact", "products": "product", "orders": "order", "invoices": "invoice", "payments": "payment",
		"segments": "segment", "campaigns": "campaign", "pipelines": "pipeline", "opportunities": "opportunity", "contracts": "contract",
		"campaign-members": "member", "tickets": "ticket", "feedback": "feedback", "activities": "activity", "tasks": "task", "prices": "price",
		"currency-rates": "rate", "product-categories": "category", "custom-fields": "field",
		"connections": "connection", "jobs": "job", "runs": "run", "dead-letters": "letter", "mapping-versions": "version", "tokens": "token", "me": "session",
		"users": "user", "roles": "role", "departments": "department", "teams": "team",
		"targets":       "target",
		"views":         "view",
		"subscriptions": "subscription", "deliveries": "delivery", "alerts": "alert", "drift-findings": "drift",
		"attachments": "attachment", "invoice-inbox": "inbox",
		"imports": "import", "exports": "export",
		"reconciliations": "reconciliation", "links": "link", "conflicts": "conflict", "matchings": "matching",
		"duplicates": "duplicate", "erasures": "erasure", "merges": "merge",
		"recycle-rules": "rule", "pool-limits": "limit", "hand-overs": "hand-over",
	}
	for path, methods := range readDocument(t, h).Paths {
		resource, _, _ := strings.Cut(path[1:], "/")
		for method, op := range methods {
			method = strings.ToUpper(method)
			body, headers := "", []string{"Authorization: Bearer " + h.tokenB, "If-Match: *"}
			if op.RequestBody != nil {
				for mediaType, m := range op.RequestBody.Content {
					b, err := json.Marshal(m.Example)
					if err != nil {
						t.Fatal(err)
					}
					body = string(b)
					headers = append(headers, "Content-Type: "+mediaType)
				}
			}
			if strings.Contains(path, "{id}") {
				name, ok := names[resource]
				if !ok {
					t.Errorf("%s: say here what to ask for", path)
				}
				url := strings.Replace(path, "{id}", "{"+name+"}", 1)
				if w := h.request(method, url, body, headers...); w.Code != http.StatusNotFound {
					t.Errorf("%s %s: B got %d %s", method, path, w.Code, w.Body)
				}
				continue
			}
			if method != http.MethodGet {
				continue
			}
			w := h.request(method, path, "", headers...)
			for name, id := range h.ids {
				if strings.Contains(w.Body.String(), id) {
					t.Errorf("%s: B sees A's %s", path, name)
				}
			}
		}
	}
	h.play([]scenario{
		{name: "nothing of A has changed", method: "GET", path: "/orders/{order}", status: 200, has: []string{`"version":1`, `"status":"draft"`}},
		{name: "B cannot refer to A's", method: "POST", path: "/orders", body: `{"customer_id":"{customer}","date":"2026-09-01","currency":"EUR"}`, headers: []string{"Authorization: Bearer " + h.tokenB}, status: 422, has: []string{`"pointer":"/customer_id"`}},
		{name: "nor run on A's connection", method: "POST", path: "/jobs", body: `{"connection_id":"{connection}","kind":"pull","entity":"order"}`, headers: []string{"Authorization: Bearer " + h.tokenB}, status: 422, has: []string{`"pointer":"/connection_id"`}},
	})
}
