package api_test

import (
	"context"
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

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
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
		report95(b, "search", f.searches())
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
	url    string // of the database
	server *httptest.Server
	tokens map[access.Scope]string // of who reads as far as the scope
	ids    []uuid.UUID             // of some customers
}

func newLargeFirm(b *testing.B, n int) *largeFirm {
	b.Helper()
	f := &largeFirm{b: b, url: postgrestest.URL(b), tokens: map[access.Scope]string{}}
	f.hub = openHub(b, postgrestest.Open(b, f.url))
	f.access.TokensHeld = time.Second // as the hub is wired
	f.hire()
	f.fill(n)
	f.server = httptest.NewServer(f.handler)
	b.Cleanup(f.server.Close)
	return f
}

// hire adds a hundred people: ten in a department, forty in those below it, the others elsewhere. One in the department reads as far
// as each scope.
func (f *largeFirm) hire() {
	f.b.Helper()
	must := func(err error) {
		f.b.Helper()
		if err != nil {
			f.b.Fatal(err)
		}
	}
	ctx := f.b.Context()
	department := func(name string, above *uuid.UUID) *uuid.UUID {
		d, err := f.access.AddDepartment(ctx, f.principalA, access.Department{Name: name, ParentID: above})
		must(err)
		return &d.ID
	}
	head := department("Head", nil)
	north := department("North", head)
	places := []*uuid.UUID{department("Harbour", north), department("Market", north), head}
	for _, scope := range postgres.Scopes() {
		code := "reader" + strings.ReplaceAll(string(scope), "_", "")
		var grants []access.Grant
		for _, r := range []access.Resource{"customer", "contact", "opportunity", "order", "invoice", "ticket", "activity", "task"} {
			grants = append(grants, access.Grant{Resource: r, Action: access.Read, Scope: scope})
		}
		_, err := f.access.AddRole(ctx, f.principalA, access.Role{Code: code, Name: code, Grants: grants})
		must(err)
		u, err := f.access.AddUser(ctx, f.principalA, access.User{Login: code, Name: code, DepartmentID: north, Roles: []string{code}}, "correct horse")
		must(err)
		_, f.tokens[scope], err = f.access.AddToken(ctx, f.principalA, u.ID, "bench", nil)
		must(err)
	}
	err := f.db.As(ctx, f.principalA, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			insert into users (id, login, name, department_id)
			select gen_random_uuid(), 'u' || i, 'User ' || i, case when i <= 6 then $1::uuid when i <= 46 then ($2::uuid[])[1 + i % 2] else ($2::uuid[])[3] end
			from generate_series(1, 96) i`, north, places)
		return err
	})
	must(err)
}

// fill lets the server write the books itself, with foreign keys and triggers off.
func (f *largeFirm) fill(n int) {
	f.b.Helper()
	ctx := f.b.Context()
	conn, err := pgx.Connect(ctx, f.url)
	if err != nil {
		f.b.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, statement := range []string{
		`set session_replication_role = replica`,
		`set crmhub.organization = '{organization}'`,
		`create temporary table u as select row_number() over (order by id) - 1 as n, id from users where organization_id = '{organization}'`,
		`create temporary table c as select n, gen_random_uuid() as id, (n * 7919) % 101 as owner from generate_series(1, {n}) n`,
		`insert into customers (id, version, code, name, kind, lifecycle, level, phone, email, owner_id, next_contact_at, created_at, created_by, updated_at, updated_by)
			select c.id, 1, 'C-' || lpad(c.n::text, 7, '0'),
				case when c.n % 4 = 0 then (array['North', 'East', 'South', 'West'])[1 + c.n / 4 % 4] || (array['wind', 'star', 'field', 'gate'])[1 + c.n / 16 % 4] || ' ' || c.n || ' Trading'
					else (array['上海', '北京', '深圳', '广州'])[1 + c.n % 4] || chr(19968 + c.n % 3000) || chr(19968 + c.n / 3000 % 3000) || (array['科技', '贸易', '机械'])[1 + c.n % 3] || '有限公司' end,
				'company', (array['lead', 'potential', 'customer', 'dormant'])[1 + c.n % 4], (array['A', 'B', 'C'])[1 + c.n % 3], '1' || 3000000000 + c.n, 'u' || c.n || '@d' || c.n % 5000 || '.com',
				u.id, case when c.n % 3 = 0 then now() + (c.n % 90 - 30) * interval '1 day' end,
				now() - c.n * interval '1 minute', 'system', now() - (c.n * 31 % 500000) * interval '1 minute', 'system'
			from c left join u on u.n = c.owner`,
		`insert into customer_addresses (customer_id, seq, kind, street, city, country) select id, 0, 'bill', 'Main street 1', 'Graz', 'AT' from c`,
		`insert into orders (id, version, number, customer_id, date, currency, rate_to_base, status, delivery_status, billing_status, payment_status, untaxed, tax, total, owner_id, created_at, created_by, updated_at, updated_by)
			select gen_random_uuid(), 1, 'SO-' || lpad(o::text, 8, '0'), c.id, current_date - (o % 730)::integer, 'EUR', 1, (array['draft', 'confirmed', 'completed', 'completed'])[1 + o % 4],
				'none', 'none', 'none', o % 10000, 0, o % 10000, u.id, now() - o * interval '30 seconds', 'system', now() - (o * 17 % 900000) * interval '30 seconds', 'system'
			from generate_series(1, 2 * {n}) o join c on c.n = 1 + o % {n} left join u on u.n = c.owner`,
		`insert into order_lines (order_id, seq, description, qty, price, untaxed, tax) select id, 0, 'Pump', 1, total, total, 0 from orders`,
		`insert into activities (id, version, kind, subject, customer_id, at, owner_id, created_at, created_by, updated_at, updated_by)
			select gen_random_uuid(), 1, (array['call', 'visit', 'email'])[1 + a % 3], 'Spoke about offer ' || a, c.id, now() - a * interval '12 seconds', u.id,
				now() - a * interval '12 seconds', 'system', now() - a * interval '12 seconds', 'system'
			from generate_series(1, 5 * {n}) a join c on c.n = 1 + a % {n} left join u on u.n = c.owner`,
	} {
		sql := strings.NewReplacer("{organization}", f.principalA.Organization.String(), "{n}", fmt.Sprint(n)).Replace(statement)
		if _, err := conn.Exec(ctx, sql); err != nil {
			f.b.Fatalf("%v\n%s", err, sql)
		}
	}
	began := time.Now()
	if _, err := crm.FillSearch(ctx, f.db); err != nil {
		f.b.Fatal(err)
	}
	f.b.Logf("search filled in %s", time.Since(began).Round(time.Second))
	if _, err := conn.Exec(ctx, "vacuum analyze"); err != nil {
		f.b.Fatal(err)
	}
	rows, _ := conn.Query(ctx, "select id from customers where owner_id is not null order by id limit 60")
	if f.ids, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID]); err != nil {
		f.b.Fatal(err)
	}
}

// get returns how long a request took.
func (f *largeFirm) get(scope access.Scope, path string) time.Duration {
	began := time.Now()
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
	return time.Since(began)
}

// lists also returns which ten took longest.
func (f *largeFirm) lists() (took []time.Duration, worst []string) {
	type request struct {
		name string
		took time.Duration
	}
	var all []request
	for _, of := range []struct {
		path           string
		sorts, filters []string
	}{
		{"/customers", []string{"", "name", "-created_at", "next_contact_at", "code"}, []string{"", "lifecycle=customer", "level=A", "q=north"}},
		{"/orders", []string{"", "-date", "-total", "number"}, []string{"", "status=confirmed", "total[ge]=9990", "q=SO-000001"}},
		{"/activities", []string{"", "-at", "subject"}, []string{"", "kind=visit"}},
	} {
		for _, scope := range postgres.Scopes() {
			for _, sort := range of.sorts {
				for _, filter := range of.filters {
					path := of.path + "?" + filter
					if sort != "" {
						path += "&sort=" + sort
					}
					for range 3 {
						all = append(all, request{string(scope) + " " + path, f.get(scope, path)})
					}
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b request) int { return int(b.took - a.took) })
	for i, r := range all {
		took = append(took, r.took)
		if i < 30 {
			worst = append(worst, fmt.Sprintf("%v %s", r.took.Round(time.Millisecond), r.name))
		}
	}
	return took, worst
}

func (f *largeFirm) searches() (took []time.Duration) {
	for _, scope := range postgres.Scopes() {
		for _, text := range []string{"northwind 12", "nor", "上海", "科技有限公司", "C-0000123", "13000000", "SO-00000012", "offer 77", "trading", "u17@d17.com"} {
			for range 2 {
				took = append(took, f.get(scope, "/search?q="+url.QueryEscape(text)))
			}
		}
	}
	return took
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
	pool, err := pgxpool.New(f.b.Context(), f.url)
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
