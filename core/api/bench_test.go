package api_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
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
// customer, of which the floor is a query by pgx behind net/http.
//
//	go test ./core/api -run '^$' -bench BenchmarkCRM -benchtime 1x -timeout 2h -customers 1000000
func BenchmarkCRM(b *testing.B) {
	f := newLargeFirm(b, *customers)
	for b.Loop() {
		lists, worst := f.lists()
		report95(b, "list", lists)
		for _, w := range worst {
			b.Log(w)
		}
		searches, slow := f.searches()
		report95(b, "search", searches)
		for _, w := range slow {
			b.Log(w)
		}
		report95(b, "page", f.pages())
		read, bare := f.reads(3 * time.Second)
		b.ReportMetric(read, "read/s")
		b.ReportMetric(bare, "bare/s")
		b.ReportMetric(read/bare, "read-ratio")
	}
	b.ReportMetric(0, "ns/op")
}

func report95(b *testing.B, name string, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, name+"-p95-ms")
}

// largeFirm is an API over a large organization.
type largeFirm struct {
	*hub
	b      *testing.B
	firm   *firmtest.Firm
	server *httptest.Server
	tokens map[access.Scope]string // of who reads as far as the scope
	ids    []uuid.UUID             // of some customers
}

func newLargeFirm(b *testing.B, n int) *largeFirm {
	b.Helper()
	f := &largeFirm{b: b, firm: firmtest.Open(b, api.Entities(), n), tokens: map[access.Scope]string{}}
	f.hub = &hub{t: b, db: f.firm.DB, now: time.Now(), registry: prometheus.NewRegistry(), access: f.firm.Access, principalA: f.firm.Who}
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
	f.server = httptest.NewServer(f.handler)
	b.Cleanup(f.server.Close)
	return f
}

// get returns how long a request took.
func (f *largeFirm) get(scope access.Scope, path string) time.Duration {
	began := time.Now()
	f.read(scope, path)
	return time.Since(began)
}

func (f *largeFirm) read(scope access.Scope, path string) []byte {
	r, err := http.NewRequestWithContext(f.b.Context(), http.MethodGet, f.server.URL+"/api/v1"+path, nil)
	if err != nil {
		f.b.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+f.tokens[scope])
	a, err := f.server.Client().Do(r)
	if err != nil {
		f.b.Fatal(err)
	}
	body, err := io.ReadAll(a.Body)
	if err := a.Body.Close(); err != nil {
		f.b.Fatal(err)
	}
	if err != nil || a.StatusCode != http.StatusOK {
		f.b.Fatalf("%s: %d %s %v", path, a.StatusCode, body, err)
	}
	return body
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

// request is one that was asked, and how long it took.
type request struct {
	name string
	took time.Duration
}

// slowest returns how long requests took, and names those that took longest of the ones that took too long.
func slowest(all []request, tooLong time.Duration) (took []time.Duration, worst []string) {
	slices.SortFunc(all, func(a, b request) int { return int(b.took - a.took) })
	for _, r := range all {
		took = append(took, r.took)
		if r.took > tooLong && len(worst) < *worstShown {
			worst = append(worst, fmt.Sprintf("%v %s", r.took.Round(time.Millisecond), r.name))
		}
	}
	return took, worst
}

// lists asks for the first page of each kind's list, under each scope, in each order that pages offer, with each filter that has values to
// choose from, dates since and until, and a text. It also returns which took longest.
func (f *largeFirm) lists() (took []time.Duration, worst []string) {
	var all []request
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
	return slowest(all, 100*time.Millisecond)
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
func (f *largeFirm) searches() (took []time.Duration, worst []string) {
	var all []request
	for _, scope := range postgres.Scopes() {
		for _, text := range []string{
			"northwind 12", "nor", "上海", "科技有限公司", "C-0000123", "13000000", "SO-00000012", "offer 77", "trading", "u17@d17.com", "公司", "1300", "so 0000", "北京 有限", "spoke about",
		} {
			for range 2 {
				all = append(all, request{string(scope) + " " + text, f.get(scope, "/search?q="+url.QueryEscape(text))})
			}
		}
	}
	return slowest(all, 150*time.Millisecond)
}

// pages asks for what a customer's page shows, one after the other.
func (f *largeFirm) pages() (took []time.Duration) {
	for _, id := range f.ids {
		began := time.Now()
		for _, path := range []string{
			"/customers/{id}?expand=owner", "/opportunities?status=open&customer_id={id}&limit=10", "/orders?customer_id={id}&limit=10", "/invoices?customer_id={id}&limit=10",
			"/tickets?customer_id={id}&limit=10", "/tasks?customer_id={id}&limit=10", "/activities?customer_id={id}&sort=-at&limit=20",
		} {
			f.get(postgres.ScopeOrganization, strings.ReplaceAll(path, "{id}", id.String()))
		}
		took = append(took, time.Since(began))
	}
	return took
}

// reads returns how many customers a second are read by id, and how many by the floor, by turns.
func (f *largeFirm) reads(length time.Duration) (read, bare float64) {
	pool, err := pgxpool.New(f.b.Context(), f.firm.URL)
	if err != nil {
		f.b.Fatal(err)
	}
	defer pool.Close()
	floor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body []byte
		err := pool.QueryRow(r.Context(), "select to_json(c) from customers c where organization_id = $1 and id = $2",
			f.principalA.Organization, r.URL.Query().Get("id")).Scan(&body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	}))
	defer floor.Close()
	for range 2 {
		read += f.rate(length, f.server.URL+"/api/v1/customers/")
		bare += f.rate(length, floor.URL+"/?id=")
	}
	return read / 2, bare / 2
}

// rate lets four clients ask as fast as they can.
func (f *largeFirm) rate(length time.Duration, prefix string) float64 {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
	defer client.CloseIdleConnections()
	var n atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for i := range 4 {
		wg.Go(func() {
			for at := i; time.Since(began) < length; at++ {
				r, err := http.NewRequestWithContext(f.b.Context(), http.MethodGet, prefix+f.ids[at%len(f.ids)].String(), nil)
				if err != nil {
					f.b.Error(err)
					return
				}
				r.Header.Set("Authorization", "Bearer "+f.tokens[postgres.ScopeOrganization])
				a, err := client.Do(r)
				if err != nil {
					f.b.Error(err)
					return
				}
				_, err = io.Copy(io.Discard, a.Body)
				_ = a.Body.Close()
				if err != nil || a.StatusCode != http.StatusOK {
					f.b.Errorf("%d %v", a.StatusCode, err)
					return
				}
				n.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(n.Load()) / time.Since(began).Seconds()
}
