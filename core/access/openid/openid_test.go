package openid_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/access/openid"
	"crmhub/core/access/openid/openidtest"
	"crmhub/core/secret"
)

var bea = openidtest.User{ID: "b1", Email: "bea@example.com", EmailVerified: true}

// hub is the hub's side, with a clock that the test moves.
type hub struct {
	*openid.Provider
	at  *openidtest.Provider
	now time.Time
}

func newHub(t *testing.T, change func(c *openid.Config), users ...openidtest.User) *hub {
	t.Helper()
	key, err := secret.NewKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	h := &hub{at: openidtest.New(t, users...), now: time.Now()}
	c := openid.Config{
		Issuer: h.at.Issuer, ClientID: openidtest.ClientID, ClientSecret: secret.New(openidtest.ClientSecret),
		RedirectURL: openidtest.RedirectURL, Key: key, Now: func() time.Time { return h.now },
	}
	if change != nil {
		change(&c)
	}
	h.Provider = openid.New(c)
	return h
}

func (h *hub) begin(t *testing.T) (where, ticket string) {
	t.Helper()
	where, ticket, err := h.Begin(t.Context(), "/orders?status=draft")
	if err != nil {
		t.Fatal(err)
	}
	return where, ticket
}

func TestBrowserComesBackAsWhoSignedIn(t *testing.T) {
	t.Parallel()
	h := newHub(t, nil, bea, openidtest.User{ID: "u1", Email: "una@example.com"})
	for _, want := range []openid.Person{
		{Issuer: h.at.Issuer, Subject: "b1", Email: "bea@example.com", EmailVerified: true, To: "/orders?status=draft"},
		{Issuer: h.at.Issuer, Subject: "u1", Email: "una@example.com", To: "/orders?status=draft"},
	} {
		where, ticket := h.begin(t)
		got, err := h.Finish(t.Context(), ticket, h.at.SignIn(t, t.Context(), where, want.Subject))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for _, part := range []string{"una@", "verifier", "orders"} {
			if strings.Contains(ticket, part) {
				t.Errorf("the ticket shows %q", part)
			}
		}
	}
}

func TestWhatComesBackWrongLetsNobodyIn(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(c *openid.Config)
		play   func(t *testing.T, h *hub) (ticket string, back url.Values)
		want   error
	}{
		"another browser": {nil, func(t *testing.T, h *hub) (string, url.Values) {
			where, _ := h.begin(t)
			_, ticket := h.begin(t)
			return ticket, h.at.SignIn(t, t.Context(), where, "b1")
		}, openid.ErrTicket},
		"no ticket": {nil, func(t *testing.T, h *hub) (string, url.Values) {
			where, _ := h.begin(t)
			return "", h.at.SignIn(t, t.Context(), where, "b1")
		}, openid.ErrTicket},
		"a ticket of one's own": {nil, func(t *testing.T, h *hub) (string, url.Values) {
			where, ticket := h.begin(t)
			return "A" + ticket[1:len(ticket)-1] + "A", h.at.SignIn(t, t.Context(), where, "b1")
		}, openid.ErrTicket},
		"too late": {nil, func(t *testing.T, h *hub) (string, url.Values) {
			where, ticket := h.begin(t)
			h.now = h.now.Add(openid.TicketLife)
			return ticket, h.at.SignIn(t, t.Context(), where, "b1")
		}, openid.ErrTicket},
		"no": {nil, func(t *testing.T, h *hub) (string, url.Values) {
			where, ticket := h.begin(t)
			back := h.at.SignIn(t, t.Context(), where, "b1")
			return ticket, url.Values{"state": back["state"], "error": {"access_denied"}}
		}, openid.ErrRefused},
		"a made-up code": {nil, func(t *testing.T, h *hub) (string, url.Values) {
			where, ticket := h.begin(t)
			back := h.at.SignIn(t, t.Context(), where, "b1")
			back.Set("code", "made-up")
			return ticket, back
		}, openid.ErrRefused},
		"a code of somebody else's sign-in": {nil, func(t *testing.T, h *hub) (string, url.Values) {
			theirs, _ := h.begin(t)
			where, ticket := h.begin(t)
			back := h.at.SignIn(t, t.Context(), where, "b1")
			back.Set("code", h.at.SignIn(t, t.Context(), theirs, "b1").Get("code"))
			return ticket, back // PKCE
		}, openid.ErrRefused},
		"a used code": {nil, func(t *testing.T, h *hub) (string, url.Values) {
			where, ticket := h.begin(t)
			back := h.at.SignIn(t, t.Context(), where, "b1")
			if _, err := h.Finish(t.Context(), ticket, back); err != nil {
				t.Fatal(err)
			}
			return ticket, back
		}, openid.ErrRefused},
		"another secret": {func(c *openid.Config) { c.ClientSecret = secret.New("wrong") }, func(t *testing.T, h *hub) (string, url.Values) {
			where, ticket := h.begin(t)
			return ticket, h.at.SignIn(t, t.Context(), where, "b1")
		}, openid.ErrRefused},
		"another nonce": {nil, func(t *testing.T, h *hub) (string, url.Values) {
			where, ticket := h.begin(t)
			u, err := url.Parse(where)
			if err != nil {
				t.Fatal(err)
			}
			query := u.Query()
			query.Set("nonce", "of somebody else")
			u.RawQuery = query.Encode()
			return ticket, h.at.SignIn(t, t.Context(), u.String(), "b1")
		}, openid.ErrToken},
		"another issuer": {nil, func(t *testing.T, h *hub) (string, url.Values) {
			where, ticket := h.begin(t)
			back := h.at.SignIn(t, t.Context(), where, "b1")
			back.Set("iss", "https://evil.example")
			return ticket, back
		}, openid.ErrToken},
		"an expired token": {nil, func(t *testing.T, h *hub) (string, url.Values) {
			h.now = h.now.Add(24 * time.Hour) // a token of the provider lives for an hour
			where, ticket := h.begin(t)
			return ticket, h.at.SignIn(t, t.Context(), where, "b1")
		}, openid.ErrToken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHub(t, tc.change, bea)
			ticket, back := tc.play(t, h)
			if who, err := h.Finish(t.Context(), ticket, back); !errors.Is(err, tc.want) || who.Email != "" {
				t.Errorf("got %+v, %v, want %v", who, err, tc.want)
			}
		})
	}
}

func TestProviderIsLookedForUntilItAnswers(t *testing.T) {
	t.Parallel()
	var behind atomic.Pointer[httputil.ReverseProxy]
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := behind.Load(); p != nil {
			p.ServeHTTP(w, r)
			return
		}
		http.Error(w, "not yet", http.StatusBadGateway)
	}))
	t.Cleanup(front.Close)
	h := newHub(t, func(c *openid.Config) { c.Issuer = front.URL }, bea)
	if _, _, err := h.Begin(t.Context(), "/"); !errors.Is(err, openid.ErrUnreachable) {
		t.Errorf("while it is away: %v", err)
	}
	at, err := url.Parse(h.at.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	behind.Store(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(at) }})
	// What answers calls itself something else: it is not the issuer that was configured.
	if _, _, err := h.Begin(t.Context(), "/"); !errors.Is(err, openid.ErrUnreachable) || !strings.Contains(err.Error(), "issuer") {
		t.Errorf("another issuer: %v", err)
	}
	behind.Store(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(at) },
		ModifyResponse: func(r *http.Response) error {
			if !strings.HasSuffix(r.Request.URL.Path, "/.well-known/openid-configuration") {
				return nil
			}
			var b bytes.Buffer
			if _, err := b.ReadFrom(r.Body); err != nil {
				return err
			}
			body := strings.Replace(b.String(), `"issuer":"`+at.String(), `"issuer":"`+front.URL, 1)
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
			r.Header.Del("Content-Length")
			return nil
		},
	})
	where, ticket := h.begin(t)
	// Its tokens still say the other issuer.
	if _, err := h.Finish(t.Context(), ticket, h.at.SignIn(t, t.Context(), where, "b1")); !errors.Is(err, openid.ErrToken) {
		t.Errorf("a token of another issuer: %v", err)
	}
}
