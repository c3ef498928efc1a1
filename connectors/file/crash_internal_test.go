package file

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"crmhub/core/connector"
)

// dying is a place whose process dies when it is about to make its n-th change: from then on nothing gets there. With half, a file
// that is being stored then is there in part.
type dying struct {
	place
	left int
	half bool
}

var errDied = errors.New("the process died")

func (d *dying) change() error {
	if d.left--; d.left < 0 {
		return errDied
	}
	return nil
}

func (d *dying) store(ctx context.Context, name string, content []byte) error {
	before := d.left
	if err := d.change(); err != nil {
		if before == 0 && d.half {
			_ = d.place.store(ctx, name, content[:len(content)/2])
		}
		return err
	}
	return d.place.store(ctx, name, content)
}

func (d *dying) rename(ctx context.Context, from, to string) error {
	if err := d.change(); err != nil {
		return err
	}
	return d.place.rename(ctx, from, to)
}

func (d *dying) remove(ctx context.Context, name string) error {
	if err := d.change(); err != nil {
		return err
	}
	return d.place.remove(ctx, name)
}

// reader is the other system: it takes every file it sees away at once.
type reader struct {
	*testing.T
	dir  string
	seen []string // contents
}

func (r *reader) take() {
	r.Helper()
	found, err := filepath.Glob(filepath.Join(r.dir, "out", "*.jsonl"))
	if err != nil {
		r.Fatal(err)
	}
	for _, name := range found {
		if strings.HasPrefix(filepath.Base(name), ".") {
			continue // hidden, as shells and readers pass it over
		}
		b, err := os.ReadFile(name)
		if err == nil {
			err = os.Remove(name)
		}
		if err != nil {
			r.Fatal(err)
		}
		r.seen = append(r.seen, strings.TrimSpace(string(b)))
	}
}

// TestEachStateIsHandedOverOnceWhereverTheProcessDies plays the engine: after a death it looks a create up by its reference and repeats
// it only if it is not found; an update it repeats in any case.
func TestEachStateIsHandedOverOnceWhereverTheProcessDies(t *testing.T) {
	t.Parallel()
	for _, record := range []string{"order", "invoice", "payment"} {
		t.Run(record, func(t *testing.T) {
			t.Parallel()
			eachStateOnce(t, record)
		})
	}
}

func eachStateOnce(t *testing.T, record string) {
	t.Helper()
	for first := range 6 { // a write makes five changes
		for _, second := range []int{0, 1, 3, 4} {
			r := &reader{T: t, dir: t.TempDir()}
			died := 0
			session := func(left int) *session {
				opened, err := open(connector.Options{Folder: r.dir, Config: map[string]any{record: map[string]any{"write": "jsonl"}}}, time.Now)
				if err != nil {
					t.Fatal(err)
				}
				s, _ := opened.(*session)
				s.place = &dying{place: s.place, left: left, half: second%2 == 0}
				return s
			}
			// write is sent by processes that die after so many changes, the last of which lives.
			write := func(w connector.Write, lives ...int) {
				for _, left := range append(lives, 1000) {
					s := session(left)
					if w.Op == connector.OpCreate {
						found, err := s.Find(t.Context(), record, w.Reference)
						if err != nil {
							t.Fatal(err)
						}
						if found != nil {
							return
						}
					}
					results, err := s.Push(t.Context(), record, []connector.Write{w})
					r.take()
					if err != nil {
						t.Fatal(err)
					}
					if results[0].Outcome == connector.Done {
						return
					}
					died++
				}
				t.Fatalf("not written after deaths at %v", lives)
			}
			one, two := map[string]any{"number": "SO-1"}, map[string]any{"number": "SO-1", "remark": "hurry"}
			write(connector.Write{Op: connector.OpCreate, Reference: "SO-1", Data: one}, first, second)
			write(connector.Write{Op: connector.OpUpdate, ID: "SO-1", Data: two}, second, first)
			write(connector.Write{Op: connector.OpUpdate, ID: "SO-1", Data: two})
			if want := []string{`{"number":"SO-1"}`, `{"number":"SO-1","remark":"hurry"}`}; !slices.Equal(r.seen, want) {
				t.Errorf("with deaths at %d and %d: %q", first, second, r.seen)
			}
			if first == 0 && died == 0 {
				t.Error("nothing died")
			}
			found, err := session(0).Get(t.Context(), record, "SO-1")
			if err != nil || found == nil || found.Version != "2" || found.Data["remark"] != "hurry" {
				t.Errorf("with deaths at %d and %d: %+v, %v", first, second, found, err)
			}
			write(connector.Write{Op: connector.OpDelete, ID: "SO-1"}, first, second)
			write(connector.Write{Op: connector.OpDelete, ID: "SO-1"}) // the engine asks again for what it does not know to be done
			write(connector.Write{Op: connector.OpCreate, Reference: "SO-1", Data: one}, second, first)
			if want := []string{`{"deleted":"yes","number":"SO-1"}`, `{"number":"SO-1"}`}; !slices.Equal(r.seen[2:], want) {
				t.Errorf("with deaths at %d and %d: deleted and new again, %q", first, second, r.seen)
			}
			left, err := filepath.Glob(filepath.Join(r.dir, "*", ".*"))
			if err != nil || len(left) > 0 {
				t.Errorf("with deaths at %d and %d: left over: %v, %v", first, second, left, err)
			}
		}
	}
}
