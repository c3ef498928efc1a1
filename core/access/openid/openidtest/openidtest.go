// Package openidtest runs an OpenID provider for tests: a certified library (zitadel/oidc) over an HTTP server of its own.
package openidtest

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// What the provider knows the hub by.
const (
	ClientID     = "crmhub"
	ClientSecret = "the client's secret"
	RedirectURL  = "https://hub.example/login/oidc/callback"
)

// User is a person at the provider.
type User struct {
	ID            string
	Email         string
	EmailVerified bool
}

// Provider is a running provider.
type Provider struct {
	Issuer string
	client *http.Client
}

const password = "verysecure"

// New starts a provider that knows some people, until the test ends.
func New(t testing.TB, users ...User) *Provider {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	known := people{}
	for _, u := range users {
		known[u.ID] = &storage.User{ID: u.ID, Username: u.ID, Password: password, Email: u.Email, EmailVerified: u.EmailVerified}
	}
	store := storage.NewStorageWithClients(known, map[string]*storage.Client{ClientID: storage.WebClient(ClientID, ClientSecret, RedirectURL)})
	provider, err := op.NewProvider(&op.Config{CryptoKey: sha256.Sum256([]byte("test")), CodeMethodS256: true}, store,
		op.StaticIssuer(server.URL), op.WithAllowInsecure(), op.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	back := op.AuthCallbackURL(provider)
	mux.Handle("/", provider)
	// Where the provider sends people who are to sign in: here they are whom ?as= says.
	mux.HandleFunc("GET /login/username", func(w http.ResponseWriter, r *http.Request) {
		id := r.URL.Query().Get("authRequestID")
		if err := store.CheckUsernamePassword(r.URL.Query().Get("as"), password, id); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		http.Redirect(w, r, back(op.ContextWithIssuer(r.Context(), server.URL), id), http.StatusFound)
	})
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Provider{Issuer: server.URL, client: client}
}

// SignIn goes where the hub sends a browser, signs in as somebody, and returns the query with which the browser comes back.
func (p *Provider) SignIn(t testing.TB, ctx context.Context, where, as string) url.Values { //nolint:revive // testing.TB comes first
	t.Helper()
	login := p.follow(t, ctx, where)
	query := login.Query()
	query.Set("as", as)
	login.RawQuery = query.Encode()
	callback := p.follow(t, ctx, p.follow(t, ctx, login.String()).String())
	if got := callback.Scheme + "://" + callback.Host + callback.Path; got != RedirectURL {
		t.Fatalf("the provider sends back to %s", callback)
	}
	return callback.Query()
}

// follow asks for a page and returns where it sends the browser.
func (p *Provider) follow(t testing.TB, ctx context.Context, where string) *url.URL { //nolint:revive // as above
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := p.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	to, err := response.Location()
	if err != nil {
		t.Fatalf("%s: %s, %v", where, response.Status, err)
	}
	return to
}

type people map[string]*storage.User

func (p people) GetUserByID(id string) *storage.User         { return p[id] }
func (p people) GetUserByUsername(name string) *storage.User { return p[name] }
func (people) ExampleClientID() string                       { return "" }
