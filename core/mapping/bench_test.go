package mapping_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"crmhub/core/schema"
	"crmhub/schemas"
)

// anyLinks link every id to one of the ERP's.
type anyLinks struct{}

func (anyLinks) Remote(entity, _ string) (string, bool) {
	if entity == "product" {
		return "7", true
	}
	return "17", true
}

func (anyLinks) Local(string, string) (string, bool) {
	return "0198c0de-0000-7000-8000-000000000002", true
}

// orderText is an order of five lines, as its topic carries it.
var orderText = `{"id": "0198c0de-0000-7000-8000-000000000001", "version": 3, "origin": "crm", "created_at": "2026-02-28T10:00:00Z",
	"updated_at": "2026-02-28T10:00:00Z", "number": "SO-2026-000001", "customer_id": "0198c0de-0000-7000-8000-000000000002",
	"client_ref": "4711", "date": "2026-02-28", "promised_date": "2026-03-15", "currency": "EUR", "rate_to_base": "1", "payment_term": "30 days",
	"status": "confirmed", "delivery_status": "none", "billing_status": "none", "payment_status": "none",
	"untaxed": "555.50", "tax": "111.10", "total": "666.60", "remark": "Ring twice",
	"bill_address": {"street": "Main 1", "city": "Wien", "postcode": "1010", "country": "AT"},
	"ship_address": {"street": "Side 2", "city": "Graz", "postcode": "8010", "country": "AT"}, "ext": {},
	"lines": [` + strings.TrimSuffix(strings.Repeat(`{"product_id": "0198c0de-0000-7000-8000-000000000003", "description": "A good thing", "unit": "unit",
	"qty": "10", "price": "11.11", "discount_pct": "0", "tax_rate": "20", "untaxed": "111.10", "tax": "22.22", "qty_delivered": "0", "qty_billed": "0"},`, 5), ",") + `]}`

func order(tb testing.TB) map[string]any { tb.Helper(); return object(tb, []byte(orderText)) }

// BenchmarkOrder compares what the hub does with an order on its way to the ERP (mapping it, and checking the record) with
// what anybody does who takes JSON in: encoding/json and a check against its schema. ratio is the first over the second.
func BenchmarkOrder(b *testing.B) {
	all, err := schema.Load(schemas.FS)
	if err != nil {
		b.Fatal(err)
	}
	entity, ok := all.Get("order.v1.json")
	if !ok {
		b.Fatal("no schema")
	}
	set := shipped(b)
	plain, doc := []byte(orderText), order(b)
	if vs := entity.Validate(doc); vs != nil {
		b.Fatal(vs)
	}
	for _, connector := range []string{"simulator-erp", "tryton"} {
		m, ok := set.For(connector, "order")
		if !ok {
			b.Fatal("no mapping")
		}
		b.Run(connector, func(b *testing.B) {
			b.ReportAllocs()
			var mapped, decoded time.Duration
			for b.Loop() {
				start := time.Now()
				if _, err := m.Push(doc, prefixLinks{anyLinks{}, connector}); err != nil {
					b.Fatal(err)
				}
				middle := time.Now()
				var v map[string]any
				if err := json.Unmarshal(plain, &v); err != nil {
					b.Fatal(err)
				}
				if vs := entity.Validate(v); vs != nil {
					b.Fatal(vs)
				}
				mapped, decoded = mapped+middle.Sub(start), decoded+time.Since(middle)
			}
			b.ReportMetric(float64(mapped.Microseconds())/float64(b.N), "map-us/order")
			b.ReportMetric(float64(decoded.Microseconds())/float64(b.N), "decode-us/order")
			b.ReportMetric(float64(mapped)/float64(decoded), "ratio")
		})
	}
}

// prefixLinks writes ids as the simulated ERP does: K17, A7.
type prefixLinks struct {
	anyLinks
	connector string
}

func (l prefixLinks) Remote(entity, id string) (string, bool) {
	remote, ok := l.anyLinks.Remote(entity, id)
	if l.connector == "simulator-erp" {
		remote = map[string]string{"customer": "K", "product": "A"}[entity] + remote
	}
	return remote, ok
}
