package console

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/schema"
)

const formSchema = `{"type": "object", "required": ["url", "key"], "additionalProperties": false, "properties": {
	"url": {"type": "string", "format": "uri"}, "key": {"type": "string"}, "pem": {"type": "string", "description": "In PEM form."},
	"size": {"type": "integer", "minimum": 1}, "rate": {"type": "number"}, "mark": {"enum": [".", ",", 3]}, "tls": {"type": "boolean"}, "on": {"type": "boolean", "default": true},
	"ids": {"type": "array", "items": {"type": "string"}}, "columns": {"type": "object", "additionalProperties": {"type": "string"}},
	"order": {"type": "object", "properties": {"pattern": {"type": "string"}, "deep": {"type": "object", "properties": {"n": {"type": "integer"}}}}}}}`

func TestAFormSaysWhatTheSchemaDescribes(t *testing.T) {
	t.Parallel()
	var s configSchema
	if err := json.Unmarshal([]byte(formSchema), &s); err != nil {
		t.Fatal(err)
	}
	// "on" is unchecked though it stands by default; "tls" is unchecked and nobody ever said so.
	form := url.Values{
		"config.url": {" https://x.example.org "}, "config.key": {""}, "config.key~clear": {"true"}, "config.pem": {"a\r\nb"}, "config.size": {"12"}, "config.rate": {"1.5"},
		"config.mark": {"3"}, "config.tls": {"false"}, "config.on": {"false"}, "config.ids": {"a\r\n\r\n b \n"}, "config.columns": {`{"a": "b"}`},
		"config.order.pattern": {"*.csv"}, "config.order.deep.n": {"many"},
	}
	got, vs := s.entered(form, []string{"key"}, map[string]any{"beyond": "kept"})
	want := map[string]any{
		"url": "https://x.example.org", "key": nil, "pem": "a\nb", "size": json.Number("12"), "rate": json.Number("1.5"), "mark": 3.0, "on": false,
		"ids": []any{"a", "b"}, "columns": map[string]any{"a": "b"}, "order": map[string]any{"pattern": "*.csv", "deep": map[string]any{"n": "many"}}, "beyond": "kept",
	}
	if diff := cmp.Diff(want, got); diff != "" || len(vs) > 0 {
		t.Errorf("%v %s", vs, diff)
	}
	_, vs = s.entered(url.Values{"config.columns": {"{a"}}, nil, nil)
	if diff := cmp.Diff(schema.Violations{{Pointer: "/config/columns", Rule: "format", Message: "must be JSON"}}, vs); diff != "" {
		t.Error(diff)
	}
	if got, _ := s.entered(url.Values{"config.url": {""}, "config.tls": {"false"}, "config.on": {"false", "true"}}, nil, map[string]any{"tls": true}); !cmp.Equal(got, map[string]any{"tls": false, "on": true}) {
		t.Errorf("what was switched off: %v", got)
	}
}

// Whatever is stored comes back as it is when a form is sent as it was shown.
func TestAFormThatIsSentAsShownChangesNothing(t *testing.T) {
	t.Parallel()
	var s configSchema
	if err := json.Unmarshal([]byte(formSchema), &s); err != nil {
		t.Fatal(err)
	}
	stored := map[string]any{
		"url": "https://x.example.org", "pem": "a\nb", "size": json.Number("12"), "mark": ",", "tls": false, "on": true, "ids": []any{"a", "b"},
		"columns": map[string]any{"number": "Invoice No."}, "order": map[string]any{"pattern": "*", "deep": map[string]any{"n": json.Number("4")}},
	}
	form := url.Values{}
	var show func(s configSchema, at string, now map[string]any)
	show = func(s configSchema, at string, now map[string]any) {
		for name, p := range s.Properties {
			if p.nested() {
				inner, _ := now[name].(map[string]any)
				show(p, at+"."+name, inner)
				continue
			}
			form.Set(at+"."+name, p.shown(now[name]))
		}
	}
	show(s, "config", stored)
	got, vs := s.entered(form, []string{"key"}, stored)
	if diff := cmp.Diff(stored, got); diff != "" || len(vs) > 0 {
		t.Errorf("%v %s", vs, diff)
	}
}
