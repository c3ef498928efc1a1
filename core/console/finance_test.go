package console_test

import (
	"encoding/json"
	"html"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/crm"
	"crmhub/core/edit"
	"crmhub/core/inbox"
	"crmhub/core/schema"
	"crmhub/schemas"
)

// ubl is an invoice of 969.85 EUR to Example Holding Ltd, DE987654321. It does not say which specification it keeps, and so breaks BR-01.
func ubl(t *testing.T, number string) string {
	t.Helper()
	b, err := os.ReadFile("../paper/testdata/ubl/allowances.xml")
	if err != nil {
		t.Fatal(err)
	}
	s := strings.ReplaceAll(string(b), "INV-2026-000017", number)
	return strings.Replace(s, "  <cbc:CustomizationID>urn:cen.eu:en16931:2017</cbc:CustomizationID>\n", "", 1)
}

// received puts an invoice into the inbox and returns its page.
func (s *site) received(name, number string) string {
	s.Helper()
	all, err := schema.Load(schemas.FS)
	if err != nil {
		s.Fatal(err)
	}
	editor, err := edit.New(s.crm, all)
	if err != nil {
		s.Fatal(err)
	}
	var item inbox.Item
	s.tx(func(tx pgx.Tx) (err error) {
		box := inbox.Store{CRM: s.crm, Editor: editor, Access: s.access}
		item, err = box.Receive(s.Context(), tx, name+".xml", []byte(ubl(s.T, number)))
		return err
	})
	return "/finance/inbox/" + item.ID.String()
}

// pay makes a payment of the customer.
func (s *site) pay(number, reference, amount string) uuid.UUID {
	s.Helper()
	day, err := crm.ParseDate("2026-11-25")
	if err != nil {
		s.Fatal(err)
	}
	p := &crm.Payment{Number: number, CustomerID: s.customer.ID, Date: day, Currency: "EUR", Amount: decimal.RequireFromString(amount), Reference: reference}
	s.tx(func(tx pgx.Tx) error {
		return s.crm.Save(s.Context(), tx, crm.By{Actor: s.who.Actor, Origin: "crm"}, []crm.Entity{p})
	})
	return p.ID
}

// compare makes a reconciliation of invoices that differs by ten cents.
func (s *site) compare() {
	s.Helper()
	sums, err := json.Marshal([]map[string]any{
		{"currency": "EUR", "month": "2026-10", "ours_count": 2, "ours": "100", "theirs_count": 2, "theirs": "100", "equal": true},
		{"currency": "EUR", "month": "2026-11", "ours_count": 1, "ours": "4444.2", "theirs_count": 1, "theirs": "4444.1", "equal": false},
	})
	if err != nil {
		s.Fatal(err)
	}
	s.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(s.Context(), `insert into reconciliations (id, connection_id, run_id, entity, verdict, mapping_version, sums, finished_at)
			values ($1, $2, $3, 'invoice', 'differs', 'v1', $4, now())`, uuid.New(), s.erp.ID, uuid.New(), sums)
		return err
	})
}

func TestFinanceTakesInvoicesInAndMatchesPayments(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.compare()
	s.employ("fin", "finance")
	s.post("/login", "login", "fin", "password", password)
	s.get("/finance/inbox").wants(t, 200, "No files here", "Your company data is not set")
	s.upload("/finance/inbox", "none.xml", "").wants(t, http.StatusSeeOther)
	page, _, _ := strings.Cut(s.upload("/finance/inbox", "R-2.xml", ubl(t, "R-2")).header.Get("Location"), "?")
	s.get(page).wants(t, 200, "BR-01", "969.85 EUR", "Example Holding Ltd", "No customer looks like the buyer")
	a := s.do(http.MethodPost, page+"/accept", form())
	a.wants(t, http.StatusUnprocessableEntity, "Not done")
	s.get(page+"?customer=müller").wants(t, 200, "found by its name", s.customer.ID.String())
	invoice, _, _ := strings.Cut(s.post(page+"/accept", "customer_id", s.customer.ID.String()), "?")
	s.get(invoice).wants(t, 200, "BR-01", "R-2.xml", "969.85 EUR")
	s.get(page).wants(t, 200, "Accepted", invoice)
	s.get("/finance/inbox?status=refused").wants(t, 200, "none.xml", "no number")

	known, _, _ := strings.Cut(s.upload("/finance/inbox", "R-2b.xml", ubl(t, "R-2")+"\n").header.Get("Location"), "?")
	twice := s.get(known + "?customer=müller")
	if twice.wants(t, 200, "already is an invoice with this number", invoice); strings.Contains(twice.body, "Accept the invoice") {
		t.Error("what is there already is offered to be accepted")
	}
	s.post(known+"/refuse", "reason", "sent twice")
	s.get(known).wants(t, 200, "sent twice", "Review again")
	s.post(known + "/reopen")

	certain, short := s.pay("P-1", "your R-2 of March", "969.85"), s.pay("P-2", "R-1", "4443.70")
	s.get("/finance/payments").wants(t, 200, "Accept certain matches (1)", "number named", "0.50 EUR less than the invoices")
	s.get("/").wants(t, 200, "Payments to match", "Invoices to review: 1", "P-1", "Invoices due")
	s.post("/finance/payments/certain")
	s.get(invoice).wants(t, 200, "Paid")
	one := "/finance/payments/" + certain.String()
	s.get(one).wants(t, 200, "Matched to", "Undo")
	s.post(one+"/undo", "invoice", strings.TrimPrefix(invoice, "/invoices/"))
	s.get(one).wants(t, 200, `value="969.85"`)
	two := "/finance/payments/" + short.String()
	amount := "amount." + s.invoice.ID.String()
	s.do(http.MethodPost, two, form(amount, "4444")).wants(t, http.StatusUnprocessableEntity, "Not done", `value="4444"`)
	s.do(http.MethodPost, two, form(amount, "0,50")).wants(t, http.StatusUnprocessableEntity, "Not done", `value="0,50"`)
	s.do(http.MethodPost, two, form(amount, "much")).wants(t, http.StatusUnprocessableEntity)
	s.post(two, amount, "4,443.70")
	s.get("/invoices/"+s.invoice.ID.String()).wants(t, 200, "0.50 EUR")
	s.get("/payments/"+short.String()).wants(t, 200, two)

	aged := s.get("/finance/receivables")
	aged.wants(t, 200, "970.35", "measure=days_over_90")
	of := regexp.MustCompile(`href="(/finance/receivables/customers[^"]+)"`).FindStringSubmatch(aged.body)
	if of == nil {
		t.Fatal(aged.body)
	}
	debtors := s.get(html.UnescapeString(of[1]))
	debtors.wants(t, 200, "970.35", "Open invoices", "measure=days_over_90")
	open := regexp.MustCompile(`href="(/invoices\?customer_id=[^"]+)"`).FindStringSubmatch(debtors.body)
	if open == nil {
		t.Fatal(debtors.body)
	}
	s.get(strings.ReplaceAll(open[1], "&amp;", "&")).wants(t, 200, "R-1", "R-2")
	s.get("/finance/receivables?as_of=x").wants(t, http.StatusUnprocessableEntity)
	file := regexp.MustCompile(`href="(/reports/receivables-aging/file[^"]+csv[^"]*)"`).FindStringSubmatch(aged.body)
	if file == nil {
		t.Fatal(aged.body)
	}
	s.get(html.UnescapeString(file[1])).wants(t, 200, "970.35", "Müller")
	s.get("/finance/reconciliation").wants(t, 200, "Our ERP", "equal to the cent", "0.10 EUR", "2026-11")

	s.employ("bob", "sales")
	bob := s.newBrowser()
	s.browser = bob
	s.post("/login", "login", "bob", "password", password)
	s.get("/finance/inbox").wants(t, http.StatusForbidden)
	if body := s.get("/").body; strings.Contains(body, "/finance/") {
		t.Error("sales are led to the pages of finance")
	}
}
