package api_test

import (
	"strings"
	"testing"

	"crmhub/core/access"
	"crmhub/core/einvoice"
)

func TestElectronicInvoices(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.make("buyer", "/customers", `{"name":"Example SARL","kind":"company","tax_id":"FR12345678901","addresses":[{"kind":"bill","city":"Lyon","country":"FR"}]}`)
	h.make("sold", "/orders", `{"number":"SO-7","customer_id":"{buyer}","client_ref":"PO 77","date":"2026-02-01","currency":"EUR","payment_term":"30 days net","lines":[{"description":"Pump","qty":"2","price":"50"}]}`)
	const lines = `"untaxed":"100","tax":"0","total":"100","lines":[{"description":"Pump","unit":"pcs","qty":"2","price":"50","untaxed":"100"}]`
	h.make("issued", "/invoices", `{"number":"I-7","customer_id":"{buyer}","order_id":"{sold}","currency":"EUR","issue_date":"2026-03-01","due_date":"2026-03-31",`+lines+`}`)
	h.make("corrects", "/invoices", `{"number":"I-8","kind":"credit_note","reverses_id":"{issued}","customer_id":"{buyer}","currency":"EUR","issue_date":"2026-03-02",`+
		`"untaxed":"-50","tax":"0","total":"-50","lines":[{"description":"Pump","qty":"-1","price":"50","untaxed":"-50"}]}`)
	issue := func(id string) {
		h.play([]scenario{{name: "issue it", method: "PATCH", path: "/invoices/" + id, body: `{"status":"issued"}`, headers: []string{`If-Match: "1"`}, status: 200}})
	}
	issue("{issued}")
	issue("{corrects}")
	h.play([]scenario{
		{name: "nobody said who sells", method: "GET", path: "/seller", status: 200, has: []string{`"vat_number":""`}},
		{name: "a draft", method: "GET", path: "/invoices/{invoice}/ubl", status: 409, has: []string{`"pointer":"/status"`, `"rule":"issued"`, "urn:crmhub:problem:incomplete"}},
		{name: "without a seller", method: "GET", path: "/invoices/{issued}/ubl", status: 409, has: []string{`"pointer":"/seller/country"`, `"rule":"BR-08"`, `"pointer":"/seller/vat_number"`}, hasNot: []string{`"/customer`, `"/seller/name"`}},
		{name: "a country that is none", method: "PATCH", path: "/seller", body: `{"country":"Germany"}`, status: 422, has: []string{`"pointer":"/country"`}},
		{name: "an endpoint of no scheme", method: "PATCH", path: "/seller", body: `{"endpoint":"a@example.com"}`, status: 422, has: []string{`"pointer":"/endpoint_scheme"`, `"rule":"dependentRequired"`}},
		{name: "what a seller is not", method: "PATCH", path: "/seller", body: `{"colour":"blue"}`, status: 422, has: []string{`"pointer":"/colour"`}},
		{name: "say it", method: "PATCH", path: "/seller", body: `{"vat_number":"DE123456789","city":"Hamburg","country":"DE","bank_account":"DE02120300000000202051"}`, status: 200, has: []string{`"country":"DE"`}},
		{name: "and more", method: "PATCH", path: "/seller", body: `{"street":"Hafenstraße 7"}`, status: 200, has: []string{`"country":"DE"`, `"street":"Hafenstraße 7"`}},
		{name: "of no invoice", method: "GET", path: "/invoices/{customer}/ubl", status: 404},
		{name: "of an order", method: "GET", path: "/orders/{sold}/ubl", status: 404},
	})
	got := h.request("GET", "/invoices/{issued}/ubl", "")
	if d := got.Header().Get("Content-Disposition"); got.Code != 200 || got.Header().Get("Content-Type") != "application/xml" || d != `attachment; filename="invoice I-7.xml"` {
		t.Fatalf("%d %v: %s", got.Code, got.Header(), got.Body)
	}
	v, err := einvoice.Parse(strings.NewReader(got.Body.String()))
	if err != nil {
		t.Fatal(err)
	}
	if f := einvoice.Check(v); len(f) > 0 || v.Order != "PO 77" || v.SalesOrder != "SO-7" || v.Taxes[0].Category.Category != "AE" || v.Seller.Name != "alpha" || v.Payment[0].Code != "58" {
		t.Errorf("%+v of %+v", f, v)
	}
	credit, err := einvoice.Parse(h.request("GET", "/invoices/{corrects}/ubl", "").Body)
	if err != nil || !credit.CreditNote || len(credit.Preceding) != 1 || credit.Preceding[0].Number != "I-7" {
		t.Errorf("%v: %+v", err, credit)
	}
}

func TestElectronicInvoicesShowNothingHidden(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	read := func(resources ...access.Resource) (grants []access.Grant) {
		for _, r := range resources {
			grants = append(grants, access.Grant{Resource: r, Action: access.Read, Scope: "organization"})
		}
		return grants
	}
	f.ids["mine"] = f.rows["invoice"]["me"]
	hidden := func(r access.Resource, field string) []access.FieldRule {
		return []access.FieldRule{{Resource: r, Field: field, Access: access.FieldMasked}}
	}
	for _, c := range []struct {
		name   string
		role   access.Role
		status int
	}{
		{"all may be seen, but it is a draft", access.Role{Grants: read("invoice", "customer")}, 409},
		{"no customers", access.Role{Grants: read("invoice")}, 403},
		{"no invoices", access.Role{Grants: read("customer")}, 403},
		{"the customer's tax number is hidden", access.Role{Grants: read("invoice", "customer"), Fields: hidden("customer", "tax_id")}, 403},
		{"the total is hidden", access.Role{Grants: read("invoice", "customer"), Fields: hidden("invoice", "total")}, 403},
		{"the seller is the organization's", access.Role{Grants: read("invoice", "customer"), Fields: hidden("customer", "remark")}, 409},
	} {
		f.become(c.role)
		f.as([]scenario{{name: c.name, method: "GET", path: "/invoices/{mine}/ubl", status: c.status}})
	}
	f.become(access.Role{Grants: read("invoice", "customer")})
	f.as([]scenario{{name: "who may not see the organization", method: "GET", path: "/seller", status: 403, has: []string{"organization:read"}}})
	f.become(access.Role{Grants: read("organization")})
	f.as([]scenario{{name: "who may only see it", method: "PATCH", path: "/seller", body: `{"city":"Kiel"}`, status: 403, has: []string{"organization:update"}}})
}
