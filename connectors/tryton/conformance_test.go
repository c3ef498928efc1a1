//go:build tryton

package tryton_test

import (
	"encoding/json"
	"testing"

	"crmhub/core/connector"
	"crmhub/core/connector/connectortest"
)

func TestTheManifestKeepsTheConnectorContract(t *testing.T) {
	s := newServer(t)
	c := s.open(s.Password)
	party := s.push(c, "party.party", connector.Write{Op: connector.OpCreate, Reference: "K-" + unique(), Data: map[string]any{
		"name": "Kit", "addresses": []any{map[string]any{"city": "Graz"}},
	}})
	unknownCountry := []any{map[string]any{"country": map[string]any{"code": "QQ"}}}
	set := func(name string, value any) func(map[string]any) {
		return func(data map[string]any) { data[name] = value }
	}
	same := func(name string) func(data, record map[string]any) bool {
		return func(data, record map[string]any) bool { return data[name] == record[name] }
	}
	connectortest.Run(t, connectortest.Harness{
		Connector: manifest(t),
		Open:      func(*testing.T) connector.Session { return s.session(s.Password) },
		OpenWrong: func(*testing.T) connector.Session { return s.session("wrong") },
		Streams: []connectortest.Stream{
			{
				Record: "party.party",
				Data:   func(string) map[string]any { return map[string]any{"name": "A party"} },
				Change: set("name", "Another"), Invalid: set("addresses", unknownCountry), Same: same("name"),
			},
			{
				Record: "product.product",
				Data: func(string) map[string]any {
					return map[string]any{
						"name": "A product", "active": true, "default_uom": map[string]any{"symbol": "u"}, "template": map[string]any{"list_price": "1.5"},
					}
				},
				Change: set("name", "Another"), Invalid: set("default_uom", map[string]any{"symbol": "no unit"}), Same: same("name"),
			},
			{
				Record: "sale.sale",
				Data: func(string) map[string]any {
					return map[string]any{
						"state": "quotation", "party": map[string]any{"id": json.Number(party.ID)}, "currency": map[string]any{"code": "EUR"}, "comment": "A sale",
						"lines": []any{map[string]any{
							"type": "line", "description": "Work", "quantity": json.Number("2"), "unit": map[string]any{"symbol": "h"}, "unit_price": "80",
						}},
					}
				},
				Change: set("comment", "Another"), Invalid: set("currency", map[string]any{"code": "XXX"}), Same: same("comment"),
			},
			{Record: "account.invoice"},
			{Record: "account.move.line"},
		},
	})
}
