package console_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/report"
)

const booked2026 = "/reports/booked?from=2026-01-01&to=2026-12-31"

// sell makes an order of the site's customer that counts: one line without tax.
func (s *site) sell(number, date, currency, price string) *crm.Order {
	s.Helper()
	day, err := crm.ParseDate(date)
	if err != nil {
		s.Fatal(err)
	}
	o := &crm.Order{Number: number, CustomerID: s.customer.ID, Date: day, Currency: currency, Status: "confirmed"}
	o.Lines = []crm.OrderLine{{Description: "Nut", Unit: "pcs", Qty: decimal.NewFromInt(1), Price: decimal.RequireFromString(price)}}
	s.tx(func(tx pgx.Tx) error {
		return s.crm.Save(s.Context(), tx, crm.By{Actor: s.who.Actor, Origin: "crm"}, []crm.Entity{o})
	})
	return o
}

func TestEveryReportHasItsPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	all := s.get("/reports")
	for _, lang := range []string{"zh-CN", "en"} {
		s.post("/language", "language", lang)
		for _, r := range report.All() {
			if !strings.Contains(all.body, `href="/reports/`+r.Name+`"`) {
				t.Errorf("the list has no %s", r.Name)
			}
			title, definition := r.Title.En, r.Definition.En
			if lang == "zh-CN" {
				title, definition = r.Title.Zh, r.Definition.Zh
			}
			a := s.get("/reports/" + r.Name)
			a.wants(t, http.StatusOK, "<h1>"+html.EscapeString(title)+"</h1>")
			if !strings.Contains(html.UnescapeString(a.body), definition) {
				t.Errorf("%s has no definition in %s", r.Name, lang)
			}
			if word := unknownWord.FindString(a.body); word != "" {
				t.Errorf("%s %s: no words for %s", lang, r.Name, word)
			}
			for _, p := range r.Parameters {
				if !strings.Contains(a.body, `name="`+p.Name) {
					t.Errorf("%s does not ask for %s", r.Name, p.Name)
				}
			}
			for _, to := range numberLinks.FindAllStringSubmatch(a.body, -1) {
				s.get(html.UnescapeString(to[1])).wants(t, http.StatusOK, html.EscapeString(title))
			}
		}
	}
}

var numberLinks = regexp.MustCompile(`href="(/reports/[a-z-]+/rows\?[^"]+)"`)

func TestANumberLeadsToItsRecords(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	may := s.sell("O-2", "2026-05-04", "EUR", "1000000.5")
	s.signIn()
	a := s.get(booked2026)
	a.wants(t, 200, "May 2026", "Nov 2026", ">1,000,000.50</a>", ">3,703.50</a>", ">1,003,704.00</a>", "amounts in EUR", `<svg class="chart"`, "Revenue by month (EUR)")
	links := numberLinks.FindAllStringSubmatch(a.body, -1)
	if len(links) == 0 {
		t.Fatal("no number leads anywhere")
	}
	rows := s.get(html.UnescapeString(links[0][1]))
	rows.wants(t, 200, `href="/orders/`+may.ID.String()+`">O-2</a>`, "Müller", "May 2026", "1,000,000.50", "1 Jan 2026")
	if strings.Contains(rows.body, "O-1") {
		t.Errorf("May has an order of November:\n%s", rows.body)
	}
	all := s.get("/reports/booked/rows?measure=revenue&from=2026-01-01&to=2026-12-31&per_currency=true&currency=EUR")
	all.wants(t, 200, "O-1", "O-2", "May 2026", "Nov 2026")
	for _, path := range []string{"/reports/nothing", "/reports/nothing/rows?measure=revenue"} {
		s.get(path).wants(t, http.StatusNotFound)
	}
	for _, query := range []string{"", "measure=change", "measure=revenue&key=x", "measure=revenue&after=x", "measure=revenue&from=x"} {
		s.get("/reports/booked/rows?"+query).wants(t, http.StatusBadRequest)
	}
}

func TestAmountsInSeveralCurrenciesSayWhich(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.tx(func(tx pgx.Tx) error {
		day, err := crm.ParseDate("2026-01-01")
		if err != nil {
			return err
		}
		return s.crm.Save(s.Context(), tx, crm.By{Actor: s.who.Actor, Origin: "crm"}, []crm.Entity{&crm.CurrencyRate{Currency: "USD", Base: "EUR", Date: day, Rate: decimal.RequireFromString("0.5")}})
	})
	s.sell("O-USD", "2026-11-21", "USD", "80")
	s.signIn()
	a := s.get(booked2026 + "&per_currency=true")
	a.wants(t, 200, ">3,703.50 EUR</a>", ">80.00 USD</a>")
	if strings.Contains(a.body, "amounts in") {
		t.Error("it claims one currency")
	}
	for _, to := range numberLinks.FindAllStringSubmatch(a.body, -1) {
		path := html.UnescapeString(to[1])
		u, err := url.Parse(path)
		if err != nil {
			t.Fatal(err)
		}
		other := map[string]string{"EUR": "O-USD", "USD": "O-1"}[u.Query().Get("currency")]
		if rows := s.get(path); other == "" || strings.Contains(rows.body, other) {
			t.Errorf("%s mixes currencies", path)
		}
	}
}

func TestReportsSayWhatTheyCannotBeAsked(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.get("/reports/booked?from=yesterday").wants(t, http.StatusUnprocessableEntity, `id="p-from-fault"`, "must be a date", "What is counted")
	s.get("/reports/booked?by=weather&limit=0").wants(t, http.StatusUnprocessableEntity, `id="p-by-fault"`, `id="p-limit-fault"`)
	s.get("/reports/booked?from=2026-02-01&to=2026-01-01").wants(t, http.StatusUnprocessableEntity, `id="p-from-fault"`)
	s.get("/reports/booked?customer_id~text=Nobody&customer_id~was=").wants(t, http.StatusUnprocessableEntity, "Nothing found")
	a := s.get("/reports/booked?from=2026-01-01&to=2026-12-31&customer_id~text=M%C3%BCller&customer_id~was=")
	if to, want := a.header.Get("Location"), booked2026; a.status != http.StatusSeeOther || !strings.Contains(to, "customer_id="+s.customer.ID.String()) || strings.Contains(to, "~") {
		t.Errorf("a customer's name led to %d %s, want %s and its id", a.status, to, want)
	}
	s.get(a.header.Get("Location")).wants(t, 200, `value="Müller &amp; Söhne &lt;GmbH&gt;"`, "Nov 2026")
}

func TestReportsRefuseWhoDoesNotSeeWhatTheyCount(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.become(access.Role{
		Grants: []access.Grant{{Resource: access.Any, Action: access.Read, Scope: "organization"}, {Resource: access.Reports, Action: access.Export, Scope: "organization"}},
		Fields: []access.FieldRule{{Resource: "order", Field: "untaxed", Access: access.FieldHidden}, {Resource: "customer", Field: "name", Access: access.FieldMasked}},
	})
	s.signIn()
	a := s.get("/reports")
	a.wants(t, 200, "/reports/invoiced")
	if strings.Contains(a.body, "/reports/booked") {
		t.Error("the list has a report that is refused")
	}
	if a := s.get("/reports/invoiced/file?by=customer&from=2026-01-01&to=2026-12-31"); a.status != 200 || strings.Contains(a.body, "Müller") || !strings.Contains(a.body, "3703.5") {
		t.Errorf("a file with a name that is masked, or without its number: %s", a.body)
	}
	for _, path := range []string{booked2026, "/reports/booked/file", "/reports/booked/rows?measure=revenue"} {
		a := s.get(path)
		a.wants(t, http.StatusForbidden, "You do not have access to this report", "(Orders)")
		if strings.Contains(a.body, "3,703") {
			t.Errorf("%s shows it all the same", path)
		}
	}
	for _, path := range []string{"/reports/invoiced?by=customer&from=2026-01-01&to=2026-12-31", "/reports/invoiced/rows?measure=revenue&from=2026-01-01&to=2026-12-31"} {
		a := s.get(path)
		a.wants(t, 200, "3,703.50")
		if strings.Contains(a.body, "Müller") {
			t.Errorf("%s shows a name that is masked", path)
		}
	}
}

func TestRecordsBehindANumberKeepWhatIsHidden(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.become(access.Role{
		Grants: []access.Grant{{Resource: access.Any, Action: access.Read, Scope: "organization"}},
		Fields: []access.FieldRule{{Resource: "order", Field: "number", Access: access.FieldHidden}, {Resource: "order", Field: "customer_id", Access: access.FieldMasked}},
	})
	s.signIn()
	a := s.get("/reports/booked/rows?measure=revenue&from=2026-01-01&to=2026-12-31")
	a.wants(t, 200, `<a href="/orders/`+s.order.ID.String()+`">Order</a>`, "3,703.50", "20 Nov 2026")
	for _, hidden := range []string{"O-1", "Müller"} {
		if strings.Contains(a.body, hidden) {
			t.Errorf("the rows show %s", hidden)
		}
	}
}

// TestReportsAreFiles takes a report home, in both formats and languages, as who may and who may not.
func TestReportsAreFiles(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	byCustomer := "?by=customer&from=2026-01-01&to=2026-12-31"
	s.get("/reports/booked"+byCustomer+"&limit=1").wants(t, 200, `href="/reports/booked/file?by=customer&amp;format=csv&amp;from=2026-01-01&amp;to=2026-12-31" download`, "format=xlsx")
	a := s.get("/reports/booked/file" + byCustomer)
	want := "\ufeffCustomer,Currency,Revenue,Documents,Previous period,Change (%)\r\nMüller & Söhne <GmbH>,EUR,3703.5,1,,\r\n"
	if a.body != want || a.header.Get("Content-Type") != "text/csv; charset=utf-8" || !strings.Contains(a.header.Get("Content-Disposition"), "booked.csv") {
		t.Errorf("%q %v", a.body, a.header)
	}
	if x := s.get("/reports/booked/file" + byCustomer + "&format=xlsx"); x.status != 200 || !strings.HasPrefix(x.body, "PK") {
		t.Errorf("no workbook: %d", x.status)
	}
	s.get("/reports/booked/file?format=pdf").wants(t, http.StatusBadRequest)
	s.get("/reports/booked/file?from=x").wants(t, http.StatusUnprocessableEntity, "must be a date", "Back to the report")
	s.post("/language", "language", "zh-CN", "to", "/reports")
	s.get("/reports/booked/file?from=2026-11-01&to=2026-11-30").wants(t, 200, "月份,币种,销售额,单据数,上期,环比 (%)\r\n2026-11,EUR,3703.5,1,,\r\n")
	s.get("/reports/at-risk-customers/file").wants(t, 200, "客户")

	s.become(access.Role{Grants: []access.Grant{{Resource: access.Any, Action: access.Read, Scope: "organization"}}})
	s.signIn()
	if a := s.get("/reports/booked" + byCustomer); strings.Contains(a.body, "/file?") {
		t.Error("a file is offered to whom it is refused")
	}
	s.get("/reports/booked/file").wants(t, http.StatusForbidden)
}

func TestReportsAreFoundByName(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	s.get("/search?q=aging").wants(t, 200, `href="/reports/receivables-aging"`)
	s.become(access.Role{
		Grants: []access.Grant{{Resource: access.Reports, Action: access.Read, Scope: "organization"}},
		Fields: []access.FieldRule{{Resource: "invoice", Field: "residual", Access: access.FieldHidden}},
	})
	if a := s.get("/search?q=aging"); strings.Contains(a.body, "/reports/receivables-aging") {
		t.Error("a report is found that is refused")
	}
}

func TestReportsAreForWhoMayReadThem(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.become(access.Role{Grants: []access.Grant{{Resource: "order", Action: access.Read, Scope: "organization"}}})
	s.signIn()
	for _, path := range []string{"/reports", booked2026, "/reports/booked/rows?measure=revenue", "/pool"} {
		s.get(path).wants(t, http.StatusForbidden, "Your roles do not allow this")
	}
	if a := s.get("/"); strings.Contains(a.body, `href="/reports"`) || strings.Contains(a.body, `href="/pool"`) {
		t.Error("the navigation leads to what is refused")
	}
}

func TestUnlikeFiguresAreNotAddedUp(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	a := s.get("/reports/overview?as_of=2026-11-30")
	a.wants(t, 200, "Revenue this month", "Open orders")
	if strings.Contains(a.body, "<tfoot>") {
		t.Error("orders and revenue have a sum")
	}
}

func TestAReportOfManyRowsDrawsTheFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	for i := range 15 {
		s.tx(func(tx pgx.Tx) error {
			c := &crm.Customer{Code: fmt.Sprintf("N%d", i), Name: fmt.Sprintf("Customer %d", i), Type: "company", Lifecycle: "customer", Currency: "EUR"}
			err := s.crm.Save(s.Context(), tx, crm.By{Actor: s.who.Actor, Origin: "crm"}, []crm.Entity{c})
			s.customer = c
			return err
		})
		s.sell(fmt.Sprintf("M-%d", i), "2026-10-01", "EUR", "10")
	}
	s.signIn()
	a := s.get(booked2026 + "&by=customer&limit=13")
	a.wants(t, 200, "The first 12 rows", "There are more rows", ">3,853.50</a>")
	if n := strings.Count(a.body, "<rect"); n != 12 {
		t.Errorf("%d bars", n)
	}
}
