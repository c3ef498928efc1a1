package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// answer is what the remote said.
type answer struct {
	status int
	header http.Header
	whole  any    // the body
	body   any    // the part of it that the call is about: the rpc's result
	broken error  // the body is no JSON, or too long
	raw    []byte // the body as it came; cut where it is too long

	address *url.URL // where it came from
	hidden  []string // credentials that the request carried and the answer may repeat
}

// nothing reports whether the status says that there is nothing to tell.
func (a *answer) nothing() bool {
	return a.status == http.StatusNoContent || a.status == http.StatusNotModified
}

// empty reports whether the answer tells nothing, without saying that there is nothing.
func (a *answer) empty() bool { return !a.nothing() && len(bytes.TrimSpace(a.raw)) == 0 }

// clock is the remote's time when it answered, else ours.
func (a *answer) clock() time.Time {
	if t, err := http.ParseTime(a.header.Get("Date")); err == nil {
		return t.UTC()
	}
	return time.Now().UTC()
}

// do makes a call: with the login in force, once more with a new one if that has expired.
func (s *session) do(ctx context.Context, c *call, sc *scope) (*answer, *failure) {
	return s.doTo(ctx, c, sc, "", "")
}

// doTo is do with an address that the remote gave, if any, and an idempotency header.
func (s *session) doTo(ctx context.Context, c *call, sc *scope, address, idempotency string) (*answer, *failure) {
	sc.session, sc.ctx = s, ctx
	login, f := s.login(ctx, nil)
	if f != nil {
		return nil, f
	}
	a, f := s.send(ctx, c, sc, login, address, idempotency)
	if f != nil {
		return nil, f
	}
	if s.plan.auth.expired(a) {
		if login, f = s.login(ctx, login); f != nil {
			return nil, f
		}
		if a, f = s.send(ctx, c, sc, login, address, idempotency); f != nil {
			return nil, f
		}
	}
	if f := s.judge(c, a); f != nil {
		return a, f
	}
	return a, nil
}

// send makes one call and reads the answer, whatever it says.
func (s *session) send(ctx context.Context, c *call, sc *scope, login *login, address, idempotency string) (*answer, *failure) {
	if err := s.life.Err(); err != nil {
		return nil, unreachable(err) // the session is closed; ending ctx by it takes a moment
	}
	if login != nil {
		sc.values = login.values
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	known := &attempts{repeatable: c.repeatable}
	request, err := s.request(context.WithValue(ctx, attemptsKey{}, known), c, sc, address)
	if err != nil {
		return nil, unrendered(err)
	}
	if f := s.authorize(request, login, sc); f != nil {
		return nil, f
	}
	if idempotency != "" {
		request.Header.Set(idempotency, sc.reference)
	}
	hidden, err := credentials(request.Header, login)
	if err != nil {
		return nil, unrendered(err)
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, unreachable(ctx.Err())
	}
	if err := s.pace(ctx); err != nil {
		if quota, ok := errors.AsType[*connector.Error](err); ok {
			return nil, &failure{err: quota}
		}
		return nil, unreachable(err)
	}
	began := time.Now()
	response, err := s.client.Do(request)
	if err != nil {
		s.record(ctx, request, nil, hidden, began)
	}
	switch {
	case err != nil && known.waiting && known.turnedAway != nil:
		f := s.judge(c, &answer{status: known.turnedAway.StatusCode, header: known.turnedAway.Header})
		f.unknown = !c.read && known.doubtful
		return nil, f
	case err != nil:
		f := unreachable(err)
		f.unknown = !c.read && (known.doubtful || !known.waiting && !neverSent(err))
		if said := s.hide(f.err.Message, hidden); said != f.err.Message {
			f.err.Message, f.err.Err, f.err.Said = said, nil, nil // its arguments may have what is hidden
		}
		return nil, f
	}
	a, err := s.read(response, c)
	s.record(ctx, request, a, hidden, began)
	if err != nil {
		f := unreachable(err)
		f.unknown = !c.read
		return nil, f
	}
	a.hidden = hidden
	if known.doubtful && !c.read && (a.status < 200 || a.status > 299) {
		f := s.judge(c, a)
		f.unknown = true
		return nil, f
	}
	return a, nil
}

// credentials returns what a request carries that no message may repeat. A header that cannot be sent is an error, before
// anything is.
func credentials(h http.Header, l *login) ([]string, error) {
	for name, values := range h {
		for _, v := range values {
			if strings.ContainsFunc(v, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
				return nil, fmt.Errorf("the header %s would have a line break or another control character", name)
			}
		}
	}
	var list []string
	if _, credential, ok := strings.Cut(h.Get("Authorization"), " "); ok {
		list = append(list, credential)
	}
	if l != nil {
		for _, v := range l.values {
			if str, err := text(v); err == nil {
				list = append(list, str)
			}
		}
	}
	return list, nil
}

// unrendered is why a request could not be made: what a lookup said, or the record lacks what the remote needs.
func unrendered(err error) *failure {
	if remote, ok := errors.AsType[*connector.Error](err); ok {
		return &failure{err: remote}
	}
	return &failure{err: &connector.Error{
		Class: connector.ClassData, Message: "the request cannot be made: " + err.Error(), Err: err,
		Remedy: "Complete the record, or the mapping or manifest that should give the value.", Said: schema.Say("no_request", err),
	}}
}

func (s *session) request(ctx context.Context, c *call, sc *scope, address string) (*retryablehttp.Request, error) {
	target := address
	if target == "" {
		path := c.path
		if c.rpcMethod != nil {
			path = s.plan.rpc.path
		}
		rendered, err := renderText(path, sc)
		if err != nil {
			return nil, err
		}
		if leadsUp(rendered) {
			return nil, errors.New("a part of the path is . or .., which would make another path")
		}
		if target, err = withQuery(join(s.base, rendered), c.query, sc); err != nil {
			return nil, err
		}
	}
	body, kind, err := s.body(c, sc)
	if err != nil {
		return nil, err
	}
	var raw any
	if body != nil {
		raw = body
	}
	r, err := retryablehttp.NewRequestWithContext(ctx, c.method, target, raw)
	if err != nil {
		return nil, errors.New("the address is not valid") // the cause has it, and it may carry a key
	}
	if !c.anywhere && (r.URL.Host != s.host || r.URL.Scheme != s.scheme) {
		return nil, errors.New("the address leads away from the connection's host")
	}
	r.Header.Set("Accept", "application/json")
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for _, list := range [][]parameter{s.plan.headers, c.headers} {
		for _, p := range list {
			v, ok, err := p.value.render(sc)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
			str, err := text(v)
			if err != nil {
				return nil, err
			}
			r.Header.Set(p.name, str)
		}
	}
	return r, nil
}

// leadsUp reports whether a path has dots that servers resolve: escaping does not keep them from it.
func leadsUp(path string) bool {
	path, _, _ = strings.Cut(path, "?")
	for part := range strings.SplitSeq(path, "/") {
		if part == "." || part == ".." {
			return true
		}
	}
	return false
}

func join(base, path string) string {
	if strings.HasSuffix(base, "/") {
		path = strings.TrimPrefix(path, "/")
	}
	return base + path
}

func renderText(t template, sc *scope) (string, error) {
	v, ok, err := t.render(sc)
	if err != nil || !ok {
		return "", err
	}
	return text(v)
}

func withQuery(address string, query []parameter, sc *scope) (string, error) {
	q, err := encode(query, sc)
	if err != nil || q == "" {
		return address, err
	}
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	return address + separator + q, nil
}

// encode writes parameters as in a URL or a form; those missing are left out.
func encode(list []parameter, sc *scope) (string, error) {
	if len(list) == 0 {
		return "", nil
	}
	q := make(url.Values, len(list))
	for _, p := range list {
		v, ok, err := p.value.render(sc)
		if err != nil {
			return "", err
		}
		if !ok {
			continue
		}
		str, err := text(v)
		if err != nil {
			return "", fmt.Errorf("%s: %w", p.name, err)
		}
		q.Set(p.name, str)
	}
	return q.Encode(), nil
}

func (s *session) body(c *call, sc *scope) (body []byte, kind string, err error) {
	if c.form != nil {
		q, err := encode(c.form, sc)
		return []byte(q), "application/x-www-form-urlencoded", err
	}
	t := c.body
	if c.rpcMethod != nil {
		if sc.rpcMethod, _, err = c.rpcMethod.render(sc); err != nil {
			return nil, "", err
		}
		if sc.rpcParams, _, err = c.rpcParams.render(sc); err != nil {
			return nil, "", err
		}
		t = s.plan.rpc.body
	}
	if t == nil {
		return nil, "", nil
	}
	v, _, err := t.render(sc)
	if err != nil {
		return nil, "", err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, "", err
	}
	return b.Bytes(), "application/json", nil
}

// read takes the answer's body. An error means that the connection broke before its end.
func (s *session) read(r *http.Response, c *call) (*answer, error) {
	defer r.Body.Close() //nolint:errcheck // what was read counts
	a := &answer{status: r.StatusCode, header: r.Header, address: r.Request.URL}
	limited := &io.LimitedReader{R: r.Body, N: s.plan.limits.responseSize + 1}
	var b bytes.Buffer
	if r.ContentLength > 0 && r.ContentLength < limited.N {
		b.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	if _, err := b.ReadFrom(limited); err != nil {
		return nil, err
	}
	a.raw = b.Bytes()
	if limited.N == 0 {
		a.broken = fmt.Errorf("it has more than %d bytes", s.plan.limits.responseSize)
		return a, nil
	}
	if len(bytes.TrimSpace(b.Bytes())) == 0 {
		return a, nil
	}
	whole, err := schema.DecodeJSON(b.Bytes())
	if err != nil {
		a.broken = errors.New("it is no JSON in UTF-8")
		return a, nil
	}
	a.whole = s.plan.values.plain(whole)
	a.body = a.whole
	if c.rpcMethod != nil {
		a.body, _ = s.plan.rpc.result.in(a.whole)
	}
	return a, nil
}
