package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"crmhub/core/access"
)

// Somebody asks to be erased: what would go is shown, then it goes, and the page says which systems know.
func TestCustomerIsErased(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	path := "/customers/" + s.customer.ID.String()
	s.get("/erasures").wants(t, http.StatusOK, "Nothing has been erased")
	s.get(path).wants(t, http.StatusOK, path+"/erase")
	s.get(path+"/erase").wants(t, http.StatusOK, "Show what would be erased")
	s.do(http.MethodPost, path+"/erase", url.Values{"do": {"preview"}, "reason": {" "}}).wants(t, http.StatusUnprocessableEntity, "Give a reason")
	s.do(http.MethodPost, path+"/erase", url.Values{"do": {"preview"}, "reason": {"Letter 17"}}).wants(t, http.StatusOK, "Customers", "Invoices", "Erase permanently")
	s.get(path).wants(t, http.StatusOK, "Müller")
	done := s.post(path+"/erase", "do", "erase", "reason", "Letter 17")
	s.get(done).wants(t, http.StatusOK, "Letter 17", "Other systems", "Customers")
	s.get("/erasures").wants(t, http.StatusOK, "Letter 17")
	after := s.get(path)
	after.wants(t, http.StatusOK, "Erased ")
	if strings.Contains(after.body, "Müller") {
		t.Error("the page still shows the name")
	}
	s.get("/erasures/"+uuid.NewString()).wants(t, http.StatusNotFound)
}

// Payloads are records of another system: who does not see all of the entity sees the names in them.
func TestDeadLetterIsVeiled(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.become(access.Role{Grants: []access.Grant{{Resource: access.DeadLetters, Action: access.Read, Scope: "organization"}}})
	s.signIn()
	s.get("/sync/dead-letters/"+s.letter.String()).wants(t, http.StatusOK, access.Veiled)
	s.get("/erasures").wants(t, http.StatusForbidden)
}
