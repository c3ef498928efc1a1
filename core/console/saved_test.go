package console_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"crmhub/core/access"
)

func TestAListIsKeptAsAViewAndBeginsWithIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.get("/orders?status=draft").wants(t, http.StatusOK, "Save as view", "Only me", "Everybody")
	saved := s.post("/views/orders", "name", "Drafts of mine", "query", "status=draft&owner_id=me&sort=-total", "share", "everybody")
	s.get(saved).wants(t, http.StatusOK, "View saved", "Drafts of mine", `aria-current="page"`, "Change view")
	id := regexp.MustCompile(`view=([0-9a-f-]{36})`).FindStringSubmatch(saved)[1]

	s.do(http.MethodPost, "/views/orders", form("name", "drafts of MINE", "query", "status=draft")).
		wants(t, http.StatusUnprocessableEntity, "is the name of another view of yours", `value="drafts of MINE"`)
	s.get(saved+"&delivery_status=none").wants(t, http.StatusOK, "Save changes")
	s.post("/views/orders/"+id, "name", "Drafts", "query", "view="+id+"&status=draft&columns=number/total", "share", "")
	s.get(s.post("/views/orders/"+id+"/default", "is", "true")).wants(t, http.StatusOK, "Do not open by default")
	a := s.get("/orders")
	to := a.header.Get("Location")
	if a.status != http.StatusSeeOther || !strings.Contains(to, "view="+id) || !strings.Contains(to, "status=draft") {
		t.Fatalf("the list begins with %d %s", a.status, to)
	}
	s.get(to).wants(t, http.StatusOK, "Drafts", `href="/orders?view=all"`)
	s.get("/orders?view=all").wants(t, http.StatusOK, "O-1")
	if got := s.post("/orders/columns", "to", to, "column", "number", "column", "status"); !strings.Contains(got, "columns=number%2Fstatus") {
		t.Errorf("columns of a view lead to %s", got)
	}
	s.post("/views/orders/"+id, "name", "Drafts", "query", "view="+id+"&status=draft", "share", "everybody")

	s.become(access.Role{Grants: []access.Grant{{Resource: "customer", Action: access.Read, Scope: "organization"}}})
	s.do(http.MethodPost, "/views/orders", form("name", "x")).wants(t, http.StatusForbidden)
	s.do(http.MethodPost, "/views/customers", form("name", "x", "share", "everybody")).wants(t, http.StatusForbidden)
}
