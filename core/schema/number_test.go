package schema_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/schema"
)

func compiled(t *testing.T, source string) *schema.Schema {
	t.Helper()
	s, err := schema.Compile("test.json", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func decoded(t *testing.T, source string) any {
	t.Helper()
	v, err := schema.DecodeJSON([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// A few bytes from another system must neither bring the process down nor fill its memory.
func TestNumbersTooLargeToWriteOutAreViolations(t *testing.T) {
	t.Parallel()
	for _, rule := range []string{`{}`, `{"type": "integer"}`, `{"minimum": 1}`, `{"enum": [1]}`, `{"multipleOf": 0.01}`} {
		s := compiled(t, `{"items": {"properties": {"a/b": `+rule+`}}}`)
		for _, number := range []string{"1e999999999", "1E+401", "-1e-999999999", "1e99999999999999999999"} {
			got := s.Validate(decoded(t, `[{"a/b": 1}, {"a/b": `+number+`}]`))
			want := schema.Violations{{Pointer: "/1/a~1b", Rule: "number", Message: "is no number, or one of too many digits"}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s against %s: %s", number, rule, diff)
			}
		}
	}
	for _, v := range []any{json.Number("abc"), json.Number(""), json.Number("1e"), math.NaN(), math.Inf(1)} {
		if got := compiled(t, `{"minimum": 1}`).Validate(v); len(got) != 1 || got[0].Rule != "number" {
			t.Errorf("%v: %v", v, got)
		}
	}
}

func TestNumbersAreComparedExactly(t *testing.T) {
	t.Parallel()
	s := compiled(t, `{"multipleOf": 0.01, "maximum": 10000000000000000.01}`)
	for number, valid := range map[string]bool{
		"10000000000000000.01": true, "10000000000000000.02": false, "0.1": true, "0.001": false, "1e2": true, "-5": true, "1e-2": true,
	} {
		if got := s.Validate(json.Number(number)); (got == nil) != valid {
			t.Errorf("%s: %v", number, got)
		}
	}
}

func TestIsDecimal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"0": true, "-0.10": true, "007": true, "": false, "-": false, ".5": false, "5.": false, "+1": false, "1e3": false, " 1": false, "1,5": false, "٣": false,
	} {
		if got := schema.IsDecimal(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestUnreadableNumbersAreToldInTheOrderOfTheirPlaces(t *testing.T) {
	t.Parallel()
	s := compiled(t, `{}`)
	for range 20 {
		got := s.Validate(decoded(t, `{"a": 1e999, "b": 1e999, "c": [1e999, {"d": 1e999}], "e": 1e999}`))
		var places []string
		for _, v := range got {
			places = append(places, v.Pointer)
		}
		if diff := cmp.Diff([]string{"/a", "/b", "/c/0", "/c/1/d", "/e"}, places); diff != "" {
			t.Fatal(diff)
		}
	}
}
