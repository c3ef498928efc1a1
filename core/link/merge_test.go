package link_test

import (
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"crmhub/core/link"
	"crmhub/core/mapping"
)

func both(path string, a mapping.Authority) mapping.Field {
	return mapping.Field{Path: path, Push: true, Pull: true, Authority: a}
}

func TestMergeFieldByField(t *testing.T) {
	t.Parallel()
	type doc = map[string]any
	const crm, remote, newest, ask = mapping.AuthorityCRM, mapping.AuthorityRemote, mapping.AuthorityNewest, mapping.AuthorityAsk
	early, late := time.Unix(1, 0), time.Unix(2, 0)
	for name, c := range map[string]struct {
		field mapping.Field
		sides link.Sides
		want  link.Merged
	}{
		"nobody changed": {
			both("a", remote),
			link.Sides{Base: doc{"a": "1"}, Ours: doc{"a": "1"}, Theirs: doc{"a": "1"}},
			link.Merged{Fields: doc{"a": "1"}, Snapshot: doc{"a": "1"}},
		},
		"ours changed": {
			both("a", remote),
			link.Sides{Base: doc{"a": "1"}, Ours: doc{"a": "2"}, Theirs: doc{"a": "1"}},
			link.Merged{Fields: doc{"a": "2"}, Push: true, Snapshot: doc{"a": "1"}},
		},
		"theirs changed": {
			both("a", crm),
			link.Sides{Base: doc{"a": "1"}, Ours: doc{"a": "1"}, Theirs: doc{"a": "2"}},
			link.Merged{Fields: doc{"a": "2"}, Write: true, Snapshot: doc{"a": "2"}},
		},
		"theirs cleared": {
			both("a", crm),
			link.Sides{Base: doc{"a": "1"}, Ours: doc{"a": "1"}, Theirs: doc{}},
			link.Merged{Fields: doc{"a": nil}, Write: true, Snapshot: doc{"a": nil}},
		},
		"both to the same": {
			both("a", ask),
			link.Sides{Base: doc{"a": "1"}, Ours: doc{"a": "2.50"}, Theirs: doc{"a": "2.5"}},
			link.Merged{Fields: doc{"a": "2.50"}, Snapshot: doc{"a": "2.5"}},
		},
		"both, the CRM decides": {
			both("a", crm),
			link.Sides{Base: doc{"a": "1"}, Ours: doc{"a": "2"}, Theirs: doc{"a": "3"}},
			link.Merged{Fields: doc{"a": "2"}, Push: true, Snapshot: doc{"a": "3"}},
		},
		"both, the remote decides": {
			both("a", remote),
			link.Sides{Base: doc{"a": "1"}, Ours: doc{"a": "2"}, Theirs: doc{"a": "3"}},
			link.Merged{Fields: doc{"a": "3"}, Write: true, Snapshot: doc{"a": "3"}},
		},
		"both, theirs is newer": {
			both("a", newest),
			link.Sides{Base: doc{"a": "1"}, Ours: doc{"a": "2"}, Theirs: doc{"a": "3"}, OursAt: early, TheirsAt: late},
			link.Merged{Fields: doc{"a": "3"}, Write: true, Snapshot: doc{"a": "3"}},
		},
		"both, ours is newer": {
			both("a", newest),
			link.Sides{Base: doc{"a": "1"}, Ours: doc{"a": "2"}, Theirs: doc{"a": "3"}, OursAt: late, TheirsAt: early},
			link.Merged{Fields: doc{"a": "2"}, Push: true, Snapshot: doc{"a": "3"}},
		},
		"both, a person decides": {
			both("a", ask),
			link.Sides{Base: doc{"a": "1"}, Ours: doc{"a": "2"}, Theirs: doc{"a": "3"}},
			link.Merged{Fields: doc{"a": "2"}, Conflicts: []link.Conflict{{Field: "a", Base: "1", Ours: "2", Theirs: "3"}}, Snapshot: doc{"a": "1"}},
		},
		"first match, the remote decides": {
			both("a", remote),
			link.Sides{Ours: doc{"a": "2"}, Theirs: doc{"a": "3"}},
			link.Merged{Fields: doc{"a": "3"}, Write: true, Snapshot: doc{"a": "3"}},
		},
		"first match, the empty side is filled": {
			both("a", crm),
			link.Sides{Ours: doc{}, Theirs: doc{"a": "3"}},
			link.Merged{Fields: doc{"a": "3"}, Write: true, Snapshot: doc{"a": "3"}},
		},
		"a field that is only pulled": {
			mapping.Field{Path: "a", Pull: true, Authority: crm},
			link.Sides{Base: doc{"a": "1"}, Ours: doc{"a": "2"}, Theirs: doc{"a": "3"}},
			link.Merged{Fields: doc{"a": "3"}, Write: true, Snapshot: doc{"a": "3"}},
		},
		"a field that is only pushed": {
			mapping.Field{Path: "a", Push: true, Authority: crm},
			link.Sides{Base: doc{"a": "1"}, Ours: doc{"a": "2"}},
			link.Merged{Fields: doc{"a": "2"}, Push: true, Snapshot: doc{"a": "1"}},
		},
		"a name that looks like a number": {
			both("a", remote),
			link.Sides{Base: doc{"a": "007"}, Ours: doc{"a": "007"}, Theirs: doc{"a": "7"}},
			link.Merged{Fields: doc{"a": "7"}, Write: true, Snapshot: doc{"a": "7"}},
		},
		"what a line's mapping does not carry stays": {
			both("a", remote),
			link.Sides{
				Base:   doc{"a": []any{doc{"qty": "1", "billed": "0"}}},
				Ours:   doc{"a": []any{doc{"qty": "1.0", "billed": "1"}}},
				Theirs: doc{"a": []any{doc{"qty": "2"}, doc{"qty": "5"}}},
			},
			link.Merged{
				Fields: doc{"a": []any{doc{"qty": "2", "billed": "1"}, doc{"qty": "5"}}}, Write: true,
				Snapshot: doc{"a": []any{doc{"qty": "2"}, doc{"qty": "5"}}},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, link.Merge(c.sides, []mapping.Field{c.field})); diff != "" {
				t.Error("(-want +got):\n", diff)
			}
		})
	}
}

// value draws from few values, so that sides often agree, and writes the same amount in several ways.
func value() *rapid.Generator[any] {
	scalar := rapid.SampledFrom([]any{nil, "", "x", "1.5", "1.50", "2", true, json.Number("1"), json.Number("1.0")})
	object := rapid.Custom(func(t *rapid.T) any {
		o := map[string]any{}
		for _, k := range []string{"p", "q"} {
			o[k] = scalar.Draw(t, k)
		}
		return o
	})
	list := rapid.Custom(func(t *rapid.T) any { return rapid.SliceOfN(object, 0, 3).Draw(t, "list") })
	return rapid.OneOf(scalar, object, list)
}

func document() *rapid.Generator[map[string]any] {
	return rapid.Custom(func(t *rapid.T) map[string]any {
		d := map[string]any{}
		for _, k := range []string{"a", "b", "c"} {
			if rapid.Bool().Draw(t, "has "+k) {
				d[k] = value().Draw(t, k)
			}
		}
		return d
	})
}

func fieldList() *rapid.Generator[[]mapping.Field] {
	return rapid.Custom(func(t *rapid.T) (fs []mapping.Field) {
		for _, k := range []string{"a", "b", "c"} {
			f := mapping.Field{Path: k, Authority: rapid.SampledFrom([]mapping.Authority{
				mapping.AuthorityCRM, mapping.AuthorityRemote, mapping.AuthorityNewest, mapping.AuthorityAsk,
			}).Draw(t, "authority")}
			ways := rapid.SampledFrom([][2]bool{{true, true}, {true, false}, {false, true}}).Draw(t, "ways")
			f.Push, f.Pull = ways[0], ways[1]
			fs = append(fs, f)
		}
		return fs
	})
}

func draw(t *rapid.T) (link.Sides, []mapping.Field) {
	s := link.Sides{
		Ours: document().Draw(t, "ours"), Theirs: document().Draw(t, "theirs"),
		OursAt:   time.Unix(rapid.Int64Range(0, 2).Draw(t, "ours at"), 0),
		TheirsAt: time.Unix(rapid.Int64Range(0, 2).Draw(t, "theirs at"), 0),
	}
	if rapid.Bool().Draw(t, "agreed") {
		s.Base = document().Draw(t, "base")
	}
	fields := fieldList().Draw(t, "fields")
	for _, f := range fields {
		if !f.Pull {
			delete(s.Theirs, f.Path) // a pull never names it
		}
	}
	return s, fields
}

func TestMergeConvergesAfterExchanging(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, fields := draw(t)
		first := link.Merge(s, fields)
		ours, theirs := maps.Clone(s.Ours), maps.Clone(s.Theirs)
		maps.Copy(ours, first.Fields)
		next := link.Sides{Base: first.Snapshot, Ours: ours, Theirs: theirs, OursAt: s.OursAt, TheirsAt: s.TheirsAt}
		if first.Push { // the push sends what is pushed, and says so in the snapshot
			base := maps.Clone(first.Snapshot)
			for _, f := range fields {
				if f.Push {
					base[f.Path] = ours[f.Path]
					if f.Pull {
						theirs[f.Path] = ours[f.Path]
					}
				}
			}
			next.Base = base
		}
		second := link.Merge(next, fields)
		if second.Write || second.Push {
			t.Fatalf("not at rest after exchanging: write %v, push %v\nfirst %+v\nsecond %+v", second.Write, second.Push, first, second)
		}
		if !first.Push && len(first.Conflicts) != len(second.Conflicts) {
			t.Fatalf("%d conflicts, then %d", len(first.Conflicts), len(second.Conflicts))
		}
	})
}

func TestMergeInventsNothingAndLosesNoOneSidedChange(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, fields := draw(t)
		// Only one side changed: the other is as agreed.
		oursMoved := rapid.Bool().Draw(t, "ours moved")
		s.Base = document().Draw(t, "base")
		for _, f := range fields {
			if _, ok := s.Base[f.Path]; !ok {
				s.Base[f.Path] = nil
			}
		}
		if oursMoved {
			s.Theirs = s.Base
		} else {
			s.Ours = s.Base
		}
		m := link.Merge(s, fields)
		if len(m.Conflicts) > 0 {
			t.Fatalf("a one-sided change is no conflict: %+v", m.Conflicts)
		}
		for _, f := range fields {
			got, from := m.Fields[f.Path], s.Ours[f.Path]
			if !oursMoved && f.Pull {
				from = s.Theirs[f.Path]
			}
			if !oursMoved && !f.Pull {
				continue
			}
			// What differs may only be parts that theirs does not name, which are ours.
			if again := link.Merge(link.Sides{Base: map[string]any{f.Path: got}, Ours: map[string]any{f.Path: got}, Theirs: map[string]any{f.Path: from}},
				[]mapping.Field{{Path: f.Path, Push: true, Pull: true, Authority: mapping.AuthorityAsk}}); again.Write || again.Push {
				t.Fatalf("field %s: got %v, want %v", f.Path, got, from)
			}
		}
		if len(m.Fields) != len(fields) {
			t.Fatalf("%d fields came out of %d", len(m.Fields), len(fields))
		}
	})
}
