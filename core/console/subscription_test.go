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
	s.get("/sync/subscriptions").wants(t, 200, "Nobody is told yet")
	s.do("POST", "/sync/subscriptions", url.Values{"name": {"Shop"}, "target": {"http://shop.example.com"}, "events": {"order.*, robot.*"}}).
		wants(t, 422, "http://shop.example.com", "order.*, robot.*")
	made := s.do("POST", "/sync/subscriptions", url.Values{"name": {"Shop"}, "target": {"https://shop.example.com/hook"}, "events": {"order.*, alert.*"}})
	made.wants(t, 200, "whsec_", "shown once")
	list := s.get("/sync/subscriptions")
	list.wants(t, 200, "https://shop.example.com/hook", "order.*, alert.*", "Active")
	if regexp.MustCompile(`whsec_`).MatchString(list.body) {
		t.Error("the secret is shown again")
	}
	at := regexp.MustCompile(`/sync/subscriptions/[0-9a-f-]{36}`).FindString(list.body)
	s.get(s.post(at+"/test")).wants(t, 200, "A test is on its way", "subscription.test", "On its way")
	s.get(s.post(at, "status", "paused")).wants(t, 200, "Paused", "Resume")
	s.do("POST", at, url.Values{"status": {"disabled"}}).wants(t, 400)
	s.do("POST", at+"/key", nil).wants(t, 200, "whsec_")
	s.get(s.post(at+"/delete")).wants(t, 200, "It is deleted", "Nobody is told yet")
	s.do("POST", at+"/test", nil).wants(t, 404)
}

func TestAlertIsTakenByWhoLooksAfterIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	s.get("/sync/alerts").wants(t, 200, "Nothing to look at")
	s.fill()
	if err := s.db.As(t.Context(), postgres.Principal{Organization: s.who.Organization, Actor: postgres.System}, func(tx pgx.Tx) error { return alert.Look(t.Context(), tx) }); err != nil {
		t.Fatal(err)
	}
	list := s.get("/sync/alerts")
	list.wants(t, 200, "Records were refused", "I look after it")
	at := regexp.MustCompile(`/sync/alerts/[0-9a-f-]{36}/take`).FindString(list.body)
	s.get(s.post(at)).wants(t, 200, "You look after it now", "Looked after since")
	s.get("/sync/alerts?status=lost").wants(t, 400)
}
