package api_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"crmhub/core/access"
)

// ubl is an invoice of 969.85 EUR to DE987654321, without findings.
func ubl(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("../paper/testdata/ubl/allowances.xml")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// receive puts a file into the inbox, under a name of its own.
func (h *hub) receive(name, file string) {
	h.t.Helper()
	w := h.request(http.MethodPost, "/invoice-inbox?name="+name+".xml", file, asBytes)
	if w.Code != http.StatusCreated {
		h.t.Fatalf("%d %s", w.Code, w.Body)
	}
	h.ids[name] = field(h.t, w, "id")
}

func TestInvoicesAreReceivedAndPaid(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.make("buyer", "/customers", `{"name":"Example Holding Limited","kind":"company","tax_id":"DE987654321"}`)
	h.make("sold", "/orders", `{"number":"SO-7","customer_id":"{buyer}","client_ref":"PO 77","date":"2026-02-01","currency":"EUR","lines":[{"description":"Pump","qty":"1","price":"815"}]}`)
	file := ubl(t) + "\n" // makeAll has put that in already
	h.receive("good", file)
	h.receive("broken", strings.Replace(strings.Replace(file, ">969.85</cbc:TaxInclusiveAmount", ">969.86</cbc:TaxInclusiveAmount", 1), "INV-2026-000017", "INV-2026-000018", 1))
	h.receive("again", file)
	if h.ids["again"] != h.ids["good"] {
		t.Error("the same file is there twice")
	}
	h.play([]scenario{
		{name: "without a name", method: "POST", path: "/invoice-inbox", body: file, headers: []string{asBytes}, status: 400, has: []string{`"parameter":"name"`}},
		{name: "no UBL", method: "POST", path: "/invoice-inbox?name=a.xml", body: "<a>\n<b></a>", headers: []string{asBytes}, status: 201, has: []string{`"status":"refused"`, `"rule":"UBL-SYNTAX"`}},
		{name: "too large", method: "POST", path: "/invoice-inbox?name=a.xml", body: strings.Repeat("x", 10<<20+1), headers: []string{asBytes}, status: 413},
		{name: "the customer is found", method: "GET", path: "/invoice-inbox/{good}", status: 200, has: []string{`"customer_id":"` + h.ids["buyer"] + `"`, `"kind":"tax_id","score":100`, `"findings":[]`, `"seller_is":"unknown"`, `"faults":[]`, `"payment_reference":"INV-2026-000017"`}},
		{name: "what breaks a rule says which and where", method: "GET", path: "/invoice-inbox/{broken}", status: 200, has: []string{`"rule":"BR-CO-15"`, `"place":"/Invoice/cac:LegalMonetaryTotal`, `"pointer":"/total"`, `"rule":"sum"`}},
		{name: "and cannot be accepted", method: "POST", path: "/invoice-inbox/{broken}/accept", body: `{"customer_id":"{buyer}"}`, status: 422, has: []string{`"pointer":"/total"`}},
		{name: "for nobody", method: "POST", path: "/invoice-inbox/{good}/accept", body: `{"customer_id":"{order}"}`, status: 422, has: []string{`"pointer":"/customer_id"`}},
		{name: "refused without a reason", method: "POST", path: "/invoice-inbox/{broken}/refuse", body: `{"reason":" "}`, status: 422, has: []string{`"pointer":"/reason"`}},
		{name: "refused", method: "POST", path: "/invoice-inbox/{broken}/refuse", body: `{"reason":"a test"}`, status: 200, has: []string{`"status":"refused"`, `"reason":"a test"`}},
		{name: "refused twice", method: "POST", path: "/invoice-inbox/{broken}/refuse", body: `{"reason":"a test"}`, status: 409},
		{name: "opened again", method: "POST", path: "/invoice-inbox/{broken}/reopen", status: 200, has: []string{`"status":"review"`}},
		{name: "its file", method: "GET", path: "/invoice-inbox/{good}/file", status: 200, has: []string{"<cbc:ID>INV-2026-000017</cbc:ID>"}},
		{name: "accepted", method: "POST", path: "/invoice-inbox/{good}/accept", body: `{"customer_id":"{buyer}"}`, status: 200, has: []string{`"status":"accepted"`, `"invoice_id":"`}},
		{name: "accepted twice", method: "POST", path: "/invoice-inbox/{good}/accept", body: `{"customer_id":"{buyer}"}`, status: 409},
		{name: "its file is the invoice's", method: "GET", path: "/invoice-inbox/{good}/file", status: 404},
		{name: "listed", method: "GET", path: "/invoice-inbox?status=accepted", status: 200, has: []string{`"number":"INV-2026-000017"`}, hasNot: []string{"INV-2026-000018"}},
	})
	h.ids["billed"] = field(t, h.request("GET", "/invoice-inbox/{good}", ""), "invoice_id")
	h.receive("number", strings.Replace(file, "Example Holding Ltd", "Example Holdings Ltd", 1))
	h.play([]scenario{
		{name: "the invoice", method: "GET", path: "/invoices/{billed}", status: 200, has: []string{`"status":"issued"`, `"payment_status":"unpaid"`, `"residual":"969.85"`, `"order_id":"` + h.ids["sold"] + `"`, `"number":"INV-2026-000017"`}},
		{name: "its file", method: "GET", path: "/invoices/{billed}/attachments", status: 200, has: []string{`"name":"good.xml"`}},
		{name: "a number that is there", method: "GET", path: "/invoice-inbox/{number}", status: 200, has: []string{`"known_id":"` + h.ids["billed"] + `"`}},
		{name: "becomes no second invoice", method: "POST", path: "/invoice-inbox/{number}/accept", body: `{"customer_id":"{buyer}"}`, status: 422, has: []string{`"pointer":"/number"`, `"rule":"unique"`}},
	})

	h.make("short", "/payments", `{"number":"Z-7","customer_id":"{buyer}","date":"2026-04-01","currency":"EUR","amount":"969.35","reference":"INV 2026 000017"}`)
	h.play([]scenario{
		{name: "half a euro is missing", method: "GET", path: "/open-payments?payment_id={short}", status: 200, has: []string{`"certainty":"differs"`, `"difference":"-0.5"`, `"open":"969.85"`, `"amount":"969.35"`}},
		{name: "which is not accepted by itself", method: "POST", path: "/open-payments/accept-certain", status: 200, has: []string{`"payments":[]`}},
		{name: "more than is open", method: "POST", path: "/payments/{short}/allocate", body: `{"allocations":[{"invoice_id":"{billed}","amount":"969.86"}]}`, status: 422, has: []string{`"pointer":"/allocations/0/amount"`, `"rule":"maximum"`}},
		{name: "more than was paid", method: "POST", path: "/payments/{short}/allocate", body: `{"allocations":[{"invoice_id":"{billed}","amount":"969.85"}]}`, status: 422, has: []string{`"pointer":"/allocations"`, `"rule":"sum"`}},
		{name: "less than a cent", method: "POST", path: "/payments/{short}/allocate", body: `{"allocations":[{"invoice_id":"{billed}","amount":"1.001"}]}`, status: 422, has: []string{`"rule":"multipleOf"`}},
		{name: "twice the same", method: "POST", path: "/payments/{short}/allocate", body: `{"allocations":[{"invoice_id":"{billed}","amount":"1"},{"invoice_id":"{billed}","amount":"1"}]}`, status: 422, has: []string{`"pointer":"/allocations/1/invoice_id"`}},
		{name: "a draft of another", method: "POST", path: "/payments/{short}/allocate", body: `{"allocations":[{"invoice_id":"{invoice}","amount":"1"}]}`, status: 422, has: []string{`"rule":"status"`}},
		{name: "no amount", method: "POST", path: "/payments/{short}/allocate", body: `{"allocations":[{"invoice_id":"{billed}","amount":"one"}]}`, status: 422, has: []string{`"pointer":"/allocations/0/amount"`}},
		{name: "by hand", method: "POST", path: "/payments/{short}/allocate", body: `{"allocations":[{"invoice_id":"{billed}","amount":"969.35"}]}`, status: 200, has: []string{`"amount":"969.35"`, `"version":2`}},
		{name: "half a euro is open", method: "GET", path: "/invoices/{billed}", status: 200, has: []string{`"residual":"0.5"`, `"payment_status":"partial"`}},
		{name: "the order is paid in part", method: "GET", path: "/orders/{sold}", status: 200, has: []string{`"payment_status":"full"`}},
		{name: "taken back", method: "POST", path: "/payments/{short}/reverse-allocation", body: `{"invoice_id":"{billed}"}`, status: 200, has: []string{`"allocations":[]`}},
		{name: "taken back twice", method: "POST", path: "/payments/{short}/reverse-allocation", body: `{"invoice_id":"{billed}"}`, status: 404},
		{name: "open again", method: "GET", path: "/invoices/{billed}", status: 200, has: []string{`"residual":"969.85"`, `"payment_status":"unpaid"`}},
	})
	h.make("exact", "/payments", `{"number":"Z-8","customer_id":"{buyer}","date":"2026-04-02","currency":"EUR","amount":"969.85","reference":"po77, thanks"}`)
	h.play([]scenario{
		{name: "what names its order is certain", method: "GET", path: "/open-payments?customer_id={buyer}", status: 200, has: []string{`"certainty":"certain"`, `"reasons":["reference","amount"]`}},
		{name: "and accepted", method: "POST", path: "/open-payments/accept-certain", status: 200, has: []string{`"payments":["` + h.ids["exact"] + `"]`}},
		{name: "it is paid", method: "GET", path: "/invoices/{billed}", status: 200, has: []string{`"residual":"0"`, `"payment_status":"paid"`}},
		{name: "nothing is owed", method: "GET", path: "/reports/receivables-aging?customer_id={buyer}", status: 200, has: []string{`"rows":[]`}},
		{name: "the seller", method: "PATCH", path: "/seller", body: `{"name":"Others Ltd","vat_number":"DE1"}`, status: 200},
	})
	h.receive("theirs", strings.Replace(file, "INV-2026-000017", "X-1", 2))
	h.play([]scenario{{name: "another's invoice is a bill", method: "GET", path: "/invoice-inbox/{theirs}", status: 200, has: []string{`"status":"refused"`, `"rule":"SELLER"`}}})
}

func TestFinanceIsForThoseWhoSeeItWhole(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	f.receive("inbox", ubl(t))
	all := []access.Grant{}
	for _, r := range []access.Resource{"invoice", "payment", "customer"} {
		all = append(all, access.Grant{Resource: r, Action: access.Read, Scope: "organization"})
	}
	own := []access.Grant{{Resource: "invoice", Action: access.Read, Scope: "own"}, {Resource: "payment", Action: access.Read, Scope: "own"}}
	f.become(access.Role{Grants: own})
	f.as([]scenario{
		{name: "who sees his own", method: "GET", path: "/invoice-inbox", status: 200, has: []string{`{"items":[]}`}},
		{name: "one", method: "GET", path: "/invoice-inbox/{inbox}", status: 404},
		{name: "may not put in", method: "POST", path: "/invoice-inbox?name=a.xml", body: "x", headers: []string{asBytes}, status: 403},
	})
	f.become(access.Role{Grants: append(own, access.Grant{Resource: "invoice", Action: access.Create, Scope: "own"})})
	f.as([]scenario{{name: "nor who writes his own", method: "POST", path: "/invoice-inbox?name=a.xml", body: "x", headers: []string{asBytes}, status: 403}})
	f.become(access.Role{Grants: all, Fields: []access.FieldRule{{Resource: "invoice", Field: "total", Access: access.FieldHidden}}})
	f.as([]scenario{
		{name: "to whom the total is hidden", method: "GET", path: "/invoice-inbox/{inbox}", status: 403, has: []string{"total"}},
		{name: "the list", method: "GET", path: "/invoice-inbox", status: 403},
		{name: "payments", method: "GET", path: "/open-payments", status: 403, has: []string{"total"}},
	})
	f.become(access.Role{Grants: all})
	f.as([]scenario{
		{name: "who reads all", method: "GET", path: "/invoice-inbox/{inbox}", status: 200},
		{name: "may not decide", method: "POST", path: "/invoice-inbox/{inbox}/refuse", body: `{"reason":"x"}`, status: 403},
		{name: "nor let pay", method: "POST", path: "/open-payments/accept-certain", status: 403},
	})
}
