package schema_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/schema"
)

// The examples of RFC 7396, appendix A.
func TestMergePatchDoesWhatTheRFCShows(t *testing.T) {
	t.Parallel()
	for _, tc := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		if d := cmp.Diff(parse(t, tc[2]), schema.MergePatch(parse(t, tc[0]), parse(t, tc[1]))); d != "" {
			t.Errorf("%s + %s: %s", tc[0], tc[1], d)
		}
	}
}

func FuzzMergePatch(f *testing.F) {
	f.Add(`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`)
	f.Add(`[1]`, `{"a":[null]}`)
	f.Fuzz(func(t *testing.T, target, patch string) {
		var x, p any
		if json.Unmarshal([]byte(target), &x) != nil || json.Unmarshal([]byte(patch), &p) != nil {
			return
		}
		before := text(t, x)
		once := schema.MergePatch(x, p)
		if text(t, x) != before {
			t.Errorf("the target was changed from %s to %s", before, text(t, x))
		}
		if d := cmp.Diff(once, schema.MergePatch(once, p)); d != "" {
			t.Errorf("applying %s twice to %s differs from once: %s", patch, target, d)
		}
	})
}

func parse(t *testing.T, s string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
