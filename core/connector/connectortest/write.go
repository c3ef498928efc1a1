package connectortest

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"testing"

	"crmhub/core/connector"
)

func reference() string { return "kit-" + rand.Text()[:12] }

func (k kit) creation() connector.Write {
	ref := reference()
	return connector.Write{Op: connector.OpCreate, Reference: ref, Data: k.stream.Data(ref)}
}

// push sends one write and wants one result.
func (k kit) push(t *testing.T, s connector.Session, w connector.Write) connector.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	results, err := s.(connector.Pusher).Push(ctx, k.stream.Record, []connector.Write{w})
	if err != nil {
		t.Fatalf("%s: %v", w.Op, err)
	}
	if len(results) != 1 {
		t.Fatalf("one write gave %d results", len(results))
	}
	r := results[0]
	if (r.Outcome == connector.Done) == (r.Err != nil) || r.Outcome == connector.Done && r.Record.ID == "" {
		t.Fatalf("%s: the result contradicts itself: %+v", w.Op, r)
	}
	return r
}

func (k kit) done(t *testing.T, s connector.Session, w connector.Write) connector.Record {
	t.Helper()
	r := k.push(t, s, w)
	if r.Outcome != connector.Done {
		t.Fatalf("%s: outcome %d, %v", w.Op, r.Outcome, r.Err)
	}
	return r.Record
}

func (k kit) get(t *testing.T, s connector.Session, id string) *connector.Record {
	t.Helper()
	r, err := s.(connector.Getter).Get(t.Context(), k.stream.Record, id)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	return r
}

func (k kit) find(t *testing.T, s connector.Session, ref string) *connector.Record {
	t.Helper()
	r, err := s.(connector.Finder).Find(t.Context(), k.stream.Record, ref)
	if err != nil {
		t.Fatalf("find: %v", err)
	}
	return r
}

func (k kit) write(t *testing.T) {
	s := k.open(t)
	w := k.creation()
	if k.declared.Find {
		if r := k.find(t, s, w.Reference); r != nil {
			t.Fatalf("found before it was created: %s", r.ID)
		}
	}
	created := k.done(t, s, w)
	k.same(t, s, created.ID, w)
	if k.declared.Idempotent {
		if again := k.done(t, s, w); again.ID != created.ID {
			t.Errorf("created twice with one reference: %s and %s", created.ID, again.ID)
		}
	}
	changed := connector.Write{Op: connector.OpUpdate, ID: created.ID, RemoteVersion: created.Version, Reference: w.Reference, Data: maps.Clone(w.Data)}
	if k.declared.Get {
		if now := k.get(t, s, created.ID); now != nil {
			changed.RemoteVersion = now.Version
		}
	}
	k.stream.Change(changed.Data)
	if r := k.done(t, s, changed); r.ID != created.ID {
		t.Errorf("an update of %s gave %s", created.ID, r.ID)
	}
	k.same(t, s, created.ID, changed)

	several := []connector.Write{k.creation(), k.creation(), k.creation()}[:max(1, min(3, k.declared.Batch))]
	results, err := s.(connector.Pusher).Push(t.Context(), k.stream.Record, several)
	if err != nil || len(results) != len(several) {
		t.Fatalf("%d writes gave %d results, %v", len(several), len(results), err)
	}
	for i, r := range results {
		if r.Outcome != connector.Done {
			t.Fatalf("write %d of several: %v", i, r.Err)
		}
		k.same(t, s, r.Record.ID, several[i])
	}
	if k.declared.Delete {
		k.done(t, s, connector.Write{Op: connector.OpDelete, ID: created.ID})
		if r := k.get(t, s, created.ID); r != nil && !r.Deleted {
			t.Error("a deleted record is still there")
		}
	}
	if r := k.get(t, s, "999999999"); k.declared.Get && r != nil {
		t.Error("got a record that does not exist")
	}
}

// same checks that the record is as written, looked up both ways.
func (k kit) same(t *testing.T, s connector.Session, id string, w connector.Write) {
	t.Helper()
	if k.declared.Get {
		r := k.get(t, s, id)
		if r == nil {
			t.Fatalf("%s is not there", id)
		}
		if r.ID != id || !k.stream.Same(w.Data, r.Data) {
			t.Errorf("get %s gave %s: %v, not %v", id, r.ID, r.Data, w.Data)
		}
	}
	if k.declared.Find {
		r := k.find(t, s, w.Reference)
		if r == nil {
			t.Fatalf("%s is not found by %s", id, w.Reference)
		}
		if r.ID != id || !k.stream.Same(w.Data, r.Data) {
			t.Errorf("find %s gave %s: %v, not %s: %v", w.Reference, r.ID, r.Data, id, w.Data)
		}
	}
}

// refuse checks that a record the remote does not take is told apart, and does not take others down with it.
func (k kit) refuse(t *testing.T) {
	if k.stream.Invalid == nil {
		return
	}
	s := k.open(t)
	bad := k.creation()
	k.stream.Invalid(bad.Data)
	writes := []connector.Write{bad}
	if k.declared.Batch > 1 {
		writes = []connector.Write{k.creation(), bad, k.creation()}
	}
	results, err := s.(connector.Pusher).Push(t.Context(), k.stream.Record, writes)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if writes[i].Reference != bad.Reference {
			if r.Outcome != connector.Done {
				t.Errorf("a good record beside a bad one: %v", r.Err)
			}
			continue
		}
		if r.Outcome != connector.Refused || r.Err.Class != connector.ClassData {
			t.Errorf("a bad record: outcome %d, %v", r.Outcome, r.Err)
		}
	}
	if k.declared.Find {
		if r := k.find(t, s, bad.Reference); r != nil {
			t.Error("a refused record is there")
		}
	}
}

func (k kit) cancel(t *testing.T) {
	s := k.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Check(ctx); err == nil {
		t.Error("check succeeded though it was cancelled")
	}
	if k.declared.Pull {
		if _, err := s.(connector.Puller).Pull(ctx, connector.PullRequest{Stream: k.stream.Record, Limit: 1}); err == nil {
			t.Error("pull succeeded though it was cancelled")
		}
	}
	if k.declared.Push {
		w := k.creation()
		results, err := s.(connector.Pusher).Push(ctx, k.stream.Record, []connector.Write{w})
		if err == nil && results[0].Outcome == connector.Done {
			t.Error("push succeeded though it was cancelled")
		}
	}
}

func (k kit) close(t *testing.T) {
	s := k.Open(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context()); err == nil {
		t.Error("a closed session works on")
	} else if e := new(connector.Error); !errors.As(err, &e) {
		t.Errorf("a closed session's error has no class: %v", err)
	}
}
