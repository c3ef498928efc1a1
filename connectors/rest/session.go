package rest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-retryablehttp"
	"golang.org/x/time/rate"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// session speaks to one remote. It keeps connections, the login and what lookups found.
type session struct {
	plan         *plan
	options      connector.Options
	secrets      map[string]any // revealed, for templates
	hiding       sync.Once
	hidden       []string // the secrets in all ways they are written; see secretForms
	base         string
	scheme, host string
	client       *retryablehttp.Client
	limiter      *rate.Limiter
	windows      []*window
	slots        chan struct{}   // one for each call under way
	life         context.Context //nolint:containedctx // ends with Close, and with it every call
	end          context.CancelFunc

	current  atomic.Pointer[login]
	renewing chan struct{} // held by the one that logs in
	found    map[string]*findings
}

var (
	_ connector.Puller = (*session)(nil)
	_ connector.Pusher = (*session)(nil)
	_ connector.Finder = (*session)(nil)
	_ connector.Getter = (*session)(nil)
)

func (p *plan) open(o connector.Options) (connector.Session, error) {
	s := &session{
		plan: p, options: o, secrets: map[string]any{},
		limiter: rate.NewLimiter(p.limits.rate, p.limits.burst), slots: make(chan struct{}, p.limits.concurrency),
		renewing: make(chan struct{}, 1), found: map[string]*findings{},
	}
	for _, w := range p.limits.windows {
		s.windows = append(s.windows, &window{plan: w})
	}
	for name, t := range o.Secrets {
		s.secrets[name] = t.Reveal()
	}
	for name := range p.lookups {
		s.found[name] = newFindings()
	}
	base, err := renderText(p.base, &scope{session: s})
	if err != nil {
		return nil, fmt.Errorf("address: %w", err)
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return nil, &connector.Error{
			Class: connector.ClassConfig, Message: "the address is no http(s) URL",
			Remedy: "Write the address as https://host/path, without a password in it.", Said: schema.Say("bad_address"),
		}
	}
	s.base, s.scheme, s.host = base, u.Scheme, u.Host
	s.client, err = newClient(p.limits, p.auth.cookies, func(r *http.Request) error {
		if err := s.pace(r.Context()); err != nil {
			return err
		}
		attemptsOf(r.Context()).waiting = false
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("HTTP client: %w", err)
	}
	s.life, s.end = context.WithCancel(context.Background()) //nolint:forbidigo // the session's life is its own, until Close
	return s, nil
}

// Check makes the manifest's check call.
func (s *session) Check(ctx context.Context) error {
	_, f := s.do(ctx, s.plan.check, &scope{})
	if f != nil && f.err.Class == connector.ClassData && f.err.Said != nil && f.err.Said.Code == "answered" { // such as 404: it is no record that is wrong
		f.err.Remedy, f.err.Said = "Check the connection's address.", schema.Say("answered_config", f.err.Code)
	}
	return f.asError()
}

// Close ends calls under way and drops the connections.
func (s *session) Close() error {
	s.end()
	s.client.HTTPClient.CloseIdleConnections()
	return nil
}

func (f *failure) asError() error {
	if f == nil {
		return nil
	}
	return f.err
}

func (s *session) stream(record string) (*stream, error) {
	for _, st := range s.plan.streams {
		if st.record == record {
			return st, nil
		}
	}
	return nil, &connector.Error{Class: connector.ClassConfig, Message: fmt.Sprintf("%s has no stream %q", s.plan.name, record), Said: schema.Say("not_pulled", s.plan.name, record)}
}

func unable(st *stream, what string) *connector.Error {
	return &connector.Error{Class: connector.ClassConfig, Message: fmt.Sprintf("the manifest does not say how to %s a %s", what, st.record), Said: schema.Say("manifest_lacks", what, st.record)}
}
