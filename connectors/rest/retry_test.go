package rest_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// first answers the first n requests with a prefix by f.
func (s *stub) first(n int, prefix string, f http.HandlerFunc) {
	var count atomic.Int64
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.handle = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.Method+" "+r.URL.String(), prefix) || int(count.Add(1)) > n {
			return false
		}
		f(w, r)
		return true
	}
}

func hangUp(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // the request arrived whole
	if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = c.Close()
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func order(ref string) connector.Write {
	return connector.Write{Op: connector.OpCreate, Reference: ref, Data: map[string]any{"title": ref}}
}

func TestReadsAreRepeated(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]http.HandlerFunc{"unavailable": status(503), "too many requests": status(429), "broken connection": hangUp} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStub(t)
			s.first(2, "GET /me", fail)
			if err := s.open(t, parse(t, shop), "good").Check(t.Context()); err != nil {
				t.Error(err)
			}
			if n := s.seen("GET /me"); n != 3 {
				t.Errorf("asked %d times, not 3", n)
			}
		})
	}
}

func TestCreatesOfUnknownFateAreNotRepeated(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]http.HandlerFunc{
		"internal error": status(500), "bad gateway": status(502), "broken connection": hangUp,
		"answer that is none": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"answer without an id": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "{}")
		},
		"answer and more": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"id": 1}{"id": 2}`)
		},
		"answer cut short": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"id": 1}`)
		},
		"redirect to what was made": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/orders/1", http.StatusSeeOther) },
		"timeout at the remote":     status(http.StatusRequestTimeout),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStub(t)
			s.first(1, "POST /orders", fail)
			results, err := s.open(t, parse(t, shop), "good").Push(t.Context(), "order", []connector.Write{order("a")})
			if err != nil || results[0].Outcome != connector.Unknown || results[0].Err == nil {
				t.Errorf("%+v, %v", results, err)
			}
			if n := s.seen("POST /orders"); n != 1 {
				t.Errorf("sent %d times", n)
			}
		})
	}
}

func TestCreateThatIsNotAnsweredInTimeIsOfUnknownFate(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	s.first(1, "POST /orders", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	c := s.open(t, parse(t, in(t, shop, "timeout: 10s", "timeout: 500ms")), "good")
	results, err := c.Push(t.Context(), "order", []connector.Write{order("a")})
	want := connector.Result{Err: &connector.Error{Class: connector.ClassTransient, Message: "the remote did not answer in time", Said: schema.Say("no_answer")}}
	if diff := cmp.Diff([]connector.Result{want}, results, cmpopts.IgnoreFields(connector.Error{}, "Err")); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if n := s.seen("POST /orders"); n != 1 {
		t.Errorf("sent %d times", n)
	}
}

func TestCreateSentElsewhereIsRefused(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	s.first(9, "POST /orders", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/orders/elsewhere", http.StatusTemporaryRedirect)
	})
	results, err := s.open(t, parse(t, shop), "good").Push(t.Context(), "order", []connector.Write{order("a")})
	if err != nil || results[0].Outcome != connector.Refused || results[0].Err.Class != connector.ClassConfig {
		t.Errorf("%+v, %v", results, err)
	}
	if n := s.seen("POST /orders"); n != 1 {
		t.Errorf("sent %d times", n)
	}
}

func TestCreatesThatCannotHappenTwiceAreRepeated(t *testing.T) {
	t.Parallel()
	idempotent := strings.Replace(shop, plainCreate, plainCreate+"      idempotency: Idempotency-Key\n", 1)
	for name, c := range map[string]struct {
		manifest string
		fail     http.HandlerFunc
	}{
		"turned away by a 429":          {shop, status(429)},
		"with a key, internal error":    {idempotent, status(500)},
		"with a key, broken connection": {idempotent, hangUp},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStub(t)
			s.first(1, "POST /orders", c.fail)
			results, err := s.open(t, parse(t, c.manifest), "good").Push(t.Context(), "order", []connector.Write{order("a")})
			if err != nil || results[0].Outcome != connector.Done {
				t.Errorf("%+v, %v", results, err)
			}
			if n := s.seen("POST /orders"); n != 2 {
				t.Errorf("sent %d times, not twice", n)
			}
		})
	}
}

func TestWriteThatNeverLeftIsRefused(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	c := s.open(t, parse(t, shop), "good")
	s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	results, err := c.Push(ctx, "order", []connector.Write{order("a")})
	if err != nil || results[0].Outcome != connector.Refused || results[0].Err.Class != connector.ClassTransient {
		t.Errorf("%+v, %v", results, err)
	}
}

func TestLongRetryAfterIsLeftToTheEngine(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	s.first(1, "GET /me", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "90")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	err := s.open(t, parse(t, shop), "good").Check(t.Context())
	if e := connector.AsError(err); err == nil || e.Class != connector.ClassQuota || e.RetryAfter != 90*time.Second {
		t.Errorf("%+v", e)
	}
	if n := s.seen("GET /me"); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestUpdateOfUnknownFateIsRepeatedAndSettles(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	c := s.open(t, parse(t, shop), "good")
	results, err := c.Push(t.Context(), "order", []connector.Write{order("a")})
	if err != nil || results[0].Outcome != connector.Done {
		t.Fatalf("%+v, %v", results, err)
	}
	s.first(1, "PUT /orders", hangUp)
	results, err = c.Push(t.Context(), "order", []connector.Write{{Op: connector.OpUpdate, ID: results[0].Record.ID, Data: map[string]any{"title": "b"}}})
	if err != nil || results[0].Outcome != connector.Done || results[0].Record.Data["title"] != "b" {
		t.Errorf("%+v, %v", results, err)
	}
}

func TestCredentialsStayOnTheHost(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 10)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.Header.Get("Authorization") }))
	defer elsewhere.Close()
	for name, answered := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"next page": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusOK, map[string]any{"items": []any{map[string]any{"id": 1}}, "next": elsewhere.URL})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStub(t)
			s.first(9, "GET /orders", answered)
			c := s.open(t, parse(t, strings.Replace(shop, "by: keyset, key: /id", "by: next, next: /next", 1)), "good")
			page, err := c.Pull(t.Context(), connector.PullRequest{Stream: "order"})
			if err == nil {
				_, err = c.Pull(t.Context(), connector.PullRequest{Stream: "order", Cursor: page.Cursor})
			}
			if err == nil {
				t.Error("no error")
			}
			select {
			case header := <-asked:
				t.Errorf("another host was asked, with %q", header)
			default:
			}
		})
	}
}

// A remote that repeats all it was sent makes no error that holds a secret.
func TestErrorsDoNotTellSecrets(t *testing.T) {
	t.Parallel()
	const password = "hunter2 & söns/daughters"
	for name, auth := range map[string]string{
		"basic":           `auth: {type: basic, user: hub, password: "{{secret.token}}"}`,
		"bearer":          `auth: {type: bearer, token: "{{secret.token | base64}}"}`,
		"key in a header": `auth: {type: api_key, in: header, name: X-Api-Key, value: "{{secret.token}}"}`,
		"key in a query":  `auth: {type: api_key, in: query, name: api_key, value: "{{secret.token}}"}`,
		"key in the path": `auth: {type: none}`,
		"oauth":           `auth: {type: oauth2, grant: client_credentials, token_url: "{{config.url}}/token", client_id: hub, client_secret: "{{secret.token}}"}`,
		"oauth in a body": `auth: {type: oauth2, grant: client_credentials, in: body, token_url: "{{config.url}}/token", client_id: hub, client_secret: "{{secret.token}}"}`,
		"login":           loginAuth,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStub(t)
			s.first(99, "", func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if r.URL.Path == "/login" || r.URL.Path == "/token" {
					if name == "login" {
						answer(w, http.StatusOK, map[string]any{"token": "hunter2-session", "user": map[string]any{"company": 3}})
						return
					}
				}
				refusal(w, http.StatusBadRequest, fmt.Sprintf("%s | %s | %s | %v", body, r.URL, r.URL.Query(), r.Header))
			})
			manifest := strings.Replace(withAuth(auth), "check: {path: /me}", `check: {path: "/me/{{secret.token}}"}`, 1)
			err := s.open(t, parse(t, manifest), password).Check(t.Context())
			if err == nil || !strings.Contains(err.Error(), "•••") {
				t.Fatalf("the remote was not heard: %v", err)
			}
			for _, secret := range []string{
				"hunter2", url.QueryEscape("söns"), base64.StdEncoding.EncodeToString([]byte(password)),
				base64.StdEncoding.EncodeToString([]byte("hub:" + password)),
			} {
				if strings.Contains(whole(err), secret) {
					t.Errorf("%q is in %v", secret, err)
				}
			}
		})
	}
}

// whole is what a log could have of an error: every link of its chain.
func whole(err error) string {
	var b strings.Builder
	for ; err != nil; err = errors.Unwrap(err) {
		fmt.Fprintln(&b, err)
		if e, ok := errors.AsType[*connector.Error](err); ok {
			fmt.Fprintln(&b, *e)
		}
	}
	return b.String()
}

func TestErrorsWithoutAnAnswerDoNotTellSecrets(t *testing.T) {
	t.Parallel()
	inQuery := withAuth(`auth: {type: api_key, in: query, name: api_key, value: "{{secret.token}}"}`)
	for name, c := range map[string]struct {
		manifest, password string
		answered           http.HandlerFunc
	}{
		"broken connection": {manifest: inQuery, password: "hunter2", answered: hangUp},
		"redirect that is none": {manifest: inQuery, password: "hunter2", answered: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://[/?"+r.URL.RawQuery)
			w.WriteHeader(http.StatusFound)
		}},
		"header that cannot be": {manifest: shop, password: "hunter2\nX: y"},
		"no number":             {manifest: withAuth(`auth: {type: bearer, token: "{{secret.token | number}}"}`), password: "hunter2"},
		"no boolean":            {manifest: withAuth(`auth: {type: bearer, token: "{{secret.token | boolean}}"}`), password: "hunter2"},
		"no address":            {manifest: in(t, shop, "check: {path: /me}", `check: {path: "://{{secret.token}}:x"}`), password: "hunter2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStub(t)
			if c.answered != nil {
				s.first(99, "", c.answered)
			}
			err := s.open(t, parse(t, c.manifest), c.password).Check(t.Context())
			if err == nil || strings.Contains(whole(err), "hunter2") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestRequestThatCannotBeSentIsRefused(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	c := s.open(t, parse(t, in(t, shop, `update: {method: PUT,`, `update: {headers: {X-Title: "{{data.title}}"}, method: PUT,`)), "good")
	results, err := c.Push(t.Context(), "order", []connector.Write{
		{Op: connector.OpUpdate, ID: "1", Data: map[string]any{"title": "a\nb"}},
		{Op: connector.OpUpdate, ID: "..", Data: map[string]any{"title": "a"}},
		{Op: connector.OpUpdate, Data: map[string]any{"title": "a"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"the request cannot be made: the header X-Title would have a line break or another control character",
		"the request cannot be made: a part of the path is . or .., which would make another path",
		"the request cannot be made: there is no id",
	} {
		if r := results[i]; r.Outcome != connector.Refused || r.Err.Class != connector.ClassData || r.Err.Message != want {
			t.Errorf("%d: %+v", i, r.Err)
		}
	}
	if n := s.seen("PUT"); n != 0 {
		t.Errorf("%d were sent", n)
	}
}

func TestLargeAnswersAreRefused(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	s.first(1, "GET /me", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `"`+strings.Repeat("x", 5000)+`"`)
	})
	err := s.open(t, parse(t, strings.Replace(shop, "timeout: 10s", "timeout: 10s, response_size: 2000", 1)), "good").Check(t.Context())
	if err == nil || connector.AsError(err).Class != connector.ClassConfig {
		t.Errorf("%v", err)
	}
}

func TestRateIsKept(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	c := s.open(t, parse(t, strings.Replace(shop, "timeout: 10s", "timeout: 10s, rate: 20/s", 1)), "good")
	begun := time.Now()
	for range 26 {
		if err := c.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(begun); took < 250*time.Millisecond {
		t.Errorf("26 calls took %s: of 20 a second, 6 had to wait", took)
	}
}
