package mapping_test

import (
	"testing"

	"crmhub/core/mapping"
	"crmhub/core/schema"
	"crmhub/mappings"
	"crmhub/schemas"
)

func shipped(tb testing.TB) *mapping.Set {
	tb.Helper()
	all, err := schema.Load(schemas.FS)
	if err != nil {
		tb.Fatal(err)
	}
	set, err := mapping.Load(mappings.FS, all)
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

func TestShippedMappingsGiveBackWhatWentInAndTheirExamplesHold(t *testing.T) {
	t.Parallel()
	set := shipped(t)
	reports, err := mapping.Prove(mappings.FS, set)
	if err != nil {
		t.Fatal(err)
	}
	if len(reports) != len(set.All()) {
		t.Errorf("%d mappings, %d proved", len(set.All()), len(reports))
	}
	for _, r := range reports {
		if r.Examples == 0 {
			t.Errorf("%s/%s has no example", r.Connector, r.Entity)
		}
		for _, fault := range r.Faults {
			t.Errorf("%s/%s: %s", r.Connector, r.Entity, fault)
		}
	}
}

// Each system has its own way to say that somebody emptied a field; what it merely did not send stays as it is here.
func TestShippedMappingsTellEmptiedFromNotSent(t *testing.T) {
	t.Parallel()
	set := shipped(t)
	for connector, c := range map[string]struct {
		field   string
		emptied func(record map[string]any)
		unsent  string // a field of ours that the system leaves out for other reasons
		without func(record map[string]any)
	}{
		"odoo":    {"email", func(r map[string]any) { r["email"] = nil }, "remark", func(r map[string]any) { delete(r, "comment") }},
		"erpnext": {"email", func(r map[string]any) { r["email_id"] = nil }, "remark", func(r map[string]any) { delete(r, "customer_details") }},
		"businesscentral": {
			"email", func(r map[string]any) { r["email"] = nil }, // "", which its manifest makes null
			"website", func(r map[string]any) { delete(r, "website") },
		},
		"dolibarr":   {"email", func(r map[string]any) { r["email"] = "" }, "remark", func(r map[string]any) { delete(r, "note_public") }},
		"quickbooks": {"email", func(r map[string]any) { delete(r, "PrimaryEmailAddr") }, "currency", func(r map[string]any) { delete(r, "CurrencyRef") }},
		"xero":       {"email", func(r map[string]any) { delete(r, "EmailAddress") }, "website", func(r map[string]any) { delete(r, "Website") }},
	} {
		t.Run(connector, func(t *testing.T) {
			t.Parallel()
			m, ok := set.For(connector, "customer")
			if !ok {
				t.Fatal("there is no mapping")
			}
			source, err := mappings.FS.ReadFile(connector + "/customer.example.json")
			if err != nil {
				t.Fatal(err)
			}
			examples, err := schema.DecodeJSON(source)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range examples.([]any) {
				e := e.(map[string]any)
				if e["pull"] != true {
					continue
				}
				record := e["record"].(map[string]any)
				c.emptied(record)
				c.without(record)
				doc, err := m.Pull(record, nil)
				if err != nil {
					t.Fatal(err)
				}
				if v, named := doc[c.field]; !named || v != nil && v != "" {
					t.Errorf("%s was emptied there and is %v, named: %t", c.field, v, named)
				}
				if v, named := doc[c.unsent]; named {
					t.Errorf("%s was not sent and would be %v here", c.unsent, v)
				}
			}
		})
	}
}
