package console_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/shopspring/decimal"

	"crmhub/core/access"
	"crmhub/core/access/openid"
	"crmhub/core/access/openid/openidtest"
	"crmhub/core/api"
	"crmhub/core/audit"
	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/console"
	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/mapping"
	"crmhub/core/matching"
	"crmhub/core/notify"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/reconcile"
	"crmhub/core/revision"
	"crmhub/core/schema"
	"crmhub/core/secret"
	"crmhub/core/webhook"
	"crmhub/schemas"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

const password = "correct horse"

// loadSchemas reads the schemas of entities once for all sites.
var loadSchemas = sync.OnceValues(func() (*schema.Set, error) { return schema.Load(schemas.FS) })

// site is a console with somebody's browser before it.
type site struct {
	*testing.T
	db          *postgres.DB
	who         postgres.Principal
	key         secret.Key
	access      *access.Store
	now         time.Time // of access
	ann         access.User
	crm         *crm.Store
	connections *connection.Store
	jobs        *job.Store
	sealer      *audit.Sealer
	server      *httptest.Server
	browser     *http.Client
	remoteErr   error  // what the remote says when a connection is checked
	rotates     bool   // the remote takes a password once and gives the next one
	meanwhile   func() // happens while a connection is checked
	broken      bool   // what is replayed fails again

	customer *crm.Customer
	order    *crm.Order
	invoice  *crm.Invoice
	erp      connection.Connection
	job      job.Job
	run      job.Run
	letter   uuid.UUID
}

func newSite(t *testing.T) *site {
	t.Helper()
	return newSiteWith(t, nil)
}

// newSiteWith is a site where people may sign in at an OpenID provider, if there is one.
func newSiteWith(t *testing.T, provider *openidtest.Provider) *site {
	t.Helper()
	s := bareSite(t)
	connectors := map[string]connector.Connector{"stub": {
		Name: "stub", Title: "Stub", Secrets: []string{"password"},
		Config:  json.RawMessage(`{"type":"object","properties":{"url":{"type":"string","x-system":true},"password":{"type":"string"}}}`),
		Streams: []connector.Stream{{Entity: "order", Record: "sale", Capabilities: connector.Capabilities{Pull: true}}},
		Open:    func(o connector.Options) (connector.Session, error) { return stubSession{s, o}, nil },
	}}
	s.connections = &connection.Store{Connectors: connectors, Key: s.key, Logger: quiet, DB: s.db}
	s.jobs = &job.Store{Connectors: connectors}
	entities, err := loadSchemas()
	if err != nil {
		t.Fatal(err)
	}
	s.serve(console.Config{
		Schemas: entities, OpenID: s.openID(provider, s.key), DryRuns: s.dryRuns(), Revisions: s.revisions(),
		Matcher:    matching.New(matching.Config{DB: s.db, Connections: s.connections, Entities: s.crm, Logger: quiet}),
		Reconciler: reconcile.New(reconcile.Config{DB: s.db, Connections: s.connections, Revisions: s.revisions(), Entities: s.crm, Logger: quiet}),
		Replay:     map[job.Kind]job.Replay{job.Pull: s.replay, job.Push: func(context.Context, pgx.Tx, []job.DeadLetter) error { return nil }},
	})
	return s
}

var quiet = slog.New(slog.DiscardHandler)

// bareSite is an organization with an administrator, and no console yet.
func bareSite(t *testing.T) *site {
	t.Helper()
	s := &site{T: t, db: postgrestest.New(t), crm: &crm.Store{}, now: time.Now()}
	var err error
	if s.key, err = secret.NewKey(bytes.Repeat([]byte{7}, 32)); err != nil {
		t.Fatal(err)
	}
	s.access = &access.Store{DB: s.db, Key: s.key, Now: func() time.Time { return s.now }, Entities: api.Entities(), Passwords: access.Cost{Memory: 8, Passes: 1}}
	s.who = postgrestest.Organization(t, s.db)
	s.ann, err = s.access.AddUser(t.Context(), s.who, access.User{Login: "ann", Name: "Ann Lee", Email: "ann@example.com", Roles: []string{access.Admin}}, password)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve opens the console, with what the site has besides what c says, and a browser before it.
func (s *site) serve(c console.Config) {
	s.Helper()
	c.DB, c.CRM, c.Access, c.Connections, c.Jobs, c.Key, c.Logger = s.db, s.crm, s.access, s.connections, s.jobs, s.key, quiet
	c.Notify, c.Webhooks = &notify.Store{Key: s.key, Entities: crm.KindNames()}, &webhook.Store{Key: s.key, Entities: crm.KindNames()}
	pages, err := console.New(c)
	if err != nil {
		s.Fatal(err)
	}
	s.sealer = audit.NewSealer(audit.SealerConfig{DB: s.db, Key: s.key, Logger: quiet, Registerer: prometheus.NewRegistry()})
	s.server = httptest.NewServer(pages.Handler())
	s.Cleanup(s.server.Close)
	s.browser = s.newBrowser()
}

// dryRuns tell of one order that a pull would change.
func (s *site) dryRuns() map[job.Kind]job.DryRun {
	return map[job.Kind]job.DryRun{job.Pull: func(_ context.Context, _ postgres.Principal, _ job.Job, o job.DryOptions) (r job.DryReport, err error) {
		if s.remoteErr != nil {
			return r, s.remoteErr
		}
		r = job.DryReport{Read: 2, Unchanged: 1}
		if o.After == "" {
			r.Next = "2"
		}
		r.Add(job.DryItem{Action: "update", EntityID: &s.order.ID, RemoteID: "4711", Differences: []mapping.Difference{{Pointer: "/remark", Before: "Ring once.", After: nil}}})
		return r, nil
	}}
}

// revisions keep mappings of the stub's sales, of which none is shipped.
func (s *site) revisions() *revision.Store {
	order, err := schemas.FS.ReadFile("order.v1.json")
	if err != nil {
		s.Fatal(err)
	}
	set, err := schema.Load(fstest.MapFS{
		"order.v1.json":  {Data: order},
		"stub/sale.json": {Data: []byte(`{"type":"object","properties":{"ref":{"type":"string"},"note":{"type":"string"}}}`)},
	})
	if err != nil {
		s.Fatal(err)
	}
	shipped, err := mapping.Load(fstest.MapFS{}, set)
	if err != nil {
		s.Fatal(err)
	}
	return &revision.Store{Shipped: shipped, Schemas: set, Connections: s.connections, CRM: s.crm}
}

func (s *site) openID(provider *openidtest.Provider, key secret.Key) *openid.Provider {
	if provider == nil {
		return nil
	}
	return openid.New(openid.Config{
		Issuer: provider.Issuer, ClientID: openidtest.ClientID, ClientSecret: secret.New(openidtest.ClientSecret),
		RedirectURL: openidtest.RedirectURL, Key: key,
	})
}

// replay resolves pulled orders, unless the site is broken.
func (s *site) replay(ctx context.Context, tx pgx.Tx, letters []job.DeadLetter) error {
	if s.broken {
		return job.Bury(ctx, tx, letters)
	}
	var ids []string
	for _, d := range letters {
		ids = append(ids, d.RemoteID)
	}
	return job.Resolve(ctx, tx, job.Things{ConnectionID: letters[0].ConnectionID, Direction: job.Pull, Entity: letters[0].Entity, IDs: ids})
}

type stubSession struct {
	site    *site
	options connector.Options
}

func (stubSession) Close() error { return nil }

func (r stubSession) Check(ctx context.Context) error {
	if r.site.meanwhile != nil {
		r.site.meanwhile()
	}
	if !r.site.rotates {
		return r.site.remoteErr
	}
	err := r.options.Renew(ctx, "password", func(current secret.Text) (secret.Text, error) { return secret.New(current.Reveal() + "+"), nil })
	return errors.Join(err, r.site.remoteErr)
}

func (r stubSession) Pull(context.Context, connector.PullRequest) (connector.Page, error) {
	return connector.Page{Records: []connector.Record{{ID: "S-1", Data: map[string]any{"ref": "SO-9", "note": "far"}}}}, r.site.remoteErr
}

// newBrowser is one that keeps cookies and does not follow redirects.
func (s *site) newBrowser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.Fatal(err)
	}
	transport := &http.Transport{}
	s.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// seal puts changes into the audit trail until a page says so. Transactions of other tests on the server hold it up.
func (s *site) seal(path, has string) {
	s.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !strings.Contains(s.get(path).body, has); {
		if _, err := s.sealer.Seal(s.Context()); err != nil {
			s.Fatal(err)
		}
		if time.Now().After(deadline) {
			s.Fatalf("%s never says %s", path, has)
		}
	}
}

func (s *site) tx(fn func(tx pgx.Tx) error) {
	s.Helper()
	if err := s.db.As(s.Context(), s.who, fn); err != nil {
		s.Fatal(err)
	}
}

// linkOrder links the order with a record of the ERP, and with no other.
func (s *site) linkOrder(remoteID string) {
	s.Helper()
	s.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(s.Context(), `delete from links where entity = 'order'`)
		if err != nil {
			return err
		}
		_, err = tx.Exec(s.Context(), `insert into links (id, connection_id, entity, entity_id, remote_id, state) values ($1, $2, 'order', $3, $4, 'linked')`,
			uuid.Must(uuid.NewV7()), s.erp.ID, s.order.ID, remoteID)
		return err
	})
}

// fill gives the organization one thing of each kind that a page shows.
func (s *site) fill() {
	s.Helper()
	by := crm.By{Actor: s.who.Actor, Origin: "crm"}
	today, err := crm.ParseDate("2026-11-20")
	if err != nil {
		s.Fatal(err)
	}
	s.customer = &crm.Customer{Code: "C1", Name: "Müller & Söhne <GmbH>", Type: "company", Lifecycle: "customer", Currency: "EUR", Phone: "+43 1 1234"}
	s.customer.Addresses = []crm.CustomerAddress{{Kind: "bill", Address: crm.Address{Street: "Main 1", City: "Graz", Country: "AT"}}}
	s.tx(func(tx pgx.Tx) error {
		if err := s.crm.Save(s.Context(), tx, by, []crm.Entity{s.customer}); err != nil {
			return err
		}
		s.order = &crm.Order{Number: "O-1", CustomerID: s.customer.ID, Date: today, Currency: "EUR", Status: "confirmed"}
		s.order.Lines = []crm.OrderLine{{Description: "Bolt", Unit: "pcs", Qty: decimal.NewFromInt(3), Price: decimal.RequireFromString("1234.5"), TaxRate: decimal.NewFromInt(20)}}
		return s.crm.Save(s.Context(), tx, by, []crm.Entity{s.order})
	})
	s.tx(func(tx pgx.Tx) (err error) {
		s.erp, err = s.connections.Add(s.Context(), tx, connection.New{Code: "erp", Name: "Our ERP", Connector: "stub", Config: map[string]any{"url": "https://erp.example.org", "password": "hunter2"}})
		if err != nil {
			return err
		}
		if s.job, err = s.jobs.Create(s.Context(), tx, job.New{ConnectionID: s.erp.ID, Kind: job.Pull, Entity: "order", Timing: job.Timing{Schedule: "@every 1m"}}); err != nil {
			return err
		}
		s.run, err = job.Enqueue(s.Context(), tx, s.job.ID, job.ByHand)
		return err
	})
	s.tx(func(tx pgx.Tx) error {
		s.invoice = &crm.Invoice{
			Number: "R-1", CustomerID: s.customer.ID, OrderID: &s.order.ID, Currency: "EUR", Status: "issued", IssueDate: &today,
			Untaxed: decimal.RequireFromString("3703.5"), Tax: decimal.RequireFromString("740.7"), Total: decimal.RequireFromString("4444.2"), Residual: decimal.RequireFromString("4444.2"),
		}
		from := crm.By{Actor: postgres.Connection(s.erp.ID), Origin: "erp"}
		if err := s.crm.Save(s.Context(), tx, from, []crm.Entity{s.invoice}); err != nil {
			return err
		}
		_, err := tx.Exec(s.Context(), `insert into links (id, connection_id, entity, entity_id, remote_id, state, cause) values
			($1, $2, 'order', $3, '4711', 'failed', '{"class": "data", "message": "the article is blocked", "remedy": "Release it."}')`, uuid.New(), s.erp.ID, s.order.ID)
		return err
	})
	s.bury()
}

// bury makes an open dead letter.
func (s *site) bury() {
	s.Helper()
	s.letter = s.buryOrder("77")
}

// buryOrder makes an open dead letter of a pulled order; all have the same cause.
func (s *site) buryOrder(remoteID string) (letter uuid.UUID) {
	s.Helper()
	s.tx(func(tx pgx.Tx) error {
		if err := job.Bury(s.Context(), tx, []job.DeadLetter{{
			ConnectionID: s.erp.ID, RunID: &s.run.ID, Direction: job.Pull, Entity: "order", RemoteID: remoteID, Stage: job.StageSchema, Class: "schema",
			Message: "the record is not what its schema says", Payload: json.RawMessage(`{"data": {"total": "<b>"}}`),
			Violations: schema.Violations{{Pointer: "/total", Rule: "pattern", Message: "no amount"}},
		}}); err != nil {
			return err
		}
		page, err := job.ListDeadLetters(s.Context(), tx, job.LetterFilter{Status: job.Open, Limit: 1})
		letter = page.Items[0].ID
		return err
	})
	return letter
}

// paths are every page, with what there is.
func (s *site) paths() []string {
	reconciliation, _ := s.reconcile()
	return []string{
		"/sync/reconciliations", reconciliation, "/sync/conflicts", "/sync/matchings", s.match(), "/sync/links",
		"/", "/sync", "/search?q=O-1", "/opportunities/board", "/sync/connections/" + s.erp.ID.String() + "/webhook", "/orders?status=draft&view=all", "/customers", "/customers/" + s.customer.ID.String(), "/orders", "/orders/" + s.order.ID.String(),
		"/invoices", "/invoices/" + s.invoice.ID.String(), "/sync/connections", "/sync/connections/" + s.erp.ID.String(),
		"/reports", "/reports/booked?from=2026-01-01&to=2026-12-31", "/reports/booked/rows?from=2026-01-01&to=2026-12-31&measure=revenue&key=2026-11",
		"/follow-ups", "/follow-ups?whose=all", "/pool", "/pool/due?ahead=30", "/pool/rules", "/pool/log", "/sync/jobs", "/sync/jobs/" + s.job.ID.String(), "/sync/runs", "/sync/runs/" + s.run.ID.String(), "/sync/dead-letters", "/sync/dead-letters/causes", "/sync/dead-letters/" + s.letter.String(),
		"/sync/alerts", "/sync/alerts?status=resolved", "/sync/subscriptions", "/account", "/account/tokens", "/admin/users", "/admin/users/" + s.ann.ID.String(), "/admin/roles", "/admin/roles/" + s.role("sales").ID.String(),
		"/admin/roles/" + s.role("sales").ID.String() + "/fields?resource=customer", "/admin/departments", "/admin/teams", "/admin/audit", "/admin/organization", "/admin/organization/seller", "/targets",
		"/finance/inbox?status=", s.received("I-9", "I-9"), "/finance/payments", "/finance/payments/" + s.pay("P-9", "R-1", "4400").String(), "/finance/receivables", "/finance/receivables/customers", "/finance/reconciliation",
	}
}

// writing are the pages for whoever may do more than read.
func (s *site) writing() []string {
	return []string{
		"/sync/connections/new", "/sync/connections/new?connector=stub", "/sync/connections/" + s.erp.ID.String() + "/edit",
		"/sync/jobs/" + s.job.ID.String() + "/dry-run", s.connect("shop"), "/sync/jobs/new", "/sync/jobs/new?connection=" + s.erp.ID.String(),
		"/imports", "/exports", "/duplicates", s.comparison(), "/duplicates/customer/" + s.customer.ID.String(), "/erasures", "/customers/" + s.customer.ID.String() + "/erase", "/pool/rules/new",
		"/admin/users/new", "/admin/roles/new", "/customers/new", "/orders/new", "/orders/" + s.order.ID.String() + "/edit",
	}
}

// connect makes a connection that has no jobs yet, and returns its page.
func (s *site) connect(code string) string {
	s.Helper()
	var c connection.Connection
	s.tx(func(tx pgx.Tx) (err error) {
		c, err = s.connections.Add(s.Context(), tx, connection.New{Code: code, Name: "Connection " + code, Connector: "stub"})
		return err
	})
	return "/sync/connections/" + c.ID.String()
}

// role is one of the roles that an organization begins with.
func (s *site) role(code string) access.Role {
	s.Helper()
	roles, err := s.access.Roles(s.Context(), s.who)
	if err != nil {
		s.Fatal(err)
	}
	for _, r := range roles {
		if r.Code == code {
			return r
		}
	}
	s.Fatalf("there is no role %s", code)
	return access.Role{}
}

// answer is what the console answered.
type answer struct {
	status int
	header http.Header
	body   string
}

func (s *site) do(method, path string, form url.Values, header ...string) answer {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), method, s.server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		s.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	r, err := s.browser.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		s.Fatal(err)
	}
	return answer{r.StatusCode, r.Header, string(b)}
}

func (s *site) get(path string) answer {
	s.Helper()
	return s.do(http.MethodGet, path, nil)
}

// post sends a form and expects to be sent on; it returns where to.
func (s *site) post(path string, pairs ...string) string {
	s.Helper()
	a := s.do(http.MethodPost, path, form(pairs...))
	if a.status != http.StatusSeeOther {
		s.Fatalf("POST %s: %d\n%s", path, a.status, a.body)
	}
	return a.header.Get("Location")
}

func (s *site) signIn() {
	s.Helper()
	if to := s.post("/login", "login", "ann", "password", password); to != "/" {
		s.Fatalf("sent on to %q", to)
	}
}

// wants checks a page's status and that it has each of the texts.
func (a answer) wants(t *testing.T, status int, texts ...string) {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d\n%s", a.status, status, a.body)
	}
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			t.Errorf("%q is missing in\n%s", text, a.body)
		}
	}
}

// form is what a form sends.
func form(pairs ...string) url.Values {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return values
}
