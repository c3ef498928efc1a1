package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"crmhub/core/job"
)

func TestDeadLettersAreReplayedAndDismissed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	path := "/sync/dead-letters/" + s.letter.String()
	s.broken = true
	s.get(s.post(path+"/replay")).wants(t, 200, "failed again", "Open")
	s.broken = false
	s.get(s.post(path+"/replay")).wants(t, 200, "It worked this time", "Resolved")
	s.bury()
	path = "/sync/dead-letters/" + s.letter.String()
	s.do(http.MethodPost, path+"/dismiss", url.Values{"reason": {"  "}}).wants(t, http.StatusUnprocessableEntity, "A reason is required", `aria-invalid="true"`)
	s.get(s.post(path+"/dismiss", "reason", "a test order")).wants(t, 200, "Dismissed", "a test order")
	s.get("/sync/dead-letters").wants(t, 200, "No dead letters")
	s.get("/sync/dead-letters?status=dismissed").wants(t, 200, path)
	s.do(http.MethodPost, path+"/replay", url.Values{}).wants(t, http.StatusConflict, "meanwhile")
}

func TestLettersOfOneCauseAreReplayedTogether(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.buryOrder("78")
	s.tx(func(tx pgx.Tx) error {
		return job.Bury(t.Context(), tx, []job.DeadLetter{{
			ConnectionID: s.erp.ID, Direction: job.Push, Entity: "order", EntityID: &s.order.ID,
			Stage: job.StageRemote, Class: "business", Message: "the period is closed",
		}})
	})
	one := s.get("/sync/dead-letters/" + s.letter.String())
	m := regexp.MustCompile(`href="(/sync/dead-letters\?cause=([0-9a-f]+))"`).FindStringSubmatch(one.body)
	if m == nil {
		t.Fatalf("no way to the letters of the same cause:\n%s", one.body)
	}
	same := s.get(m[1])
	same.wants(t, 200, "Order 77", "Order 78", "Replay all with this cause")
	if strings.Contains(same.body, "the period is closed") {
		t.Error("a letter of another cause is listed")
	}
	s.get(s.post("/sync/dead-letters/replay", "cause", m[2])).wants(t, 200, "All of them were tried again", "Nothing matches")
	s.get("/sync/dead-letters").wants(t, 200, "the period is closed")
	s.get("/sync/dead-letters?status=resolved").wants(t, 200, "Order 77", "Order 78")
	s.do(http.MethodPost, "/sync/dead-letters/replay", url.Values{}).wants(t, http.StatusBadRequest)
}

func TestPushIsReplayedByItsPusher(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	letters := []job.DeadLetter{{
		ConnectionID: s.erp.ID, Direction: job.Push, Entity: "order", EntityID: &s.order.ID,
		Stage: job.StageRemote, Class: "business", Message: "the period is closed",
	}}
	s.tx(func(tx pgx.Tx) error { return job.Bury(t.Context(), tx, letters) })
	path := "/sync/dead-letters/" + letters[0].ID.String()
	s.get(path).wants(t, 200, `href="/orders/`+s.order.ID.String())
	s.get(s.post(path+"/replay")).wants(t, 200, "It is being sent again", "Open")
}

func TestDeadLettersAreFiltered(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.get("/sync/dead-letters?entity=order&connection="+s.erp.ID.String()).wants(t, 200, "Order 77")
	s.get("/sync/dead-letters?entity=invoice").wants(t, 200, "Nothing matches")
	s.get("/sync/dead-letters?connection="+s.order.ID.String()).wants(t, 200, "Nothing matches")
	for _, query := range []string{"?entity=cat", "?connection=7", "?status=odd"} {
		s.get("/sync/dead-letters"+query).wants(t, http.StatusBadRequest, "does not fit")
	}
}
