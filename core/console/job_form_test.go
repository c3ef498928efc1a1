package console_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/job"
)

func TestAJobIsMadeByAFormAndTakenAway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.get("/sync/jobs").wants(t, 200, `href="/sync/jobs/new"`)
	page := s.get("/sync/jobs/new") // of the only connection there is
	page.wants(t, 200, "Our ERP", `<option value="reconcile order">Reconcile · Order</option>`, `<option value="match order">`, "Every 5 minutes")
	for _, impossible := range []string{"pull order", "push order", "pull invoice"} {
		if strings.Contains(page.body, `value="`+impossible+`"`) {
			t.Errorf("%s is offered", impossible)
		}
	}
	s.connect("shop")
	s.get("/sync/jobs/new").wants(t, 200, "On which connection?", "Connection shop", "/sync/jobs/new?connection="+s.erp.ID.String())
	s.get("/sync/jobs/new?connection="+s.customer.ID.String()).wants(t, http.StatusNotFound)

	fields := func(more ...string) []string {
		return append([]string{"connection", s.erp.ID.String(), "overlap", "queue", "misfire", "all", "jitter_seconds", "60", "after", s.job.ID.String()}, more...)
	}
	timely := []string{"work", "reconcile order", "schedule", "30 6 * * *", "time_zone", "Asia/Shanghai"}
	page = s.do(http.MethodPost, "/sync/jobs", form(fields(append(timely, "do", "foresee")...)...))
	page.wants(t, 200, "At 06:30", "Next five runs", `<option value="reconcile order" selected>`, `<option value="queue" selected>`, `value="60"`, `value="`+s.job.ID.String()+`" checked`)
	if n := len(regexp.MustCompile(`<li><time`).FindAllString(page.body, -1)); n != 5 {
		t.Errorf("%d times are shown", n)
	}
	s.do(http.MethodPost, "/sync/jobs", form(fields("schedule", "often", "time_zone", "Mars", "jitter_seconds", "9", "name", "Mine & yours")...)).
		wants(t, http.StatusUnprocessableEntity, "five cron fields", "no IANA time zone", "a job pulls, pushes", `value="often"`, `value="Mine &amp; yours"`)
	s.do(http.MethodPost, "/sync/jobs", form(fields("work", "push order")...)).wants(t, http.StatusUnprocessableEntity, "cannot push this entity")
	s.do(http.MethodPost, "/sync/jobs", form("connection", "", "work", "pull order")).wants(t, http.StatusBadRequest)
	to := s.post("/sync/jobs", fields(timely...)...)
	s.get(to).wants(t, 200, "Job created", "Our ERP · Reconcile · Order", "At 06:30", "Asia/Shanghai")
	path, _, _ := strings.Cut(to, "?")
	if strings.Contains(s.get(path).body, "dry-run") {
		t.Error("what a comparison would do is offered")
	}
	s.do(http.MethodPost, path, form("name", "Nightly", "schedule", "0 2 * * *", "time_zone", "UTC", "do", "foresee")).wants(t, 200, "At 02:00", `value="Nightly"`)
	s.get(path).wants(t, 200, "At 06:30") // it was only asked for
	s.get(s.post(path, append(timely, "name", "Nightly")...)).wants(t, 200, "Our ERP · Nightly")
	s.get(s.post(path, timely...)).wants(t, 200, "Our ERP · Reconcile · Order", `name="name" value=""`)

	s.post(path + "/run")
	running := func(status, worker string) {
		s.tx(func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "update runs set status = '"+status+"', worker = "+worker+" where job_id = $1", strings.TrimPrefix(path, "/sync/jobs/"))
			return err
		})
	}
	running("running", "1")
	s.get(s.post(path+"/delete")).wants(t, 200, "cancel the run first")
	running("failed", "null")
	s.get(s.post(path+"/delete")).wants(t, 200, "Deleted")
	s.get(path).wants(t, http.StatusNotFound)
	s.become(access.Role{Grants: []access.Grant{{Resource: access.Jobs, Action: access.Read, Scope: "organization"}}})
	s.get("/sync/jobs/new").wants(t, http.StatusForbidden)
	if page := s.get("/sync/jobs/" + s.job.ID.String()).body; strings.Contains(page, "/delete") {
		t.Error("who may not delete a job is offered to")
	}
}

func TestANewConnectionOffersItsJobs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	path := s.connect("shop")
	offer := "What comes next"
	s.get(path).wants(t, 200, offer, "Check that the system answers", "Create these jobs (2)", "Pull · Order", "Every 5 minutes", "Reconcile · Order", "At 02:00")
	s.get(s.post(path+"/check")).wants(t, 200, "the credentials are accepted", offer)
	page := s.get(s.post(path + "/jobs"))
	page.wants(t, 200, "Jobs created", "Pull all in order", "Pull · Order", "Reconcile · Order")
	if strings.Contains(page.body, offer) {
		t.Error("the jobs are still offered")
	}
	s.post(path + "/jobs") // again, on a page from before
	s.tx(func(tx pgx.Tx) error {
		c, err := s.connections.GetByCode(t.Context(), tx, "shop")
		if err != nil {
			return err
		}
		all, err := s.jobs.List(t.Context(), tx, c.ID)
		if len(all) != 2 || all[0].Kind != job.Pull || all[1].Kind != job.Reconcile || len(all[1].After) != 1 || all[1].After[0] != all[0].ID || all[1].NextRunAt == nil {
			t.Errorf("made are %+v", all)
		}
		return err
	})
	s.do(http.MethodPost, "/sync/connections/"+s.ann.ID.String()+"/jobs", form()).wants(t, http.StatusNotFound)
	other := s.connect("web")
	s.become(access.Role{Grants: []access.Grant{{Resource: access.Connections, Action: access.Read, Scope: "organization"}}})
	if strings.Contains(s.get(other).body, offer) {
		t.Error("who may make no job is offered some")
	}
	s.do(http.MethodPost, other+"/jobs", form()).wants(t, http.StatusForbidden)
}
