package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"crmhub/core/access"
	"crmhub/core/report"
)

// TestReportsAreRefusedToWhomAFieldIsHidden hides one field after another, and asks for every report and its rows.
func TestReportsAreRefusedToWhomAFieldIsHidden(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	for _, c := range []struct {
		resource access.Resource
		field    string
		refused  []string
	}{
		{"opportunity", "amount", []string{"targets", "funnel", "win-rate", "lost-reasons", "forecast", "sales-velocity", "campaign-return"}},
		{"opportunity", "name", []string{"funnel", "stage-conversion", "win-rate", "lost-reasons", "forecast", "sales-velocity"}},
		{"opportunity", "lost_reason", []string{"lost-reasons"}},
		{"opportunity", "source", []string{"win-rate", "sales-velocity"}},
		{"campaign", "actual_cost", []string{"campaign-return"}},
		{"campaign_member", "status", []string{"campaign-response"}},
		{"ticket", "priority", []string{"service-times", "satisfaction"}},
		{"feedback", "score", []string{"satisfaction"}},
		{"payment", "amount", []string{"payments-received"}},
	} {
		f.become(access.Role{
			Grants: []access.Grant{{Resource: access.Any, Action: access.Read, Scope: "organization"}},
			Fields: []access.FieldRule{{Resource: c.resource, Field: c.field, Access: access.FieldHidden}},
		})
		for _, r := range report.All() {
			want := http.StatusOK
			if slices.Contains(c.refused, r.Name) {
				want = http.StatusForbidden
			}
			for _, path := range []string{"/reports/" + r.Name, "/reports/" + r.Name + "/rows"} {
				if status, body := f.ask("GET", path, ""); status != want {
					t.Errorf("%s without %s.%s: got %d, want %d %s", path, c.resource, c.field, status, want, body)
				}
			}
		}
	}
}

// TestAReportIsNotGroupedByWhatIsHidden asks for what would show or narrow by a field that is hidden.
func TestAReportIsNotGroupedByWhatIsHidden(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	for _, c := range []struct {
		resource access.Resource
		field    string
		path     string
		want     int
	}{
		{"order", "customer_id", "booked?by=customer", http.StatusForbidden},
		{"order", "customer_id", "booked?customer_id=" + f.rows["customer"]["me"], http.StatusForbidden},
		{"order", "customer_id", "booked/rows?by=customer", http.StatusForbidden},
		{"order", "customer_id", "booked?by=owner", http.StatusOK},
		{"order", "customer_id", "rfm", http.StatusForbidden},
		{"order", "owner_id", "booked?by=owner", http.StatusForbidden},
		{"order", "owner_id", "booked?owner_id=" + f.users["me"].String(), http.StatusForbidden},
		{"order", "owner_id", "booked?by=customer", http.StatusOK},
		{"order", "lines", "booked?by=product", http.StatusForbidden},
		{"invoice", "customer_id", "receivables-aging", http.StatusForbidden},
		{"invoice", "customer_id", "receivables-aging?by=owner", http.StatusOK},
		{"customer", "addresses", "booked?by=country", http.StatusForbidden},
		{"product", "category", "invoiced?by=category", http.StatusForbidden},
		{"ticket", "owner_id", "service-times?by=owner", http.StatusForbidden},
	} {
		f.become(access.Role{
			Grants: []access.Grant{{Resource: access.Any, Action: access.Read, Scope: "organization"}},
			Fields: []access.FieldRule{{Resource: c.resource, Field: c.field, Access: access.FieldHidden}},
		})
		if status, body := f.ask("GET", "/reports/"+c.path, ""); status != c.want {
			t.Errorf("%s without %s.%s: got %d, want %d %s", c.path, c.resource, c.field, status, c.want, body)
		}
	}
	f.become(access.Role{
		Grants: []access.Grant{{Resource: access.Any, Action: access.Read, Scope: "organization"}},
		Fields: []access.FieldRule{{Resource: "customer", Field: "name", Access: access.FieldHidden}, {Resource: "order", Field: "number", Access: access.FieldMasked}},
	})
	if status, body := f.ask("GET", "/reports/booked?by=customer&from=2020-01-01", ""); status != http.StatusOK || strings.Contains(body, `"label":"`) {
		t.Errorf("customers without their names: %d %s", status, body)
	}
	if status, body := f.ask("GET", "/reports/booked/rows?from=2020-01-01", ""); status != http.StatusOK || strings.Contains(body, `"number":`) {
		t.Errorf("orders without their numbers: %d %s", status, body)
	}
}

func TestReports(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	const period = "from=2026-09-01&to=2026-09-30"
	h.play([]scenario{
		{name: "a draft is no revenue", method: "GET", path: "/reports/booked?" + period, status: 200, has: []string{`"rows":[]`, `"totals":[]`, `"base_currency":"EUR"`}},
		{name: "confirm", method: "POST", path: "/orders/{order}/status", body: `{"status":"confirmed"}`, status: 200},
		{name: "the list", method: "GET", path: "/reports", status: 200, has: []string{`"name":"booked"`, `"zh-CN":"订单销售额"`, `"name":"rfm"`}},
		{name: "the numbers", method: "GET", path: "/reports/booked?" + period, status: 200, has: []string{
			`"key":"2026-09"`, `"currency":"EUR"`, `"revenue":"21"`, `"previous":null`, `"documents":1`, `"definition":{"en":"Untaxed amount`, `"by":"month"`,
		}},
		{name: "by customer", method: "GET", path: "/reports/booked?by=customer&" + period, status: 200, has: []string{`"key":"` + h.ids["customer"] + `"`, `"label":"Beispiel GmbH"`}},
		{name: "what lies behind", method: "GET", path: "/reports/booked/rows?by=customer&key={customer}&measure=revenue&" + period, status: 200, has: []string{
			`"id":"` + h.ids["order"] + `"`, `"kind":"order"`, `"revenue":"21"`, `"number":"SO-1"`, `"columns":[`,
		}},
		{name: "behind another number", method: "GET", path: "/reports/booked/rows?key=2026-08&" + period, status: 200, has: []string{`"items":[]`}},
		{name: "target against achieved", method: "GET", path: "/reports/targets?" + period, status: 200, has: []string{`"key":"` + h.ids["target"] + `"`, `"target":"100"`, `"achieved":"21"`, `"reached":"21"`}},
		{name: "no such day", method: "GET", path: "/reports/booked?from=2026-02-30&owner_id=x&by=weather&limit=0&currency=eur", status: 400, has: []string{
			`"parameter":"from"`, `"parameter":"owner_id"`, `"parameter":"by"`, `"parameter":"limit"`, `"parameter":"currency"`,
		}},
		{name: "an end before the beginning", method: "GET", path: "/reports/booked?from=2026-02-03&to=2026-02-02", status: 400, has: []string{`"parameter":"from"`, `"rule":"range"`}},
		{name: "a parameter of another report", method: "GET", path: "/reports/booked?as_of=2026-01-01", status: 400, has: []string{`"parameter":"as_of"`, `"rule":"unknown"`}},
		{name: "no such number", method: "GET", path: "/reports/booked/rows?measure=change&key=May&after=x", status: 400, has: []string{
			`"parameter":"measure"`, `"parameter":"key"`, `"parameter":"after"`,
		}},
		{name: "as a file", method: "GET", path: "/reports/booked/file?" + period, status: 200, has: []string{"key,currency,revenue,documents,previous,change\r\n2026-09,EUR,21,1,,\r\n"}},
		{name: "as a workbook", method: "GET", path: "/reports/booked/file?format=xlsx&" + period, status: 200, has: []string{"PK"}},
		{name: "as a paper", method: "GET", path: "/reports/booked/file?format=pdf", status: 400, has: []string{`"parameter":"format"`}},
		{name: "a file of no day", method: "GET", path: "/reports/booked/file?from=2026-02-30", status: 400, has: []string{`"parameter":"from"`}},
		{name: "no such report", method: "GET", path: "/reports/weather", status: 404},
	})
}

func TestTargets(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.play([]scenario{
		{name: "list", method: "GET", path: "/targets?month=2026-09", status: 200, has: []string{`"id":"` + h.ids["target"] + `"`, `"amount":"100"`, `"currency":"EUR"`}},
		{name: "list another month", method: "GET", path: "/targets?month=2026-10", status: 200, has: []string{`{"items":[]}`}},
		{name: "list no month", method: "GET", path: "/targets?month=May", status: 400, has: []string{`"parameter":"month"`}},
		{name: "get", method: "GET", path: "/targets/{target}", status: 200, has: []string{`"measure":"revenue"`, `"month":"2026-09"`}},
		{name: "change", method: "PATCH", path: "/targets/{target}", body: `{"amount":"120.5"}`, status: 200, has: []string{`"amount":"120.5"`}},
		{name: "change to nothing", method: "PATCH", path: "/targets/{target}", body: `{"amount":"0"}`, status: 422, has: []string{`"pointer":"/amount"`}},
		{name: "the same again", method: "POST", path: "/targets", body: `{"month":"2026-09","measure":"revenue","amount":"1"}`, status: 422, has: []string{`"pointer":"/month"`, `"rule":"unique"`}},
		{name: "orders have no currency", method: "POST", path: "/targets", body: `{"month":"2026-09","measure":"orders","amount":"1.5","currency":"EUR"}`, status: 422, has: []string{`"pointer":"/currency"`, `"pointer":"/amount"`}},
		{name: "orders", method: "POST", path: "/targets", body: `{"month":"2026-09","measure":"orders","amount":"15"}`, status: 201, has: []string{`"measure":"orders"`}, hasNot: []string{`"currency"`}},
		{name: "nobody's", method: "POST", path: "/targets", body: `{"month":"2026-09","measure":"orders","amount":"15","owner_id":"{customer}"}`, status: 422, has: []string{`"pointer":"/owner_id"`, `"rule":"exists"`}},
		{name: "a department's", method: "POST", path: "/targets", body: `{"month":"2026-09","measure":"won","amount":"15","department_id":"{department}"}`, status: 201, has: []string{`"department_id":"` + h.ids["department"] + `"`, `"measure":"won"`}},
		{name: "of a department and a user", method: "POST", path: "/targets", body: `{"month":"2026-09","measure":"won","amount":"15","department_id":"{department}","owner_id":"{user}"}`, status: 422, has: []string{`"pointer":"/department_id"`}},
		{name: "a department's, of none", method: "POST", path: "/targets", body: `{"month":"2026-09","measure":"won","amount":"15","department_id":"{customer}"}`, status: 422, has: []string{`"pointer":"/department_id"`, `"rule":"exists"`}},
		{name: "remove", method: "DELETE", path: "/targets/{target}", status: 204},
		{name: "gone", method: "GET", path: "/targets/{target}", status: 404},
		{name: "remove again", method: "DELETE", path: "/targets/{target}", status: 404},
	})
}
