package console_test

import (
	"net/http"
	"strings"
	"testing"

	"crmhub/core/access"
)

// become gives the person before the browser one role.
func (s *site) become(r access.Role) {
	s.Helper()
	r.Code, r.Name = "tested", "Tested"
	if _, err := s.access.AddRole(s.Context(), s.who, r); err != nil {
		s.Fatal(err)
	}
	users, err := s.access.Users(s.Context(), s.who)
	if err != nil {
		s.Fatal(err)
	}
	other, err := s.access.AddUser(s.Context(), s.who, access.User{Login: "boss", Name: "Boss", Roles: []string{access.Admin}}, password)
	if err != nil {
		s.Fatal(err)
	}
	for _, u := range users {
		if u.ID == other.ID {
			continue
		}
		if _, err := s.access.ChangeUser(s.Context(), s.who, u.ID, func(u *access.User) { u.Roles = []string{"tested"} }); err != nil {
			s.Fatal(err)
		}
	}
}

func TestPagesShowWhatTheVisitorMaySee(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.become(access.Role{
		Grants: []access.Grant{
			{Resource: "customer", Action: access.Read, Scope: "organization"},
			{Resource: "order", Action: access.Read, Scope: "organization"},
			{Resource: "invoice", Action: access.Read, Scope: "own"},
		},
		Fields: []access.FieldRule{
			{Resource: "customer", Field: "phone", Access: access.FieldMasked},
			{Resource: "customer", Field: "addresses", Access: access.FieldHidden},
			{Resource: "order", Field: "total", Access: access.FieldHidden},
			{Resource: "order", Field: "untaxed", Access: access.FieldHidden},
			{Resource: "order", Field: "tax", Access: access.FieldHidden},
			{Resource: "order", Field: "lines", Access: access.FieldHidden},
			{Resource: "order", Field: "payment_status", Access: access.FieldHidden},
			{Resource: "order", Field: "client_ref", Access: access.FieldHidden},
		},
	})
	s.signIn()
	for path, has := range map[string][]string{
		"/":                                    {`href="/customers"`, `href="/orders"`},
		"/customers":                           {"Müller"},
		"/customers/" + s.customer.ID.String(): {"*****1234", "O-1"},
		"/orders":                              {"O-1"},
		"/orders/" + s.order.ID.String():       {"O-1", "Our ERP"},
		"/invoices":                            {"No invoices"},
	} {
		a := s.get(path)
		a.wants(t, http.StatusOK, has...)
		for _, secret := range []string{"+43 1", "Graz", "4,444", "3,703", "740.70", "Bolt", "R-1", "/sync/jobs", "/sync/dead-letters", "state."} {
			if strings.Contains(a.body, secret) {
				t.Errorf("%s shows %q\n%s", path, secret, a.body)
			}
		}
	}
	s.get("/invoices/"+s.invoice.ID.String()).wants(t, http.StatusNotFound)
	s.get("/orders?sort=total").wants(t, http.StatusBadRequest)
	s.get("/orders?q=O-1").wants(t, http.StatusOK, "O-1") // in what the visitor sees; the API tests that it is in nothing else
	for _, path := range s.paths() {
		if strings.HasPrefix(path, "/sync/") {
			s.get(path).wants(t, http.StatusForbidden, "Your roles do not allow this")
		}
	}
	if a := s.do(http.MethodPost, "/sync/jobs/"+s.job.ID.String()+"/run", nil); a.status != http.StatusForbidden {
		t.Errorf("a job was run: %d", a.status)
	}
}

func TestPagesOfferWhatTheVisitorMayDo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.become(access.Role{Grants: []access.Grant{{Resource: access.Any, Action: access.Read, Scope: "organization"}}})
	s.signIn()
	for _, path := range s.paths() {
		a := s.get(path)
		a.wants(t, http.StatusOK)
		if strings.Contains(a.body, "/check") || strings.Contains(a.body, "/run\"") || strings.Contains(a.body, "/status") || strings.Contains(a.body, "/replay") || strings.Contains(a.body, "/dismiss") || strings.Contains(a.body, "/cancel") {
			t.Errorf("%s offers what would be refused\n%s", path, a.body)
		}
	}
	if a := s.do(http.MethodPost, "/sync/dead-letters/"+s.letter.String()+"/replay", nil); a.status != http.StatusForbidden {
		t.Errorf("a letter was replayed: %d", a.status)
	}
}
