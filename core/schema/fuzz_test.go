package schema_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"crmhub/core/schema"
)

// Whatever a remote system sends: it is checked without a panic, and what is wrong is told completely.
func FuzzValidate(f *testing.F) {
	f.Add([]byte(person), []byte(`{"name": "X"}`))
	f.Add([]byte(`{"required": ["a'b"]}`), []byte(`{}`))
	f.Add([]byte(`{"items": {"minimum": 1e-3, "type": "integer"}}`), []byte(`[1e999999999, 1.0, -0]`))
	f.Add([]byte(`{"unevaluatedProperties": false, "dependentRequired": {"a": ["b"]}}`), []byte(`{"a": 1}`))
	f.Add([]byte(`{"properties": {"a": {"$ref": "#"}}, "maxProperties": 1}`), []byte(`{"a": {"a": 1, "b~/%": 2}}`))
	f.Fuzz(func(t *testing.T, source, doc []byte) {
		s, err := schema.Compile("fuzz.json", source)
		if err != nil {
			return
		}
		v, err := schema.DecodeJSON(doc)
		if err != nil {
			return
		}
		found := s.Validate(v)
		if found != nil && len(found) == 0 {
			t.Error("wrong without a violation")
		}
		for _, fault := range found {
			if fault.Rule == "" || fault.Message == "" || fault.Pointer != "" && !strings.HasPrefix(fault.Pointer, "/") {
				t.Errorf("incomplete: %+v", fault)
			}
		}
	})
}

// What is decoded is exactly what was written: encoding/json reads the same from it.
func FuzzDecodeJSON(f *testing.F) {
	for _, s := range []string{`{"a": [1.10, 1e400, null, "客"]}`, `1 2`, `{"a":1}x`, `"\ud800"`, ` [] `, ``, "\"\xae\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, source []byte) {
		v, err := schema.DecodeJSON(source)
		if valid := json.Valid(source) && utf8.Valid(source); (err == nil) != valid {
			t.Fatalf("decoded: %v, valid: %v", err, valid)
		}
		if err != nil {
			return
		}
		written, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		again, err := schema.DecodeJSON(written)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := json.Marshal(again)
		if err != nil || !bytes.Equal(written, twice) {
			t.Errorf("%s became %s: %v", written, twice, err)
		}
	})
}
