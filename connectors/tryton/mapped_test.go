//go:build tryton

package tryton_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/connector"
	"crmhub/core/mapping"
	"crmhub/core/schema"
	"crmhub/mappings"
	"crmhub/schemas"
)

// links is what the hub would know: entity → our id → theirs.
type links map[string]map[string]string

func (l links) Remote(entity, id string) (string, bool) {
	remote, ok := l[entity][id]
	return remote, ok
}

func (l links) Local(entity, remote string) (string, bool) {
	for id, r := range l[entity] {
		if r == remote {
			return id, true
		}
	}
	return "", false
}

func document(t *testing.T, text string) map[string]any {
	t.Helper()
	doc, err := schema.DecodeJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc.(map[string]any)
}

func TestMappedEntitiesComeBackAsTheyWere(t *testing.T) {
	s := newServer(t)
	c := s.open(s.Password)
	all, err := schema.Load(schemas.FS)
	if err != nil {
		t.Fatal(err)
	}
	set, err := mapping.Load(mappings.FS, all)
	if err != nil {
		t.Fatal(err)
	}
	tag := unique()
	known := links{"customer": {}, "product": {}, "order": {}, "invoice": {}}
	const customer, product, order, invoice = "0198c0de-0000-7000-8000-000000000001", "0198c0de-0000-7000-8000-000000000002", "0198c0de-0000-7000-8000-000000000003", "0198c0de-0000-7000-8000-000000000004"

	push := func(entity, reference string, w connector.Write, doc map[string]any) connector.Record {
		t.Helper()
		m, ok := set.For("tryton", entity)
		if !ok {
			t.Fatalf("there is no mapping of %s", entity)
		}
		if w.Data, err = m.Push(doc, known); err != nil {
			t.Fatalf("%s: %v", entity, err)
		}
		if w.Reference = reference; w.Op == connector.OpCreate {
			w.ID = ""
		}
		results, err := c.Push(t.Context(), m.Record(), []connector.Write{w})
		if err != nil {
			t.Fatal(err)
		}
		if results[0].Outcome != connector.Done {
			t.Fatalf("%s: %+v %v", entity, results[0], results[0].Err)
		}
		return results[0].Record
	}
	back := func(entity, id string) map[string]any {
		t.Helper()
		m, _ := set.For("tryton", entity)
		r, err := c.Get(t.Context(), m.Record(), id)
		if err != nil || r == nil {
			t.Fatalf("%s %s: %v, %v", entity, id, r, err)
		}
		doc, err := m.Pull(r.Data, known)
		if err != nil {
			t.Fatalf("%s: %v\n%s", entity, err, marshal(t, r.Data))
		}
		return doc
	}

	doc := document(t, `{"code": "M-`+tag+`", "name": "ACME 客户", "email": "a@example.org", "phone": "+43 316 123456", "tax_id": "ATU-`+tag+`",
		"addresses": [{"kind": "bill", "street": "Main 1", "city": "Graz", "postcode": "8010", "country": "AT"}, {"kind": "other", "city": "Wien"}]}`)
	party := push("customer", "M-"+tag, connector.Write{Op: connector.OpCreate}, doc)
	known["customer"][customer] = party.ID
	doc["website"] = nil
	elsewhere := doc["addresses"].([]any)[1].(map[string]any)
	elsewhere["street"], elsewhere["postcode"], elsewhere["country"] = nil, nil, nil
	if diff := cmp.Diff(doc, back("customer", party.ID)); diff != "" {
		t.Errorf("the customer (-sent +back):\n%s", diff)
	}

	doc = document(t, `{"sku": "M-`+tag+`", "name": "Widget", "is_active": true, "unit": "unit", "list_price": "12.3456", "description": "small"}`)
	variant := push("product", "M-"+tag, connector.Write{Op: connector.OpCreate}, doc)
	known["product"][product] = variant.ID
	if diff := cmp.Diff(doc, back("product", variant.ID)); diff != "" {
		t.Errorf("the product (-sent +back):\n%s", diff)
	}

	doc = document(t, `{"number": "M-`+tag+`", "customer_id": "`+customer+`", "date": "2026-11-23", "currency": "EUR", "payment_term": "30 days", "status": "draft", "remark": "hello",
		"lines": [
			{"product_id": "`+product+`", "description": "Widget", "unit": "unit", "qty": "3", "price": "12.3456", "discount_pct": "0", "tax_rate": "20"},
			{"description": "Work", "unit": "h", "qty": "1.5", "price": "80", "discount_pct": "10", "tax_rate": "0"}]}`)
	sale := push("order", "M-"+tag, connector.Write{Op: connector.OpCreate}, doc)
	known["order"][order] = sale.ID
	want := document(t, `{"number": "M-`+tag+`", "customer_id": "`+customer+`", "client_ref": null, "date": "2026-11-23", "currency": "EUR", "payment_term": "30 days", "status": "draft", "remark": "hello",
		"delivery_status": "none", "billing_status": "none", "payment_status": "none",
		"lines": [
			{"product_id": "`+product+`", "description": "Widget", "unit": "unit", "qty": "3", "price": "12.3456", "tax_rate": "20"},
			{"product_id": null, "description": "Work", "unit": "h", "qty": "1.5", "price": "72", "tax_rate": "0"}]}`)
	if diff := cmp.Diff(want, back("order", sale.ID)); diff != "" {
		t.Errorf("the order (-want +back):\n%s", diff)
	}
	doc["status"] = "confirmed"
	push("order", "M-"+tag, connector.Write{Op: connector.OpUpdate, ID: sale.ID}, doc)
	want["status"] = "in_progress"
	if diff := cmp.Diff(want, back("order", sale.ID)); diff != "" {
		t.Errorf("the order in process (-want +back):\n%s", diff)
	}

	today := time.Now()
	id := s.PostInvoices(json.Number(sale.ID))[0]
	known["invoice"][invoice] = fmt.Sprint(id)
	issued := back("invoice", fmt.Sprint(id))
	wantInvoice := document(t, `{"kind": "invoice", "customer_id": "`+customer+`", "order_id": "`+order+`", "issue_date": "`+today.Format(time.DateOnly)+`", "due_date": "`+today.AddDate(0, 0, 30).Format(time.DateOnly)+`", "currency": "EUR",
		"untaxed": "145.04", "tax": "7.41", "total": "152.45", "residual": "152.45", "status": "issued", "payment_status": "unpaid", "remark": null,
		"lines": [
			{"product_id": "`+product+`", "description": "Widget", "unit": "unit", "qty": "3", "price": "12.3456", "tax_rate": "20", "untaxed": "37.04"},
			{"product_id": null, "description": "Work", "unit": "h", "qty": "1.5", "price": "72", "tax_rate": "0", "untaxed": "108"}]}`)
	wantInvoice["number"] = issued["number"]
	if diff := cmp.Diff(wantInvoice, issued); diff != "" {
		t.Errorf("the invoice (-want +pulled):\n%s", diff)
	}

	s.Pay(id, "100")
	if doc := back("invoice", fmt.Sprint(id)); doc["payment_status"] != "partial" || doc["residual"] != "52.45" {
		t.Errorf("after a payment the invoice is %v", doc)
	}
	line := s.Read("account.invoice", id, "payment_lines").([]any)[0]
	paid := back("payment", fmt.Sprint(line))
	wantPayment := document(t, `{"customer_id": "`+customer+`", "date": "`+today.Format(time.DateOnly)+`", "method": "Bank", "reference": "transfer", "currency": "EUR", "amount": "100", "status": "posted",
		"allocations": [{"invoice_id": "`+invoice+`", "amount": "100"}]}`)
	wantPayment["number"] = paid["number"]
	if diff := cmp.Diff(wantPayment, paid); diff != "" {
		t.Errorf("the payment (-want +pulled):\n%s", diff)
	}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
