package journey_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/journey"
	"crmhub/core/mapping"
	"crmhub/core/schema"
	"crmhub/mappings"
	"crmhub/schemas"
)

// someLinks link everything.
type someLinks struct{}

func (someLinks) Remote(string, string) (string, bool) { return "4711", true }
func (someLinks) Local(string, string) (string, bool)  { return uuid.Nil.String(), true }

// personal are values of a customer's personal fields that are found again wherever they are copied to.
var personal = map[string]any{
	"name": "Zarquon0 Ltd", "phone": "+49 30 98765431", "email": "zarquon2@example.org", "website": "https://zarquon3.example", "remark": "zarquon4",
	"tax_id": "ZARQUON5", "tags": []any{"zarquon6"},
	"addresses": []any{map[string]any{"kind": "bill", "street": "Zarquon 7", "city": "Zarquon8", "country": "DE", "postcode": "98765439"}},
}

// Whatever a customer is, and with every mapping that is shipped: who does not see a field sees no value of a personal one, neither in
// what was said to the other system and answered nor in a dead letter; what is joined to other fields he sees.
func TestNoPersonalValueIsShownInAnyBody(t *testing.T) {
	shippedSchemas, err := schema.Load(schemas.FS)
	if err != nil {
		t.Fatal(err)
	}
	set, err := mapping.Load(mappings.FS, shippedSchemas)
	if err != nil {
		t.Fatal(err)
	}
	var connectors []string
	for _, m := range set.All() {
		if m.Entity() == "customer" {
			connectors = append(connectors, m.Connector())
		}
	}
	shown := 0
	rapid.Check(t, func(t *rapid.T) {
		m, _ := set.For(rapid.SampledFrom(connectors).Draw(t, "connector"), "customer")
		doc := map[string]any{"id": uuid.Nil.String(), "code": "C-77777", "kind": "company", "lifecycle": "customer", "is_frozen": false, "currency": "EUR"}
		for _, f := range crm.Fields(crm.KindCustomer) {
			if v := personal[f.Name]; v != nil && (f.Required || rapid.Bool().Draw(t, f.Name)) {
				doc[f.Name] = v
			}
		}
		record, err := m.Push(doc, someLinks{})
		if err != nil {
			record = map[string]any{} // it cannot be sent, such as by a mapping that only pulls
		}
		body := text(t, record)
		connection := uuid.New()
		sight := journey.SightWithout(crm.KindCustomer, []string{"credit_limit"}, func(of uuid.UUID, version string) (*mapping.Mapping, error) {
			if of != connection || version != m.Version() {
				return nil, nil
			}
			return m, nil
		})
		steps := []journey.Step{{
			Kind: journey.Pushed, ConnectionID: &connection, MappingVersion: m.Version(),
			Exchanges: []journey.Exchange{
				{Request: body, Response: `{"result": [` + body + `], "said": "Zarquon0 Ltd is new"}`, Status: 200},
				{Request: body + " and more", Response: body, Status: 422},
			},
		}, {Kind: journey.Pulled, MappingVersion: "another", ConnectionID: &connection, Exchanges: []journey.Exchange{{Response: body}}}}
		if err := sight.Mask(steps); err != nil {
			t.Fatal(err)
		}
		all := text(t, steps)
		if strings.Contains(steps[0].Exchanges[0].Request, "C-77777") {
			shown++
		}
		for _, kept := range []job.DeadLetter{
			{Payload: []byte(body), Direction: job.Push, Stage: job.StageRemote},
			{Payload: []byte(text(t, doc)), Direction: job.Push, Stage: job.StageMapping},
			{Payload: []byte(text(t, doc)), Direction: job.Push, Stage: job.StageRemote},
			{Payload: []byte(`{"data": ` + body + `, "fault": "zarquon4"}`), Direction: job.Pull, Stage: job.StageStore},
		} {
			kept.ConnectionID, kept.MappingVersion = connection, m.Version()
			if err := sight.Veil(&kept); err != nil {
				t.Fatal(err)
			}
			all += string(kept.Payload)
		}
		for _, marker := range []string{"zarquon", "9876543"} {
			if strings.Contains(strings.ToLower(all), marker) {
				t.Fatalf("%s: %s is shown: %s", m.Connector(), marker, all)
			}
		}
	})
	if shown == 0 {
		t.Error("the code is never shown")
	}
}

func text(t fatal, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

type fatal interface{ Fatal(args ...any) }
