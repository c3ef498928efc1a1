package api

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/access"
)

func TestRouteMustSayWhatItNeeds(t *testing.T) {
	t.Parallel()
	got := map[string]bool{}
	for name, n := range map[string]need{
		"nothing said": {}, "a resource alone": {resource: "order"}, "a permission": may("order", access.Read), "somebody": signedIn(), "nobody": {public: true},
	} {
		if err := (route{"GET /x", operation{needs: n}}).undeclared(); err == nil {
			got[name] = true
		}
	}
	if diff := cmp.Diff(map[string]bool{"a permission": true, "somebody": true, "nobody": true}, got); diff != "" {
		t.Errorf("declared (-want +got):\n%s", diff)
	}
}
