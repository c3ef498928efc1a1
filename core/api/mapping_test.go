package api_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// linked links the order with a record of the connection.
func (h *hub) linked() {
	h.t.Helper()
	err := h.db.As(h.t.Context(), h.principalA, func(tx pgx.Tx) error {
		_, err := tx.Exec(h.t.Context(), `insert into links (id, connection_id, entity, entity_id, remote_id, state) values ($1, $2, 'order', $3, '77', 'linked')
			on conflict (organization_id, entity_id, entity, connection_id) do update set remote_id = '77', state = 'linked'`,
			uuid.New(), h.ids["connection"], h.ids["order"])
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

func draft(text string) string {
	return `{"connection_id":"{connection}","entity":"order","text":` + strconv.Quote(text) + `}`
}

func TestMappingGoesFromDraftToLiveAndBack(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.linked()
	h.play([]scenario{
		{name: "nothing is shipped", method: "GET", path: "/mappings?connection_id={connection}", status: 200, has: []string{`{"items":[]}`}},
		{name: "of no connection", method: "GET", path: "/mappings", status: 400, has: []string{`"parameter":"connection_id"`}},
		{name: "of another's", method: "GET", path: "/mappings?connection_id={connection}", headers: []string{"Authorization: Bearer " + h.tokenB}, status: 404},
		{name: "a fault has its line", method: "POST", path: "/mapping-versions", body: draft(strings.Replace(saleMapping, "remote: note", "remote: nothing", 1)), status: 422, has: []string{`"pointer":"/text"`, `"rule":"mapping"`, "line 5"}},
		{name: "no mapping at all", method: "POST", path: "/mapping-versions", body: draft("hello"), status: 422, has: []string{`"pointer":"/text"`}},
		{name: "what it does not carry", method: "POST", path: "/mapping-versions", body: strings.Replace(draft(saleMapping), `"order"`, `"customer"`, 1), status: 422, has: []string{`"pointer":"/entity"`}},
		{name: "for nobody", method: "POST", path: "/mapping-versions", body: strings.Replace(draft(saleMapping), "{connection}", "{order}", 1), status: 422, has: []string{`"pointer":"/connection_id"`}},
		{name: "list", method: "GET", path: "/mapping-versions?connection_id={connection}&entity=order", status: 200, has: []string{`"number":1`, `"status":"draft"`}, hasNot: []string{"remark"}},
		{name: "get", method: "GET", path: "/mapping-versions/{version}", status: 200, has: []string{"remote: note"}},
		{name: "test", method: "POST", path: "/mapping-versions/{version}/test", status: 200, has: []string{`"entities":200`, `"faults":[]`, `"status":"tested"`}},
		{name: "preview", method: "POST", path: "/mapping-versions/{version}/preview", body: `{"entity_id":"{order}"}`, status: 200, has: []string{`"result":{"ref":`}},
		{name: "preview of nothing", method: "POST", path: "/mapping-versions/{version}/preview", body: `{}`, status: 422},
		{name: "preview of none", method: "POST", path: "/mapping-versions/{version}/preview", body: `{"entity_id":"{customer}"}`, status: 404},
		{name: "preview of a record", method: "POST", path: "/mapping-versions/{version}/preview", body: `{"remote_id":"7"}`, status: 424, has: []string{"urn:crmhub:problem:remote"}},
		{name: "nothing to take back", method: "POST", path: "/mappings/roll-back", body: `{"connection_id":"{connection}","entity":"order","reason":"x"}`, status: 409},
		{name: "publish", method: "POST", path: "/mapping-versions/{version}/publish", status: 200, has: []string{`"status":"live"`, `"published_by":"token:`}},
		{name: "publish again", method: "POST", path: "/mapping-versions/{version}/publish", status: 409},
		{name: "it holds", method: "GET", path: "/mappings?connection_id={connection}", status: 200, has: []string{`"number":1`, `"record":"sale"`}},
	})
	h.make("second", "/mapping-versions", draft(strings.Replace(saleMapping, "{crm: remark, remote: note}", "{crm: remark, remote: memo}", 1)))
	h.make("worse", "/mapping-versions", draft(strings.Replace(saleMapping, "{crm: remark, remote: note}", `{remote: note, push: "'much too long a note for this'"}`, 1)))
	w := h.request("GET", "/orders/{order}", "")
	h.request("PATCH", "/orders/{order}", `{"remark":"twice"}`, "If-Match: "+w.Header().Get("ETag"))
	h.play([]scenario{
		{name: "diff", method: "GET", path: "/mapping-versions/{second}/diff", status: 200, has: []string{`"rule":"remark – note"`, `"rule":"remark – memo"`}},
		{name: "diff with nothing", method: "GET", path: "/mapping-versions/{second}/diff?against=shipped", status: 200, has: []string{`"rules":[]`}},
		{name: "diff with what?", method: "GET", path: "/mapping-versions/{second}/diff?against=x", status: 400},
		{name: "effect", method: "GET", path: "/mapping-versions/{second}/effect", status: 200, has: []string{`"checked":1`, `"changed":1`, `"fields":{"memo":1,"note":1}`, `"after":"twice"`}},
		{name: "effect of the worse", method: "GET", path: "/mapping-versions/{worse}/effect", status: 200, has: []string{`"worse":1`, `"rule":"maxLength"`}},
		{name: "effect on pulls, of a system that cannot be read", method: "GET", path: "/mapping-versions/{second}/effect?direction=pull", status: 424, has: []string{"urn:crmhub:problem:remote"}},
		{name: "effect on what?", method: "GET", path: "/mapping-versions/{second}/effect?direction=x", status: 400, has: []string{`"parameter":"direction"`}},
		{name: "worse is not published", method: "POST", path: "/mapping-versions/{worse}/publish", status: 409, has: []string{"urn:crmhub:problem:worse"}},
		{name: "publish the second", method: "POST", path: "/mapping-versions/{second}/publish", status: 200, has: []string{`"number":2`, `"status":"live"`}},
		{name: "the first is retired", method: "GET", path: "/mapping-versions/{version}", status: 200, has: []string{`"status":"retired"`}},
		{name: "back without a reason", method: "POST", path: "/mappings/roll-back", body: `{"connection_id":"{connection}","entity":"order"}`, status: 422},
		{name: "another's is not taken back", method: "POST", path: "/mappings/roll-back", body: `{"connection_id":"{connection}","entity":"order","reason":"x"}`, headers: []string{"Authorization: Bearer " + h.tokenB}, status: 409},
		{name: "back", method: "POST", path: "/mappings/roll-back", body: `{"connection_id":"{connection}","entity":"order","reason":"x"}`, status: 200, has: []string{`"taken":{"id":"` + h.ids["second"], `"live":{"id":"` + h.ids["version"]}},
		{name: "back to what is shipped", method: "POST", path: "/mappings/roll-back", body: `{"connection_id":"{connection}","entity":"order","reason":"x"}`, status: 200, hasNot: []string{`"live":{`}},
		{name: "nothing holds", method: "GET", path: "/mappings?connection_id={connection}", status: 200, has: []string{`{"items":[]}`}},
	})
	h.seal("/audit?entity=mapping_version", `"action":"rolled_back"`)
	h.play([]scenario{
		{name: "all of it is in the trail", method: "GET", path: "/audit?entity=mapping_version", status: 200, has: []string{`"action":"drafted"`, `"action":"published"`, `"action":"rolled_back"`}},
	})
}
