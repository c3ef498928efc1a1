package simulator_test

import (
	"encoding/json"
	"maps"
	"testing"

	"crmhub/connectors"
	"crmhub/connectors/simulator"
	"crmhub/core/connector"
	"crmhub/core/connector/connectortest"
)

// The conformance kit looks for goroutines left behind: this test does not run beside others.
func TestTheManifestsKeepTheConnectorContract(t *testing.T) { //nolint:paralleltest // see above
	r := start(t, simulator.Config{})
	r.trade()
	all, err := connectors.All()
	if err != nil {
		t.Fatal(err)
	}
	record := func(template string) func(reference string) map[string]any {
		return func(reference string) map[string]any {
			data := document(t, template)
			data["external_ref"] = reference
			return data
		}
	}
	set := func(name string, value any) func(map[string]any) {
		return func(data map[string]any) { data[name] = value }
	}
	// What was sent is all there; what only the remote sets comes on top.
	same := func(data, stored map[string]any) bool { return contains(stored, data) }
	streams := map[string][]connectortest.Stream{
		"simulator-erp": {
			{Record: "party", Data: record(party), Change: set("name1", "Another"), Invalid: set("name1", ""), Same: same},
			{Record: "article", Data: record(article), Change: set("title", "Another"), Invalid: set("title", ""), Same: same},
			{Record: "order", Data: record(order("")), Change: set("note", "Another"), Invalid: set("party_no", "K0"), Same: same},
		},
		"simulator-finance": {
			{Record: "client", Data: record(client), Change: set("company", "Another"), Invalid: set("company", ""), Same: same},
		},
	}
	for _, c := range all {
		if streams[c.Name] == nil {
			continue
		}
		url, system := r.ERPURL(), faulty(r.ERP)
		if c.Name == "simulator-finance" {
			url, system = r.FinanceURL(), r.Finance
		}
		t.Run(c.Name, func(t *testing.T) {
			connectortest.Run(t, connectortest.Harness{
				Connector: c, Streams: streams[c.Name], Faults: injector{system},
				Open:      func(t *testing.T) connector.Session { t.Helper(); return open(t, c, url, apiKey) },
				OpenWrong: func(t *testing.T) connector.Session { t.Helper(); return open(t, c, url, "wrong") },
			})
		})
	}
}

type faulty interface{ SetFaults(f simulator.Faults) }

// injector lets a system misbehave in the kit's words.
type injector struct{ system faulty }

func (i injector) Inject(f connectortest.Fault) (stop func()) {
	i.system.SetFaults(map[connectortest.Fault]simulator.Faults{
		connectortest.RateLimit:       {TooMany: 1},
		connectortest.ServerError:     {ErrorBefore: 1},
		connectortest.HangAfterCommit: {HangAfter: 1},
	}[f])
	return func() { i.system.SetFaults(simulator.Faults{}) }
}

// contains reports whether everything in part is in whole, lists element by element.
func contains(whole, part any) bool {
	switch p := part.(type) {
	case map[string]any:
		w, ok := whole.(map[string]any)
		for name, v := range maps.All(p) {
			ok = ok && contains(w[name], v)
		}
		return ok
	case []any:
		w, ok := whole.([]any)
		ok = ok && len(w) == len(p)
		for i := 0; ok && i < len(p); i++ {
			ok = contains(w[i], p[i])
		}
		return ok
	case json.Number:
		w, ok := whole.(json.Number)
		return ok && w == p
	}
	return whole == part
}
