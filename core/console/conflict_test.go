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

func TestConflictsAreShownInThreeColumns(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.get("/sync/conflicts").wants(t, 200, "No conflicts")
	id := uuid.NewString()
	s.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `insert into conflicts (id, connection_id, entity, entity_id, field, base, ours, theirs)
			values ($1, $2, 'order', $3, 'remark', '"agreed"', '"ours <1>"', '"theirs 2"')`, id, s.erp.ID, s.order.ID)
		return err
	})
	s.get("/sync/conflicts").wants(t, 200, "O-1", "agreed", "ours &lt;1&gt;", "theirs 2", "Keep ours", "Take theirs for all", "Use this value")
	s.get("/sync/conflicts?status=odd").wants(t, http.StatusBadRequest)
	s.do(http.MethodPost, "/sync/conflicts/"+id+"/settle", url.Values{"side": {"ours"}}).wants(t, http.StatusConflict, "the record was not kept")
	s.do(http.MethodPost, "/sync/conflicts/"+id+"/settle", url.Values{"side": {"both"}}).wants(t, http.StatusBadRequest)
	s.do(http.MethodPost, "/sync/conflicts/"+uuid.NewString()+"/settle", url.Values{"side": {"ours"}}).wants(t, http.StatusNotFound)
	s.do(http.MethodPost, "/sync/conflicts/settle", url.Values{
		"side": {"theirs"}, "connection": {s.erp.ID.String()}, "entity": {"order"}, "field": {"remark"},
	}).wants(t, http.StatusConflict, "the record was not kept")
}

// What an entity is called is shown on pages of the sync to nobody who does not see it on its own page.
func TestNamesThatAreHiddenAreHiddenOnPagesOfTheSync(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `insert into conflicts (id, connection_id, entity, entity_id, field, base, ours, theirs)
			values ($1, $2, 'order', $3, 'remark', '"agreed"', '"ours"', '"theirs"')`, uuid.New(), s.erp.ID, s.order.ID)
		return err
	})
	pages := []string{"/sync/conflicts", "/sync/links"}
	for _, page := range pages {
		s.get(page).wants(t, 200, "O-1")
	}
	s.become(access.Role{
		Grants: []access.Grant{{Resource: access.Any, Action: access.Read, Scope: "organization"}},
		Fields: []access.FieldRule{{Resource: "order", Field: "number", Access: access.FieldHidden}},
	})
	for _, page := range pages {
		a := s.get(page)
		a.wants(t, 200, s.order.ID.String())
		if strings.Contains(a.body, "O-1") {
			t.Errorf("%s shows the order's hidden number", page)
		}
	}
}
