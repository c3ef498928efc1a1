package api_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"crmhub/core/crm"
	"crmhub/core/transfer"
)

func TestImportsAndExports(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.play([]scenario{
		{name: "uploads have a media type", method: "POST", path: "/imports?entity=customer&name=c.csv", body: "a", status: 415, has: []string{"text/csv", "spreadsheetml"}},
		{name: "an entity", method: "POST", path: "/imports?name=c.csv", body: "a", headers: []string{"Content-Type: text/csv"}, status: 400, has: []string{`"parameter":"entity"`}},
		{name: "and a name", method: "POST", path: "/imports?entity=customer", body: "a", headers: []string{"Content-Type: text/csv"}, status: 400, has: []string{`"parameter":"name"`}},
		{name: "what is no workbook", method: "POST", path: "/imports?entity=customer&name=c.xlsx", body: "PK\x03\x04x", headers: []string{"Content-Type: application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}, status: 422, has: []string{"no readable XLSX workbook"}},
		{name: "sensed", method: "GET", path: "/imports/{import}", status: 200, has: []string{`"status":"uploaded"`, `"field":"code"`, `"samples":["Sieben"]`, `"match_by":["code"]`, `"delimiter":","`}},
		{name: "mapped", method: "PATCH", path: "/imports/{import}", body: `{"fields":["code","remark"],"defaults":{"name":"Kunde"},"mode":"create"}`, status: 200, has: []string{`"mode":"create"`, `"field":"remark"`}},
		{name: "mapped wrongly", method: "PATCH", path: "/imports/{import}", body: `{"fields":["colour","remark"]}`, status: 422, has: []string{`"pointer":"/fields/0"`}},
		{name: "mapped with an unknown word", method: "PATCH", path: "/imports/{import}", body: `{"columns":[]}`, status: 422, has: []string{`"rule":"additionalProperties"`}},
		{name: "undone too early", method: "POST", path: "/imports/{import}/undo", status: 409, has: []string{"problem:status", "uploaded"}},
		{name: "run", method: "POST", path: "/imports/{import}/run", status: 200, has: []string{`"status":"running"`}},
		{name: "changed too late", method: "PATCH", path: "/imports/{import}", body: `{"mode":"both"}`, status: 409},
		{name: "no errors yet", method: "GET", path: "/imports/{import}/errors", status: 200, has: []string{"code,name,row,reason", "Content-Type: text/csv", `attachment; filename="errors of c.csv.csv"`}},
		{name: "imports", method: "GET", path: "/imports", status: 200, has: []string{`"name":"c.csv"`}},

		{name: "no file yet", method: "GET", path: "/exports/{export}/file", status: 409},
		{name: "delete what runs", method: "DELETE", path: "/exports/{export}", status: 409},
		{name: "export of an odd field", method: "POST", path: "/exports", body: `{"entity":"order","format":"csv","columns":["number","lines","colour"]}`, status: 422, has: []string{`"pointer":"/columns/1"`, `"pointer":"/columns/2"`}},
		{name: "export of an odd filter", method: "POST", path: "/exports", body: `{"entity":"order","format":"csv","filter":{"total[ge]":"much"},"sort":"colour"}`, status: 422, has: []string{`"pointer":"/filter/total[ge]"`, `"pointer":"/sort"`}},
		{name: "export of an odd kind", method: "POST", path: "/exports", body: `{"entity":"robot","format":"csv"}`, status: 422, has: []string{`"pointer":"/entity"`}},
	})
	h.make("lines", "/exports", `{"entity":"order","format":"csv","filter":{"number":"SO-1"},"columns":["number","customer_id/code","lines/product_id/sku","lines/qty","total"]}`)
	h.work()
	h.play([]scenario{
		{name: "imported", method: "GET", path: "/imports/{import}", status: 200, has: []string{`"status":"done"`, `"created":1`}},
		{name: "the customer is here", method: "GET", path: "/customers?code=C7", status: 200, has: []string{`"name":"Kunde"`, `"remark":"Sieben"`, `"created_by":"token:`}},
		{name: "undo", method: "POST", path: "/imports/{import}/undo", status: 200, has: []string{`"status":"undoing"`}},
		{name: "exported", method: "GET", path: "/exports/{lines}", status: 200, has: []string{`"status":"done"`, `"rows":1`, `"expires_at"`}},
		{name: "the file", method: "GET", path: "/exports/{lines}/file", status: 200, has: []string{"\ufeffnumber,customer_id/code,lines/product_id/sku,lines/qty,total\r\nSO-1,C1,P1,2,24.99\r\n"}},
		{name: "every field", method: "GET", path: "/exports/{export}/file", status: 200, has: []string{"number,customer_id,customer_id/code"}},
		{name: "exports", method: "GET", path: "/exports?limit=1", status: 200, has: []string{`"next"`}},
		{name: "delete", method: "DELETE", path: "/exports/{lines}", status: 204},
		{name: "gone", method: "GET", path: "/exports/{lines}/file", status: 404},
	})
	h.work()
	h.play([]scenario{
		{name: "undone", method: "GET", path: "/imports/{import}", status: 200, has: []string{`"status":"undone"`, `"undone":1`}},
		{name: "the customer is gone", method: "GET", path: "/customers?code=C7", status: 200, has: []string{`{"items":[]}`}},
	})
}

// work runs a runner until nothing is left to do.
func (h *hub) work() {
	h.t.Helper()
	ctx, stop := context.WithCancel(h.t.Context())
	done := make(chan error, 1)
	go func() {
		done <- (&transfer.Runner{DB: h.db, Access: h.access, Entities: &crm.Store{}, Logger: slog.New(slog.DiscardHandler)}).Run(ctx)
	}()
	for deadline := time.Now().Add(time.Minute); ; {
		open := h.request(http.MethodGet, "/imports", "").Body.String() + h.request(http.MethodGet, "/exports", "").Body.String()
		if !strings.Contains(open, `ing","cancel_requested"`) {
			break
		}
		if time.Now().After(deadline) {
			h.t.Fatal("the work does not end:", open)
		}
	}
	stop()
	if err := <-done; err != nil {
		h.t.Error(err)
	}
}
