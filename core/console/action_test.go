package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/connector"
)

func TestNobodySeesAPageWithoutSigningIn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	for _, path := range append(append(s.paths(), s.writing()...), "/sync/runs/"+s.run.ID.String()+"/live") {
		want := "/login?" + url.Values{"to": {path}}.Encode()
		if path == "/" || strings.HasSuffix(path, "/live") {
			want = "/login"
		}
		if a := s.get(path); a.status != http.StatusSeeOther || a.header.Get("Location") != want {
			t.Errorf("%s: %d to %q", path, a.status, a.header.Get("Location"))
		}
	}
	if to := s.post("/sync/jobs/" + s.job.ID.String() + "/run"); to != "/login" {
		t.Errorf("an action sent a stranger on to %q", to)
	}
	s.get("/login").wants(t, 200, `autocomplete="current-password"`)
}

func TestSigningInAndOut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	wrong := s.do(http.MethodPost, "/login", url.Values{"login": {"ann"}, "password": {"guess"}})
	wrong.wants(t, http.StatusUnauthorized, "Login or password is wrong", `value="ann"`)
	unknown := s.do(http.MethodPost, "/login", url.Values{"login": {"bob"}, "password": {"guess"}})
	if diff := cmp.Diff(wrong.body, strings.ReplaceAll(unknown.body, `value="bob"`, `value="ann"`)); diff != "" {
		t.Errorf("an unknown login is answered differently:\n%s", diff)
	}
	if c := s.signInFrom("X-Forwarded-Proto", "https"); !strings.Contains(c, "; Secure") || !strings.Contains(c, "; HttpOnly; ") {
		t.Errorf("behind a proxy with TLS the cookie is %s", c)
	}
	s.signIn()
	s.get("/").wants(t, 200, "Ann Lee")
	server, err := url.Parse(s.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	kept := s.browser.Jar.Cookies(server)
	s.post("/logout")
	if a := s.get("/"); a.status != http.StatusSeeOther {
		t.Errorf("after signing out: %d", a.status)
	}
	s.browser.Jar.SetCookies(server, kept) // a copy of the cookie is worth nothing any more
	a := s.get("/orders")
	if a.status != http.StatusSeeOther || a.header.Get("Location") != "/login?over=1&to=%2Forders" {
		t.Errorf("an old cookie lets in: %d, %s", a.status, a.header.Get("Location"))
	}
	s.get(a.header.Get("Location")).wants(t, http.StatusOK, "Your session has ended", `name="to" value="/orders"`)
}

func TestAFormThatIsTooLargeIsSaidToBe(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	form := url.Values{"name": {"Acme"}, "remark": {strings.Repeat("x", 2<<20)}}
	s.do(http.MethodPost, "/customers", form).wants(t, http.StatusRequestEntityTooLarge, "Too much at once")
}

// signInFrom gives the session's cookie as the browser gets it.
func (s *site) signInFrom(header ...string) string {
	s.Helper()
	a := s.do(http.MethodPost, "/login", url.Values{"login": {"ann"}, "password": {password}}, header...)
	return a.header.Get("Set-Cookie")
}

func TestSigningInLeadsToThePageAskedFor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	to := s.get("/orders?status=draft&sort=-total").header.Get("Location")
	s.get(to).wants(t, 200, `name="to" value="/orders?status=draft&amp;sort=-total"`)
	if got := s.post("/login", "login", "ann", "password", password, "to", "/orders?status=draft"); got != "/orders?status=draft" {
		t.Errorf("sent on to %q", got)
	}
	if got := s.get("/login?to=%2Finvoices").header.Get("Location"); got != "/invoices" {
		t.Errorf("somebody signed in is sent on to %q", got)
	}
	for _, evil := range []string{"https://evil.example/", "//evil.example", `/\evil.example`} {
		if got := s.post("/login", "login", "ann", "password", password, "to", evil); got != "/" {
			t.Errorf("%q sent on to %q", evil, got)
		}
	}
}

func TestDatabaseAwayIsNoSignOut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	s.db.Close()
	s.get("/orders").wants(t, http.StatusInternalServerError, "Something went wrong")
	s.do(http.MethodPost, "/login", url.Values{"login": {"ann"}, "password": {password}}).wants(t, http.StatusInternalServerError, "Something went wrong", `class="gate"`)
}

func TestOtherSitesCannotAct(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	path := "/sync/connections/" + s.erp.ID.String() + "/status"
	a := s.do(http.MethodPost, path, url.Values{"status": {"paused"}}, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example")
	a.wants(t, http.StatusForbidden, "Sent from another site")
	if got := s.connection().Status; got != connection.Active {
		t.Errorf("the connection is %s", got)
	}
	page := s.get("/")
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"} {
		if got := page.header.Get(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	if policy := page.header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %q", policy)
	}
}

func TestLanguageIsKeptAndStaysHere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	if to := s.post("/language", "language", "zh-CN", "to", "/orders"); to != "/orders" {
		t.Errorf("sent on to %q", to)
	}
	s.get("/").wants(t, 200, `lang="zh-CN"`, "首页")
	for _, to := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, "javascript:alert(1)", ""} {
		if got := s.post("/language", "language", "tlh", "to", to); got != "/" {
			t.Errorf("%q sent on to %q", to, got)
		}
	}
	s.get("/").wants(t, 200, `lang="zh-CN"`)
	s.browser = s.newBrowser()
	a := s.do(http.MethodGet, "/login", nil, "Accept-Language", "zh-Hans-CN,zh;q=0.9,en;q=0.5")
	a.wants(t, 200, "登录")
}

func (s *site) connection() (c connection.Connection) {
	s.Helper()
	s.tx(func(tx pgx.Tx) (err error) {
		c, err = s.connections.Get(s.Context(), tx, s.erp.ID)
		return err
	})
	return c
}

func TestConnectionIsCheckedPausedAndResumed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	path := "/sync/connections/" + s.erp.ID.String()
	s.get(s.post(path+"/check")).wants(t, 200, "connection works")
	s.remoteErr = &connector.Error{Class: connector.ClassAuth, Code: "401", Message: "the password was refused", Remedy: "Enter it again."}
	s.do(http.MethodPost, path+"/check", url.Values{}).wants(t, 200, "the password was refused", "Enter it again.")
	s.get(s.post(path+"/status", "status", "paused")).wants(t, 200, "Nothing flows over", "Resume")
	if got := s.connection().Status; got != connection.Paused {
		t.Errorf("the connection is %s", got)
	}
	s.post(path+"/status", "status", "active")
	if got := s.connection().Status; got != connection.Active {
		t.Errorf("the connection is %s", got)
	}
	s.do(http.MethodPost, path+"/status", url.Values{"status": {"odd"}}).wants(t, http.StatusBadRequest)

	s.get(path).wants(t, 200, "No changes in the format of records.")
	finding := uuid.New()
	s.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `insert into drift_findings (id, connection_id, entity, record, kind, pointer, rule, detail, count, of, run_id)
			values ($1, $2, 'order', 'sale', 'new_type', '/party/vat', 'tryton/order.yaml:12', '{"before": ["string"], "types": ["object"], "schema": true}', 3, 40, $3)`,
			finding, s.erp.ID, s.run.ID)
		return err
	})
	s.get(path).wants(t, 200, "Different type", "/party/vat", "3 of 40", "string", "object", "such records are refused", "tryton/order.yaml:12", "Mark as known")
	s.get(s.post("/sync/drift/"+finding.String()+"/know")).wants(t, 200, "It raises no more alerts.", "Known since")
	s.do(http.MethodPost, "/sync/drift/"+uuid.NewString()+"/know", url.Values{}).wants(t, http.StatusNotFound)
}

func TestJobIsPausedAndRun(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	path := "/sync/jobs/" + s.job.ID.String()
	s.get(s.post(path+"/status", "status", "paused")).wants(t, 200, "schedule is paused", "Resume")
	s.get(s.post(path+"/status", "status", "active")).wants(t, 200, "Pause")
	s.do(http.MethodPost, path+"/status", url.Values{}).wants(t, http.StatusBadRequest)
	if to := s.post(path + "/run"); to != "/sync/runs/"+s.run.ID.String()+"?done=queued" {
		t.Errorf("sent on to %q: a run was queued already", to)
	}
	cancel := "/sync/runs/" + s.run.ID.String() + "/cancel"
	s.get(s.post(cancel)).wants(t, 200, "Run cancelled", "Cancelled")
	s.get(s.post(cancel)).wants(t, 200, "Run cancelled")
	again := s.post(path + "/run")
	if strings.Contains(again, s.run.ID.String()) {
		t.Error("the cancelled run is queued again")
	}
	s.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "update runs set status = 'running', worker = 1, started_at = now() where status = 'queued'")
		return err
	})
	again, _, _ = strings.Cut(again, "?")
	page := s.get(s.post(again + "/cancel"))
	page.wants(t, 200, "stops after this page", "stopping after this page", "<progress")
	if strings.Contains(page.body, `action="`+again+`/cancel"`) {
		t.Error("what was cancelled can be cancelled again")
	}
}

func TestAssetsMayBeKeptForEver(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	page := s.get("/login").body
	_, rest, _ := strings.Cut(page, `href="/assets/`)
	name, _, _ := strings.Cut(rest, `"`)
	a := s.get("/assets/" + name)
	a.wants(t, 200, "--accent")
	if got := a.header.Get("Cache-Control"); !strings.Contains(got, "immutable") {
		t.Errorf("Cache-Control %q", got)
	}
	s.get("/assets/style.css").wants(t, http.StatusNotFound)
}
