package connector_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/connector"
)

func TestExchangesAreTellableByWrite(t *testing.T) {
	t.Parallel()
	var r connector.Recorder
	ctx := connector.Recorded(t.Context(), &r)
	connector.Note(ctx, connector.Exchange{Path: "/all"})
	connector.Note(connector.About(ctx, 1), connector.Exchange{Path: "/one"})
	connector.Note(connector.About(ctx, 0, 1), connector.Exchange{Path: "/both"})
	connector.Note(connector.Unrecorded(ctx), connector.Exchange{Path: "/login"})
	connector.Note(connector.About(connector.Unrecorded(ctx), 0), connector.Exchange{Path: "/login"})
	connector.Note(t.Context(), connector.Exchange{Path: "/elsewhere"})

	paths := func(write int) (all []string) {
		for _, e := range r.Of(write) {
			all = append(all, e.Path)
		}
		return all
	}
	if diff := cmp.Diff([][]string{{"/all", "/both"}, {"/all", "/one", "/both"}}, [][]string{paths(0), paths(1)}); diff != "" {
		t.Error(diff)
	}
	if connector.Recording(t.Context()) || connector.Recording(connector.Unrecorded(ctx)) || !connector.Recording(ctx) {
		t.Error("who records is not told apart")
	}
}
