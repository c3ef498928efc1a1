package rest_test

import (
	"net/http"
	"strings"
	"testing"

	"crmhub/core/connector"
)

func TestWhatWasSaidIsRecordedWithoutSecrets(t *testing.T) {
	t.Parallel()
	const token = `hun"ter<2&`
	s := newStub(t)
	s.tokens[token] = true
	manifest := strings.Replace(shop, `body: {$spread: "{{data}}",`, `body: {$spread: "{{data}}", pass: "{{secret.token}}",`, 1)
	if manifest == shop {
		t.Fatal("the manifest is another")
	}
	c := s.open(t, parse(t, manifest), token)
	var r connector.Recorder
	ctx := connector.Recorded(t.Context(), &r)
	a, b := order("a"), order("b")
	b.Data["title"] = strings.Repeat("long ", 800) + strings.Repeat(token, 500)
	if _, err := c.Push(ctx, "order", []connector.Write{a, b}); err != nil {
		t.Fatal(err)
	}
	for i, path := range []string{"/orders", "/orders"} {
		all := r.Of(i)
		if len(all) == 0 {
			t.Fatalf("nothing is recorded of write %d", i)
		}
		for _, e := range all {
			if e.Path != path || e.Method != http.MethodPost || e.At.IsZero() {
				t.Errorf("write %d: %s %s at %s", i, e.Method, e.Path, e.At)
			}
			text := string(e.Request) + string(e.Response) + e.Path
			if strings.Contains(text, "hun") || strings.Contains(text, "ter") {
				t.Errorf("a secret is recorded: %s", text)
			}
			if len(e.Request) > connector.MaxBody || len(e.Response) > connector.MaxBody || e.Cut != (i == 1) {
				t.Errorf("write %d: %d and %d bytes, cut: %t", i, len(e.Request), len(e.Response), e.Cut)
			}
		}
	}
	if !strings.Contains(string(r.Of(0)[0].Request), `"reference":"a"`) {
		t.Errorf("the request is not the first write's: %s", r.Of(0)[0].Request)
	}
}
