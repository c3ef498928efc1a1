package schema_test

import (
	"testing"

	"crmhub/core/schema"
)

func TestPointerLeadsToWhatStandsThere(t *testing.T) {
	t.Parallel()
	doc, err := schema.DecodeJSON([]byte(`{"a/b": [{"~": "tilde", "n": 1.50, "null": null}], "": "empty"}`))
	if err != nil {
		t.Fatal(err)
	}
	for pointer, want := range map[string]string{
		"/a~1b/0/~0": "tilde", "/a~1b/0/n": "1.50", "/": "empty",
		"": "", "/a~1b": "", "/a~1b/1/n": "", "/a~1b/-1": "", "/a~1b/x": "", "/a~1b/0/n/x": "", "/nothing": "", "/a~1b/0/null": "",
	} {
		if got := schema.TextAt(doc, pointer); got != want {
			t.Errorf("%s leads to %q, want %q", pointer, got, want)
		}
	}
	if at, ok := schema.At(doc, "/a~1b/0/null"); !ok || at != nil {
		t.Errorf("a null that is there: %v, %v", at, ok)
	}
	if _, ok := schema.At(doc, "/a~1b/0/nothing"); ok {
		t.Error("what is not there is found")
	}
	if whole, ok := schema.At(doc, ""); !ok || whole == nil {
		t.Error("the empty pointer is not the whole")
	}
	name := "a~/b"
	if at, ok := schema.At(map[string]any{name: "x"}, "/"+schema.EscapePointer(name)); !ok || at != "x" {
		t.Errorf("an escaped name leads to %v", at)
	}
}
