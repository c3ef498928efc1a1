package api_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"crmhub/core/access"
	"crmhub/core/api"
	"crmhub/core/crm"
	"crmhub/core/firmtest"
	"crmhub/core/postgres"
)

var (
	only       = flag.String("kind", "", "the one kind whose lists are asked for")
	worstShown = flag.Int("worst", 30, "how many slow lists are named")
)

var customers = flag.Int("customers", 10_000, "how many customers BenchmarkCRM has; orders are twice, activities five times as many")

// BenchmarkCRM measures what people wait for in a large organization, through the API and over TCP: lists of each kind under
// each scope, sorted and filtered in the ways the console offers; search; all that a customer's page shows; and reading one
// customer, of which the floor is a query by pgx behind net/http. Each can be asked for alone (-bench BenchmarkCRM/reads).
//
//	go test ./core/api -run '^$' -bench BenchmarkCRM -benchtime 1x -timeout 2h -customers 1000000
func BenchmarkCRM(b *testing.B) {
	f := newLargeFirm(b, *customers)
	part := func(name string, measure func(b *testing.B)) {
		b.Run(name, func(b *testing.B) {
			f.b = b
			for b.Loop() {
				measure(b)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
	part("lists", func(b *testing.B) { report95(b, "list", f.lists(), 100*time.Millisecond) })
	part("searches", func(b *testing.B) { report95(b, "search", f.searches(), 150*time.Millisecond) })
	part("pages", func(b *testing.B) { report95(b, "page", f.pages(), 50*time.Millisecond) })
	part("reads", func(b *testing.B) {
		read, bare, ratio := f.reads()
		b.ReportMetric(read, "read/s")
		b.ReportMetric(bare, "bare/s")
		b.ReportMetric(ratio, "read-ratio")
	})
	part("load", f.load)
	part("flood", f.flood)
}

// request is one that was asked, and how long it took.
type request struct {
	name string
	took time.Duration
}

// report95 says how long requests took, and names those that took longest of the ones that took too long.
func report95(b *testing.B, name string, all []request, tooLong time.Duration) {
	b.Helper()
	slices.SortFunc(all, func(a, b request) int { return cmp.Compare(b.took, a.took) })
	for _, r := range all[:min(len(all), *worstShown)] {
		if r.took > tooLong {
			b.Logf("%v %s", r.took.Round(time.Millisecond), r.name)
		}
	}
	b.ReportMetric(ms(all[len(all)*5/100].took), name+"-p95-ms")
	b.ReportMetric(ms(all[0].took), name+"-worst-ms")
}

// largeFirm is an API over a large organization.
type largeFirm struct {
	*hub
	b      *testing.B
	firm   *firmtest.Firm
	server *httptest.Server
	client *http.Client            // with a connection for each of many
	tokens map[access.Scope]string // of who reads as far as the scope
	ids    []uuid.UUID             // of some customers
}

func newLargeFirm(b *testing.B, n int) *largeFirm {
	b.Helper()
	f := &largeFirm{b: b, firm: firmtest.Open(b, api.Entities(), n), tokens: map[access.Scope]string{}}
	f.hub = &hub{t: b, logs: discarded(b), db: f.firm.DB, now: time.Now(), registry: prometheus.NewRegistry(), access: f.firm.Access, principalA: f.firm.Who}
	f.open(f.firm.Key)
	for _, scope := range postgres.Scopes() {
		f.tokens[scope] = f.firm.Token(b, firmtest.Reader(scope))
	}
	err := f.db.As(b.Context(), f.firm.Who, func(tx pgx.Tx) error {
		rows, err := tx.Query(b.Context(), "select id from customers where owner_id is not null order by id limit 60")
		if err == nil {
			f.ids, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	f.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients + 1}}
	b.Cleanup(f.client.CloseIdleConnections)
	f.server = httptest.NewServer(f.handler)
	b.Cleanup(f.server.Close)
	return f
}

// discarded is a log that is written, as the hub writes its own, and kept nowhere.
func discarded(b *testing.B) io.Writer {
	b.Helper()
	file, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = file.Close() })
	return file
}

// get returns how long a request took.
func (f *largeFirm) get(scope access.Scope, path string) time.Duration {
	began := time.Now()
	f.read(scope, path)
	return time.Since(began)
}

func (f *largeFirm) read(scope access.Scope, path string) []byte {
	return f.ask(http.MethodGet, path, f.tokens[scope], nil, http.StatusOK)
}

// ask is safe to be called by many at a time; another answer than is expected fails the benchmark.
func (f *largeFirm) ask(method, path, token string, patch []byte, expected ...int) []byte {
	r, err := http.NewRequestWithContext(f.b.Context(), method, f.server.URL+"/api/v1"+path, bytes.NewReader(patch))
	if err != nil {
		f.b.Error(err)
		return nil
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if patch != nil {
		r.Header.Set("If-Match", "*")
		r.Header.Set("Content-Type", "application/merge-patch+json")
	}
	a, err := f.client.Do(r)
	if err != nil {
		f.b.Error(err)
		return nil
	}
	body, err := io.ReadAll(a.Body)
	if closed := a.Body.Close(); err != nil || closed != nil || !slices.Contains(expected, a.StatusCode) {
		f.b.Errorf("%s: %d %s %v", path, a.StatusCode, body, errors.Join(err, closed))
	}
	return body
}

// about is a path with the id of one of some customers in it.
func (f *largeFirm) about(path string, n int) string {
	return strings.ReplaceAll(path, "{id}", f.ids[n%len(f.ids)].String())
}

// user is the id of who has a login.
func (f *largeFirm) user(login string) (id string) {
	err := f.db.As(f.b.Context(), f.firm.Who, func(tx pgx.Tx) error {
		return tx.QueryRow(f.b.Context(), "select id::text from users where login = $1", login).Scan(&id)
	})
	if err != nil {
		f.b.Fatal(err)
	}
	return id
}

// lists asks for the first page of each kind's list, under each scope, in each order that pages offer, with each filter that has values to
// choose from, dates since and until, and a text.
func (f *largeFirm) lists() (all []request) {
	filters := f.filters()
	for _, k := range crm.Kinds() {
		if len(crm.QuickSorts(k)) == 0 || *only != "" && *only != string(k) {
			continue
		}
		for _, scope := range postgres.Scopes() {
			for _, sort := range crm.QuickSorts(k) {
				for _, filter := range filters[k] {
					for _, sort := range []string{sort, "-" + sort} {
						path := "/" + strings.ReplaceAll(k.Plural(), "_", "-") + "?sort=" + sort + "&" + filter
						all = append(all, request{string(scope) + " " + path, f.get(scope, path)})
					}
				}
			}
		}
	}
	return all
}

// filters are, by kind, what the store says that people choose from and the document says how: each value of an
// enumeration, yes and no, days and instants from long ago and from lately on and until then, amounts, whose it is, and a text.
func (f *largeFirm) filters() map[crm.Kind][]string {
	f.b.Helper()
	var doc struct {
		Paths map[string]struct {
			Get struct {
				Parameters []struct {
					Name   string
					Schema struct {
						Type, Format, Pattern string
						Enum                  []string
					}
				}
			}
		}
	}
	if err := json.Unmarshal(f.read(postgres.ScopeOrganization, "/openapi.json"), &doc); err != nil {
		f.b.Fatal(err)
	}
	now := time.Now().UTC()
	all := map[crm.Kind][]string{}
	for _, k := range crm.Kinds() {
		filters := []string{"", "q=12", "q=nor", "q=" + url.QueryEscape("上海"), "q=0000012"}
		for _, p := range doc.Paths["/"+strings.ReplaceAll(k.Plural(), "_", "-")].Get.Parameters {
			switch s := p.Schema; {
			case !crm.FiltersQuickly(k, p.Name): // asked for by programs, not offered to people
			case len(s.Enum) > 0:
				for _, value := range s.Enum {
					filters = append(filters, p.Name+"="+value)
				}
			case s.Type == "boolean":
				filters = append(filters, p.Name+"=true", p.Name+"=false")
			case s.Format == "date", s.Format == "date-time":
				for _, days := range []int{3, 600} {
					day := now.AddDate(0, 0, -days).Format(map[string]string{"date": "2006-01-02", "date-time": "2006-01-02T15:04:05Z"}[s.Format])
					filters = append(filters, p.Name+"[ge]="+day, p.Name+"[le]="+day)
				}
			case p.Name == "total", p.Name == "amount", p.Name == "residual":
				filters = append(filters, p.Name+"[ge]=9990", p.Name+"[le]=10", p.Name+"[ge]=100000000")
			case p.Name == "owner_id":
				filters = append(filters, "owner_id[null]=true", "owner_id="+f.user(firmtest.Reader(postgres.ScopeOwn)))
			}
		}
		all[k] = filters
	}
	return all
}

// searches asks for what is rare, for what is frequent, and for both together, each twice.
func (f *largeFirm) searches() (all []request) {
	for _, scope := range postgres.Scopes() {
		for _, text := range []string{
			"northwind 12", "nor", "上海", "科技有限公司", "C-0000123", "13000000", "SO-00000012", "offer 77", "trading", "u17@d17.com", "公司", "1300", "so 0000", "北京 有限", "spoke about",
		} {
			for range 2 {
				all = append(all, request{string(scope) + " " + text, f.get(scope, "/search?q="+url.QueryEscape(text))})
			}
		}
	}
	return all
}

// pages asks for what a customer's page shows, one after the other.
func (f *largeFirm) pages() (all []request) {
	for i, id := range f.ids {
		began := time.Now()
		for _, path := range []string{
			"/customers/{id}?expand=owner", "/opportunities?status=open&customer_id={id}&limit=10", "/orders?customer_id={id}&limit=10", "/invoices?customer_id={id}&limit=10",
			"/tickets?customer_id={id}&limit=10", "/tasks?customer_id={id}&limit=10", "/activities?customer_id={id}&sort=-at&limit=20",
		} {
			f.get(postgres.ScopeOrganization, f.about(path, i))
		}
		all = append(all, request{id.String(), time.Since(began)})
	}
	return all
}
