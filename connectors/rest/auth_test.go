package rest_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/connector"
	"crmhub/core/secret"
)

func withAuth(auth string) string {
	return strings.Replace(shop, `auth: {type: bearer, token: "{{secret.token}}"}`, auth, 1)
}

const loginAuth = `
auth:
  type: login
  steps:
    - path: /login
      body: {user: hub, password: "{{secret.token}}"}
      values: {token: /token, company: /user/company}
      compose: {whole: "{{session.token}}"}
  headers: {Authorization: "Bearer {{session.whole}}", X-Company: "{{session.company}}"}
`

const tokenAuth = `auth: {type: oauth2, grant: refresh_token, refresh_token: "{{secret.refresh}}", token_url: "{{config.url}}/token", client_id: hub, client_secret: "{{secret.token}}"}`

func TestEveryKindOfCredentials(t *testing.T) {
	t.Parallel()
	for name, auth := range map[string]string{
		"basic":           `auth: {type: basic, user: hub, password: "{{secret.token}}"}`,
		"bearer":          `auth: {type: bearer, token: "{{secret.token}}"}`,
		"key in a header": `auth: {type: api_key, in: header, name: X-Api-Key, value: "{{secret.token}}"}`,
		"key in a query":  `auth: {type: api_key, in: query, name: api_key, value: "{{secret.token}}"}`,
		"oauth":           `auth: {type: oauth2, grant: client_credentials, token_url: "{{config.url}}/token", client_id: hub, client_secret: "{{secret.token}}"}`,
		"login":           loginAuth,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStub(t)
			c := parse(t, withAuth(auth))
			if err := s.open(t, c, "good").Check(t.Context()); err != nil {
				t.Errorf("good: %v", err)
			}
			if err := s.open(t, c, "wrong").Check(t.Context()); err == nil || connector.AsError(err).Class != connector.ClassAuth {
				t.Errorf("wrong: %v", err)
			}
		})
	}
}

func TestManyCallersLogInOnce(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	c := s.open(t, parse(t, withAuth(loginAuth)), "good")
	all := func() {
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if err := c.Check(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	all()
	if s.seen("POST /login") != 1 {
		t.Errorf("logged in %d times", s.seen("POST /login"))
	}
	s.expireTokens()
	all()
	if s.seen("POST /login") != 2 {
		t.Errorf("after the session was lost, logged in %d times in all, not 2", s.seen("POST /login"))
	}
}

func TestExpiredLoginIsRenewedOnce(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	c := s.open(t, parse(t, withAuth(loginAuth)), "good")
	s.first(99, "GET /me", status(http.StatusUnauthorized))
	if err := c.Check(t.Context()); err == nil || connector.AsError(err).Class != connector.ClassAuth {
		t.Errorf("%v", err)
	}
	if s.seen("POST /login") != 2 || s.seen("GET /me") != 2 {
		t.Errorf("%d logins, %d calls", s.seen("POST /login"), s.seen("GET /me"))
	}
}

func TestCreateIsSentAgainAfterANewLogin(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	c := s.open(t, parse(t, withAuth(loginAuth)), "good")
	if err := c.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.expireTokens()
	results, err := c.Push(t.Context(), "order", []connector.Write{order("a")})
	if err != nil || results[0].Outcome != connector.Done {
		t.Errorf("%+v, %v", results, err)
	}
}

// vault keeps a secret for several sessions, as a connection does.
type vault struct {
	mutex   sync.Mutex
	current secret.Text
	fault   error
}

func (v *vault) renew(_ context.Context, _ string, renew func(secret.Text) (secret.Text, error)) error {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	next, err := renew(v.current)
	if err == nil && v.fault == nil {
		v.current = next
	}
	return errors.Join(err, v.fault)
}

func TestNewRefreshTokenIsStoredForEverySession(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	v := &vault{current: secret.New("refresh-0")}
	c := parse(t, withAuth(tokenAuth))
	for range 2 { // two processes, or one that was started again
		session := s.openWith(t, c, connector.Options{Renew: v.renew}, "good")
		if err := session.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := v.current.Reveal(); got != "refresh-2" {
		t.Errorf("%s is stored", got)
	}
	if diff := cmp.Diff([]string{"refresh-0", "refresh-1"}, s.refresh); diff != "" {
		t.Errorf("refresh tokens used (-want +got):\n%s", diff)
	}
	if err := s.openWith(t, c, connector.Options{Renew: v.renew}, "wrong").Check(t.Context()); err == nil || connector.AsError(err).Class != connector.ClassAuth {
		t.Errorf("refused credentials: %v", err)
	}
	if got := v.current.Reveal(); got != "refresh-2" {
		t.Errorf("after a refusal %s is stored", got)
	}
	v.fault = errors.New("the database is away")
	if err := s.openWith(t, c, connector.Options{Renew: v.renew}, "good").Check(t.Context()); err != nil {
		t.Errorf("a token that was given and not stored is not used: %v", err)
	}
}

func TestRefreshTokensRotate(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	c := s.open(t, parse(t, withAuth(tokenAuth)), "good")
	for range 3 {
		if err := c.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.expireTokens()
	}
	if diff := cmp.Diff([]string{"refresh-0", "refresh-1", "refresh-2"}, s.refresh); diff != "" {
		t.Errorf("refresh tokens used (-want +got):\n%s", diff)
	}
}

// Who connects a system mistypes its address; what is said then leads on.
func TestACheckThatFailsSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil        func(*stub)
		said, remedy string
	}{
		"no such path":      {func(s *stub) { s.first(1, "GET /me", status(http.StatusNotFound)) }, "answered_config", "Check the connection's address."},
		"nobody listens":    {func(s *stub) { s.Close() }, "unreachable", "Check host and port"},
		"TLS where is none": {func(s *stub) { s.URL = strings.Replace(s.URL, "http:", "https:", 1) }, "no_tls", "Begin the address with http://"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStub(t)
			c.spoil(s)
			err := connector.AsError(s.open(t, parse(t, shop), "good").Check(t.Context()))
			if err.Said == nil || err.Said.Code != c.said || !strings.HasPrefix(err.Remedy, c.remedy) {
				t.Errorf("%+v, said %+v", err, err.Said)
			}
		})
	}
}
