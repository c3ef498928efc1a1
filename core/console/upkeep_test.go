package console_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/upkeep"
)

// pool puts new customers into the pool and returns their ids.
func (s *site) pool(names ...string) []string {
	s.Helper()
	ids := make([]string, len(names))
	s.tx(func(tx pgx.Tx) error {
		by := crm.By{Actor: s.who.Actor, Origin: "crm"}
		in := make([]uuid.UUID, len(names))
		for i, name := range names {
			c := &crm.Customer{Code: "P-" + name, Name: name, Type: "company", Lifecycle: "lead", Currency: "EUR", Phone: "+43 1 777", OwnerID: &s.ann.ID}
			if err := s.crm.Save(s.Context(), tx, by, []crm.Entity{c}); err != nil {
				return err
			}
			in[i], ids[i] = c.ID, c.ID.String()
		}
		store := upkeep.Store{Entities: s.crm}
		verdicts, err := store.Release(s.Context(), tx, by, in, "moved away", func(*uuid.UUID) bool { return true })
		for _, v := range verdicts {
			if !v.Done {
				return fmt.Errorf("not released: %s", v.Refusal.Why)
			}
		}
		return err
	})
	return ids
}

func (s *site) limit(q upkeep.Quota) {
	s.Helper()
	s.tx(func(tx pgx.Tx) error {
		store := upkeep.Store{Entities: s.crm}
		_, err := store.AddLimit(s.Context(), tx, nil, "", q)
		return err
	})
}

func (s *site) owner(id string) *uuid.UUID {
	s.Helper()
	c, _ := s.stored(crm.KindCustomer, "/customers/"+id).(*crm.Customer)
	return c.OwnerID
}

func TestCustomersOfThePoolAreClaimed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	s.get("/pool").wants(t, 200, "The pool is empty")
	ids := s.pool("Alpha", "Beta <&>", "Gamma")
	a := s.get("/pool")
	a.wants(t, 200, "Alpha", "Beta &lt;&amp;&gt;", "moved away", "before: Ann Lee", "Phone", "Customers you own: 0", "0 claimed today", "Claim selected")
	if strings.Contains(a.body, "1 777") {
		t.Error("the pool shows how to reach a customer")
	}
	s.get("/pool?q=alph").wants(t, 200, ids[0])
	s.get("/pool?lifecycle=customer").wants(t, 200, "Nothing matches")
	to := s.post("/pool/claim", "one", ids[0], "back", "")
	if want := "/customers/" + ids[0] + "?done=claimed"; to != want {
		t.Errorf("claiming one led to %s, want %s", to, want)
	}
	s.get(to).wants(t, 200, "The customer is yours now", "43 1 777")
	a = s.do(http.MethodPost, "/pool/claim", url.Values{"id": {ids[1], ids[2]}, "back": {"lifecycle=lead"}})
	if to := a.header.Get("Location"); a.status != http.StatusSeeOther || to != "/pool?lifecycle=lead&done=claimed" {
		t.Errorf("claiming two led to %d %s", a.status, to)
	}
	for _, id := range ids {
		if owner := s.owner(id); owner == nil || *owner != s.ann.ID {
			t.Errorf("%s belongs to %v", id, owner)
		}
	}
	s.get(s.post("/pool/claim", "back", "")).wants(t, 200, "Select at least one", "Customers you own: 3", "3 claimed today")
}

func TestRefusedClaimsSayWhy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	most, days := 1, 30
	ids := s.pool("Alpha", "Beta", "Gamma")
	s.limit(upkeep.Quota{MaxOwned: &most})
	s.get("/pool").wants(t, 200, "Customers you own: 0 of at most 1")
	claimed := url.Values{"id": ids, "back": {""}}
	s.do(http.MethodPost, "/pool/claim", claimed).
		wants(t, http.StatusUnprocessableEntity, "Some were not claimed", "1 are yours now", "Beta, Gamma: Ann Lee owns 1 customers, and may own 1.", "Release one")
	s.post("/language", "language", "zh-CN")
	a := s.do(http.MethodPost, "/pool/claim", claimed)
	a.wants(t, http.StatusUnprocessableEntity, "未能全部领取", "Beta, Gamma：您负责的客户已达上限", "已被他人先领取")
	if strings.Contains(a.body, "may own") {
		t.Error("a Chinese page speaks English")
	}
	s.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `update pool_limits set max_owned = null, cooldown_days = $1`, days)
		return err
	})
	s.do(http.MethodPost, "/pool/claim", url.Values{"one": {ids[1]}, "back": {"q=Beta"}}).
		wants(t, http.StatusUnprocessableEntity, "您不久前刚释放此客户", "可再次领取的时间", "30 天后")
	for _, form := range []url.Values{{"id": {"x"}}, {"one": {"x"}}, {"id": make([]string, 101)}, {"id": {ids[1]}, "back": {"level=odd"}}} {
		s.do(http.MethodPost, "/pool/claim", form).wants(t, http.StatusBadRequest)
	}
	s.get("/pool?after=x").wants(t, http.StatusBadRequest)
}

func TestThePoolShowsWhatItsVisitorMaySeeAndDo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ids := s.pool("Alpha")
	s.become(access.Role{
		Grants: []access.Grant{{Resource: access.Pool, Action: access.Read, Scope: "organization"}},
		Fields: []access.FieldRule{{Resource: "customer", Field: "name", Access: access.FieldHidden}, {Resource: "customer", Field: "phone", Access: access.FieldHidden}, {Resource: "customer", Field: "lifecycle", Access: access.FieldHidden}},
	})
	s.signIn()
	a := s.get("/pool")
	a.wants(t, 200, "moved away")
	for _, hidden := range []string{"Alpha", "Phone", "Lead", "/pool/claim", "Customers you own"} {
		if strings.Contains(a.body, hidden) {
			t.Errorf("the pool shows %q", hidden)
		}
	}
	for _, filter := range []string{"q=Alpha", "lifecycle=lead"} {
		s.get("/pool?"+filter).wants(t, http.StatusBadRequest)
	}
	s.do(http.MethodPost, "/pool/claim", url.Values{"id": {ids[0]}}).wants(t, http.StatusForbidden)
}

func TestThePoolTurnsPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	names := make([]string, 60)
	for i := range names {
		names[i] = fmt.Sprintf("Customer %d", i)
	}
	s.pool(names...)
	seen, path := 0, "/pool?lifecycle=lead"
	for next := regexp.MustCompile(`href="([^"]+)" rel="next"`); path != ""; {
		a := s.get(path)
		a.wants(t, 200)
		seen += strings.Count(a.body, `name="one"`)
		path = ""
		if m := next.FindStringSubmatch(a.body); m != nil {
			path = html.UnescapeString(m[1])
		}
	}
	if seen != len(names) {
		t.Errorf("the pages showed %d of %d", seen, len(names))
	}
}

func TestFollowUpsListWhatIsDue(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	s.get("/follow-ups").wants(t, 200, "Nothing to follow up")
	yesterday, soon := time.Now().Add(-24*time.Hour), time.Now().Add(72*time.Hour)
	s.tx(func(tx pgx.Tx) error {
		by := crm.By{Actor: s.who.Actor, Origin: "crm"}
		mine := &crm.Customer{Code: "C1", Name: "Acme", Type: "company", Lifecycle: "customer", Currency: "EUR", OwnerID: &s.ann.ID, NextContactAt: &yesterday}
		nobodys := &crm.Customer{Code: "C2", Name: "Orphan", Type: "company", Lifecycle: "customer", Currency: "EUR", NextContactAt: &yesterday}
		if err := s.crm.Save(t.Context(), tx, by, []crm.Entity{mine, nobodys}); err != nil {
			return err
		}
		due := crm.DateOf(yesterday)
		if err := s.crm.Save(t.Context(), tx, by, []crm.Entity{
			&crm.Opportunity{Name: "Chance", CustomerID: mine.ID, OwnerID: &s.ann.ID, Currency: "EUR", Status: "open", ExpectedClose: &due},
		}); err != nil {
			return err
		}
		return s.crm.Save(t.Context(), tx, by, []crm.Entity{
			&crm.Task{Subject: "Send samples", CustomerID: &mine.ID, OwnerID: &s.ann.ID, Status: "not_started", Priority: "normal", DueAt: &yesterday},
			&crm.Task{Subject: "Not yet", OwnerID: &s.ann.ID, Status: "not_started", Priority: "normal", DueAt: &soon},
		})
	})
	a := s.get("/follow-ups")
	a.wants(t, 200, "Send samples", ">Acme</a>", "Contact due", "Chance", "Expected to close", `class="late"`, "/tasks/", "/opportunities/")
	for _, other := range []string{"Not yet", "Orphan"} {
		if strings.Contains(a.body, other) {
			t.Errorf("%s is listed", other)
		}
	}
	s.get("/follow-ups?whose=all").wants(t, 200, "Orphan", "Ann Lee</td>")
	s.get("/follow-ups?until="+soon.Format(time.DateOnly)).wants(t, 200, "Not yet")
	if a := s.get("/follow-ups?why=task"); strings.Contains(a.body, "Chance") || !strings.Contains(a.body, "Send samples") {
		t.Error("a reason does not narrow the list")
	}
	for _, query := range []string{"why=odd", "until=odd", "after=odd"} {
		s.get("/follow-ups?"+query).wants(t, http.StatusBadRequest)
	}
	s.become(access.Role{
		Grants: []access.Grant{{Resource: access.Any, Action: access.Read, Scope: "organization"}},
		Fields: []access.FieldRule{{Resource: "customer", Field: "name", Access: access.FieldHidden}, {Resource: "task", Field: "due_at", Access: access.FieldHidden}},
	})
	a = s.get("/follow-ups?whose=all")
	a.wants(t, 200, "Chance", "Contact due")
	for _, hidden := range []string{"Acme", "Send samples"} {
		if strings.Contains(a.body, hidden) {
			t.Errorf("%s is shown to whom it is hidden", hidden)
		}
	}
	s.get("/follow-ups?why=task").wants(t, http.StatusBadRequest)
}

// TestThePoolIsRuled walks through what an administrator does: a rule, what it would do, a limit, and customers given to somebody.
func TestThePoolIsRuled(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.tx(func(tx pgx.Tx) error {
		if _, err := tx.Exec(s.Context(), `update customers set owner_id = $1 where id = $2`, s.ann.ID, s.customer.ID); err != nil {
			return err
		}
		_, err := tx.Exec(s.Context(), `update customers set owned_since = now() - interval '100 days', last_contact_at = null where id = $1`, s.customer.ID)
		return err
	})
	refused := s.do(http.MethodPost, "/pool/rules", url.Values{"name": {" "}, "basis": {"contact"}, "days": {"soon"}, "warn_days": {"7"}})
	refused.wants(t, http.StatusUnprocessableEntity, `value="soon"`, `id="f-days-fault"`, "must be a whole number")
	s.do(http.MethodPost, "/pool/rules", url.Values{"name": {"Forgotten"}, "basis": {"contact"}, "days": {"5"}, "warn_days": {"7"}}).
		wants(t, http.StatusUnprocessableEntity, "must not be more than the days themselves")
	rule := url.Values{
		"name": {"Forgotten <90>"}, "basis": {"contact"}, "days": {"90"}, "warn_days": {"7"}, "is_active": {"false", "true"},
		"lifecycles": {s.customer.Lifecycle}, "keeps": {"open_ticket", "planned_contact"}, "keep_tags": {"VIP, 重要"},
	}
	if a := s.do(http.MethodPost, "/pool/rules", rule); a.status != http.StatusSeeOther {
		t.Fatalf("%d %s", a.status, a.body)
	}
	page := s.get("/pool/rules")
	page.wants(t, 200, "Forgotten &lt;90&gt;", "90 days after the last contact", "warned 7 days before", "an open ticket", "重要", "Turn off")
	id := regexp.MustCompile(`/pool/rules/([0-9a-f-]{36})"`).FindStringSubmatch(page.body)[1]
	s.get("/pool/rules/"+id).wants(t, 200, `value="VIP, 重要"`, `name="keeps" value="open_ticket" checked`)
	due := s.get("/pool/due")
	due.wants(t, 200, html.EscapeString(s.customer.Name), "Ann Lee", "/pool/rules/"+id, "due after 90 days")
	s.get("/pool/due?ahead=400").wants(t, http.StatusBadRequest)
	s.get("/pool/due?owner_id="+uuid.NewString()).wants(t, 200, "No customers will go to the pool")
	s.post("/pool/rules/"+id+"/active", "active", "false")
	s.get("/pool/due").wants(t, 200, "No customers will go to the pool")
	s.post("/pool/rules/"+id+"/active", "active", "true")

	s.do(http.MethodPost, "/pool/settings", url.Values{"time_zone": {"Mars"}, "recycle_hour": {"25"}}).
		wants(t, http.StatusUnprocessableEntity, `value="Mars"`, "must be 0 to 23", "must be an IANA time zone")
	s.get(s.post("/pool/settings", "time_zone", "Asia/Shanghai", "recycle_hour", "3")).wants(t, 200, `value="Asia/Shanghai"`, "Saved")
	s.get(s.post("/pool/recycle")).wants(t, 200, "The rules are being applied")

	s.do(http.MethodPost, "/pool/limits", url.Values{"whose": {"user:" + s.ann.ID.String()}}).wants(t, http.StatusUnprocessableEntity, "or one of the others")
	s.post("/pool/limits", "whose", "user:"+s.ann.ID.String(), "max_owned", "1")
	s.do(http.MethodPost, "/pool/limits", url.Values{"whose": {"user:" + s.ann.ID.String()}, "max_owned": {"3"}}).
		wants(t, http.StatusUnprocessableEntity, "there is a limit for these already")
	limit := regexp.MustCompile(`/pool/limits/([0-9a-f-]{36})"`).FindStringSubmatch(s.get("/pool/rules").body)[1]
	s.do(http.MethodPost, "/pool/limits/"+limit, url.Values{"max_owned": {"many"}}).wants(t, http.StatusUnprocessableEntity, `<details class="fold end" open>`, `value="many"`)
	s.post("/pool/limits/"+limit, "max_owned", "2")

	ids := s.pool("Alpha", "Beta")
	s.get("/pool").wants(t, 200, "Assign to", "/pool/assign")
	s.do(http.MethodPost, "/pool/assign", url.Values{"id": ids, "owner": {s.ann.ID.String()}, "back": {""}}).
		wants(t, http.StatusUnprocessableEntity, "Some were not claimed", "1 were assigned", "may own 2")
	if owner := s.owner(ids[0]); owner == nil || *owner != s.ann.ID {
		t.Errorf("the first belongs to %v", owner)
	}
	s.get("/pool/log?event=assigned").wants(t, 200, "Alpha", "Assigned")
	s.post("/pool/limits/" + limit + "/delete")
	s.get(s.post("/pool/assign", "id", ids[1], "owner", s.ann.ID.String(), "back", "")).wants(t, 200, "Assigned.")
	s.post("/pool/rules/" + id + "/delete")
	s.get("/pool/rules").wants(t, 200, "No rules yet", "No limits yet")
}
