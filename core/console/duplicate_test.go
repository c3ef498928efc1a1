package console_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
)

// twin is the site's customer once more, with an order of its own.
func (s *site) twin() (*crm.Customer, *crm.Order) {
	s.Helper()
	twin := &crm.Customer{Code: "C2", Name: "Müller & Söhne", Type: "company", Lifecycle: "customer", Currency: "EUR", Phone: "+43 1 1234", Email: "office@example.com"}
	order := &crm.Order{Number: "O-7", Date: s.order.Date, Currency: "EUR", Status: "confirmed"}
	s.tx(func(tx pgx.Tx) error {
		by := crm.By{Actor: s.who.Actor, Origin: "crm"}
		if err := s.crm.Save(s.Context(), tx, by, []crm.Entity{twin}); err != nil {
			return err
		}
		order.CustomerID = twin.ID
		return s.crm.Save(s.Context(), tx, by, []crm.Entity{order})
	})
	return twin, order
}

// comparison is the page of the customer beside its twin.
func (s *site) comparison() string {
	s.Helper()
	twin, _ := s.twin()
	return "/duplicates/customer/" + s.customer.ID.String() + "/" + twin.ID.String()
}

var (
	comparison = regexp.MustCompile(`/duplicates/customer/[0-9a-f-]{36}/[0-9a-f-]{36}`)
	undoing    = regexp.MustCompile(`/duplicates/merges/[0-9a-f-]{36}/undo`)
)

func TestDuplicatesAreComparedMergedAndTakenApart(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.get("/duplicates").wants(t, http.StatusOK, "No duplicates found")
	twin, order := s.twin()
	if to := s.post("/duplicates/find", "entity", "customer"); to != "/duplicates?entity=customer&done=duplicates_found" {
		t.Fatalf("sent on to %q", to)
	}
	found := s.get("/duplicates")
	found.wants(t, http.StatusOK, "Müller &amp; Söhne", "Not duplicates")
	at := comparison.FindString(found.body)
	s.get(at).wants(t, http.StatusOK, `name="take.name"`, "office@example.com", "Which one to keep")

	keep, take := "a", "b" // the twin goes, its name stays
	if strings.Index(at, twin.ID.String()) < strings.Index(at, s.customer.ID.String()) {
		keep, take = "b", "a"
	}
	stale := s.do(http.MethodPost, at, form("keep", keep, "version.a", "99", "version.b", "99"))
	stale.wants(t, http.StatusConflict)
	if to := s.post(at, "keep", keep, "version.a", "1", "version.b", "1", "take.name", take); to != "/customers/"+s.customer.ID.String()+"?done=merged" {
		t.Fatalf("sent on to %q", to)
	}
	s.get("/customers/"+s.customer.ID.String()).wants(t, http.StatusOK, "<h1>Müller &amp; Söhne</h1>", "office@example.com", "O-7", "O-1")
	s.get(at).wants(t, http.StatusNotFound)

	merges := s.get("/duplicates")
	merges.wants(t, http.StatusOK, "Latest merges")
	if to := s.post(undoing.FindString(merges.body)); to != "/customers/"+twin.ID.String()+"?done=unmerged" {
		t.Fatalf("sent on to %q", to)
	}
	s.get("/customers/"+twin.ID.String()).wants(t, http.StatusOK, "O-7")
	s.get("/orders/"+order.ID.String()).wants(t, http.StatusOK, "/customers/"+twin.ID.String())
	s.get("/duplicates").wants(t, http.StatusOK, "Undone")
}

func TestWhatIsTwoIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.twin()
	s.post("/duplicates/find", "entity", "customer")
	pair := regexp.MustCompile(`/duplicates/pairs/[0-9a-f-]{36}/dismiss`).FindString(s.get("/duplicates").body)
	s.post(pair)
	s.post("/duplicates/find", "entity", "customer")
	if page := s.get("/duplicates"); comparison.MatchString(page.body) {
		t.Errorf("asked again:\n%s", page.body)
	}
	s.get("/duplicates?status=dismissed").wants(t, http.StatusOK, "Müller &amp; Söhne")
}

// Pairs tell of the whole organization: who merges only his own sees none.
func TestDuplicatesAreForWhoMergesEverywhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	twin, _ := s.twin()
	s.become(access.Role{Grants: []access.Grant{{Resource: "customer", Action: access.Read, Scope: "organization"}, {Resource: "customer", Action: access.Merge, Scope: "own"}}})
	s.signIn()
	s.get("/duplicates").wants(t, http.StatusForbidden)
	at := "/duplicates/customer/" + s.customer.ID.String() + "/" + twin.ID.String()
	s.do(http.MethodPost, at, form("keep", "a", "version.a", "1", "version.b", "1")).wants(t, http.StatusForbidden)
	s.get("/customers/"+twin.ID.String()).wants(t, http.StatusOK, "Müller &amp; Söhne")
	s.get("/duplicates/customer/"+uuid.NewString()+"/"+twin.ID.String()).wants(t, http.StatusNotFound)
}

// Two that no pair names are merged from the list, and from the page of one of them.
func TestAnyTwoAreMerged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	twin, _ := s.twin()
	a, b, third := s.customer.ID.String(), twin.ID.String(), s.lead("A").ID.String()
	s.get("/customers").wants(t, http.StatusOK, `value="merge"`)
	if list := s.get("/orders"); strings.Contains(list.body, `value="merge"`) {
		t.Error("orders are offered to be merged")
	}
	for _, chosen := range [][]string{{"id", a}, {"id", a, "id", b, "id", third}} {
		if to := s.post("/customers/bulk", append([]string{"do", "merge", "query", "q=m"}, chosen...)...); to != "/customers?q=m&done=merge_two" {
			t.Errorf("%d chosen are sent on to %q", len(chosen)/2, to)
		}
	}
	if to := s.post("/customers/bulk", "do", "merge", "id", a, "id", b); to != "/duplicates/customer/"+a+"/"+b {
		t.Errorf("two are sent on to %q", to)
	}
	s.do(http.MethodPost, "/orders/bulk", form("do", "merge", "id", s.order.ID.String(), "id", b)).wants(t, http.StatusBadRequest)

	s.get("/customers/"+a).wants(t, http.StatusOK, `href="/duplicates/customer/`+a+`"`)
	s.get("/duplicates/customer/"+a).wants(t, http.StatusOK, "/duplicates/customer/"+a+"/"+b, "Müller &amp; Söhne", "Looks like the same")
	other := s.get("/duplicates/customer/" + a + "?q=lead")
	other.wants(t, http.StatusOK, "Lead A")
	if strings.Contains(other.body, "/duplicates/customer/"+a+"/"+a) {
		t.Errorf("a search for leads finds itself\n%s", other.body)
	}
	if other := s.get("/duplicates/customer/" + s.lead("B").ID.String()); !strings.Contains(other.body, `value="Lead B"`) {
		t.Errorf("where nothing looks like it, its name is not searched for:\n%s", other.body)
	}
	s.get("/duplicates/customer/"+uuid.NewString()).wants(t, http.StatusNotFound)
	s.get("/duplicates/order/"+s.order.ID.String()).wants(t, http.StatusNotFound)

	s.become(access.Role{Grants: []access.Grant{{Resource: "customer", Action: access.Read, Scope: "organization"}, {Resource: "customer", Action: access.Merge, Scope: "own"}}})
	s.signIn()
	if page := s.get("/customers/" + a); strings.Contains(page.body, "/duplicates/") {
		t.Error("who may not merge it is offered to")
	}
	s.get("/duplicates/customer/"+a).wants(t, http.StatusForbidden)
}

func TestMergingIsOfferedToNobodyWhoMayNot(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	twin, _ := s.twin()
	s.become(access.Role{Grants: []access.Grant{{Resource: "customer", Action: access.Read, Scope: "organization"}}})
	s.signIn()
	if page := s.get("/customers"); strings.Contains(page.body, `value="merge"`) {
		t.Error("who may not merge is offered to")
	}
	s.do(http.MethodPost, "/customers/bulk", form("do", "merge", "id", s.customer.ID.String(), "id", twin.ID.String())).wants(t, http.StatusForbidden)
}
