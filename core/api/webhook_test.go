package api_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"crmhub/core/api"
	"crmhub/core/secret"
	"crmhub/core/signature"
	"crmhub/core/webhook"
)

func TestWebhooks(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	w := h.request("PUT", "/connections/{connection}/webhook", `{"scheme":"standard"}`)
	path, key := field(t, w, "path"), secret.New(field(t, w, "secret"))
	h.play([]scenario{
		{name: "get", method: "GET", path: "/connections/{connection}/webhook", status: 200, has: []string{`"scheme":"standard"`, path}, hasNot: []string{"whsec_"}},
		{name: "change", method: "PUT", path: "/connections/{connection}/webhook", body: `{"scheme":"standard","pointer":"/type","entities":{"o":"order"}}`, status: 200, has: []string{`"pointer":"/type"`, path}, hasNot: []string{"whsec_"}},
		{name: "no secret", method: "PUT", path: "/connections/{connection}/webhook", body: `{"scheme":"hmac","header":"X-Sig"}`, status: 422, has: []string{`"pointer":"/secret"`, `"rule":"required"`}},
		{name: "no entity", method: "PUT", path: "/connections/{connection}/webhook", body: `{"scheme":"standard","pointer":"/t","entities":{"x":"robot"}}`, status: 422, has: []string{`"pointer":"/entities/x"`}},
		{name: "nothing yet", method: "GET", path: "/connections/{connection}/webhook-messages", status: 200, has: []string{`{"items":[]}`}},
	})
	receive := api.ReceiveWebhooks(&webhook.Receiver{DB: h.db, Store: h.webhooks}, slog.New(slog.DiscardHandler))
	send := func(to, body string, header http.Header) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, to, strings.NewReader(body))
		r.Header = header
		answer := httptest.NewRecorder()
		receive.ServeHTTP(answer, r)
		return answer.Code
	}
	signed := func(body string) http.Header {
		header := http.Header{}
		if err := signature.Sign(header, "msg_1", time.Now(), []byte(body), key); err != nil {
			t.Fatal(err)
		}
		return header
	}
	large := strings.Repeat("x", 2<<20)
	for name, tc := range map[string]struct {
		to, body string
		header   http.Header
		want     int
	}{
		"counts":    {path, `{"type":"o"}`, signed(`{"type":"o"}`), http.StatusAccepted},
		"unsigned":  {path, `{"type":"o"}`, http.Header{}, http.StatusUnauthorized},
		"nowhere":   {api.WebhookPath + h.ids["order"], `{}`, signed(`{}`), http.StatusNotFound},
		"no id":     {api.WebhookPath + "x", `{}`, signed(`{}`), http.StatusNotFound},
		"too large": {path, large, signed(large), http.StatusRequestEntityTooLarge},
	} {
		if got := send(tc.to, tc.body, tc.header); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
	h.play([]scenario{
		{name: "it is listed", method: "GET", path: "/connections/{connection}/webhook-messages", status: 200, has: []string{`"message_id":"msg_1"`, `"said":"o"`}},
		{name: "from nowhere", method: "GET", path: "/connections/{connection}/webhook-messages?after=x", status: 400, has: []string{`"parameter":"after"`}},
		{name: "delete", method: "DELETE", path: "/connections/{connection}/webhook", status: 204},
		{name: "gone", method: "GET", path: "/connections/{connection}/webhook", status: 404},
	})
	if got := send(path, `{}`, signed(`{}`)); got != http.StatusNotFound {
		t.Errorf("after it was deleted: %d", got)
	}
}
