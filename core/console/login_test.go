package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pquerna/otp/totp"

	"crmhub/core/access"
	"crmhub/core/access/openid/openidtest"
)

// enrol turns Ann's second factor on and returns what her app knows, and her recovery codes.
func (s *site) enrol() (secret string, recovery []string) {
	s.Helper()
	entry, err := s.access.SignIn(s.Context(), access.SignIn{Login: "ann", Password: password})
	if err != nil {
		s.Fatal(err)
	}
	who, err := s.access.AuthenticateSession(s.Context(), entry.Session)
	if err != nil {
		s.Fatal(err)
	}
	e, err := s.access.BeginSecondFactor(s.Context(), who, access.Proof{Password: password})
	if err != nil {
		s.Fatal(err)
	}
	recovery, err = s.access.ConfirmSecondFactor(s.Context(), who, s.code(e.Secret.Reveal()))
	if err != nil {
		s.Fatal(err)
	}
	return e.Secret.Reveal(), recovery
}

// code is a code that was not used yet.
func (s *site) code(secret string) string {
	s.Helper()
	s.now = s.now.Add(time.Minute)
	code, err := totp.GenerateCode(secret, s.now)
	if err != nil {
		s.Fatal(err)
	}
	return code
}

// send posts a form without expecting anything.
func (s *site) send(path string, pairs ...string) answer {
	s.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return s.do(http.MethodPost, path, form)
}

func TestSigningInAsksForTheSecondFactor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	secret, recovery := s.enrol()
	if to := s.get("/login/code").header.Get("Location"); to != "/login" {
		t.Errorf("whoever has given no password is sent on to %q", to)
	}
	to := s.post("/login", "login", "ann", "password", password, "to", "/orders?status=draft")
	if to != "/login/code?to=%2Forders%3Fstatus%3Ddraft" {
		t.Fatalf("sent on to %q", to)
	}
	if a := s.get("/"); a.status != http.StatusSeeOther {
		t.Errorf("in with the password alone: %d", a.status)
	}
	s.get(to).wants(t, 200, `autocomplete="one-time-code"`, `name="to" value="/orders?status=draft"`, "authenticator app")
	s.send("/login/code", "code", "000000", "to", "/orders").wants(t, http.StatusUnauthorized, "That code is wrong", `name="to" value="/orders"`)
	code := s.code(secret)
	if got := s.post("/login/code", "code", code, "to", "/orders?status=draft"); got != "/orders?status=draft" {
		t.Errorf("sent on to %q", got)
	}
	s.get("/").wants(t, 200, "Ann Lee")

	s.post("/logout")
	s.post("/login", "login", "ann", "password", password)
	s.send("/login/code", "code", code).wants(t, http.StatusUnauthorized, "That code is wrong or was used before")
	if got := s.post("/login/code", "code", recovery[0], "to", "https://evil.example"); got != "/" {
		t.Errorf("sent on to %q", got)
	}
	s.post("/logout")
	s.post("/login", "login", "ann", "password", password)
	s.send("/login/code", "code", recovery[0]).wants(t, http.StatusUnauthorized, "used before")
	s.now = s.now.Add(access.CodeTime)
	s.send("/login/code", "code", recovery[1], "to", "/orders").wants(t, http.StatusUnauthorized, "That took too long", `name="to" value="/orders"`, `autocomplete="current-password"`)
}

func TestGuessersAreToldToWaitWhoeverTheyTry(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var answers []answer
	for _, login := range []string{"ann", "bob"} {
		for range 5 {
			s.send("/login", "login", login, "password", "guess").wants(t, http.StatusUnauthorized, "Login or password is wrong")
		}
		a := s.send("/login", "login", login, "password", password)
		a.wants(t, http.StatusTooManyRequests, "Too many attempts. Try again in 1 min.")
		a.body = strings.ReplaceAll(a.body, `value="bob"`, `value="ann"`)
		a.header.Del("Date")
		a.header.Del("Content-Length")
		answers = append(answers, a)
	}
	if diff := cmp.Diff(answers[0], answers[1], cmp.AllowUnexported(answer{})); diff != "" {
		t.Errorf("an unknown login is answered differently (-known +unknown):\n%s", diff)
	}
	s.now = s.now.Add(30 * time.Second)
	s.signIn()

	s.post("/logout")
	secret, _ := s.enrol()
	s.post("/login", "login", "ann", "password", password)
	for range 5 {
		s.send("/login/code", "code", "000000").wants(t, http.StatusUnauthorized)
	}
	s.post("/language", "language", "zh-CN")
	s.send("/login/code", "code", "000000").wants(t, http.StatusTooManyRequests, "尝试次数过多，请在 1 分钟后重试。", `autocomplete="one-time-code"`)
	s.send("/login/code", "code", s.code(secret)).wants(t, http.StatusSeeOther) // a minute later
}

func TestEachSignInHasASessionOfItsOwn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	server, err := url.Parse(s.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	s.signIn()
	first := s.browser.Jar.Cookies(server)
	s.signIn()
	if diff := cmp.Diff(first, s.browser.Jar.Cookies(server)); diff == "" {
		t.Error("the session stays the same")
	}
	s.get("/").wants(t, 200, "Ann Lee")
	s.browser.Jar.SetCookies(server, first)
	if a := s.get("/"); a.status != http.StatusSeeOther {
		t.Errorf("the browser's former session goes on: %d", a.status)
	}
}

// atProvider goes to the provider, signs in there as somebody, and comes back.
func (s *site) atProvider(p *openidtest.Provider, to, as string) answer {
	s.Helper()
	away := s.get("/login/oidc?" + url.Values{"to": {to}}.Encode())
	away.wants(s.T, http.StatusSeeOther)
	back := p.SignIn(s.T, s.Context(), away.header.Get("Location"), as)
	return s.get("/login/oidc/callback?" + back.Encode())
}

func TestSigningInAtAProvider(t *testing.T) {
	t.Parallel()
	p := openidtest.New(t, openidtest.User{ID: "a1", Email: "Ann@example.com", EmailVerified: true})
	s := newSiteWith(t, p)
	s.get("/login?to=%2Forders").wants(t, 200, `<a class="button" href="/login/oidc?to=%2forders">Sign in with company account</a>`)
	if a := s.atProvider(p, "/orders", "a1"); a.status != http.StatusSeeOther || a.header.Get("Location") != "/orders" {
		t.Fatalf("%d to %q\n%s", a.status, a.header.Get("Location"), a.body)
	}
	s.get("/").wants(t, 200, "Ann Lee")

	s.post("/logout")
	secret, _ := s.enrol()
	if a := s.atProvider(p, "//evil.example", "a1"); a.header.Get("Location") != "/login/code" {
		t.Fatalf("%d to %q", a.status, a.header.Get("Location"))
	}
	if got := s.post("/login/code", "code", s.code(secret)); got != "/" {
		t.Errorf("sent on to %q", got)
	}
	s.get("/").wants(t, 200, "Ann Lee")
}

func TestWhoIsNotLetInFromAProviderIsToldWhy(t *testing.T) {
	t.Parallel()
	p := openidtest.New(t,
		openidtest.User{ID: "a1", Email: "ann@example.com", EmailVerified: true},
		openidtest.User{ID: "a2", Email: "ann@example.com", EmailVerified: true},
		openidtest.User{ID: "u1", Email: "ann@example.com"},
		openidtest.User{ID: "n1", Email: "nobody@example.com", EmailVerified: true})
	s := newSiteWith(t, p)
	s.atProvider(p, "/", "u1").wants(t, http.StatusForbidden, "has not verified your e-mail address")
	s.atProvider(p, "/", "n1").wants(t, http.StatusForbidden, "belongs to no user here")
	s.atProvider(p, "/", "a1").wants(t, http.StatusSeeOther)
	s.atProvider(p, "/", "a2").wants(t, http.StatusForbidden, "tied to another account")
	s.get("/login/oidc/callback?code=x&state=y").wants(t, http.StatusUnauthorized, "started in another browser")

	away := s.get("/login/oidc")
	back := p.SignIn(t, t.Context(), away.header.Get("Location"), "a1")
	s.get("/login/oidc/callback?"+url.Values{"state": back["state"], "error": {"access_denied"}}.Encode()).
		wants(t, http.StatusUnauthorized, "The provider did not sign you in", `name="to" value="/login"`)

	if _, err := s.access.AddUser(t.Context(), s.who, access.User{Login: "root", Name: "Root", Roles: []string{access.Admin}}, password); err != nil {
		t.Fatal(err)
	}
	if err := s.access.DisableUser(t.Context(), s.who, s.ann.ID); err != nil {
		t.Fatal(err)
	}
	s.post("/language", "language", "zh-CN")
	s.atProvider(p, "/", "a1").wants(t, http.StatusForbidden, "您的用户已停用")
}

func TestProviderThatIsAwayKeepsNobodyFromThePassword(t *testing.T) {
	t.Parallel()
	s := newSiteWith(t, &openidtest.Provider{Issuer: "http://127.0.0.1:1"})
	s.get("/login/oidc?to=%2Forders").wants(t, http.StatusServiceUnavailable, "The provider cannot be reached", `name="to" value="/orders"`)
	s.signIn()
}
