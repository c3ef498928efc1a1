package openid

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"crmhub/core/secret"
)

// Config says which provider, and who the hub is to it.
type Config struct {
	Issuer       string
	ClientID     string
	ClientSecret secret.Text // none for a public client
	RedirectURL  string      // where browsers come back to, as registered with the provider
	Key          secret.Key  // seals what a browser keeps meanwhile
	Now          func() time.Time
}

// Provider is an OpenID provider. It is safe for concurrent use.
type Provider struct {
	config Config
	client *http.Client

	mu    sync.Mutex
	found *oidc.Provider // nil until it answered
}

// New returns the provider; nobody speaks to it yet.
func New(c Config) *Provider {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Provider{config: c, client: &http.Client{Timeout: 10 * time.Second}}
}

// Check asks the provider where everything is, and returns [ErrUnreachable] if it does not answer.
func (p *Provider) Check(ctx context.Context) error {
	_, _, err := p.discover(ctx)
	return err
}

// Why nobody came back signed in.
var (
	ErrUnreachable = errors.New("the OpenID provider cannot be reached")
	ErrTicket      = errors.New("the sign-in was begun elsewhere or too long ago")
	ErrRefused     = errors.New("the OpenID provider refused")
	ErrToken       = errors.New("what the OpenID provider says does not hold")
)

// Person is whom the provider knows.
type Person struct {
	Issuer        string
	Subject       string // who it is, for ever
	Email         string
	EmailVerified bool
	To            string // as given to Begin
}

// TicketLife is how long somebody may take at the provider.
const TicketLife = 10 * time.Minute

const ticketPlace = "openid ticket"

// Begin returns where to send a browser, and a ticket that the browser keeps until it comes back. to is where it wants to go then.
func (p *Provider) Begin(ctx context.Context, to string) (where, ticket string, err error) {
	o, _, err := p.discover(ctx)
	if err != nil {
		return "", "", err
	}
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	sealed, err := p.config.Key.Seal(ticketPlace, map[string]secret.Text{
		"state": secret.New(state), "nonce": secret.New(nonce), "verifier": secret.New(verifier), "to": secret.New(to),
		"until": secret.New(p.config.Now().Add(TicketLife).UTC().Format(time.RFC3339)),
	})
	if err != nil {
		return "", "", fmt.Errorf("begin an OpenID sign-in: %w", err)
	}
	where = o.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier))
	return where, base64.RawURLEncoding.EncodeToString(sealed), nil
}

// Finish takes the ticket of a browser that came back and the query it came with, and says who it is. It returns one of the
// errors above, with what led to it.
func (p *Provider) Finish(ctx context.Context, ticket string, query url.Values) (Person, error) {
	t, err := p.open(ticket)
	if err != nil {
		return Person{}, err
	}
	if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(t["state"].Reveal())) != 1 {
		return Person{}, fmt.Errorf("%w: another state", ErrTicket)
	}
	if reason := query.Get("error"); reason != "" {
		return Person{}, fmt.Errorf("%w: %q", ErrRefused, reason)
	}
	// RFC 9207: a provider that says who it is must be the one that was asked.
	if iss := query.Get("iss"); iss != "" && iss != p.config.Issuer {
		return Person{}, fmt.Errorf("%w: it is from another issuer", ErrToken)
	}
	o, provider, err := p.discover(ctx)
	if err != nil {
		return Person{}, err
	}
	ctx = oidc.ClientContext(ctx, p.client)
	token, err := o.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(t["verifier"].Reveal()))
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		// The error itself repeats the provider's answer, which may hold anything.
		return Person{}, fmt.Errorf("%w the code: %q", ErrRefused, refused.ErrorCode)
	}
	if err != nil {
		return Person{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: p.config.ClientID, Now: p.config.Now}).Verify(ctx, raw)
	if err != nil {
		return Person{}, fmt.Errorf("%w: %w", ErrToken, err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(t["nonce"].Reveal())) != 1 {
		return Person{}, fmt.Errorf("%w: another nonce", ErrToken)
	}
	person, err := p.read(ctx, provider, id, token)
	person.To = t["to"].Reveal()
	return person, err
}

// read takes the address from the ID token, or from the provider's userinfo if it is not there.
func (p *Provider) read(ctx context.Context, provider *oidc.Provider, id *oidc.IDToken, token *oauth2.Token) (Person, error) {
	person := Person{Issuer: id.Issuer, Subject: id.Subject}
	var said claims
	if err := id.Claims(&said); err != nil {
		return person, fmt.Errorf("%w: %w", ErrToken, err)
	}
	if said.Email == "" && provider.UserInfoEndpoint() != "" {
		info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
		if err != nil {
			return person, fmt.Errorf("%w: %w", ErrUnreachable, err)
		}
		if info.Subject != id.Subject {
			return person, fmt.Errorf("%w: userinfo of somebody else", ErrToken)
		}
		said = claims{info.Email, info.EmailVerified}
	}
	person.Email, person.EmailVerified = said.Email, said.EmailVerified == true || said.EmailVerified == "true"
	return person, nil
}

// claims are those of an ID token that the hub reads. Some providers write true as "true".
type claims struct {
	Email         string `json:"email"`
	EmailVerified any    `json:"email_verified"`
}

func (p *Provider) open(ticket string) (map[string]secret.Text, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(ticket)
	if err != nil || len(sealed) == 0 {
		return nil, fmt.Errorf("%w: no ticket", ErrTicket)
	}
	t, err := p.config.Key.Open(ticketPlace, sealed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTicket, err)
	}
	until, err := time.Parse(time.RFC3339, t["until"].Reveal())
	if err != nil || !p.config.Now().Before(until) {
		return nil, fmt.Errorf("%w: it is over", ErrTicket)
	}
	return t, nil
}

// discover asks the provider where everything is, until it answered once. What its keys are is asked anew as they change.
func (p *Provider) discover(ctx context.Context) (*oauth2.Config, *oidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found == nil {
		found, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.config.Issuer)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
		}
		p.found = found
	}
	return &oauth2.Config{
		ClientID: p.config.ClientID, ClientSecret: p.config.ClientSecret.Reveal(), Endpoint: p.found.Endpoint(),
		RedirectURL: p.config.RedirectURL, Scopes: []string{oidc.ScopeOpenID, "email"},
	}, p.found, nil
}
