package crm

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/schema"
)

func TestDecodeNamesEveryFault(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string][]string{
		`{`:           {" json"},
		`[]`:          {" type"},
		`{"name":"a"`: {" json"},
		`{} {}`:       {" json"},
		`{"id":"x","customer_id":7,"date":"2026-02-30","currency":null,"lines":[{"qty":1,"price":"1e3","x~/y":1},7],"ext":[],"untaxed":"1.","contact_id":null,"promised_date":"soon"}`: {
			"/id format", "/customer_id type", "/date format", "/promised_date format", "/currency type", "/untaxed format",
			"/lines/0/qty type", "/lines/0/price format", "/lines/0/x~0~1y additionalProperties", "/lines/1 type", "/ext type",
		},
		`{"lines":{},"version":1.5,"bill_address":[],"ship_address":{"city":1,"town":""},"created_at":"2026"}`: {
			"/version type", "/created_at format", "/bill_address type", "/ship_address/city type", "/ship_address/town additionalProperties", "/lines type",
		},
		`{"version":99999999999999999999}`: {"/version type"},
	} {
		_, err := Decode(KindOrder, []byte(doc))
		var vs schema.Violations
		errors.As(err, &vs)
		var got []string
		for _, v := range vs {
			got = append(got, v.Pointer+" "+v.Rule)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", doc, diff)
		}
	}
}

func TestDecodeKeepsDefaultsOfWhatIsMissing(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]bool{`{}`: true, `{"is_active":false}`: false, `{"is_active":true}`: true} {
		p, err := Decode(KindProduct, []byte(doc))
		if err != nil || p.(*Product).IsActive != want {
			t.Errorf("product %s: %v %v", doc, p, err)
		}
		c, err := Decode(KindContact, []byte(`{"customers":[`+doc+`]}`))
		if err != nil || c.(*Contact).Customers[0].IsActive != want {
			t.Errorf("contact at customer %s: %v %v", doc, c, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("customer", `{"name":"a","ext":{"a":[1,{"b":null}]},"addresses":[{"kind":"bill","country":"de"}],"credit_limit":"1.50","parent_id":null}`)
	f.Add("order", `{"date":"2026-01-02","currency":"EUR","lines":[{"qty":"1","price":"0.005"}],"bill_address":{"city":"x"}}`)
	f.Add("invoice", `{"issue_date":"0000-01-01","created_at":"2026-01-02T03:04:05.678912345+08:00","untaxed":"-0"}`)
	f.Add("payment", `{"amount":"99999999999999999999999999999999999.1","allocations":[{}]}`)
	f.Fuzz(func(t *testing.T, kind, doc string) {
		k, err := ParseKind(kind)
		if err != nil {
			return
		}
		e, err := Decode(k, []byte(doc))
		if err != nil {
			var vs schema.Violations
			if !errors.As(err, &vs) || slices.ContainsFunc(vs, func(v schema.Violation) bool { return v.Rule == "" || v.Message == "" }) {
				t.Fatalf("no violations: %v", err)
			}
			return
		}
		e.Normalize()
		if vs := e.Validate(); vs != nil {
			return
		}
		first, err := json.Marshal(e)
		if err != nil {
			t.Fatalf("a valid entity has no JSON: %v", err)
		}
		again, err := Decode(k, first)
		if err != nil {
			t.Fatalf("%s\nis not read back: %v", first, err)
		}
		again.Normalize()
		second, err := json.Marshal(again)
		if err != nil || string(first) != string(second) {
			t.Fatalf("%v\n%s\nbecomes\n%s", err, first, second)
		}
	})
}

func TestTextsMayBeAsLongAsTheTypeSays(t *testing.T) {
	t.Parallel()
	for _, k := range Kinds() {
		for _, f := range shapes()[k][headFields:] {
			if f.typ != text || len(f.enum) > 0 || f.format != "" {
				continue
			}
			for n, want := range map[int]bool{f.max: true, f.max + 1: false} {
				e, err := FromDocument(k, map[string]any{f.name: strings.Repeat("宽", n)})
				if err != nil {
					t.Fatal(err)
				}
				refused := slices.ContainsFunc(e.Validate(), func(v schema.Violation) bool { return v.Pointer == "/"+f.name && v.Rule == "maxLength" })
				if refused == want {
					t.Errorf("%s.%s of %d characters: refused %v", k, f.name, n, refused)
				}
			}
		}
	}
}
