package console_test

import (
	"net/url"
	"regexp"
	"testing"

	"github.com/jackc/pgx/v5"

	"crmhub/core/alert"
	"crmhub/core/postgres"
)

func TestSubscriptionsArePeoplesToMake(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	s.get("/sync/subscriptions").wants(t, 200, "No subscriptions yet")
	s.do("POST", "/sync/subscriptions", url.Values{"name": {"Shop"}, "target": {"http://shop.example.com"}, "events": {"order.*, robot.*"}}).
		wants(t, 422, "http://shop.example.com", "order.*, robot.*")
	made := s.do("POST", "/sync/subscriptions", url.Values{"name": {"Shop"}, "target": {"https://shop.example.com/hook"}, "events": {"order.*, alert.*"}})
	made.wants(t, 200, "whsec_", "shown only once")
	list := s.get("/sync/subscriptions")
	list.wants(t, 200, "https://shop.example.com/hook", "order.*, alert.*", "Active")
	if regexp.MustCompile(`whsec_`).MatchString(list.body) {
		t.Error("the secret is shown again")
	}
	at := regexp.MustCompile(`/sync/subscriptions/[0-9a-f-]{36}`).FindString(list.body)
	s.get(s.post(at+"/test")).wants(t, 200, "Test sent", "subscription.test", "This is a test.", "Sending")
	s.tx(func(tx pgx.Tx) error { // as package notify queues them
		_, err := tx.Exec(t.Context(), `insert into deliveries (id, subscription_id, event_id, event, summary, body)
			select gen_random_uuid(), s.id, gen_random_uuid(), v.event, v.summary, '{}' from subscriptions s, (values
				('order.updated', 'order SO-1 of May updated (version 7)'), ('alert.resolved', 'resolved: dead letters: Our ERP'), ('alert.opened', 'run failed: x'),
				('order.updated', 'something else')) v (event, summary)`)
		return err
	})
	s.get("/sync/subscriptions").wants(t, 200, "Order SO-1 of May: Changed (version 7)", "Resolved: Records were refused: Our ERP", "last run failed: x", "something else")
	s.post("/language", "language", "zh-CN", "to", "/")
	s.get("/sync/subscriptions").wants(t, 200, "订单 SO-1 of May：修改（版本 7）", "已恢复：", "这是一条测试。")
	s.post("/language", "language", "en", "to", "/")
	s.get(s.post(at, "status", "paused")).wants(t, 200, "Paused", "Resume")
	s.do("POST", at, url.Values{"status": {"disabled"}}).wants(t, 400)
	s.do("POST", at+"/key", nil).wants(t, 200, "whsec_")
	s.get(s.post(at+"/delete")).wants(t, 200, "Deleted", "No subscriptions yet")
	s.do("POST", at+"/test", nil).wants(t, 404)
}

func TestAlertIsTakenByWhoLooksAfterIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	s.get("/sync/alerts").wants(t, 200, "No alerts")
	s.fill()
	if err := s.db.As(t.Context(), postgres.Principal{Organization: s.who.Organization, Actor: postgres.System}, func(tx pgx.Tx) error { return alert.Look(t.Context(), tx) }); err != nil {
		t.Fatal(err)
	}
	list := s.get("/sync/alerts")
	list.wants(t, 200, "Records were refused", "I&#39;ll take care of it")
	at := regexp.MustCompile(`/sync/alerts/[0-9a-f-]{36}/take`).FindString(list.body)
	s.get(s.post(at)).wants(t, 200, "You are handling this alert now", "Being handled since")
	s.get("/sync/alerts?status=lost").wants(t, 400)
}
