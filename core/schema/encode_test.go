package schema_test

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"

	"pgregory.net/rapid"

	"crmhub/core/schema"
)

// What is stored and compared by digest was written by encoding/json.
func TestEncodeIsAsEncodingJSONWrites(t *testing.T) {
	texts := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~é中\x{2028}\x{2029}\t]{0,12}`), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	numbers := rapid.OneOf(
		rapid.StringMatching(`-?[0-9]{0,3}(\.[0-9]{0,3})?([eE][+-]?[0-9]{0,2})?`), rapid.SampledFrom([]string{"", "-", "0", "-0", "01", "1.", ".5", "1e5", "x"}),
	)
	leaves := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Map(rapid.Bool(), asAny[bool]), rapid.Map(texts, asAny[string]),
		rapid.Map(numbers, func(s string) any { return json.Number(s) }),
		rapid.Map(rapid.Float64(), asAny[float64]), rapid.Map(rapid.Int(), asAny[int]),
		rapid.Just[any](map[string]string{"b": "<", "a": ""}), rapid.Just[any](map[string]any(nil)), rapid.Just[any]([]any(nil)), rapid.Just[any](math.Inf(1)),
	}
	var values func(depth int) *rapid.Generator[any]
	values = func(depth int) *rapid.Generator[any] {
		if depth == 0 {
			return rapid.OneOf(leaves...)
		}
		below := values(depth - 1)
		return rapid.OneOf(append(leaves, rapid.Map(rapid.SliceOfN(below, 0, 4), asAny[[]any]), rapid.Map(rapid.MapOfN(texts, below, 0, 5), asAny[map[string]any]))...)
	}
	any3 := values(3)
	rapid.Check(t, func(t *rapid.T) {
		v := any3.Draw(t, "value")
		want, refused := json.Marshal(v)
		got, err := schema.EncodeJSON(v)
		if (err != nil) != (refused != nil) || !bytes.Equal(got, want) {
			t.Fatalf("%#v: got %s, %v; want %s, %v", v, got, err, want, refused)
		}
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		refused = e.Encode(v)
		got, err = schema.EncodePlainJSON(v)
		if (err != nil) != (refused != nil) || err == nil && string(got)+"\n" != b.String() {
			t.Fatalf("%#v: got %s, %v; want %s, %v", v, got, err, b.String(), refused)
		}
	})
}

func asAny[T any](v T) any { return v }
