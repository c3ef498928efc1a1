package crm_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/crm"
	"crmhub/core/schema"
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

// What a filter cannot be is told as it is written in a query: without quotation marks, and in the words of its kind.
func TestFilterOfAnotherFormIsToldWhatItMustBe(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for field, want := range map[string]string{
		"is_frozen": "must be true or false", "employees": "must be a whole number", "credit_limit": "must be a decimal number like 12.5",
		"owner_id": "must be a UUID", "updated_at": "must be a time like 2006-01-02T15:04:05Z",
	} {
		_, err := s.tryList(t, crm.KindCustomer, crm.Query{Filter: []crm.Condition{{Field: field, Op: crm.OpEqual, Value: "odd"}}})
		var vs schema.Violations
		if !errors.As(err, &vs) || len(vs) != 1 || vs[0].Message != want {
			t.Errorf("%s: got %v, want %q", field, err, want)
		}
	}
}
