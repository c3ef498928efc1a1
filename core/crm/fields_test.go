package crm_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/crm"
)

func TestFieldsDescribeAKind(t *testing.T) {
	t.Parallel()
	found := map[string]crm.Field{}
	for _, f := range crm.Fields(crm.KindOrder) {
		found[f.Name] = f
	}
	want := crm.Field{
		Name: "customer_id", Type: "id", Required: true, Refers: crm.KindCustomer, English: "Customer", Chinese: []string{"客户", "客户名", "购货单位"},
	}
	got := found["customer_id"]
	got.Enum, got.Fields = nil, nil
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if !found["number"].Key || found["date"].Key {
		t.Error("the natural key of an order is its number alone")
	}
	if !found["version"].Head || found["number"].Head {
		t.Error("the head is what every entity has")
	}
	if lines := found["lines"]; lines.Type != "list" || len(lines.Fields) == 0 || lines.Fields[0].Name != "product_id" {
		t.Errorf("lines are described as %+v", lines)
	}
}
