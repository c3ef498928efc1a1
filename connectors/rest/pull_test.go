package rest_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/connector"
)

const keysetPage = `
      query: {limit: "{{limit?}}", since: "{{since?}}", after: "{{after?}}"}
      records: /items
      total: /total
      page: {by: keyset, key: /id, size: 100}
      overlap: 2s
`

func TestEveryWayOfPagingVisitsAllOnce(t *testing.T) {
	t.Parallel()
	for name, paging := range map[string]struct {
		query, page string
		calls       int
	}{
		"none":                {`{}`, `{by: none}`, 1},
		"keyset":              {`{limit: "{{limit}}", after: "{{after?}}"}`, `{by: keyset, key: /id, size: 100}`, 3},
		"page":                {`{limit: "{{limit}}", page: "{{page}}"}`, `{by: page, size: 100}`, 6},
		"page until told":     {`{limit: "{{limit}}", page: "{{page}}"}`, `{by: page, size: 100, more: /more}`, 6},
		"offset":              {`{limit: "{{limit}}", offset: "{{offset}}"}`, `{by: offset, size: 100}`, 4},
		"cursor":              {`{limit: "{{limit}}", cursor: "{{cursor?}}"}`, `{by: cursor, next: /cursor, size: 100}`, 3},
		"address of the next": {`{limit: "{{limit}}"}`, `{by: next, next: /next, size: 100}`, 3},
		"link in the header":  {`{limit: "{{limit}}"}`, `{by: link, size: 100}`, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			manifest := strings.Replace(shop, keysetPage, "\n      query: "+paging.query+"\n      records: /items\n      page: "+paging.page+"\n", 1)
			s := newStub(t)
			for range 7 {
				s.add(map[string]any{"title": "x"})
			}
			c := s.open(t, parse(t, manifest), "good")
			var seen []string
			var cursor json.RawMessage
			pages := 0
			for more := true; more; pages++ {
				page, err := c.Pull(t.Context(), connector.PullRequest{Stream: "order", Cursor: cursor, Limit: 3})
				if err != nil {
					t.Fatal(err)
				}
				if page.Anew {
					seen = nil
				}
				seen = append(seen, ids(page.Records)...)
				cursor, more = page.Cursor, page.More
			}
			slices.Sort(seen)
			if diff := cmp.Diff([]string{"1", "2", "3", "4", "5", "6", "7"}, seen); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			if pages != paging.calls {
				t.Errorf("%d pages, not %d", pages, paging.calls)
			}
		})
	}
}

// What a pull hands back is stored, and a remote's links repeat what it was asked with.
func TestCursorsHoldNoCredentials(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	s.first(1, "GET /orders", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, map[string]any{"items": []any{map[string]any{"id": 1}}, "next": "?" + r.URL.RawQuery + "&offset=1"})
	})
	manifest := strings.Replace(withAuth(`auth: {type: api_key, in: query, name: api_key, value: "{{secret.token}}"}`), keysetPage,
		"\n      query: {limit: \"{{limit}}\"}\n      records: /items\n      page: {by: next, next: /next, size: 100}\n", 1)
	c := s.open(t, parse(t, manifest), "good")
	page, err := c.Pull(t.Context(), connector.PullRequest{Stream: "order"})
	if err != nil {
		t.Fatal(err)
	}
	var cursor struct{ Place struct{ Next string } }
	if err := json.Unmarshal(page.Cursor, &cursor); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s.URL+"/orders?limit=100&offset=1", cursor.Place.Next); diff != "" {
		t.Errorf("next page (-want +got):\n%s", diff)
	}
	if _, err := c.Pull(t.Context(), connector.PullRequest{Stream: "order", Cursor: page.Cursor}); err != nil {
		t.Error(err)
	}
}

func TestNextRunBeginsAtTheNewestChangeLessTheOverlap(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	s.add(map[string]any{"title": "a"})
	s.add(map[string]any{"title": "b"})
	c := s.open(t, parse(t, shop), "good")
	first, err := c.Pull(t.Context(), connector.PullRequest{Stream: "order"})
	if err != nil || first.More || first.Expected != 2 {
		t.Fatalf("%+v, %v", first, err)
	}
	want := s.order(2)["changed_at"].(string)
	if diff := cmp.Diff(`{"since":"`+want+`"}`, string(first.Cursor)); diff != "" {
		t.Errorf("cursor (-want +got):\n%s", diff)
	}
	second, err := c.Pull(t.Context(), connector.PullRequest{Stream: "order", Cursor: first.Cursor})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1", "2"}, ids(second.Records)); diff != "" {
		t.Errorf("within the overlap (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(string(first.Cursor), string(second.Cursor)); diff != "" {
		t.Errorf("a run without news moved the cursor (-want +got):\n%s", diff)
	}
}

// A record that changes behind a run must not be missed because another, changed later, was read ahead of it.
func TestNothingThatChangesDuringARunIsLost(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	for range 3 {
		s.add(map[string]any{"title": "x"})
	}
	c := s.open(t, parse(t, shop), "good")
	page, err := c.Pull(t.Context(), connector.PullRequest{Stream: "order", Limit: 2})
	if err != nil || !page.More {
		t.Fatalf("%+v, %v", page, err)
	}
	touch := func(n int, after time.Duration) {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		s.now = s.now.Add(after)
		s.orders[n-1]["changed_at"] = s.now.Format(time.RFC3339)
	}
	touch(1, time.Second)    // behind the run
	touch(3, 10*time.Minute) // ahead of it, much later
	page, err = c.Pull(t.Context(), connector.PullRequest{Stream: "order", Limit: 2, Cursor: page.Cursor})
	if err != nil || page.More {
		t.Fatalf("%+v, %v", page, err)
	}
	page, err = c.Pull(t.Context(), connector.PullRequest{Stream: "order", Cursor: page.Cursor})
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(page.Records); !slices.Contains(got, "1") {
		t.Errorf("the next run read %v", got)
	}
}

func TestPullToldWrongThingsSaysSo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change [2]string
		cursor string
	}{
		"no records there": {change: [2]string{"records: /items", "records: /nothing"}},
		"no id there":      {change: [2]string{"id: /id\n    version", "id: /nothing\n    version"}},
		"no time there":    {change: [2]string{"updated: /changed_at", "updated: /title"}},
		"foreign cursor":   {cursor: `{"place": 3}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStub(t)
			s.add(map[string]any{"title": "a"})
			manifest := shop
			if c.change[0] != "" {
				manifest = strings.Replace(shop, c.change[0], c.change[1], 1)
			}
			_, err := s.open(t, parse(t, manifest), "good").Pull(t.Context(), connector.PullRequest{Stream: "order", Cursor: json.RawMessage(c.cursor)})
			if err == nil || connector.AsError(err).Class != connector.ClassConfig || connector.AsError(err).Remedy == "" {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestRowsWithoutKeysGetTheirColumnsNames(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	s.first(1, "GET /orders", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"items": []any{[]any{4, "a"}, []any{5, "b"}}})
	})
	manifest := strings.Replace(shop, keysetPage, "\n      records: /items\n      columns: [id, title]\n", 1)
	page, err := s.open(t, parse(t, manifest), "good").Pull(t.Context(), connector.PullRequest{Stream: "order"})
	if err != nil {
		t.Fatal(err)
	}
	want := []connector.Record{
		{ID: "4", Data: map[string]any{"id": json.Number("4"), "title": "a"}},
		{ID: "5", Data: map[string]any{"id": json.Number("5"), "title": "b"}},
	}
	if diff := cmp.Diff(want, page.Records); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// A backfill's range is exact, whatever the remote makes of since; it leaves nothing behind in the cursor.
func TestRangeIsReadOnceMore(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	for range 6 {
		s.add(map[string]any{"title": "x"})
	}
	c := s.open(t, parse(t, shop), "good")
	all, err := c.Pull(t.Context(), connector.PullRequest{Stream: "order", Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	from, to := all.Records[2].UpdatedAt, all.Records[4].UpdatedAt
	var want, got []string
	for _, r := range all.Records {
		if !r.UpdatedAt.Before(from) && r.UpdatedAt.Before(to) {
			want = append(want, r.ID)
		}
	}
	var cursor json.RawMessage
	for more := true; more; {
		page, err := c.Pull(t.Context(), connector.PullRequest{Stream: "order", Limit: 1, Cursor: cursor, Since: from, Until: to})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, ids(page.Records)...)
		cursor, more = page.Cursor, page.More
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}
