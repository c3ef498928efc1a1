package console_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
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
