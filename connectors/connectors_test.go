package connectors_test

import (
	"testing"

	"crmhub/connectors"
)

func TestAllManifestsAreFaultless(t *testing.T) {
	t.Parallel()
	all, err := connectors.All()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, c := range all {
		if names[c.Name] {
			t.Errorf("two connectors are named %s", c.Name)
		}
		names[c.Name] = true
		if c.Open == nil || len(c.Streams) == 0 {
			t.Errorf("%s carries nothing", c.Name)
		}
	}
}
