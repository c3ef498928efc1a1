package rest

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"crmhub/core/connector"
)

// record tells who wants to know what was sent and what came back; a is nil where no answer came. The query stays out:
// it may be a credential.
func (s *session) record(ctx context.Context, r *retryablehttp.Request, a *answer, hidden []string, began time.Time) {
	if !connector.Recording(ctx) {
		return
	}
	e := connector.Exchange{At: began.UTC(), Took: time.Since(began), Method: r.Method, Path: s.hide(r.URL.EscapedPath(), hidden)}
	var requestCut, responseCut bool
	if sent, err := r.BodyBytes(); err == nil {
		e.Request, requestCut = s.excerpt(sent, hidden)
	}
	if a != nil {
		e.Status = a.status
		e.Response, responseCut = s.excerpt(a.raw, hidden)
	}
	e.Cut = requestCut || responseCut
	connector.Note(ctx, e)
}

// recordElement tells of one record of a batch: its part of the request and of the answer, nil where there is none.
func (s *session) recordElement(ctx context.Context, c *call, a *answer, sent, got any, began time.Time) {
	if !connector.Recording(ctx) {
		return
	}
	e := connector.Exchange{At: began.UTC(), Took: time.Since(began), Method: c.method}
	var hidden []string
	if a != nil {
		e.Status, hidden = a.status, a.hidden
		if a.address != nil {
			e.Path = s.hide(a.address.EscapedPath(), hidden)
		}
	}
	var requestCut, responseCut bool
	e.Request, requestCut = s.excerptOf(sent, hidden)
	e.Response, responseCut = s.excerptOf(got, hidden)
	e.Cut = requestCut || responseCut
	connector.Note(ctx, e)
}

func (s *session) excerptOf(v any, hidden []string) ([]byte, bool) {
	if v == nil {
		return nil, false
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, false
	}
	return s.excerpt(b, hidden)
}

// excerpt is the beginning of a body without secrets. More than is kept is looked through, so that no secret is cut in
// two, and what may be the beginning of one at the end is left out.
func (s *session) excerpt(body []byte, hidden []string) (kept []byte, cut bool) {
	longest := 0
	for _, list := range [][]string{hidden, s.secretForms()} {
		for _, h := range list {
			longest = max(longest, 6*len(h)) // as JSON may write it
		}
	}
	window := body[:min(len(body), connector.MaxBody+longest)]
	str := s.hide(strings.ToValidUTF8(strings.ReplaceAll(string(window), "\x00", ""), "�"), hidden)
	end := len(str)
	if len(window) < len(body) {
		end = min(connector.MaxBody, max(len(str)-longest, 0))
	}
	end = min(end, connector.MaxBody)
	cut = end < len(str) || len(window) < len(body)
	return []byte(strings.ToValidUTF8(str[:end], "")), cut
}

// inJSON is a text as it stands within JSON, with and without what is written otherwise in HTML.
func inJSON(s string) []string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	plain := s
	if e.Encode(s) == nil {
		plain = strings.Trim(strings.TrimSpace(b.String()), `"`)
	}
	escaped, err := json.Marshal(s)
	if err != nil {
		return []string{plain}
	}
	return []string{plain, strings.Trim(string(escaped), `"`)}
}
