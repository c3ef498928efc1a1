package api_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestDocumentationPageShowsEveryOperationAndLeadsSomewhere(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	answer := h.request(http.MethodGet, "/", "", "Authorization:")
	page := answer.Body.String()
	for path, methods := range readDocument(t, h).Paths {
		for method, op := range methods {
			if !strings.Contains(page, `<details id="`+op.OperationID+`">`) {
				t.Errorf("%s %s is not on the page", strings.ToUpper(method), path)
			}
		}
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if ids[m[1]] {
			t.Errorf("two elements have the id %s", m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(` href="#([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if !ids[m[1]] {
			t.Errorf("a link leads to #%s, which is not there", m[1])
		}
	}
	for _, m := range regexp.MustCompile(` (?:src|href)="([^#"][^"]*)"`).FindAllStringSubmatch(page, -1) {
		if got := h.request(http.MethodGet, "/"+m[1], "", "Authorization:"); got.Code != http.StatusOK {
			t.Errorf("%s answers %d", m[1], got.Code)
		}
	}
	if policy := answer.Header().Get("Content-Security-Policy"); strings.Contains(policy, "script") || strings.Contains(page, "<script") {
		t.Errorf("the page needs script: %s", policy)
	}
}
