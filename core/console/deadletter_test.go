package console_test

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"crmhub/core/job"
	"crmhub/core/schema"
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
	s.get(s.post("/sync/dead-letters/replay", "cause", m[2])).wants(t, 200, "Run queued", "Replay", "/ 2")
	causes := s.get("/sync/dead-letters/causes")
	causes.wants(t, 200, "the record is not what its schema says", "/total", "the period is closed", "Replay all with this cause")
	s.get(s.post("/sync/dead-letters/replay", "since", "2020-01-01T00:00")).wants(t, 200, "retried in the background", "Replay")
	s.get(s.post("/sync/dead-letters/replay", "since", "2999-01-01T00:00")).wants(t, 200, "There are no open dead letters")
	s.do(http.MethodPost, "/sync/dead-letters/replay", url.Values{}).wants(t, http.StatusBadRequest)
	s.do(http.MethodPost, "/sync/dead-letters/replay", url.Values{"since": {"then"}}).wants(t, http.StatusBadRequest)
}

func TestLettersOfOneCauseAreDismissedTogether(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.buryOrder("78")
	m := regexp.MustCompile(`name="cause" value="([0-9a-f]+)"`).FindStringSubmatch(s.get("/sync/dead-letters/causes").body)
	if m == nil {
		t.Fatal("no cause is offered")
	}
	s.do(http.MethodPost, "/sync/dead-letters/dismiss", url.Values{"cause": {m[1]}, "reason": {" "}}).wants(t, http.StatusUnprocessableEntity, "A reason is required")
	s.do(http.MethodPost, "/sync/dead-letters/dismiss", url.Values{"reason": {"x"}}).wants(t, http.StatusBadRequest)
	s.get(s.post("/sync/dead-letters/dismiss", "cause", m[1], "reason", "test data")).wants(t, 200, "were dismissed", "No dead letters")
	s.get("/sync/dead-letters?status=dismissed").wants(t, 200, "Order 77", "Order 78")
}

func TestRunIsPausedJudgedAndLogged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	path := "/sync/runs/" + s.run.ID.String()
	set := func(sql string) {
		s.tx(func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "update runs set "+sql+" where id = $1", s.run.ID)
			return err
		})
	}
	s.get(s.post(path+"/pause")).wants(t, 200, "has moved on")
	set("status = 'running', started_at = now(), claimed_at = now() - interval '1 minute', progress_at = now(), read = 10, estimate = 40")
	s.get(path).wants(t, 200, "about 40", "Ends about", `max="40"`, path+"/pause")
	s.get(s.post(path+"/pause")).wants(t, 200, "keeps its position", "pausing after this page", path+"/resume")
	set("progress_at = now() - interval '11 minutes'")
	s.get("/sync/runs").wants(t, 200, "Stuck")
	set("status = 'paused', pause_requested = false")
	s.get(s.post(path+"/resume")).wants(t, 200, "The run continues", "Queued")
	set("status = 'suspect', finished_at = now()")
	s.tx(func(tx pgx.Tx) error {
		return job.Log(t.Context(), tx, s.run.ID, job.Line{Level: job.Warn, Message: "it was read again", RemoteID: "4711"})
	})
	s.get(path).wants(t, 200, ">Accept<", ">Discard<", "it was read again", "4711", "Warning")
	s.get(s.post(path+"/accept")).wants(t, 200, "This run trusts", "Queued")
	if page := s.get(path); strings.Contains(page.body, ">Accept<") {
		t.Error("a verdict is asked for twice")
	}
}

func TestJobIsSetAndBackfilled(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	path := "/sync/jobs/" + s.job.ID.String()
	s.get("/sync/jobs").wants(t, 200, path)
	s.get(path).wants(t, 200, `value="@every 1m"`, "Pull again")
	wrong := s.do(http.MethodPost, path, url.Values{
		"name": {" "}, "schedule": {"often"}, "time_zone": {"Mars"}, "jitter_seconds": {"x"}, "overlap": {"queue"}, "misfire": {"no"},
	})
	wrong.wants(t, http.StatusUnprocessableEntity, "a name is required", "this is no schedule", "no IANA time zone", "between 0 and 3600", "none, once or all", `value="often"`)
	s.get(s.post(path, "name", "nightly", "schedule", "0 2 * * *", "time_zone", "Asia/Shanghai", "jitter_seconds", "60", "overlap", "queue", "misfire", "all")).
		wants(t, 200, "Saved", "nightly", `value="0 2 * * *"`, `value="queue" selected`, `value="all" selected`, `value="60"`)
	s.get(s.post(path+"/backfill")).wants(t, 200, "Run queued", "Backfill")
	s.do(http.MethodPost, path+"/backfill", url.Values{"from": {"2026-01-01"}}).wants(t, http.StatusUnprocessableEntity, "as a whole only", `value="2026-01-01"`)
	s.do(http.MethodPost, path+"/backfill", url.Values{"from": {"then"}}).wants(t, http.StatusBadRequest)
	s.get(s.post("/sync/connections/"+s.erp.ID.String()+"/run")).wants(t, 200, "follow one another")
}

func TestConnectionThatIsHeldBackSaysWhy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	path := "/sync/connections/" + s.erp.ID.String()
	s.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `insert into breakers (connection_id, state, class, message, remedy) values ($1, 'stopped', 'auth', 'the token has expired', 'Renew it.')`, s.erp.ID)
		return err
	})
	s.get(path).wants(t, 200, "Stopped until somebody acts", "the token has expired", "Renew it.", "On hold since")
	s.get("/sync/connections").wants(t, 200, "Stopped")
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
		s.get("/sync/dead-letters"+query).wants(t, http.StatusBadRequest, "is not valid")
	}
}

// What the hub says of failures it says in the reader's language, of older letters by their rules; what is another's stays as it came.
func TestCausesAreSaidInTheReadersLanguage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.tx(func(tx pgx.Tx) error {
		letter := func(id, message string, said *schema.Saying, broken ...schema.Violation) job.DeadLetter {
			return job.DeadLetter{
				ConnectionID: s.erp.ID, RunID: &s.run.ID, Direction: job.Pull, Entity: "order", RemoteID: id, Stage: job.StageMapping, Class: "mapping",
				Message: message, Said: said, Violations: broken,
			}
		}
		long := schema.Violation{Pointer: "/number", Rule: "maxLength", Message: "must have at most 40 characters"}
		return errors.Join(job.Bury(t.Context(), tx, []job.DeadLetter{
			letter("R-1", "not linked yet: customer 42", schema.Say("not_linked", "customer", 42)),
			letter("R-2", "/number: must have at most 40 characters", nil, long),
			letter("R-3", "the article is blocked", nil),
			letter("R-4", "a later version says", schema.Say("later", 1)),
		}), job.Log(t.Context(), tx, s.run.ID,
			job.Line{Level: job.Warn, Message: "mapping: not linked yet", RemoteID: "R-1", Said: schema.Say("not_linked", "customer", 42)},
			job.Line{Level: job.Warn, Message: "an old line", RemoteID: "R-5"}))
	})
	run := "/sync/runs/" + s.run.ID.String()
	s.get("/sync/dead-letters").wants(t, 200, "not linked yet: customer 42", "/number: must have at most 40 characters", "the article is blocked", "a later version says")
	s.get(run).wants(t, 200, "not linked yet: customer 42", "an old line")
	s.post("/language", "language", "zh-CN", "to", "/sync/dead-letters")
	s.get("/sync/dead-letters").wants(t, 200, "尚未关联：客户 42", "/number：太长", "the article is blocked", "a later version says")
	s.get("/sync/dead-letters/causes").wants(t, 200, "尚未关联：客户 42", "/number：太长")
	s.get(run).wants(t, 200, "尚未关联：客户 42", "an old line")
}

// A push knows the entity, a pull the record; people are shown both where there is a link, and never a name that is not for them.
func TestDeadLettersNameTheRecordOnBothSides(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.linkOrder("77")
	s.tx(func(tx pgx.Tx) error {
		return job.Bury(t.Context(), tx, []job.DeadLetter{{
			ConnectionID: s.erp.ID, Direction: job.Push, Entity: "order", EntityID: &s.order.ID,
			Stage: job.StageRemote, Class: "business", Message: "the period is closed",
		}})
	})
	to := `href="/orders/` + s.order.ID.String() + `"`
	for _, direction := range []string{"Push", "Pull"} {
		row := direction + " · Order · " + s.order.Number + `</a><div class="sub">` + s.erp.Name + ` · <span class="mono">77</span> · <a ` + to
		for _, path := range []string{"/sync/dead-letters", "/sync"} {
			s.get(path).wants(t, 200, row)
		}
	}
	for _, path := range []string{"/sync/dead-letters/live", "/sync/live"} {
		next, leave := s.stream(path)
		if part := next(); !strings.Contains(part, "Order · "+s.order.Number) {
			t.Errorf("%s does not name the order:\n%s", path, part)
		}
		leave()
	}
	s.get("/sync/dead-letters/causes").wants(t, 200, "most recently", ">"+s.order.Number+`</a> <span class="mono">77</span>`)
	s.get("/sync/dead-letters/"+s.letter.String()).wants(t, 200, "Pull · Order · "+s.order.Number, "<a "+to+">"+s.order.Number, `<dd class="mono">77</dd>`, to[:len(to)-1]+"/journey", "with the next pull")
}

// Whoever keeps the hub running sees first what stands still as a whole, and why; and what a run waits for, while it waits.
func TestOverviewAndRunSayWhatTheyWaitFor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `insert into breakers (connection_id, state, class, message, remedy) values ($1, 'stopped', 'auth', 'the token has expired', 'Renew it.')`, s.erp.ID)
		return err
	})
	s.get("/sync").wants(t, 200, "Needs attention", s.erp.Name+"</strong></a>: <strong>Stopped until somebody acts", "the token has expired", "Renew it.")
	path := "/sync/runs/" + s.run.ID.String()
	s.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "update runs set status = 'running', started_at = now(), claimed_at = now(), progress_at = now() where id = $1", s.run.ID)
		return errors.Join(err, job.Log(t.Context(), tx, s.run.ID, job.Line{Level: job.Warn, Message: "a page is read again in 30s"}))
	})
	next, leave := s.stream(path + "/live")
	defer leave()
	if part := next(); !strings.Contains(part, "a page is read again in 30s") {
		t.Errorf("the run that waits says\n%s", part)
	}
}
