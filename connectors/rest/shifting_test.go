package rest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"crmhub/core/connector"
)

// shifting is a remote whose list moves between the calls of a run.
type shifting struct {
	stub // of which only what opens a session is used

	mutex sync.Mutex
	list  []string
	entry int
	moves []move // what happens before each call but the first
	calls int
}

// move is what happens between two calls: records leave, others enter, at places that are parts of a thousand.
type move struct{ Leave, Enter []int }

func (s *shifting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.calls++; s.calls > 1 && len(s.moves) > 0 {
		for _, at := range s.moves[0].Leave {
			if i := at * len(s.list) / 1000; i < len(s.list) {
				s.list = slices.Delete(s.list, i, i+1)
			}
		}
		for _, at := range s.moves[0].Enter {
			s.entry++
			s.list = slices.Insert(s.list, at*len(s.list)/1000, "new"+strconv.Itoa(s.entry))
		}
		s.moves = s.moves[1:]
	}
	limit, _ := strconv.Atoi(r.FormValue("limit"))
	begin, _ := strconv.Atoi(r.FormValue("offset"))
	if page, err := strconv.Atoi(r.FormValue("page")); err == nil {
		begin = (page - 1) * limit
	}
	begin = min(begin, len(s.list))
	end := min(begin+limit, len(s.list))
	items := []any{}
	for _, id := range s.list[begin:end] {
		items = append(items, map[string]any{"id": id})
	}
	answer(w, http.StatusOK, map[string]any{"items": items, "more": end < len(s.list)})
}

// A list that is read by counting moves when a record leaves it or enters it. What was in it all the while is read all the same.
func TestNoRecordThatStaysIsLostWhereListsMove(t *testing.T) {
	t.Parallel()
	for name, paging := range map[string]struct{ query, page string }{
		"offset":            {`{limit: "{{limit}}", offset: "{{offset}}"}`, `{by: offset, size: 100}`},
		"offset until told": {`{limit: "{{limit}}", offset: "{{offset}}"}`, `{by: offset, size: 100, more: /more}`},
		"page":              {`{limit: "{{limit}}", page: "{{page}}"}`, `{by: page, size: 100}`},
		"page until told":   {`{limit: "{{limit}}", page: "{{page}}"}`, `{by: page, size: 100, more: /more}`},
	} {
		manifest := strings.Replace(shop, keysetPage, "\n      query: "+paging.query+"\n      records: /items\n      page: "+paging.page+"\n", 1)
		manifest = strings.Replace(manifest, "    version: /rev\n    updated: /changed_at\n", "", 1)
		c := parse(t, manifest)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) { readMoving(t, rt, c) })
		})
	}
}

func readMoving(t *testing.T, rt *rapid.T, c connector.Connector) {
	limit := rapid.IntRange(1, 8).Draw(rt, "limit")
	few := max(0, min(3, limit-3)) // where a whole page enters at once the next is the same again, as of a remote that cannot page
	leave, enter := rapid.SliceOfN(rapid.IntRange(0, 999), 0, 3), rapid.SliceOfN(rapid.IntRange(0, 999), 0, few)
	s := &shifting{moves: rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) move {
		return move{Leave: leave.Draw(rt, "leave"), Enter: enter.Draw(rt, "enter")}
	}), 0, 12).Draw(rt, "moves")}
	for i := range rapid.IntRange(0, 25).Draw(rt, "records") {
		s.list = append(s.list, fmt.Sprintf("old%d", i))
	}
	server := httptest.NewServer(s)
	defer server.Close()
	s.Server = server
	session := s.open(t, c, "good")
	before := slices.Clone(s.list)
	seen := map[string]bool{}
	ask := connector.PullRequest{Stream: "order", Limit: limit}
	for calls := 1; ; calls++ {
		page, err := session.Pull(t.Context(), ask)
		if _, doubts := errors.AsType[*connector.Doubt](err); doubts {
			ask.Resume = true // the next run goes on
			continue
		}
		if err != nil || calls > 300 {
			rt.Fatalf("call %d: %v", calls, err)
		}
		for _, r := range page.Records {
			seen[r.ID] = true
		}
		if !page.More {
			break
		}
		ask.Cursor, ask.Resume = page.Cursor, false
	}
	for _, id := range before {
		if slices.Contains(s.list, id) && !seen[id] {
			rt.Errorf("%s was there all the while and was not read", id)
		}
	}
}

// A list that moves whenever it is read is never read whole: that is said, and the next run goes on.
func TestListThatNeverRestsIsDoubted(t *testing.T) {
	t.Parallel()
	manifest := strings.Replace(shop, keysetPage, `
      query: {limit: "{{limit}}", page: "{{page}}"}
      records: /items
      page: {by: page, size: 100}
`, 1)
	c := parse(t, strings.Replace(manifest, "    version: /rev\n    updated: /changed_at\n", "", 1))
	s := &shifting{list: []string{"a", "b", "c"}, moves: slices.Repeat([]move{{Enter: []int{0}}}, 50)}
	server := httptest.NewServer(s)
	defer server.Close()
	s.Server = server
	session := s.open(t, c, "good")
	ask := connector.PullRequest{Stream: "order", Limit: 2}
	var cursors []json.RawMessage
	for len(cursors) < 100 {
		page, err := session.Pull(t.Context(), ask)
		if doubt, ok := errors.AsType[*connector.Doubt](err); ok {
			if doubt.Said == nil {
				t.Error("the doubt is not said to people")
			}
			ask.Accept = true
			if page, err = session.Pull(t.Context(), ask); err != nil || page.More {
				t.Errorf("who accepts it gets %v, and more: %t", err, page.More)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		cursors = append(cursors, page.Cursor)
		ask.Cursor = page.Cursor
	}
	t.Fatal("it is read for ever")
}
