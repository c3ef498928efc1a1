package api_test

import (
	"strings"
	"testing"
)

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	w := h.request("POST", "/subscriptions", `{"name":"Shop","target":"https://shop.example.com/hook","events":["order.*"]}`)
	h.ids["subscription"] = field(t, w, "id")
	key := field(t, w, "secret")
	if !strings.HasPrefix(key, "whsec_") {
		t.Errorf("secret: %s", key)
	}
	h.play([]scenario{
		{name: "list", method: "GET", path: "/subscriptions", status: 200, has: []string{`"name":"Shop"`, `"status":"active"`}, hasNot: []string{"whsec_", key}},
		{name: "get", method: "GET", path: "/subscriptions/{subscription}", status: 200, has: []string{`"events":["order.*"]`, "Etag: \"1\""}, hasNot: []string{"whsec_"}},
		{name: "no event there is", method: "POST", path: "/subscriptions", body: `{"name":"x","target":"https://x.example.com","events":["robot.*"]}`, status: 422, has: []string{`"pointer":"/events/0"`, `"rule":"enum"`}},
		{name: "all faults at once", method: "POST", path: "/subscriptions", body: `{"name":"x","target":"http://x.example.com","events":["order.*","order.*"],"secret":"short"}`, status: 422, has: []string{`"pointer":"/target"`, `"pointer":"/events/1"`, `"pointer":"/secret"`}},
		{name: "nobody sends mail here", method: "POST", path: "/subscriptions", body: `{"name":"x","target":"mailto:ops@example.com","events":["alert.*"]}`, status: 422, has: []string{`"rule":"configuration"`, "CRMHUB_SMTP_URL"}},
		{name: "secrets are not kept", method: "POST", path: "/subscriptions", body: `{"name":"x","target":"https://x.example.com","events":["*"]}`, headers: []string{"Idempotency-Key: k"}, status: 400, has: []string{`"parameter":"Idempotency-Key"`}},
		{name: "pause", method: "PATCH", path: "/subscriptions/{subscription}", body: `{"status":"paused"}`, headers: []string{`If-Match: "1"`}, status: 200, has: []string{`"status":"paused"`, `"name":"Shop"`, "Etag: \"2\""}},
		{name: "stale", method: "PATCH", path: "/subscriptions/{subscription}", body: `{"status":"active"}`, headers: []string{`If-Match: "1"`}, status: 412, has: []string{`"version":2`}},
		{name: "unsaid", method: "PATCH", path: "/subscriptions/{subscription}", body: `{"status":"active"}`, status: 428},
		{name: "resume", method: "PATCH", path: "/subscriptions/{subscription}", body: `{"status":"active"}`, headers: []string{`If-Match: *`}, status: 200, has: []string{`"status":"active"`}},
		{name: "rotate", method: "POST", path: "/subscriptions/{subscription}/rotate-secret", status: 200, has: []string{"whsec_", `"secret_ends_at"`}, hasNot: []string{key}},
	})
	h.ids["delivery"] = field(t, h.request("POST", "/subscriptions/{subscription}/test", ""), "id")
	h.play([]scenario{
		{name: "deliveries", method: "GET", path: "/deliveries?subscription_id={subscription}&status=pending", status: 200, has: []string{`"event":"subscription.test"`, `"attempts":[]`}, hasNot: []string{`"body"`}},
		{name: "none", method: "GET", path: "/deliveries?status=failed", status: 200, has: []string{`{"items":[]}`}},
		{name: "from nowhere", method: "GET", path: "/deliveries?after=x", status: 400, has: []string{`"parameter":"after"`}},
		{name: "delivery", method: "GET", path: "/deliveries/{delivery}", status: 200, has: []string{`"body":{`, `"type":"subscription.test"`}},
		{name: "resend", method: "POST", path: "/deliveries/{delivery}/resend", status: 202, has: []string{`"status":"pending"`, "Location: /api/v1/deliveries/"}},
		{name: "delete unsaid", method: "DELETE", path: "/subscriptions/{subscription}", status: 428},
		{name: "delete", method: "DELETE", path: "/subscriptions/{subscription}", headers: []string{`If-Match: *`}, status: 204},
		{name: "its deliveries too", method: "GET", path: "/deliveries/{delivery}", status: 404},
	})
}

// Nobody is sent by a webhook what he may not read.
func TestSubscriptionsTellNobodyMoreThanHeMayRead(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.ids["subscription"] = field(t, h.request("POST", "/subscriptions", `{"name":"Shop","target":"https://shop.example.com/hook","events":["order.*"]}`), "id")
	h.ids["alerts"] = field(t, h.request("POST", "/subscriptions", `{"name":"Alerts","target":"https://shop.example.com/hook","events":["alert.*"]}`), "id")
	narrow := []string{"Authorization: Bearer " + field(t, h.request("POST", "/tokens", `{"name":"narrow","scopes":["subscription:*","customer:read"]}`), "token"), "If-Match: *"}
	add := func(events string) string {
		return `{"name":"x","target":"https://x.example.com/hook","events":[` + events + `]}`
	}
	h.play([]scenario{
		{name: "orders", method: "POST", path: "/subscriptions", body: add(`"customer.*","order.created"`), headers: narrow, status: 422, has: []string{`"pointer":"/events/1"`, `"rule":"permission"`, "order:read"}, hasNot: []string{"/events/0"}},
		{name: "everything", method: "POST", path: "/subscriptions", body: add(`"*"`), headers: narrow, status: 422, has: []string{`"pointer":"/events/0"`, `"rule":"permission"`}},
		{name: "what he reads", method: "POST", path: "/subscriptions", body: add(`"customer.updated","alert.*","subscription.test"`), headers: narrow, status: 201},
		{name: "another address", method: "PATCH", path: "/subscriptions/{subscription}", body: `{"target":"https://x.example.com/hook"}`, headers: narrow, status: 422, has: []string{`"pointer":"/events/0"`, `"rule":"permission"`}},
		{name: "more events", method: "PATCH", path: "/subscriptions/{alerts}", body: `{"events":["invoice.*"]}`, headers: narrow, status: 422, has: []string{`"rule":"permission"`}},
		{name: "another's pause", method: "PATCH", path: "/subscriptions/{subscription}", body: `{"status":"paused"}`, headers: narrow, status: 200},
		{name: "its end", method: "PATCH", path: "/subscriptions/{subscription}", body: `{"status":"active"}`, headers: narrow, status: 422, has: []string{`"rule":"permission"`}},
		{name: "alerts", method: "PATCH", path: "/subscriptions/{alerts}", body: `{"target":"https://x.example.com/hook"}`, headers: narrow, status: 200},
	})
}
