package api_test

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"crmhub/core/access"
)

// cookie are the headers of a browser with a session.
func cookie(session string) []string {
	return []string{"Authorization:", "Cookie: crmhub_session=" + session}
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	here := h.signIn()
	h.ids["here"] = field(t, h.request("GET", "/me/sessions", "", cookie(here)...), "items", "id")
	h.now = h.now.Add(time.Minute)
	other, third := h.signIn(), h.signIn()
	h.ids["other"] = field(t, h.request("GET", "/me/sessions", "", cookie(other)...), "items", "id")
	h.play([]scenario{
		{name: "list", method: "GET", path: "/me/sessions", headers: cookie(here), status: 200, has: []string{`{"id":"` + h.ids["here"] + `","current":true,"ip":"192.0.2.1","user_agent":"test"`, `"current":false`}, hasNot: []string{here}},
		{name: "list with a token", method: "GET", path: "/me/sessions", status: 200, hasNot: []string{`"current":true`}},
		{name: "another's", method: "DELETE", path: "/me/sessions/{here}", headers: []string{"Authorization: Bearer " + h.tokenB}, status: 404},
		{name: "end the others", method: "DELETE", path: "/me/sessions", headers: cookie(here), status: 204},
		{name: "this one goes on", method: "GET", path: "/me", headers: cookie(here), status: 200},
		{name: "the second is over", method: "GET", path: "/me", headers: cookie(other), status: 401},
		{name: "the third too", method: "GET", path: "/me", headers: cookie(third), status: 401},
		{name: "end this one", method: "DELETE", path: "/me/sessions/{here}", headers: cookie(here), status: 204},
		{name: "it is over", method: "GET", path: "/me", headers: cookie(here), status: 401},
	})
}

func TestPasswordIsChangedByItsOwner(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	here, other := h.signIn(), h.signIn()
	change := func(old, password string) string {
		return fmt.Sprintf(`{"old_password":%q,"password":%q}`, old, password)
	}
	h.play([]scenario{
		{name: "with a token", method: "POST", path: "/me/password", body: change("correct horse", "paper moon over Graz"), status: 403, has: []string{"problem:session-required"}},
		{name: "from another site", method: "POST", path: "/me/password", body: change("correct horse", "paper moon over Graz"), headers: append(cookie(here), "Sec-Fetch-Site: cross-site"), status: 403, has: []string{"problem:cross-origin"}},
		{name: "wrong", method: "POST", path: "/me/password", body: change("wrong", "paper moon over Graz"), headers: cookie(here), status: 422, has: []string{`"pointer":"/old_password","rule":"password"`}},
		{name: "short", method: "POST", path: "/me/password", body: change("correct horse", "short"), headers: cookie(here), status: 422, has: []string{`"pointer":"/password","rule":"minLength"`}},
		{name: "common", method: "POST", path: "/me/password", body: change("correct horse", "Password1234"), headers: cookie(here), status: 422, has: []string{`"pointer":"/password","rule":"common"`}},
		{name: "right", method: "POST", path: "/me/password", body: change("correct horse", "paper moon over Graz"), headers: cookie(here), status: 204},
		{name: "this session goes on", method: "GET", path: "/me", headers: cookie(here), status: 200},
		{name: "the others are over", method: "GET", path: "/me", headers: cookie(other), status: 401},
		{name: "the old one is no more", method: "POST", path: "/me/password", body: change("correct horse", "paper moon over Linz"), headers: cookie(here), status: 422},
	})
	for range 3 {
		h.request("POST", "/me/password", change("wrong", "paper moon over Linz"), cookie(here)...)
	}
	h.play([]scenario{
		{name: "guessing", method: "POST", path: "/me/password", body: change("paper moon over Graz", "paper moon over Linz"), headers: cookie(here), status: 429, has: []string{"problem:too-many-attempts", "Retry-After: 30"}},
	})
	if log := h.log.String(); strings.Contains(log, "paper moon") || strings.Contains(log, "correct horse") {
		t.Errorf("a password is in the log:\n%s", log)
	}
}

// The codes come from another implementation than the hub's own.
func TestSecondFactorFromBeginningToEnd(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	here := h.signIn()
	h.play([]scenario{
		{name: "off", method: "GET", path: "/me/totp", status: 200, has: []string{`{"on":false,"recovery_codes":0}`}},
		{name: "not begun", method: "POST", path: "/me/totp/confirm", body: `{"code":"123456"}`, headers: cookie(here), status: 409, has: []string{"problem:second-factor"}},
		{name: "begin with a token", method: "POST", path: "/me/totp", body: `{"password":"correct horse"}`, status: 403},
		{name: "begin with another password", method: "POST", path: "/me/totp", body: `{"password":"wrong"}`, headers: cookie(here), status: 422, has: []string{`"pointer":"/password"`}},
	})
	begun := h.request("POST", "/me/totp", `{"password":"correct horse"}`, cookie(here)...)
	secret := field(t, begun, "secret")
	if want := "otpauth://totp/crmhub:alpha?algorithm=SHA1&digits=6&issuer=crmhub&period=30&secret=" + secret; field(t, begun, "uri") != want {
		t.Errorf("got %s, want %s", begun.Body, want)
	}
	checkSVG(t, field(t, begun, "qr"))
	code := func() string {
		t.Helper()
		h.now = h.now.Add(time.Minute) // a code counts once
		code, err := totp.GenerateCode(secret, h.now)
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	confirmed := h.request("POST", "/me/totp/confirm", `{"code":"`+code()+`"}`, cookie(here)...)
	recovery := field(t, confirmed, "codes")
	if confirmed.Code != http.StatusOK || len(recovery) != 19 {
		t.Fatalf("%d %s", confirmed.Code, confirmed.Body)
	}
	entry, err := h.access.SignIn(t.Context(), access.SignIn{Login: "alpha", Password: "correct horse"})
	if err != nil || entry.Session != "" {
		t.Fatalf("signing in takes one step: %v", err)
	}
	h.play([]scenario{
		{name: "what waits for a code is no session", method: "GET", path: "/me", headers: cookie(entry.Pending), status: 401},
		{name: "on", method: "GET", path: "/me/totp", status: 200, has: []string{`"on":true`, `"recovery_codes":10`}, hasNot: []string{secret}},
		{name: "begin again", method: "POST", path: "/me/totp", body: `{"password":"correct horse"}`, headers: cookie(here), status: 409},
		{name: "new codes without proof", method: "POST", path: "/me/recovery-codes", body: `{"password":"correct horse","code":"000000"}`, headers: cookie(here), status: 422, has: []string{`"pointer":"/code"`}},
		{name: "new codes", method: "POST", path: "/me/recovery-codes", body: `{"password":"correct horse","code":"` + code() + `"}`, headers: cookie(here), status: 200, hasNot: []string{recovery}},
	})
	h.play([]scenario{
		{name: "an old recovery code", method: "POST", path: "/me/totp/disable", body: `{"password":"correct horse","code":"` + recovery + `"}`, headers: cookie(here), status: 422},
		{name: "turn it off", method: "POST", path: "/me/totp/disable", body: `{"password":"correct horse","code":"` + code() + `"}`, headers: cookie(here), status: 204},
		{name: "off", method: "GET", path: "/me/totp", status: 200, has: []string{`{"on":false,"recovery_codes":0}`}},
	})
	if h.signIn() == "" {
		t.Error("a code is still asked for")
	}
	if strings.Contains(h.log.String(), secret) {
		t.Error("the secret is in the log")
	}
}

func checkSVG(t *testing.T, image string) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(image)); ; {
		if _, err := d.Token(); err == io.EOF { //nolint:errorlint // as documented
			break
		} else if err != nil {
			t.Fatalf("%v in %s", err, image)
		}
	}
	if !strings.HasPrefix(image, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 `) || strings.Count(image, "h1v1h-1z") < 400 {
		t.Errorf("no QR code: %s", image)
	}
}

func TestLoginEventsAndResettingASignIn(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	here := h.signIn()
	for range 3 {
		if _, err := h.access.SignIn(t.Context(), access.SignIn{Login: "alpha", Password: "guess", IP: "192.0.2.9"}); err == nil {
			t.Fatal("guessed")
		}
	}
	h.ids["user"] = field(t, h.request("GET", "/me", ""), "user_id")
	first := h.request("GET", "/me/login-events?limit=2", "")
	if strings.Count(first.Body.String(), `"login":"alpha"`) != 2 || !strings.Contains(first.Body.String(), `"outcome":"wrong_password","ip":"192.0.2.9"`) {
		t.Errorf("got %s", first.Body)
	}
	next := strings.TrimPrefix(field(t, first, "next"), "/api/v1")
	b := []string{"Authorization: Bearer " + h.tokenB}
	h.play([]scenario{
		{name: "the next page", method: "GET", path: next, status: 200, has: []string{`"outcome":"signed_in"`}, hasNot: []string{`"next"`}},
		{name: "from nowhere", method: "GET", path: "/login-events?after=x", status: 400, has: []string{`"parameter":"after"`}},
		{name: "the organization's", method: "GET", path: "/login-events", status: 200, has: []string{`"login":"alpha"`}},
		{name: "another organization's", method: "GET", path: "/login-events", headers: b, status: 200, has: []string{`{"items":[]}`}},
		{name: "another organization's user", method: "POST", path: "/users/{user}/reset-sign-in", headers: b, status: 404},
		{name: "reset", method: "POST", path: "/users/{user}/reset-sign-in", status: 204},
		{name: "the sessions are over", method: "GET", path: "/me", headers: cookie(here), status: 401},
	})
}
