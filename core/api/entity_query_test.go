package api

import (
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/crm"
	"crmhub/core/schema"
)

func TestEntityQueryIsReadWhole(t *testing.T) {
	t.Parallel()
	values, err := url.ParseQuery("status=confirmed&total[ge]=100&number[in]=a,b&q=pump&sort=-updated_at,number&limit=7&after=xyz")
	if err != nil {
		t.Fatal(err)
	}
	got, faults := parseEntityQuery(values)
	if err := faults.err(); err != nil {
		t.Fatal(err)
	}
	want := crm.Query{
		Filter: []crm.Condition{
			{Field: "number", Op: crm.OpIn, Value: []string{"a", "b"}},
			{Field: "status", Op: crm.OpEqual, Value: "confirmed"},
			{Field: "total", Op: crm.OpGreaterEqual, Value: "100"},
		},
		Sort: []crm.Sort{{Field: "updated_at", Desc: true}, {Field: "number"}},
		Text: "pump", Limit: 7, After: "xyz",
	}
	if d := cmp.Diff(want, got.Query); d != "" {
		t.Error(d)
	}
}

func TestFaultsOfTheStoreNameTheParameter(t *testing.T) {
	t.Parallel()
	q := entityQuery{filters: []string{"a", "b[ge]"}}
	got := q.faults(schema.Violations{
		{Pointer: "/filter/1/value", Rule: "format", Message: "m"},
		{Pointer: "/sort/0", Rule: "field", Message: "m"},
		{Pointer: "/after", Rule: "cursor", Message: "m"},
	})
	want := parameterFaults{
		{Parameter: "b[ge]", Rule: "format", Message: "m"},
		{Parameter: "sort", Rule: "field", Message: "m"},
		{Parameter: "after", Rule: "cursor", Message: "m"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func FuzzParseEntityQuery(f *testing.F) {
	f.Add("status=confirmed&total[ge]=100&q=text&sort=-updated_at,number&limit=50&after=x", "/filter/0/value")
	f.Add("total[=1&[ge]=2&]=3&sort=,,-&limit=-1", "/sort/x")
	f.Add("a[in]=,,&limit=99999999999999999999", "")
	f.Fuzz(func(t *testing.T, query, pointer string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		q, faults := parseEntityQuery(values)
		if len(q.filters) != len(q.Filter) {
			t.Fatalf("%d filters came from %d parameters", len(q.Filter), len(q.filters))
		}
		for i, c := range q.Filter {
			if c.Field == "" || !values.Has(q.filters[i]) {
				t.Errorf("filter %+v came from %q", c, q.filters[i])
			}
		}
		if len(faults) == 0 && (q.Limit < 1 || q.Limit > maxLimit) {
			t.Errorf("limit %d was taken", q.Limit)
		}
		if got := q.faults(schema.Violations{{Pointer: pointer, Rule: "r", Message: "m"}}); len(got) != 1 {
			t.Errorf("a violation became %v", got)
		}
	})
}
