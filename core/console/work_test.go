package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"crmhub/core/crm"
)

func TestDeletedRecordsWaitInTheBinAndComeBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	path := s.enter("/customers", "name", "Acme")
	s.get(s.post(path+"/delete", "version", "1")).wants(t, 200, "Deleted", "This record is deleted", "/restore")
	s.get("/customers").wants(t, 200, "No customers yet")
	s.get("/customers?deleted_at%5Bnull%5D=false").wants(t, 200, "Acme", path)
	s.get(path+"/edit").wants(t, http.StatusNotFound)
	s.do(http.MethodPost, path+"/delete", url.Values{"version": {"1"}}).wants(t, http.StatusNotFound)
	s.get(s.post(path+"/restore", "version", "2")).wants(t, 200, "Restored")
	s.get("/customers").wants(t, 200, path)
	s.do(http.MethodPost, path+"/delete", url.Values{"version": {"1"}}).wants(t, http.StatusConflict, "Changed meanwhile")
}

func TestStatusMovesByItsButtons(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	at := s.enterEach()
	order := at[crm.KindOrder]
	s.get(order).wants(t, 200, `value="submitted"`, `value="confirmed"`, `value="cancelled"`)
	s.get(s.post(order+"/move", "version", "1", "status", "confirmed")).wants(t, 200, "Status changed", "Confirmed", `value="in_progress"`)
	s.do(http.MethodPost, order+"/move", url.Values{"version": {"2"}, "status": {"completed"}}).
		wants(t, http.StatusUnprocessableEntity, "Not done", "only in_progress")
	s.do(http.MethodPost, order+"/delete", url.Values{"version": {"2"}}).wants(t, http.StatusUnprocessableEntity, "cancel it instead")
	if to := s.post(at[crm.KindTask]+"/move", "version", "1", "status", "completed", "to", "/"); to != "/?done=moved" {
		t.Errorf("the form led to %s", to)
	}
}

func TestTheBoardMovesOpportunitiesAndAsksWhyOneIsLost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	s.get("/opportunities/board").wants(t, 200, "No pipeline yet")
	at := s.enterEach()
	path := at[crm.KindOpportunity]
	s.get("/opportunities/board").wants(t, 200, `data-stage="first"`, "Big one", "20.00 EUR", `action="`+path+`/stage"`, `value="won"`)
	s.get("/opportunities/board?owner=me").wants(t, 200, "None")
	a := s.do(http.MethodPost, path+"/stage", url.Values{"stage": {"lost"}, "to": {"/opportunities/board"}})
	a.wants(t, http.StatusUnprocessableEntity, "Why was it lost?", `<option value="lost" selected>`)
	if strings.Contains(a.body, `id="reason-fault"`) {
		t.Error("a reason that was not asked for yet is said to be missing")
	}
	s.do(http.MethodPost, path+"/stage", url.Values{"stage": {"lost"}, "lost_reason": {""}}).wants(t, http.StatusUnprocessableEntity, `id="reason-fault"`)
	to := s.post(path+"/stage", "stage", "lost", "lost_reason", "price", "to", "/opportunities/board")
	s.get(to).wants(t, 200, "Status changed")
	o, _ := s.stored(crm.KindOpportunity, path).(*crm.Opportunity)
	if o.Status != "lost" || o.LostReason != "price" {
		t.Errorf("stored %+v", o)
	}
	s.get(path).wants(t, 200, `value="lost" aria-current="step" disabled`)
	s.get("/opportunities?stage=lost&pipeline_id="+o.PipelineID.String()).wants(t, 200, "Big one", `class="chip"`)
}

func TestTheCustomersPageHasAllOfIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	path := "/customers/" + s.customer.ID.String()
	id := s.customer.ID.String()
	s.enter("/contacts", "name", "Maria", "customers~list", "1", "customers.0.customer_id", id, "customers.0.is_active", "true")
	s.enter("/opportunities", "name", "Chance", "customer_id", id, "currency", "EUR", "amount", "77")
	s.enter("/tickets", "subject", "Broken pallet", "customer_id", id)
	at := time.Now().UTC().Add(-time.Hour).Format("2006-01-02T15:04")
	s.get(s.post("/activities", "kind", "call", "subject", "Spoke with them", "customer_id", id, "at", at, "to", path, "notice", "logged")).
		wants(t, 200, "Logged", "Spoke with them")
	s.get(s.post("/tasks", "subject", "Send samples", "customer_id", id, "due_at", at, "to", path, "notice", "task_added")).
		wants(t, 200, "Task added", "Send samples")
	s.get(path).wants(t, 200, "Maria", "Chance", "Broken pallet", "O-1", "R-1", "4,444.20 EUR unpaid", "Our ERP", "Last contact")
	wrong := s.do(http.MethodPost, "/activities", url.Values{"kind": {"call"}, "subject": {""}, "customer_id": {id}, "at": {at}, "to": {path}})
	wrong.wants(t, http.StatusUnprocessableEntity, `id="f-subject-fault"`, `name="to" value="`+path+`"`)
}

func TestHomeShowsWhatIsDue(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	me := s.ann.ID.String()
	yesterday := time.Now().UTC().AddDate(0, 0, -1).Format("2006-01-02T15:04")
	nextWeek := time.Now().UTC().AddDate(0, 0, 8).Format("2006-01-02T15:04")
	s.enter("/tasks", "subject", "Call back", "due_at", yesterday, "owner_id", me)
	s.enter("/tasks", "subject", "Much later", "due_at", nextWeek, "owner_id", me)
	s.enter("/tasks", "subject", "Nobody's task", "due_at", yesterday)
	s.enter("/customers", "name", "Waiting Ltd", "next_contact_at", yesterday, "owner_id", me)
	s.enter("/opportunities", "name", "Chance", "customer_id", s.customer.ID.String(), "currency", "EUR", "amount", "77")
	home := s.get("/")
	home.wants(t, 200, "Call back", "overdue", "Contact Waiting Ltd", "Qualify", "77.00 EUR", "Our ERP", "No invoices are due within a week")
	for _, not := range []string{"Much later", "Nobody&#39;s task"} {
		if strings.Contains(home.body, not) {
			t.Errorf("home shows %q", not)
		}
	}
}

func TestListsFilterAndKeepTheReadersColumns(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	me := s.ann.ID.String()
	s.enter("/customers", "name", "Mine Ltd", "owner_id", me, "tags", "vip", "industry", "steel")
	s.enter("/customers", "name", "Free Ltd")
	for path, want := range map[string][2]string{
		"/customers?owner_id=me":       {"Mine Ltd", "Free Ltd"},
		"/customers?owner_id=none":     {"Free Ltd", "Mine Ltd"},
		"/customers?tags%5Bhas%5D=vip": {"Mine Ltd", "Free Ltd"},
		"/customers?industry=steel":    {"Mine Ltd", "Free Ltd"},
		"/customers?q=free":            {"Free Ltd", "Mine Ltd"},
	} {
		a := s.get(path)
		a.wants(t, 200, want[0])
		if strings.Contains(a.body, want[1]) {
			t.Errorf("%s shows %s", path, want[1])
		}
	}
	today := time.Now().UTC().Format(time.DateOnly)
	s.get("/customers?updated_at%5Bge%5D="+today+"&updated_at%5Ble%5D="+today).wants(t, 200, "Mine Ltd", "Free Ltd")
	s.get("/customers?updated_at%5Ble%5D=2020-01-01").wants(t, 200, "Nothing matches")
	for _, path := range []string{"/customers?nonsense=1", "/customers?name%5Bodd%5D=1", "/customers?sort=addresses", "/customers?level=Z"} {
		s.get(path).wants(t, http.StatusBadRequest, "is not valid")
	}
	if a := s.get("/customers"); strings.Contains(a.body, "steel") {
		t.Error("a column nobody chose is shown")
	}
	s.post("/customers/columns", "column", "name", "to", "/customers") // one value of the form
	s.do(http.MethodPost, "/customers/columns", url.Values{"column": {"industry", "name", "no such field"}, "to": {"/customers"}}).wants(t, http.StatusSeeOther)
	a := s.get("/customers")
	a.wants(t, 200, "steel")
	if strings.Contains(a.body, ">Level</a></th>") {
		t.Error("a column is shown that was taken away")
	}
	s.post("/customers/columns", "reset", "1", "to", "/customers")
	if a := s.get("/customers"); strings.Contains(a.body, "steel") {
		t.Error("the columns are not as before")
	}
}

func TestSearchFindsRecordsAndPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.get("/search?q=müller").wants(t, 200, "Müller", "/customers/"+s.customer.ID.String())
	s.get("/search?q=new+cust").wants(t, 200, `href="/customers/new"`)
	part := s.get("/search?q=O-1&part=hits")
	part.wants(t, 200, "/orders/"+s.order.ID.String())
	if strings.Contains(part.body, "<html") {
		t.Error("a part is a whole page")
	}
	s.get("/search?q=zzzz").wants(t, 200, "Nothing found")
	s.get("/search").wants(t, 200, "What are you looking for?")
}
