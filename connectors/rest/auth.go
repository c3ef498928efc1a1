package rest

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"crmhub/core/connector"
	"crmhub/core/schema"
	"crmhub/core/secret"
)

// authPlan is how a session proves who it is.
type authPlan struct {
	headers  []parameter // on every call
	query    []parameter
	cookies  bool
	basic    *[2]template // user, password
	steps    []authStep   // the login, if there is one
	lifetime time.Duration
	ends     []match // answers that say the login has expired
	expiry   bool    // the last step's answer has expires_in
	refresh  string  // the secret that holds the refresh token, of which the remote may give a new one
}

type authStep struct {
	call    *call
	url     template // instead of base and path
	values  map[string]source
	compose map[string]template // values made of others
}

// expired reports whether the answer asks for a new login.
func (p *authPlan) expired(a *answer) bool {
	if len(p.steps) == 0 {
		return false
	}
	for _, m := range p.ends {
		if m.fits(a.status, a.header, a.whole) {
			return true
		}
	}
	return false
}

// bare is an address without the credentials that every request gets anyway: remotes repeat them in their links.
func (p *authPlan) bare(u *url.URL) string {
	q := u.Query()
	for _, parameter := range p.query {
		q.Del(parameter.name)
	}
	if len(q) == len(u.Query()) {
		return u.String()
	}
	without := *u
	without.RawQuery = q.Encode()
	return without.String()
}

func (c *compiler) auth(m authManifest) authPlan {
	var p authPlan
	header := func(name string, t template) { p.headers = append(p.headers, parameter{name, t}) }
	switch m.Type {
	case "basic":
		p.basic = &[2]template{c.value(&m.User), c.value(&m.Password)}
	case "bearer":
		header("Authorization", textTemplate{literal{"Bearer "}, c.value(&m.Token)})
	case "api_key":
		if m.In == "query" {
			p.query = []parameter{{m.Name, c.value(&m.Value)}}
		} else {
			header(m.Name, c.value(&m.Value))
		}
	case "oauth2":
		p = c.oauth(m)
	case "login":
		p.cookies, p.lifetime = m.Cookies, m.Lifetime
		known := c
		for _, step := range m.Steps {
			made := authStep{call: known.reads(step.callManifest), values: map[string]source{}}
			for name, at := range step.Values {
				made.values[name] = c.source(at)
			}
			known = c.with("session", "answer")
			made.compose = map[string]template{}
			for name, t := range step.Compose {
				made.compose[name] = known.value(&t)
			}
			p.steps = append(p.steps, made)
		}
		c = c.with("session")
		p.headers, p.query = c.parameters(&m.Headers), c.parameters(&m.Query)
		for _, e := range m.Expired {
			p.ends = append(p.ends, c.match(e.Value, e.Line))
		}
		if p.ends == nil {
			p.ends = []match{{statuses: []int{http.StatusUnauthorized}}}
		}
	}
	return p
}

// oauth is a login whose one step asks for a token (RFC 6749, client_credentials and refresh_token).
func (c *compiler) oauth(m authManifest) authPlan {
	form := []parameter{{"grant_type", literal{m.Grant}}}
	if m.Scope.Kind != 0 {
		form = append(form, parameter{"scope", c.value(&m.Scope)})
	}
	if m.Grant == "refresh_token" {
		form = append(form, parameter{"refresh_token", sessionValue("refresh_token")})
	}
	token := &call{method: http.MethodPost, read: true, anywhere: true}
	id, secret := c.value(&m.ClientID), c.value(&m.ClientSecret)
	if m.In == "body" {
		form = append(form, parameter{"client_id", id}, parameter{"client_secret", secret})
	} else {
		token.headers = []parameter{{"Authorization", basicTemplate{id, secret}}}
	}
	token.form = form
	refresh := ""
	if m.Grant == "refresh_token" {
		name, ok := strings.CutPrefix(strings.Trim(m.RefreshToken.Value, "{} "), "secret.")
		if p, isPlaceholder := c.optional(&m.RefreshToken).(placeholder); !isPlaceholder || !ok || len(p.path) != 1 || len(p.filters) > 0 {
			c.faults.add(max(m.RefreshToken.Line, m.TokenURL.Line), "refresh_token is a secret and nothing else, as in {{secret.refresh_token}}: a new one takes its place")
		}
		refresh = name
	}
	return authPlan{
		headers: []parameter{{"Authorization", textTemplate{literal{"Bearer "}, sessionValue("token")}}},
		steps: []authStep{{call: token, url: c.value(&m.TokenURL), values: map[string]source{
			"token": {pointer: pointer{"access_token"}},
		}}},
		ends:   []match{{statuses: []int{http.StatusUnauthorized}}},
		expiry: true, refresh: refresh,
	}
}

type sessionValue string

func (v sessionValue) render(s *scope) (any, bool, error) {
	value, ok := s.values[string(v)]
	return value, ok, nil
}

// basicTemplate is HTTP basic authentication as OAuth wants it: both parts form-encoded first.
type basicTemplate struct{ user, password template }

func (t basicTemplate) render(s *scope) (any, bool, error) {
	user, err := renderText(t.user, s)
	if err != nil {
		return nil, false, err
	}
	password, err := renderText(t.password, s)
	if err != nil {
		return nil, false, err
	}
	pair := url.QueryEscape(user) + ":" + url.QueryEscape(password)
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)), true, nil
}

// login is what a login gave. It never changes; a new one takes its place.
type login struct {
	values map[string]any
	until  time.Time // zero: until the remote says otherwise
}

// login returns the login in force, nil if the manifest has none. Given the one that turned out to have expired, it makes a new one:
// one for all callers, who wait for it.
func (s *session) login(ctx context.Context, stale *login) (*login, *failure) {
	if len(s.plan.auth.steps) == 0 {
		return nil, nil
	}
	if l := s.current.Load(); l != nil && l != stale && (l.until.IsZero() || time.Now().Before(l.until)) {
		return l, nil
	}
	select {
	case s.renewing <- struct{}{}:
		defer func() { <-s.renewing }()
	case <-ctx.Done():
		return nil, unreachable(ctx.Err())
	}
	last := s.current.Load()
	if last != nil && last != stale && (last.until.IsZero() || time.Now().Before(last.until)) {
		return last, nil
	}
	fresh, f := s.refresh(connector.Unrecorded(ctx), last)
	if f != nil {
		return nil, f
	}
	s.current.Store(fresh)
	return fresh, nil
}

// refresh logs in; by the newest refresh token, where that is how. The token that the remote gives in return is stored before
// anything is done with it: many remotes take each of them once.
func (s *session) refresh(ctx context.Context, last *login) (*login, *failure) {
	name := s.plan.auth.refresh
	if name == "" {
		return s.logIn(ctx, "")
	}
	if s.options.Renew == nil {
		if last != nil {
			token, _ := last.values["refresh_token"].(string)
			return s.logIn(ctx, token)
		}
		return s.logIn(ctx, s.options.Secrets[name].Reveal())
	}
	var (
		fresh *login
		f     *failure
	)
	// An end of the caller's patience between the remote's answer and the store would lose the token.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.plan.limits.timeout+time.Minute)
	defer cancel()
	err := s.options.Renew(ctx, name, func(current secret.Text) (secret.Text, error) {
		if fresh, f = s.logIn(ctx, current.Reveal()); f != nil {
			return current, f.err
		}
		token, _ := fresh.values["refresh_token"].(string)
		return secret.New(token), nil
	})
	switch {
	case f != nil:
		return nil, f
	case err != nil && fresh == nil:
		return nil, &failure{err: &connector.Error{Class: connector.ClassTransient, Message: "the refresh token cannot be read", Err: err, Said: schema.Say("token_unreadable")}}
	case err != nil: // it lives in this session only; what is done with it meanwhile counts
		s.options.Logger.ErrorContext(ctx, "the new refresh token is not stored; if the hub ends now, the connection has to be authorized anew", "error", err)
	}
	return fresh, nil
}

func (s *session) logIn(ctx context.Context, refreshToken string) (*login, *failure) {
	plan := &s.plan.auth
	fresh := &login{values: map[string]any{}}
	if plan.refresh != "" {
		fresh.values["refresh_token"] = refreshToken
	}
	begun := time.Now()
	var a *answer
	for i, step := range plan.steps {
		sc := &scope{session: s, ctx: ctx}
		if a != nil {
			sc.answer = a.body
		}
		var f *failure
		if a, f = s.sendStep(ctx, step, sc, fresh, i > 0); f != nil {
			f.unknown = false // whatever it was for has not been sent
			return nil, f
		}
		for name, at := range step.values {
			v, ok := at.in(a.body, a.header)
			if !ok || v == nil {
				return nil, refuse(schema.Say("login_lacks", name), connector.ClassAuth, "the login gave no "+name, "Check the connection's credentials.")
			}
			fresh.values[name] = v
		}
		sc.values, sc.answer = fresh.values, a.body
		for name, t := range step.compose {
			str, err := renderText(t, sc)
			if err != nil {
				return nil, unrendered(err)
			}
			fresh.values[name] = str
		}
	}
	if plan.refresh != "" {
		if v, ok := (pointer{"refresh_token"}).in(a.body); ok && v != nil {
			fresh.values["refresh_token"] = v
		}
	}
	lifetime := plan.lifetime
	if v, ok := (pointer{"expires_in"}).in(a.body); ok && plan.expiry {
		str, _ := text(v) // a value of another kind says nothing
		if seconds, err := time.ParseDuration(str + "s"); err == nil {
			lifetime = seconds - min(seconds/10, 30*time.Second) // used up before the remote refuses it
		}
	}
	if lifetime > 0 {
		fresh.until = begun.Add(lifetime)
	}
	return fresh, nil
}

// sendStep makes a login's call. From the second step on it carries what the first gave.
func (s *session) sendStep(ctx context.Context, step authStep, sc *scope, got *login, authorized bool) (*answer, *failure) {
	c := *step.call
	c.repeatable = true
	address := ""
	if step.url != nil {
		var err error
		if address, err = renderText(step.url, sc); err != nil {
			return nil, unrendered(err)
		}
	}
	var with *login
	if authorized {
		with = got
	} else {
		sc.values = got.values
	}
	a, f := s.send(ctx, &c, sc, with, address, "")
	if f != nil {
		return nil, f
	}
	f = s.judge(&c, a)
	if f == nil {
		return a, nil
	}
	if !f.err.Retryable() {
		f.err.Class = connector.ClassAuth
		f.err.Said = notLetIn(f.err)
		if f.err.Remedy == "" {
			f.err.Remedy = "Check the connection's credentials."
		}
	}
	return nil, f
}

// authorize puts the credentials on a request.
func (s *session) authorize(r *retryablehttp.Request, l *login, sc *scope) *failure {
	plan := &s.plan.auth
	if len(plan.steps) > 0 && l == nil {
		return nil // the login itself
	}
	if plan.basic != nil {
		user, err := renderText(plan.basic[0], sc)
		if err != nil {
			return unrendered(err)
		}
		password, err := renderText(plan.basic[1], sc)
		if err != nil {
			return unrendered(err)
		}
		r.SetBasicAuth(user, password)
	}
	for _, p := range plan.headers {
		v, err := renderText(p.value, sc)
		if err != nil {
			return unrendered(err)
		}
		r.Header.Set(p.name, v)
	}
	if len(plan.query) > 0 {
		q := r.URL.Query()
		for _, p := range plan.query {
			v, err := renderText(p.value, sc)
			if err != nil {
				return unrendered(err)
			}
			q.Set(p.name, v)
		}
		r.URL.RawQuery = q.Encode()
	}
	return nil
}
