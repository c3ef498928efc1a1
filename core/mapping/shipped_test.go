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
