package console_test

import (
	"net/http"
	"regexp"
	"testing"

	"crmhub/core/access"
)

func TestTargetsAreSet(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	s.get("/targets?month=2026-11").wants(t, 200, "No targets for this month", "/reports/targets?month=2026-11")
	s.do(http.MethodPost, "/targets", form("month", "2026-11", "measure", "revenue", "amount", "much")).wants(t, http.StatusUnprocessableEntity, "must be a decimal number", `value="much"`)
	s.get(s.post("/targets", "month", "2026-11", "measure", "revenue", "amount", "50,000", "currency", "eur", "whose", "user:"+s.ann.ID.String())).
		wants(t, 200, "Target set", "50,000.00 EUR", "Ann Lee")
	s.do(http.MethodPost, "/targets", form("month", "2026-11", "measure", "revenue", "amount", "1", "currency", "EUR", "whose", "user:"+s.ann.ID.String())).
		wants(t, http.StatusUnprocessableEntity)
	path := regexp.MustCompile(`action="(/targets/[0-9a-f-]{36})"`).FindStringSubmatch(s.get("/targets?month=2026-11").body)[1]
	s.get(s.post(path, "month", "2026-11", "amount", "60000")).wants(t, 200, "60,000.00 EUR")
	s.get(s.post(path+"/delete", "month", "2026-11")).wants(t, 200, "Target deleted")
	s.do(http.MethodPost, path, form("amount", "1")).wants(t, http.StatusNotFound)
	s.become(access.Role{Grants: []access.Grant{{Resource: access.Targets, Action: access.Read, Scope: "organization"}}})
	s.get("/targets").wants(t, 200)
	s.do(http.MethodPost, "/targets", form("month", "2026-11")).wants(t, http.StatusForbidden)
}
