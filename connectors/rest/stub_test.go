package rest_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"crmhub/connectors/rest"
	"crmhub/core/connector"
	"crmhub/core/connector/connectortest"
	"crmhub/core/secret"
)

// stub is a small shop with an HTTP API.
type stub struct {
	*httptest.Server

	mutex    sync.Mutex
	orders   []map[string]any // by id, from 1
	keys     map[string]int   // idempotency key → order
	tokens   map[string]bool  // valid ones
	logins   int
	refresh  []string // refresh tokens that were used
	requests []string
	now      time.Time // the shop's clock; it moves a second with each change
	fault    connectortest.Fault
	release  chan struct{}
	handle   func(w http.ResponseWriter, r *http.Request) bool // may answer instead
}

func newStub(t testing.TB) *stub {
	s := &stub{keys: map[string]int{}, tokens: map[string]bool{"good": true}, now: time.Now().UTC().Add(-time.Hour).Truncate(time.Second)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("GET /me", s.guarded(func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, map[string]any{"user": "hub"}) }))
	mux.HandleFunc("GET /orders", s.guarded(s.list))
	mux.HandleFunc("POST /orders", s.guarded(s.create))
	mux.HandleFunc("POST /orders/batch", s.guarded(s.createBatch))
	mux.HandleFunc("GET /changes", s.guarded(s.changes))
	mux.HandleFunc("GET /orders/{id}", s.guarded(s.get))
	mux.HandleFunc("PUT /orders/{id}", s.guarded(s.update))
	mux.HandleFunc("DELETE /orders/{id}", s.guarded(s.remove))
	mux.HandleFunc("POST /orders/{id}/{step}", s.guarded(s.step))
	mux.HandleFunc("GET /currencies", s.guarded(func(w http.ResponseWriter, r *http.Request) {
		list := []any{}
		if r.FormValue("code") == "EUR" {
			list = append(list, map[string]any{"id": 7})
		}
		answer(w, http.StatusOK, list)
	}))
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mutex.Lock()
		s.requests = append(s.requests, r.Method+" "+r.URL.String())
		handle, now := s.handle, s.now
		s.mutex.Unlock()
		w.Header().Set("Date", now.Format(http.TimeFormat))
		if handle == nil || !handle(w, r) {
			mux.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func answer(w http.ResponseWriter, status int, doc any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(doc) // the client may have gone
}

func refusal(w http.ResponseWriter, status int, text string) {
	answer(w, status, map[string]any{"error": map[string]any{"text": text, "code": "E" + strconv.Itoa(status)}})
}

func (s *stub) guarded(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token := cmp.Or(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), r.Header.Get("X-Api-Key"), r.FormValue("api_key"))
		if _, password, ok := r.BasicAuth(); ok {
			token = password
		}
		s.mutex.Lock()
		known, fault, release := s.tokens[token], s.fault, s.release
		s.mutex.Unlock()
		if !known {
			refusal(w, http.StatusUnauthorized, "who are you, "+token+"?")
			return
		}
		if r.Method == http.MethodGet || fault == "" {
			next(w, r)
			return
		}
		switch fault {
		case connectortest.RateLimit:
			w.Header().Set("Retry-After", "30")
			refusal(w, http.StatusTooManyRequests, "slower")
		case connectortest.ServerError:
			refusal(w, http.StatusInternalServerError, "oops")
		case connectortest.HangAfterCommit:
			next(httptest.NewRecorder(), r)
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
	}
}

// RetryAfter is what the stub says when it is asked too often.
func (s *stub) RetryAfter() time.Duration { return 30 * time.Second }

// Inject makes the next writes go wrong.
func (s *stub) Inject(f connectortest.Fault) func() {
	release := make(chan struct{})
	s.mutex.Lock()
	s.fault, s.release = f, release
	s.mutex.Unlock()
	return func() {
		s.mutex.Lock()
		s.fault = ""
		s.mutex.Unlock()
		close(release)
	}
}

func (s *stub) login(w http.ResponseWriter, r *http.Request) {
	var given struct{ User, Password string }
	if err := json.NewDecoder(r.Body).Decode(&given); err != nil || given.Password != "good" {
		refusal(w, http.StatusUnauthorized, "no such user")
		return
	}
	s.mutex.Lock()
	s.logins++
	token := "session-" + strconv.Itoa(s.logins)
	s.tokens[token] = true
	s.mutex.Unlock()
	answer(w, http.StatusOK, map[string]any{"token": token, "user": map[string]any{"company": 3}})
}

func (s *stub) token(w http.ResponseWriter, r *http.Request) {
	id, password, _ := r.BasicAuth()
	if id != "hub" || password != "good" {
		refusal(w, http.StatusUnauthorized, "invalid_client")
		return
	}
	s.mutex.Lock()
	s.logins++
	if t := r.FormValue("refresh_token"); t != "" {
		s.refresh = append(s.refresh, t)
	}
	token := "access-" + strconv.Itoa(s.logins)
	s.tokens[token] = true
	n := s.logins
	s.mutex.Unlock()
	answer(w, http.StatusOK, map[string]any{"access_token": token, "expires_in": 3600, "refresh_token": fmt.Sprintf("refresh-%d", n)})
}

func (s *stub) expireTokens() {
	s.mutex.Lock()
	clear(s.tokens)
	s.mutex.Unlock()
}

func (s *stub) add(doc map[string]any) map[string]any {
	s.now = s.now.Add(time.Second)
	order := map[string]any{"state": "draft"}
	maps.Copy(order, doc)
	order["id"], order["rev"], order["changed_at"] = len(s.orders)+1, 1, s.now.Format(time.RFC3339)
	s.orders = append(s.orders, order)
	return order
}

func (s *stub) create(w http.ResponseWriter, r *http.Request) {
	var doc map[string]any
	if err := json.NewDecoder(r.Body).Decode(&doc); err != nil {
		refusal(w, http.StatusBadRequest, "no JSON")
		return
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if key := r.Header.Get("Idempotency-Key"); key != "" {
		if n, again := s.keys[key]; again {
			answer(w, http.StatusCreated, s.orders[n])
			return
		}
		defer func() { s.keys[key] = len(s.orders) - 1 }()
	}
	if doc["title"] == nil {
		refusal(w, http.StatusUnprocessableEntity, "title is missing")
		return
	}
	answer(w, http.StatusCreated, s.add(doc))
}

func (s *stub) createBatch(w http.ResponseWriter, r *http.Request) {
	var doc struct{ Orders []map[string]any }
	if err := json.NewDecoder(r.Body).Decode(&doc); err != nil {
		refusal(w, http.StatusBadRequest, "no JSON")
		return
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	results := []any{}
	for _, o := range doc.Orders {
		if o["title"] == nil {
			results = append(results, map[string]any{"error": map[string]any{"text": "title is missing"}})
			continue
		}
		results = append(results, map[string]any{"id": s.add(o)["id"]})
	}
	answer(w, http.StatusOK, map[string]any{"results": results})
}

func (s *stub) one(w http.ResponseWriter, r *http.Request) map[string]any {
	n, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || n < 1 || n > len(s.orders) || s.orders[n-1]["state"] == "deleted" {
		refusal(w, http.StatusNotFound, "no such order")
		return nil
	}
	return s.orders[n-1]
}

func (s *stub) get(w http.ResponseWriter, r *http.Request) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if o := s.one(w, r); o != nil {
		answer(w, http.StatusOK, o)
	}
}

func (s *stub) change(w http.ResponseWriter, r *http.Request, change func(map[string]any)) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	o := s.one(w, r)
	if o == nil {
		return
	}
	change(o)
	s.now = s.now.Add(time.Second)
	o["rev"], o["changed_at"] = o["rev"].(int)+1, s.now.Format(time.RFC3339)
	answer(w, http.StatusOK, o)
}

func (s *stub) update(w http.ResponseWriter, r *http.Request) {
	var doc map[string]any
	if err := json.NewDecoder(r.Body).Decode(&doc); err != nil {
		refusal(w, http.StatusBadRequest, "no JSON")
		return
	}
	s.change(w, r, func(o map[string]any) {
		for k, v := range doc {
			if k != "state" {
				o[k] = v
			}
		}
	})
}

func (s *stub) remove(w http.ResponseWriter, r *http.Request) {
	s.change(w, r, func(o map[string]any) { o["state"] = "deleted" })
}

// step moves an order along draft → quoted → confirmed.
func (s *stub) step(w http.ResponseWriter, r *http.Request) {
	s.change(w, r, func(o map[string]any) {
		o["state"] = map[string]string{"quote": "quoted", "confirm": "confirmed"}[r.PathValue("step")]
	})
}

// changes tells what changed since, deleted orders too, but of no more than five.
func (s *stub) changes(w http.ResponseWriter, r *http.Request) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	from, err := time.Parse(http.TimeFormat, r.Header.Get("If-Modified-Since"))
	if err != nil {
		refusal(w, http.StatusBadRequest, "since when?")
		return
	}
	found := []any{}
	for _, o := range s.orders {
		at, err := time.Parse(time.RFC3339, o["changed_at"].(string))
		if err == nil && !at.Before(from) && len(found) < 5 {
			found = append(found, o)
		}
	}
	if len(found) == 0 {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	answer(w, http.StatusOK, map[string]any{"changed": found})
}

// list understands every way of paging; without one it gives all.
func (s *stub) list(w http.ResponseWriter, r *http.Request) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	found := []any{}
	for _, o := range s.orders {
		if r.FormValue("brief") != "" {
			o = map[string]any{"id": o["id"], "changed_at": o["changed_at"]}
		}
		if ref := r.FormValue("reference"); ref != "" && o["reference"] != ref || o["state"] == "deleted" {
			continue
		}
		if since := r.FormValue("since"); since != "" {
			from, err := time.Parse(time.RFC3339Nano, since)
			at, err2 := time.Parse(time.RFC3339, o["changed_at"].(string))
			if err != nil || err2 != nil || at.Before(from) {
				continue
			}
		}
		if after, _ := strconv.Atoi(r.FormValue("after")); o["id"].(int) <= after {
			continue
		}
		found = append(found, o)
	}
	total := len(found)
	limit, err := strconv.Atoi(r.FormValue("limit"))
	if err != nil {
		limit = total
	}
	begin, _ := strconv.Atoi(cmp.Or(r.FormValue("offset"), r.FormValue("cursor")))
	if page, err := strconv.Atoi(r.FormValue("page")); err == nil {
		begin = (page - 1) * limit
	}
	begin = min(begin, total)
	finish := min(begin+limit, total)
	doc := map[string]any{"items": found[begin:finish], "total": total, "more": finish < total}
	if finish < total {
		next := fmt.Sprintf("/orders?limit=%d&offset=%d", limit, finish)
		doc["cursor"], doc["next"] = strconv.Itoa(finish), s.URL+next
		w.Header().Set("Link", `</orders?limit=1>; rel="first", <`+next+`>; rel="next"`)
	}
	answer(w, http.StatusOK, doc)
}

func (s *stub) seen(prefix string) int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	n := 0
	for _, r := range s.requests {
		if strings.HasPrefix(r, prefix) {
			n++
		}
	}
	return n
}

func (s *stub) order(n int) map[string]any {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.orders[n-1]
}

// session is all that a session of this connector can do.
type session interface {
	connector.Session
	connector.Puller
	connector.Pusher
	connector.Finder
	connector.Getter
}

func parse(t testing.TB, manifest string) connector.Connector {
	t.Helper()
	c, err := rest.Parse("manifest.yaml", []byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s *stub) open(t testing.TB, c connector.Connector, password string) session {
	t.Helper()
	return s.openWith(t, c, connector.Options{}, password)
}

func (s *stub) openWith(t testing.TB, c connector.Connector, o connector.Options, password string) session {
	t.Helper()
	o.Config, o.Logger = map[string]any{"url": s.URL}, slog.New(slog.DiscardHandler)
	o.Secrets = map[string]secret.Text{"token": secret.New(password), "refresh": secret.New("refresh-0")}
	opened, err := c.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	})
	return opened.(session)
}

// ids are a page's records, sorted.
func ids(records []connector.Record) []string {
	list := make([]string, len(records))
	for i, r := range records {
		list[i] = r.ID
	}
	slices.Sort(list)
	return list
}
