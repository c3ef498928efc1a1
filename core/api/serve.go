package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"

	"crmhub/core/telemetry"
)

// ServeHTTP answers a request and sees to what all have in common: an id, a trace, headers that keep browsers
// careful, a line in the log, a count, and an answer even when the code panics.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := s.now()
	id := requestID(r)
	trace, ok := telemetry.ParseTraceParent(r.Header.Get("Traceparent"))
	if !ok {
		trace = telemetry.NewTraceParent()
	}
	ctx := telemetry.With(r.Context(), slog.String("request", id), slog.String("trace", trace.TraceID()))
	ctx = context.WithValue(ctx, requestKey{}, requestInfo{id: id, trace: trace})
	r = r.WithContext(ctx)
	rec := &recorder{ResponseWriter: w}

	h := rec.Header()
	h.Set("X-Request-Id", id)
	maps.Copy(h, careful)

	defer func() {
		if v := recover(); v != nil {
			s.recovered(rec, r, v)
		}
		s.observe(r, rec, s.now().Sub(started))
	}()
	s.mux.ServeHTTP(rec, r)
}

// careful are the headers of every answer that keep browsers careful.
var careful = http.Header{ //nolint:gochecknoglobals // a constant
	"X-Content-Type-Options":       {"nosniff"},
	"Content-Security-Policy":      {"default-src 'none'; frame-ancestors 'none'"},
	"Referrer-Policy":              {"no-referrer"},
	"Cross-Origin-Resource-Policy": {"same-origin"},
	"Cache-Control":                {"no-store"},
}

type requestKey struct{}

type requestInfo struct {
	id    string
	trace telemetry.TraceParent
}

func infoOf(ctx context.Context) requestInfo {
	info, _ := ctx.Value(requestKey{}).(requestInfo)
	return info
}

var requestIDForm = regexp.MustCompile(`^[A-Za-z0-9._-]{8,64}$`)

// requestID keeps the id that a proxy gave, if it is one.
func requestID(r *http.Request) string {
	if given := r.Header.Get("X-Request-Id"); requestIDForm.MatchString(given) {
		return given
	}
	return uuid.Must(uuid.NewV7()).String()
}

// handle runs one operation.
func (s *server) handle(rt route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if rt.read() {
			ctx, cancel := context.WithTimeout(r.Context(), s.patience)
			defer cancel()
			r = r.WithContext(ctx)
		}
		c := &call{request: r, route: rt, trace: infoOf(r.Context()).trace}
		a, err := s.run(w, c)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		a.write(w)
	}
}

func (s *server) run(w http.ResponseWriter, c *call) (answer, error) {
	if !c.route.needs.public {
		if err := s.authenticate(c); err != nil {
			return answer{}, err
		}
	}
	if err := c.route.needs.check(c.who); err != nil {
		return answer{}, err
	}
	if err := c.read(w); err != nil {
		return answer{}, err
	}
	ctx := c.request.Context()
	if c.route.read() && !c.route.together && !c.route.needs.public {
		end, err := s.DB.Turn(ctx, c.who.Principal.Actor)
		if err != nil {
			return answer{}, err
		}
		defer end()
	}
	return c.route.serve(ctx, c)
}

// patience is how long a read may take. Who waits longer has gone, and others wait for what he holds.
const patience = 30 * time.Second

// fail answers with the problem that err is, and logs what is the hub's own fault.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := *problemOf(err)
	if p.Status >= http.StatusInternalServerError {
		s.Logger.ErrorContext(r.Context(), "request failed", "route", r.Pattern, "error", err)
	}
	p.Instance = "urn:crmhub:request:" + infoOf(r.Context()).id
	if p.Status == statusClientGone {
		w.WriteHeader(p.Status)
		return
	}
	p.write(w)
}

func (s *server) recovered(w *recorder, r *http.Request, v any) {
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(v) // asked for: the server closes the connection
	}
	s.Logger.ErrorContext(r.Context(), "request panicked", "route", r.Pattern, "error", fmt.Sprint(v), "stack", string(debug.Stack()))
	if w.status == 0 {
		p := internal()
		p.Instance = "urn:crmhub:request:" + infoOf(r.Context()).id
		p.write(w)
	}
}

// methods are those that routes have.
var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} //nolint:gochecknoglobals // a constant

// anywhere is the pattern of what no route has.
const anywhere = "/"

// noRoute answers what the mux would, but as a problem.
func (s *server) noRoute(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, m := range methods {
		other := r.Clone(r.Context())
		other.Method = m
		if _, pattern := s.mux.Handler(other); pattern != anywhere && !s.closed[pattern] {
			allowed = append(allowed, m)
		}
	}
	if allowed == nil {
		s.fail(w, r, &Problem{
			Type: problemType("not-found"), Title: "There is no such thing", Status: http.StatusNotFound,
			Detail: "There is no such path; " + prefix + "/openapi.json lists them.",
		})
		return
	}
	s.fail(w, r, &Problem{
		Type: problemType("method"), Title: "The path has other methods", Status: http.StatusMethodNotAllowed,
		Detail: "Allowed here: " + strings.Join(allowed, ", ") + ".", Allowed: allowed,
		header: http.Header{"Allow": {strings.Join(allowed, ", ")}},
	})
}

// observe writes the access log and counts. Neither sees a query's values or a body.
func (s *server) observe(r *http.Request, w *recorder, took time.Duration) {
	status := w.status
	if status == 0 {
		status = http.StatusOK
	}
	route := r.Pattern
	if _, path, ok := strings.Cut(route, " "); ok {
		route = path
	}
	if route == "" || route == anywhere {
		route = "none"
	}
	s.metrics.observe(r.Method, route, status, took)
	s.Logger.InfoContext(r.Context(), "request", "method", r.Method, "route", route, "status", status,
		"bytes", w.bytes, "duration", took)
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += n
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
