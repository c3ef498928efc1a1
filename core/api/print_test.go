package api_test

import (
	"testing"

	"crmhub/core/access"
)

func TestDocuments(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	english, chinese := []string{"%PDF-1.7", "/Lang (en)", "%%EOF"}, []string{"%PDF-1.7", "/Lang (zh-CN)"}
	h.play([]scenario{
		{name: "order", method: "GET", path: "/orders/{order}/pdf", status: 200, has: english},
		{name: "invoice", method: "GET", path: "/invoices/{invoice}/pdf", status: 200, has: english},
		{name: "in Chinese", method: "GET", path: "/orders/{order}/pdf?lang=zh-CN", status: 200, has: chinese},
		{name: "as the browser asks", method: "GET", path: "/orders/{order}/pdf", headers: []string{"Accept-Language: fr, zh-Hans-CN;q=0.8, en;q=0.5"}, status: 200, has: chinese},
		{name: "as the address says, whatever the browser asks", method: "GET", path: "/orders/{order}/pdf?lang=en", headers: []string{"Accept-Language: zh"}, status: 200, has: english},
		{name: "in a language there is not", method: "GET", path: "/orders/{order}/pdf", headers: []string{"Accept-Language: fr"}, status: 200, has: english},
		{name: "in no language", method: "GET", path: "/orders/{order}/pdf?lang=fr", status: 400, has: []string{`"parameter":"lang"`, `"rule":"enum"`}},
		{name: "of no order", method: "GET", path: "/orders/{customer}/pdf", status: 404},
		{name: "of another kind", method: "GET", path: "/payments/{payment}/pdf", status: 404},
	})
	got := h.request("GET", "/orders/{order}/pdf", "").Header()
	if got.Get("Content-Type") != "application/pdf" || got.Get("Content-Disposition") != `attachment; filename="order SO-1.pdf"` {
		t.Errorf("the file is announced as %v", got)
	}
}

func TestDocumentsShowNothingHidden(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	for name, id := range f.rows["order"] {
		f.ids["order of "+name] = id
	}
	read := func(scope access.Scope, resources ...access.Resource) (grants []access.Grant) {
		for _, r := range resources {
			grants = append(grants, access.Grant{Resource: r, Action: access.Read, Scope: scope})
		}
		return grants
	}
	hidden := func(r access.Resource, field string, how access.FieldAccess) []access.FieldRule {
		return []access.FieldRule{{Resource: r, Field: field, Access: how}}
	}
	for _, c := range []struct {
		name   string
		role   access.Role
		order  string
		status int
	}{
		{"nothing hidden", access.Role{Grants: read("organization", "order", "customer")}, "{order of above}", 200},
		{"out of scope", access.Role{Grants: read("own", "order")}, "{order of above}", 404},
		{"mine, without the customer", access.Role{Grants: read("own", "order")}, "{order of me}", 200},
		{"orders may not be read", access.Role{Grants: read("organization", "customer")}, "{order of me}", 403},
		{"totals are hidden", access.Role{Grants: read("own", "order"), Fields: hidden("order", "total", access.FieldHidden)}, "{order of me}", 403},
		{"the reference is masked", access.Role{Grants: read("own", "order"), Fields: hidden("order", "client_ref", access.FieldMasked)}, "{order of me}", 403},
		{"what is not shown is hidden", access.Role{Grants: read("own", "order"), Fields: hidden("order", "remark", access.FieldHidden)}, "{order of me}", 200},
		{"the customer's name is hidden", access.Role{Grants: read("organization", "order", "customer"), Fields: hidden("customer", "name", access.FieldHidden)}, "{order of me}", 200},
	} {
		f.become(c.role)
		f.as([]scenario{{name: c.name, method: "GET", path: "/orders/" + c.order + "/pdf", status: c.status}})
	}

	// The same bytes come of the same content, so what differs shows what is in it.
	printed := func(fields ...access.FieldRule) string {
		f.become(access.Role{Grants: read("organization", "order", "customer"), Fields: fields})
		_, body := f.ask("GET", "/orders/"+f.ids["order of me"]+"/pdf", "")
		return body
	}
	plain, unnamed := printed(), printed(hidden("customer", "name", access.FieldMasked)...)
	f.become(access.Role{Grants: read("organization", "order")})
	if _, without := f.ask("GET", "/orders/"+f.ids["order of me"]+"/pdf", ""); unnamed != without || plain == without {
		t.Error("a document names a customer whose name is masked, or leaves out one whose name is not")
	}
}
