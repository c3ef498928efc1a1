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
	a.wants(t, 200, "Alpha", "Beta &lt;&amp;&gt;", "moved away", "before: Ann Lee", "Phone", "You own 0 customers", "0 claimed today", "Claim the chosen ones")
	if strings.Contains(a.body, "777") {
		t.Error("the pool shows how to reach a customer")
	}
	s.get("/pool?q=alph").wants(t, 200, ids[0])
	s.get("/pool?lifecycle=customer").wants(t, 200, "Nothing matches")
	to := s.post("/pool/claim", "one", ids[0], "back", "")
	if want := "/customers/" + ids[0] + "?done=claimed"; to != want {
		t.Errorf("claiming one led to %s, want %s", to, want)
	}
	s.get(to).wants(t, 200, "It is yours now", "43 1 777")
	a = s.do(http.MethodPost, "/pool/claim", url.Values{"id": {ids[1], ids[2]}, "back": {"lifecycle=lead"}})
	if to := a.header.Get("Location"); a.status != http.StatusSeeOther || to != "/pool?lifecycle=lead&done=claimed" {
		t.Errorf("claiming two led to %d %s", a.status, to)
	}
	for _, id := range ids {
		if owner := s.owner(id); owner == nil || *owner != s.ann.ID {
			t.Errorf("%s belongs to %v", id, owner)
		}
	}
	s.get(s.post("/pool/claim", "back", "")).wants(t, 200, "Choose at least one", "You own 3 customers", "3 claimed today")
}

func TestRefusedClaimsSayWhy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	most, days := 1, 30
	ids := s.pool("Alpha", "Beta", "Gamma")
	s.limit(upkeep.Quota{MaxOwned: &most})
	s.get("/pool").wants(t, 200, "You own 0 of at most 1 customers")
	claimed := url.Values{"id": ids, "back": {""}}
	s.do(http.MethodPost, "/pool/claim", claimed).
		wants(t, http.StatusUnprocessableEntity, "Not all were claimed", "1 are yours now", "Beta, Gamma: Ann Lee owns 1 customers, and may own 1.", "Release one")
	s.post("/language", "language", "zh-CN")
	a := s.do(http.MethodPost, "/pool/claim", claimed)
	a.wants(t, http.StatusUnprocessableEntity, "未能全部领取", "Beta, Gamma: 您负责的客户已达上限", "已被他人先领取")
	if strings.Contains(a.body, "may own") {
		t.Error("a Chinese page speaks English")
	}
	s.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `update pool_limits set max_owned = null, cooldown_days = $1`, days)
		return err
	})
	s.do(http.MethodPost, "/pool/claim", url.Values{"one": {ids[1]}, "back": {"q=Beta"}}).
		wants(t, http.StatusUnprocessableEntity, "您不久前刚放弃它", "可再次领取的时间", "30 天后")
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
	for _, hidden := range []string{"Alpha", "Phone", "Lead", "/pool/claim", "You own"} {
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
	s.get("/follow-ups").wants(t, 200, "Nothing to see to")
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
	a.wants(t, 200, "Send samples", ">Acme</a>", "Speak with", "Chance", "Should close", `class="late"`, "/tasks/", "/opportunities/")
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
	a.wants(t, 200, "Chance", "Speak with")
	for _, hidden := range []string{"Acme", "Send samples"} {
		if strings.Contains(a.body, hidden) {
			t.Errorf("%s is shown to whom it is hidden", hidden)
		}
	}
	s.get("/follow-ups?why=task").wants(t, http.StatusBadRequest)
}
