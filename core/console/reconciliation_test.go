package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
)

// reconcile makes a reconciliation of orders that found two differences, and returns its page and the first difference.
func (s *site) reconcile() (path, difference string) {
	s.Helper()
	id, one, two := uuid.NewString(), uuid.NewString(), uuid.NewString()
	s.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(s.Context(), `insert into reconciliations (id, connection_id, run_id, entity, verdict, mapping_version, counts, sums, finished_at)
			values ($1, $2, $3, 'order', 'differs', 'v1', '{"ours": 2, "theirs": 1, "different": 1, "missing_there": 1}',
				'[{"currency": "EUR", "month": "2026-11", "ours_count": 2, "ours": "300.50", "theirs_count": 1, "theirs": "100.25", "equal": false}]', now())`,
			id, s.erp.ID, uuid.New())
		if err != nil {
			return err
		}
		_, err = tx.Exec(s.Context(), `insert into differences (id, reconciliation_id, kind, entity_id, remote_id, title, fields, record)
			values ($2, $1, 'different', $4, '7', 'O-1', '[{"field": "remark", "ours": "ring <twice>", "theirs": "ring once", "agreed": null}]', '{"data": {}}'),
				($3, $1, 'missing_there', $4, null, 'O-1', '[]', null)`, id, one, two, s.order.ID)
		return err
	})
	return "/sync/reconciliations/" + id, one
}

func TestReconciliationsAreShownAndMended(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.get("/sync/reconciliations").wants(t, 200, "No reconciliation yet", "Compare now")
	path, difference := s.reconcile()
	s.get("/sync/reconciliations?verdict=differs").wants(t, 200, path, "Differs", "different")
	s.get("/sync/reconciliations?verdict=odd").wants(t, http.StatusBadRequest)
	s.get(path).wants(t, 200, "300.50 EUR", "100.25 EUR", "200.25 EUR", "ring &lt;twice&gt;", "ring once", "Keep ours", "Take theirs", "Missing there", "Signed report")
	s.get(path+"?kind=missing_there").wants(t, 200, "All open ones of this kind")
	s.get(path+"?kind=odd").wants(t, http.StatusBadRequest)

	s.do(http.MethodPost, path+"/mend", url.Values{"difference": {difference}, "action": {"ignore"}}).wants(t, http.StatusUnprocessableEntity, "A reason is required")
	s.get(s.post(path+"/mend", "difference", difference, "action", "ignore", "reason", "an alias")).wants(t, 200, "Handed over", "an alias", "Ignored")
	s.do(http.MethodPost, path+"/mend", url.Values{"all": {"missing_there"}, "action": {"push"}}).wants(t, http.StatusConflict, "is never sent a order")
	s.do(http.MethodPost, path+"/mend", url.Values{"difference": {difference}, "action": {"burn"}}).wants(t, http.StatusBadRequest)
	s.get(s.post("/sync/reconciliations", "connection", s.erp.ID.String(), "entity", "order")).wants(t, 200, "Reconcile · Order", "Queued")

	s.become(access.Role{Code: "watcher", Name: "Watcher", Grants: []access.Grant{{Resource: access.DeadLetters, Action: access.Read, Scope: "organization"}}})
	if seen := s.get(path); seen.status != 200 || strings.Contains(seen.body, "ring once") {
		t.Errorf("who may not read orders sees %d %s", seen.status, seen.body)
	}
	s.do(http.MethodPost, path+"/mend", url.Values{"difference": {difference}, "action": {"push"}}).wants(t, http.StatusForbidden)
}
