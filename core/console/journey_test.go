package console_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
	"crmhub/core/journey"
)

func TestJourneyOfARecord(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.tx(func(tx pgx.Tx) error {
		var b pgx.Batch
		err := journey.Queue(&b, []journey.Event{{
			Entity: "order", EntityID: s.order.ID, Connection: s.erp.ID, Direction: journey.Push, Version: 1, Op: connector.OpCreate, Outcome: "linked",
			RemoteID: "4711", MappingVersion: "5f0c2a9b7d11",
			Exchanges: []journey.Exchange{{Purpose: "create", Method: "POST", Path: "/orders", Status: 201, Request: `{"reference":"<SO>"}`}},
		}})
		if err != nil {
			return err
		}
		return tx.SendBatch(t.Context(), &b).Close()
	})
	path := "/orders/" + s.order.ID.String()
	s.get(path).wants(t, 200, `href="`+path+`/journey"`)
	s.get(path+"/journey").wants(t, 200, "Pushed", "Create", "Linked", "4711", "5f0c2a9b7d11", "POST /orders", "&lt;SO&gt;")
	s.get("/orders/"+s.erp.ID.String()+"/journey").wants(t, 404)
	s.reconcile()
	s.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `insert into conflicts (id, connection_id, entity, entity_id, field, base, ours, theirs)
			values (gen_random_uuid(), $1, 'order', $2, 'payment_term', '"a"', '"b"', '"c"')`, s.erp.ID, s.order.ID)
		return err
	})
	s.get(path+"/journey").wants(t, 200, "Missing there → Open", "Different → Open", "Payment term")
	s.post("/language", "language", "zh-CN", "to", path)
	s.get(path+"/journey").wants(t, 200, "对方缺少 → 未处理")
	s.post("/language", "language", "en", "to", path)
	s.get(path+"/journey?after=x").wants(t, 400)
}
