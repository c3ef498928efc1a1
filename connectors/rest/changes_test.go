package rest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/connector"
)

const withChanges = keysetPage + `      changes:
        path: /changes
        headers: {If-Modified-Since: "{{since | time:http}}"}
        records: /changed
        reach: 720h
        most: 5
`

// run reads a run to its end and returns the records, with those that are gone marked, and where the next begins.
func run(t *testing.T, c session, cursor json.RawMessage) ([]string, json.RawMessage) {
	t.Helper()
	var seen []string
	for {
		page, err := c.Pull(t.Context(), connector.PullRequest{Stream: "order", Cursor: cursor, Limit: 2})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			if r.Deleted {
				r.ID += " gone"
			}
			seen = append(seen, r.ID)
		}
		if cursor = page.Cursor; !page.More {
			return seen, cursor
		}
	}
}

func TestLaterRunsReadTheListOfChanges(t *testing.T) {
	t.Parallel()
	manifest := strings.Replace(shop, keysetPage, withChanges, 1)
	manifest = strings.Replace(manifest, "    updated: /changed_at\n", "    updated: /changed_at\n    deleted: {at: /state, equals: deleted}\n", 1)
	s := newStub(t)
	for range 5 {
		s.add(map[string]any{"title": "x"})
	}
	c := s.open(t, parse(t, manifest), "good")
	all, cursor := run(t, c, nil)
	if diff := cmp.Diff([]string{"1", "2", "3", "4", "5"}, all); diff != "" || s.seen("GET /changes") != 0 {
		t.Errorf("the first run read the list of changes, or not all: %s", diff)
	}
	for range 10 {
		s.add(map[string]any{"title": "x"})
	}
	// Five changes are as many as the list tells, so there may be more: the ordinary list has them all.
	if more, next := run(t, c, cursor); len(more) < 10 {
		t.Errorf("many changes: read %v", more)
	} else {
		cursor = next
	}
	ordinary := s.seen("GET /orders?")
	if _, f := c.Push(t.Context(), "order", []connector.Write{{Op: connector.OpDelete, ID: "1"}}); f != nil {
		t.Fatal(f)
	}
	changed, cursor := run(t, c, cursor)
	if !strings.Contains(strings.Join(changed, ","), "1 gone") || s.seen("GET /orders?") != ordinary {
		t.Errorf("a deleted order was not told: %v", changed)
	}
	s.first(1, "GET /changes", status(304))
	if none, _ := run(t, c, cursor); len(none) != 0 {
		t.Errorf("not modified, but read %v", none)
	}
}

func TestWholeRecordsAreReadWhereTheListIsBrief(t *testing.T) {
	t.Parallel()
	manifest := strings.Replace(shop, keysetPage, strings.Replace(keysetPage, `query: {`, `query: {brief: "1", `, 1)+"      whole: true\n", 1)
	s := newStub(t)
	for range 5 {
		s.add(map[string]any{"title": "x"})
	}
	c := s.open(t, parse(t, manifest), "good")
	page, err := c.Pull(t.Context(), connector.PullRequest{Stream: "order", Limit: 4})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1", "2", "3", "4"}, ids(page.Records)); diff != "" {
		t.Error(diff)
	}
	for _, r := range page.Records {
		if r.Data["title"] != "x" {
			t.Errorf("%s has no title: %v", r.ID, r.Data)
		}
	}
}
