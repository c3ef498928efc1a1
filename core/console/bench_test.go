package console_test

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"crmhub/core/api"
	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/console"
	"crmhub/core/crm"
	"crmhub/core/firmtest"
	"crmhub/core/job"
	"crmhub/core/matching"
	"crmhub/core/notify"
	"crmhub/core/reconcile"
	"crmhub/core/revision"
	"crmhub/core/webhook"
)

var customers = flag.Int("customers", 10_000, "how many customers BenchmarkPages has; see package firmtest")

// BenchmarkPages opens each page that the navigation of a large organization leads to, and of each list its first record's, as an
// administrator and as who sells: how long the server takes, the second time, and how much comes over the wire, compressed.
//
//	go test ./core/console -run '^$' -bench BenchmarkPages -benchtime 1x -timeout 1h -customers 1000000
func BenchmarkPages(b *testing.B) {
	w := newWalk(b)
	for b.Loop() {
		var pages []pageRead
		assets := 0
		for _, login := range []string{firmtest.Admin, firmtest.Seller} {
			w.signIn(login)
			if assets == 0 {
				for _, asset := range regexp.MustCompile(`/assets/[^"]+`).FindAllString(w.get("/").body, -1) {
					assets += w.get(asset).bytes
				}
			}
			pages = append(pages, w.all(login)...)
		}
		slices.SortFunc(pages, func(x, y pageRead) int { return int(y.took - x.took) })
		for _, p := range pages[:min(len(pages), 25)] {
			b.Logf("%v %d bytes %s", p.took.Round(time.Millisecond), p.bytes+assets, p.name)
		}
		b.ReportMetric(float64(len(pages)), "pages")
		b.ReportMetric(float64(pages[0].took.Microseconds())/1000, "slowest-ms")
		b.ReportMetric(float64(pages[len(pages)/20].took.Microseconds())/1000, "page-p95-ms")
		heaviest := slices.MaxFunc(pages, func(x, y pageRead) int { return x.bytes - y.bytes })
		b.Logf("heaviest: %s", heaviest.name)
		b.ReportMetric(float64(heaviest.bytes+assets)/1000, "heaviest-kB")
	}
	b.ReportMetric(0, "ns/op")
}

// pageRead is a page that was asked for.
type pageRead struct {
	name, body string
	bytes      int // over the wire
	took       time.Duration
}

// walk is a browser before the console of a large organization.
type walk struct {
	*testing.B
	server  *httptest.Server
	browser *http.Client
}

func newWalk(b *testing.B) *walk {
	b.Helper()
	f := firmtest.Open(b, api.Entities(), *customers)
	set, err := loadSchemas()
	if err != nil {
		b.Fatal(err)
	}
	logger, store := slog.New(slog.DiscardHandler), &crm.Store{}
	connectors := map[string]connector.Connector{}
	connections := &connection.Store{Connectors: connectors, Key: f.Key, Logger: logger, DB: f.DB}
	live := &revision.Store{Schemas: set, Connections: connections, CRM: store}
	pages, err := console.New(console.Config{
		DB: f.DB, CRM: store, Access: f.Access, Connections: connections, Jobs: &job.Store{Connectors: connectors}, Schemas: set, Key: f.Key, Logger: logger,
		Notify: &notify.Store{Key: f.Key, Entities: crm.KindNames()}, Webhooks: &webhook.Store{Key: f.Key, Entities: crm.KindNames()}, Revisions: live,
		Matcher:    matching.New(matching.Config{DB: f.DB, Connections: connections, Entities: store, Logger: logger}),
		Reconciler: reconcile.New(reconcile.Config{DB: f.DB, Connections: connections, Revisions: live, Entities: store, Logger: logger}),
	})
	if err != nil {
		b.Fatal(err)
	}
	w := &walk{B: b, server: httptest.NewServer(pages.Handler())}
	b.Cleanup(w.server.Close)
	return w
}

func (w *walk) signIn(login string) {
	w.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true}
	w.Cleanup(transport.CloseIdleConnections)
	w.browser = &http.Client{Jar: jar, Transport: transport}
	a, err := w.browser.PostForm(w.server.URL+"/login", url.Values{"login": {login}, "password": {firmtest.Password}})
	if err != nil {
		w.Fatal(err)
	}
	_ = a.Body.Close()
	if a.Request.URL.Path != "/" {
		w.Fatalf("%s was sent on to %s", login, a.Request.URL)
	}
}

func (w *walk) get(path string) pageRead {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), http.MethodGet, w.server.URL+path, nil)
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "gzip")
	began := time.Now()
	a, err := w.browser.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	body, err := io.ReadAll(a.Body)
	took := time.Since(began)
	if err := a.Body.Close(); err != nil {
		w.Fatal(err)
	}
	p := answer{status: a.StatusCode, header: a.Header, body: string(body)}
	if a.Header.Get("Content-Encoding") == "gzip" {
		p.body = unzip(w, p)
	}
	if err != nil || a.StatusCode != http.StatusOK {
		w.Fatalf("%s: %d %s %v", path, a.StatusCode, p.body, err)
	}
	return pageRead{name: path, body: p.body, bytes: len(body), took: took}
}

var (
	navigationLinks = regexp.MustCompile(`(?s)<nav.*?</nav>`)
	links           = regexp.MustCompile(`href="(/[^"#]*)"`)
)

// all asks for every page twice and tells of the second time.
func (w *walk) all(login string) (pages []pageRead) {
	paths := []string{"/", "/opportunities/board", "/search?q=northwind", "/pool/due", "/pool/log", "/account", "/follow-ups?whose=all"}
	for _, nav := range navigationLinks.FindAllString(w.get("/").body, -1) {
		for _, link := range links.FindAllStringSubmatch(nav, -1) {
			paths = append(paths, strings.ReplaceAll(link[1], "&amp;", "&"))
		}
	}
	record := regexp.MustCompile(`href="(/[a-z-]+/[0-9a-f]{8}-[0-9a-f-]{27})"`)
	later := regexp.MustCompile(`data-later><a href="([^"]+)"`) // what the script brings in
	for i := 0; i < len(paths); i++ {
		if slices.Contains(paths[:i], paths[i]) || strings.HasPrefix(paths[i], "/assets") || strings.HasPrefix(paths[i], "/api") {
			continue
		}
		w.get(paths[i])
		p := w.get(paths[i])
		p.name = fmt.Sprint(login, " ", p.name)
		pages = append(pages, p)
		if part := later.FindStringSubmatch(p.body); part != nil {
			paths = append(paths, strings.ReplaceAll(part[1], "&amp;", "&"))
		}
		if first := record.FindStringSubmatch(p.body); first != nil && strings.Count(paths[i], "/") == 1 {
			paths = append(paths, first[1])
		}
	}
	return pages
}
