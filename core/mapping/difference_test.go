package mapping_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/mapping"
	"crmhub/core/schema"
	"crmhub/mappings"
	"crmhub/schemas"
)

func TestDifferencesNameEachPlace(t *testing.T) {
	t.Parallel()
	decode := func(text string) any {
		v, err := schema.DecodeJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	before := decode(`{"a":1.0,"b":{"c":"x","d":null},"l":[{"q":"1"},{"q":"2"}],"gone":true,"m/n":1}`)
	after := decode(`{"a":1,"b":{"c":"y"},"l":[{"q":"1"},{"q":"3"}],"new":[1],"m/n":2}`)
	want := []mapping.Difference{
		{Pointer: "/b/c", Before: "x", After: "y"},
		{Pointer: "/gone", Before: true},
		{Pointer: "/l/1/q", Before: "2", After: "3"},
		{Pointer: "/m~1n", Before: json.Number("1"), After: json.Number("2")},
		{Pointer: "/new", After: []any{json.Number("1")}},
	}
	if diff := cmp.Diff(want, mapping.Differences(before, after)); diff != "" {
		t.Error(diff)
	}
}

func TestCompareTellsRuleByRule(t *testing.T) {
	t.Parallel()
	set, err := schema.Load(schemas.FS)
	if err != nil {
		t.Fatal(err)
	}
	text, err := mappings.FS.ReadFile("simulator-erp/order.yaml")
	if err != nil {
		t.Fatal(err)
	}
	compile := func(text string) *mapping.Mapping {
		m, err := mapping.Compile("simulator-erp/order.yaml", []byte(text), set)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	before := compile(string(text))
	if got := mapping.Compare(before, compile("# a comment\n"+string(text))); len(got) > 0 {
		t.Errorf("a comment counts: %+v", got)
	}
	changed := strings.Replace(string(text), "{crm: remark, remote: note}", "{crm: remark, remote: note, direction: push}", 1)
	changed = strings.Replace(changed, "  - {crm: payment_term, remote: terms}\n", "", 1)
	want := []mapping.RuleChange{
		{Rule: "payment_term – terms", Before: "crm: payment_term\nremote: terms"},
		{Rule: "remark – note", Before: "crm: remark\nremote: note", After: "crm: remark\ndirection: push\nremote: note"},
	}
	if diff := cmp.Diff(want, mapping.Compare(before, compile(changed))); diff != "" {
		t.Error(diff)
	}
}
