package rest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"crmhub/core/connector"
)

// says lets the stub answer every request for the list so.
func (s *stub) says(status int, contentType, body string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.handle = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/orders") {
			return false
		}
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // the client may have gone
		return true
	}
}

// TestNoAnswerIsNoNo shows that only what says that there is nothing counts as nothing: else a look-up whose answer a proxy
// swallowed has a record created twice, and a list that is not there ends a pull well.
func TestNoAnswerIsNoNo(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status            int
		contentType, body string
		pull, find, get   bool // understood as: there is nothing
	}{
		"empty":                  {http.StatusOK, "application/json", "", false, false, false},
		"blank":                  {http.StatusOK, "application/json", " \n", false, false, false},
		"another object":         {http.StatusOK, "application/json", `{"message":"maintenance"}`, false, false, false},
		"null":                   {http.StatusOK, "application/json", `null`, false, false, true},
		"no content":             {http.StatusNoContent, "", "", true, true, true},
		"an empty list":          {http.StatusOK, "application/json", `{"items":[]}`, true, true, false},
		"a proxy's page":         {http.StatusNotFound, "text/html", "<html><h1>404 Not Found</h1></html>", false, false, false},
		"the API's 404":          {http.StatusNotFound, "application/json", `{"error":{"text":"no"}}`, false, true, true},
		"a page with status 200": {http.StatusOK, "text/html", "<html>Log in</html>", false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStub(t)
			c := s.open(t, parse(t, shop), "good")
			s.says(tc.status, tc.contentType, tc.body)
			if page, err := c.Pull(t.Context(), connector.PullRequest{Stream: "order"}); (err == nil) != tc.pull || len(page.Records) > 0 {
				t.Errorf("pull: %d records, %v", len(page.Records), err)
			}
			if found, err := c.Find(t.Context(), "order", "r"); (err == nil) != tc.find || found != nil {
				t.Errorf("find: %v, %v", found, err)
			}
			if got, err := c.Get(t.Context(), "order", "1"); (err == nil) != tc.get || got != nil {
				t.Errorf("get: %v, %v", got, err)
			}
		})
	}
}

// TestARecordWhoseTimeCannotBeReadStandsAlone shows that its neighbours come in.
func TestARecordWhoseTimeCannotBeReadStandsAlone(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	c := s.open(t, parse(t, shop), "good")
	s.says(http.StatusOK, "application/json", `{"items":[{"id":1,"changed_at":"2026-11-28T10:00:00Z"},{"id":2,"changed_at":"2026-11-28T10:00:00"},{"id":3}]}`)
	page, err := c.Pull(t.Context(), connector.PullRequest{Stream: "order"})
	if err != nil || len(page.Records) != 3 {
		t.Fatalf("%+v, %v", page, err)
	}
	for i, r := range page.Records {
		if wrong := i == 1; (r.Err != nil) != wrong || r.Data == nil {
			t.Errorf("record %s: %v", r.ID, r.Err)
		}
	}
}

// TestRemoteThatGivesOnePageForEverIsStopped has a remote that takes no notice of where the next page begins.
func TestRemoteThatGivesOnePageForEverIsStopped(t *testing.T) {
	t.Parallel()
	for name, paging := range map[string]string{
		"keyset": `query: {limit: "{{limit}}", after: "{{after?}}"}
      page: {by: keyset, key: /id, size: 3}`,
		"page": `query: {limit: "{{limit}}", page: "{{page}}"}
      page: {by: page, size: 3}`,
		"offset": `query: {limit: "{{limit}}", offset: "{{offset}}"}
      page: {by: offset, size: 3}`,
		"page until told": `query: {limit: "{{limit}}", page: "{{page}}"}
      page: {by: page, size: 3, more: /more}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStub(t)
			c := s.open(t, parse(t, strings.Replace(shop, keysetPage, "\n      records: /items\n      "+paging+"\n", 1)), "good")
			s.says(http.StatusOK, "application/json", `{"items":[{"id":1},{"id":2},{"id":3}],"more":true}`)
			var cursor json.RawMessage
			for n := range 3 {
				page, err := c.Pull(t.Context(), connector.PullRequest{Stream: "order", Cursor: cursor})
				if err != nil {
					if n != 1 || connector.AsError(err).Class != connector.ClassConfig {
						t.Errorf("page %d: %v", n, err)
					}
					return
				}
				cursor = page.Cursor
			}
			t.Error("it goes on for ever")
		})
	}
}

// TestAPlaceThatTheRemoteForgotIsLeft has a run begin with the cursor of one that failed, which the remote does not know
// any more: it reads the list anew, once; a cursor that expires within a run is a fault.
func TestAPlaceThatTheRemoteForgotIsLeft(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	for range 7 {
		s.add(map[string]any{"title": "x"})
	}
	c := s.open(t, parse(t, strings.Replace(shop, keysetPage, `
      query: {limit: "{{limit}}", cursor: "{{cursor?}}", since: "{{since?}}"}
      records: /items
      page: {by: cursor, next: /cursor, size: 3}
      overlap: 2s
`, 1)), "good")
	first, err := c.Pull(t.Context(), connector.PullRequest{Stream: "order"})
	if err != nil || !first.More {
		t.Fatalf("%v, %v", first, err)
	}
	s.mutex.Lock()
	s.handle = func(w http.ResponseWriter, r *http.Request) bool {
		if r.FormValue("cursor") == "3" {
			refusal(w, http.StatusBadRequest, "the cursor has expired")
			return true
		}
		return false
	}
	s.mutex.Unlock()
	if _, err := c.Pull(t.Context(), connector.PullRequest{Stream: "order", Cursor: first.Cursor}); err == nil {
		t.Error("within a run the list began anew")
	}
	again, err := c.Pull(t.Context(), connector.PullRequest{Stream: "order", Cursor: first.Cursor, Resume: true})
	if err != nil || !again.Anew || len(again.Records) != 3 || again.Records[0].ID != "1" {
		t.Errorf("%+v, %v", again, err)
	}
	s.says(http.StatusBadRequest, "application/json", `{"error":{"text":"not today"}}`)
	if _, err := c.Pull(t.Context(), connector.PullRequest{Stream: "order", Cursor: first.Cursor, Resume: true}); err == nil || !strings.Contains(err.Error(), "not today") {
		t.Error(err)
	}
}
