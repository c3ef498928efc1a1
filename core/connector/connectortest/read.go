package connectortest

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"crmhub/core/connector"
)

// read checks that pages hold everything once, that a cursor goes on where it was, and that a later run reads what changed.
func (k kit) read(t *testing.T) {
	s := k.open(t)
	written := map[string]connector.Write{}
	if k.declared.Push {
		for range 5 {
			w := k.creation()
			written[k.done(t, s, w).ID] = w
		}
	}
	seen, cursor := k.pull(t, s, nil, nil)
	for id, w := range written {
		if r, ok := seen[id]; !ok {
			t.Errorf("%s was not pulled", id)
		} else if !k.stream.Same(w.Data, r.Data) {
			t.Errorf("%s was pulled as %v, not %v", id, r.Data, w.Data)
		}
	}
	k.resume(t, s, slices.Collect(maps.Keys(seen)))
	if !k.declared.Incremental || !k.declared.Push {
		return
	}
	id, w := "", connector.Write{}
	for id, w = range written {
		break
	}
	w.Op, w.ID = connector.OpUpdate, id
	w.RemoteVersion = seen[id].Version
	w.Data = maps.Clone(w.Data)
	k.stream.Change(w.Data)
	k.done(t, s, w)
	fresh := k.creation()
	freshID := k.done(t, s, fresh).ID
	changed, _ := k.pull(t, s, cursor, nil)
	if r, ok := changed[id]; !ok || !k.stream.Same(w.Data, r.Data) {
		t.Errorf("the next run did not read what changed: %v", r.Data)
	}
	if _, ok := changed[freshID]; !ok {
		t.Error("the next run did not read what is new")
	}
}

// pull reads a run in small pages. next gives another session for every further page.
func (k kit) pull(t *testing.T, s connector.Session, cursor json.RawMessage, next func() connector.Session) (map[string]connector.Record, json.RawMessage) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	seen := map[string]connector.Record{}
	for {
		page, err := s.(connector.Puller).Pull(ctx, connector.PullRequest{Stream: k.stream.Record, Cursor: cursor, Limit: 2})
		if err != nil {
			t.Fatalf("pull: %v", err)
		}
		if len(page.Records) > 0 && page.Cursor == nil {
			t.Fatal("a page with records has no cursor")
		}
		for _, r := range page.Records {
			if before, twice := seen[r.ID]; r.ID == "" || twice && (r.Version == "" || r.Version == before.Version) {
				t.Errorf("record %q came twice in one version, or has no id", r.ID)
			}
			seen[r.ID] = r
		}
		cursor = page.Cursor
		if !page.More {
			return seen, cursor
		}
		if next != nil {
			s = next()
		}
	}
}

// resume reads everything with a new session for each page: all state is in the cursor.
func (k kit) resume(t *testing.T, s connector.Session, want []string) {
	t.Helper()
	seen, _ := k.pull(t, s, nil, func() connector.Session { return k.open(t) })
	for _, id := range want {
		if _, ok := seen[id]; !ok {
			t.Errorf("%s was lost by going on in a new session", id)
		}
	}
}
