package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// match makes a matching of customers that proposes the one there is for a record, and returns its page.
func (s *site) match() string {
	s.Helper()
	id, proposal := uuid.NewString(), uuid.NewString()
	s.tx(func(tx pgx.Tx) error {
		for _, act := range []struct {
			sql  string
			args []any
		}{
			{
				`insert into matchings (id, connection_id, run_id, entity, status, read, finished_at) values ($1, $2, $3, 'customer', 'finished', 1, now())`,
				[]any{id, s.erp.ID, uuid.New()},
			},
			{`insert into proposals (id, matching_id, connection_id, entity, remote_id, title, theirs, record, class, score)
				values ($1, $2, $3, 'customer', gen_random_uuid()::text, 'Acme <&>', '{"name": "Acme <&>"}', '{"id": "77", "data": {}}', 'review', 60)`, []any{proposal, id, s.erp.ID}},
			{`insert into proposal_candidates (proposal_id, connection_id, entity, entity_id, score, reasons)
				values ($1, $2, 'customer', $3, 60, '[{"kind": "name", "score": 60}]')`, []any{proposal, s.erp.ID, s.customer.ID}},
		} {
			if _, err := tx.Exec(s.Context(), act.sql, act.args...); err != nil {
				return err
			}
		}
		return nil
	})
	return "/sync/matchings/" + id
}

func TestMatchingsAreReviewedAndLinksFound(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.get("/sync/matchings").wants(t, 200, "Nothing has been matched yet", "Match now")
	path := s.match()
	s.get("/sync/matchings").wants(t, 200, "To review")
	s.get(path).wants(t, 200, "Acme &lt;&amp;&gt;", "same name", "Accept", "Reject", "Create new", "This one")
	s.get(path+"?class=odd").wants(t, http.StatusBadRequest)
	s.get(path+"?class=certain").wants(t, 200, "Nothing matches")
	s.get("/sync/matchings/"+uuid.NewString()).wants(t, http.StatusNotFound)
	settle := func(values url.Values) answer { return s.do(http.MethodPost, path+"/settle", values) }
	settle(url.Values{"action": {"burn"}}).wants(t, http.StatusBadRequest)
	settle(url.Values{"action": {"accept"}, "all": {"review"}}).wants(t, http.StatusBadRequest)
	settle(url.Values{"action": {"accept"}, "proposal": {uuid.NewString()}}).wants(t, http.StatusConflict, "no open proposal")
	var proposal string
	s.tx(func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "select id::text from proposals").Scan(&proposal)
	})
	settle(url.Values{"action": {"reject"}, "proposal": {proposal}, "which": {s.customer.ID.String()}}).wants(t, http.StatusSeeOther)
	s.get(path).wants(t, 200, "No counterpart")
	s.do(http.MethodPost, "/sync/matchings", url.Values{"connection": {s.erp.ID.String()}, "entity": {"order"}}).wants(t, http.StatusSeeOther)

	s.get("/sync/links?q="+url.QueryEscape(s.order.Number)).wants(t, 200, "/journey")
	s.get("/sync/links?state=odd").wants(t, http.StatusBadRequest)
	s.get("/sync/links?q="+strings.Repeat("x", 20)).wants(t, 200, "Nothing matches")
	s.do(http.MethodPost, "/sync/links", url.Values{
		"connection": {s.erp.ID.String()}, "entity": {"order"}, "which": {"nobody"}, "remote_id": {"1"},
	}).wants(t, http.StatusConflict, "Not done:")
	s.do(http.MethodPost, "/sync/links/"+uuid.NewString()+"/unlink", nil).wants(t, http.StatusNotFound)
}
