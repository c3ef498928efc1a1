package crm

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// What changed, put onto what was, gives what is; and what was is in it too.
func TestDiffHoldsBothSidesOfEachFieldThatChanged(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(Kinds()).Draw(t, "kind")
		stored := anyEntity(t, kind)
		e := stored
		if rapid.Bool().Draw(t, "changed") {
			e = anyEntity(t, kind)
		}
		written, err := diff(stored, e)
		if err != nil {
			t.Fatal(err)
		}
		var changed map[string][2]json.RawMessage
		if err := json.Unmarshal(written, &changed); err != nil {
			t.Fatalf("%v: %s", err, written)
		}
		before, after := members(t, stored), members(t, e)
		for name, sides := range changed {
			if cmp.Equal(sides[0], sides[1]) {
				t.Fatalf("%s has not changed: %s", name, written)
			}
			if string(sides[0]) != either(before, name) || string(sides[1]) != either(after, name) {
				t.Fatalf("%s is %s, was %s, the diff says %s", name, either(after, name), either(before, name), sides)
			}
			delete(before, name)
			delete(after, name)
		}
		for _, head := range []string{"version", "updated_at", "updated_by"} {
			delete(before, head)
			delete(after, head)
		}
		if d := cmp.Diff(before, after); d != "" {
			t.Fatalf("fields that the diff lacks:\n%s", d)
		}
	})
}

func members(t *rapid.T, e Entity) map[string]json.RawMessage {
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func either(m map[string]json.RawMessage, name string) string {
	if v, ok := m[name]; ok {
		return string(v)
	}
	return "null"
}
