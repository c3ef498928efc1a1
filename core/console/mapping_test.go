package console_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
)

func TestMappingIsTriedSavedPublishedAndTakenBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.linkOrder("S-1")
	connection := "/sync/connections/" + s.erp.ID.String()
	path := connection + "/mappings/order"
	s.get(connection).wants(t, 200, `href="`+path+`"`, "the shipped version is live")
	s.get(path).wants(t, 200, "No version of your own yet", s.order.Number)
	good := "entity: order\nrecord: sale\nfields:\n  - {crm: number, remote: ref}\n"
	s.do(http.MethodPost, path+"/try", url.Values{"text": {good}, "sample": {s.order.ID.String()}}).wants(t, 200, "Result", "&#34;ref&#34;: &#34;"+s.order.Number+"&#34;")
	s.do(http.MethodPost, path+"/try", url.Values{"text": {"entity: order\nrecord: sale\nfields:\n  - {crm: number, remote: nowhere}\n"}}).wants(t, 422, "line 4", "nowhere", `data-line="4">4 │ - {crm: number, remote: nowhere}`)
	s.do(http.MethodPost, path+"/try", url.Values{"text": {good}, "remote_id": {"7"}}).wants(t, 200, "cannot read a record by its id")
	s.do(http.MethodPost, path, url.Values{"text": {"nonsense"}}).wants(t, 422, "Not valid yet", "nonsense")
	s.get(s.post(path, "text", good, "note", "the first")).wants(t, 200, "Saved and tested", "the first", "Tested")
	s.get(path+"?version=1&effect=1").wants(t, 200, "1 records tried: 0 would change")
	s.get(path+"?version=9").wants(t, 404)
	s.get(path+"?version=1&effect=pull").wants(t, 200, "Effect on pulled records", "1 records tried: 0 would change, 0 would fail (0 of them work now), 1 would be fixed")
	s.remoteErr = &connector.Error{Class: connector.ClassTransient, Message: "it is closed for the night"}
	s.get(path+"?version=1&effect=pull").wants(t, 200, "it is closed for the night")
	s.get(s.post(path+"/publish", "number", "1")).wants(t, 200, "Published", "version 1 is live")
	s.do(http.MethodPost, path+"/publish", url.Values{"number": {"1"}}).wants(t, http.StatusConflict)
	s.get(s.post(path, "text", "entity: order\nrecord: sale\nfields:\n  - {crm: currency, remote: ref}\n")).wants(t, 200, "Saved and tested")
	s.get(path+"?version=2&effect=1").wants(t, 200, "1 records tried: 1 would change", ">ref · 1<",
		"<summary>"+s.order.Number+` <span class="mono">S-1</span>`, `href="/orders/`+s.order.ID.String()+`">Open record`)
	s.get(s.post(path+"/roll-back", "reason", "a test")).wants(t, 200, "Rolled back", "the shipped version is live")
	s.get(connection+"/mappings/invoice").wants(t, 404)
}

// A version that this hub no longer understands is mended on its page, so the page has to be there.
func TestAMappingThatFitsNoMoreCanBeMended(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `insert into mapping_versions (id, connection_id, entity, number, status, mapping, hash)
			values ($1, $2, 'order', 1, 'live', 'entity: order', '')`, uuid.New(), s.erp.ID)
		return err
	})
	connection := "/sync/connections/" + s.erp.ID.String()
	path := connection + "/mappings/order"
	s.get(connection).wants(t, 200, `href="`+path+`"`)
	s.get(path).wants(t, 200, "entity: order")
	good := "entity: order\nrecord: sale\nfields:\n  - {crm: number, remote: ref}\n"
	s.get(s.post(path, "text", good)).wants(t, 200, "Saved and tested")
	s.get(s.post(path+"/publish", "number", "2")).wants(t, 200, "version 2 is live")
}
