package console_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
)

// lead adds a customer of the site's visitor.
func (s *site) lead(code string) *crm.Customer {
	s.Helper()
	c := &crm.Customer{Code: code, Name: "Lead " + code, Type: "company", Lifecycle: "lead", Currency: "EUR", OwnerID: &s.ann.ID}
	s.tx(func(tx pgx.Tx) error {
		return s.crm.Save(s.Context(), tx, crm.By{Actor: s.who.Actor, Origin: "crm"}, []crm.Entity{c})
	})
	return c
}

func TestChosenRowsAreDealtWithTogether(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.transfers()
	s.signIn()
	bob := s.employ("bob", "sales")
	a, b := s.lead("A"), s.lead("B")
	list := s.get("/customers?lifecycle=lead")
	list.wants(t, 200, `name="id" value="`+a.ID.String()+`" form="bulk"`, `action="/customers/bulk"`, "Bob", "Release into the pool")
	do := func(pairs ...string) string {
		t.Helper()
		return s.post("/customers/bulk", append(pairs, "id", a.ID.String(), "id", b.ID.String(), "query", "lifecycle=lead")...)
	}
	s.get(do("do", "assign", "owner", bob.ID.String())).wants(t, 200, "Done for everything you selected", "Lead A", `<option value="lead" selected>`)
	s.get(do("do", "tag", "tag", "fair")).wants(t, 200, "Done for everything")
	s.get(do("do", "tag", "tag", "fair")).wants(t, 200, "Done for everything")
	s.tx(func(tx pgx.Tx) error {
		all, err := s.crm.Get(t.Context(), tx, crm.KindCustomer, []uuid.UUID{a.ID})
		if err != nil {
			return err
		}
		c, _ := all[a.ID].(*crm.Customer)
		if diff := cmp.Diff([]string{"fair"}, c.Tags); diff != "" || *c.OwnerID != bob.ID {
			t.Errorf("it belongs to %v, tags (-want +got):\n%s", c.OwnerID, diff)
		}
		return nil
	})
	export, _, _ := strings.Cut(do("do", "export-csv"), "?")
	s.ended(export)
	file := s.get(export + "/file")
	if got := strings.Count(file.body, "Lead "); got != 2 || strings.Contains(file.body, "Müller") {
		t.Errorf("the file has\n%s", file.body)
	}
	s.get(do("do", "delete")).wants(t, 200, "Nothing matches")
	s.get("/customers?deleted_at%5Bnull%5D=false").wants(t, 200, "Lead A", "Lead B", `value="restore"`)
	do("do", "restore")
	s.get("/customers?lifecycle=lead").wants(t, 200, "Lead A", "Lead B")
	s.get(s.post("/customers/bulk", "do", "delete")).wants(t, 200, "Select rows first")
	for _, odd := range []string{"explode", "move", "export-docx"} {
		s.do(http.MethodPost, "/customers/bulk", form("do", odd, "id", a.ID.String())).wants(t, http.StatusBadRequest)
	}
}

// Each row is decided by itself.
func TestRefusedRowsSayWhy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.sell("O-9", "2026-08-31", "EUR", "250")
	orders := regexp.MustCompile(`name="id" value="([^"]+)" form="bulk"`).FindAllStringSubmatch(s.get("/orders").body, -1)
	if len(orders) != 2 {
		t.Fatalf("%d orders", len(orders))
	}
	s.do(http.MethodPost, "/orders/bulk", form("do", "move", "status", "draft", "id", orders[0][1], "id", s.order.ID.String())).
		wants(t, http.StatusUnprocessableEntity, "Some were not done", "O-1")
	s.become(access.Role{Grants: []access.Grant{
		{Resource: "customer", Action: access.Read, Scope: "organization"}, {Resource: "customer", Action: access.Delete, Scope: "own"},
	}})
	mine := s.lead("MINE")
	page := s.do(http.MethodPost, "/customers/bulk", form("do", "delete", "id", s.customer.ID.String(), "id", mine.ID.String()))
	page.wants(t, http.StatusUnprocessableEntity, "Müller", "Your roles do not allow this", "Done: 1")
	if a := s.get("/customers"); strings.Contains(a.body, "Lead MINE") || strings.Contains(a.body, `value="assign"`) {
		t.Errorf("the own one is still there, or what is refused is offered:\n%s", a.body)
	}
}
