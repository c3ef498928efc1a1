package crm_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/crm"
)

// An export keeps the query of its list until it is done.
func TestConditionsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	want := []crm.Condition{
		{Field: "id", Op: crm.OpIn, Value: []string{"a", "b"}}, {Field: "total", Op: crm.OpGreaterEqual, Value: "100"}, {Field: "owner_id", Op: crm.OpNull, Value: "true"},
	}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got []crm.Condition
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := json.Unmarshal([]byte(`[{"Field": "id", "Op": "in", "Value": [1]}]`), &got); err == nil {
		t.Error("a number is taken for a text")
	}
}
