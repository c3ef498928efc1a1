package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"crmhub/connectors/file"
	"crmhub/core/access"
	"crmhub/core/alert"
	"crmhub/core/api"
	"crmhub/core/audit"
	"crmhub/core/connection"
	"crmhub/core/connector"
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
	"crmhub/core/transfer"
	"crmhub/core/webhook"
	"crmhub/schemas"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// hub is an API over a database of its own, and two organizations with a user and a token each.
type hub struct {
	t          testing.TB
	handler    http.Handler
	registry   *prometheus.Registry
	log        lockedBuffer
	logs       io.Writer // nil is log
	db         *postgres.DB
	webhooks   *webhook.Store
	access     *access.Store
	now        time.Time // of access
	sealer     *audit.Sealer
	principalA postgres.Principal
	tokenA     string
	tokenB     string
	folders    string            // of connections
	ids        map[string]string // by the names that request replaces: {customer}
}

var loadSchemas = sync.OnceValues(func() (*schema.Set, error) { return schema.Load(schemas.FS) })

func newHub(t testing.TB) *hub {
	t.Helper()
	return openHub(t, postgrestest.New(t))
}

func openHub(t testing.TB, db *postgres.DB) *hub {
	t.Helper()
	key, err := secret.NewKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	h := &hub{t: t, db: db, now: time.Now().UTC().Truncate(time.Second), registry: prometheus.NewRegistry(), ids: map[string]string{}}
	h.access = &access.Store{DB: db, Key: key, Now: func() time.Time { return h.now }, Entities: api.Entities(), Passwords: access.Cost{Memory: 8, Passes: 1}}
	h.principalA, h.tokenA = h.organization("alpha")
	_, h.tokenB = h.organization("beta")
	h.open(key)
	return h
}

// open makes the API of what the hub has.
func (h *hub) open(key secret.Key) {
	h.t.Helper()
	t, db := h.t, h.db
	set, err := loadSchemas()
	if err != nil {
		t.Fatal(err)
	}
	if h.logs == nil {
		h.logs = &h.log
	}
	logger := slog.New(slog.NewTextHandler(h.logs, nil))
	h.sealer = audit.NewSealer(audit.SealerConfig{DB: db, Key: key, Logger: logger, Registerer: prometheus.NewRegistry()})
	connectors := map[string]connector.Connector{"stub": stub(), "file": file.Connector(func() time.Time { return h.now })}
	h.folders = t.TempDir()
	h.webhooks = &webhook.Store{Key: key, Entities: crm.KindNames()}
	connections := &connection.Store{Connectors: connectors, Key: key, Logger: logger, Folders: h.folders}
	live := revisions(t, connectors, key, logger)
	h.handler, err = api.New(api.Config{
		Topics: []byte(`{"asyncapi": "3.0.0"}`),
		DB:     db, CRM: &crm.Store{}, Access: h.access,
		Matcher:     matching.New(matching.Config{DB: db, Connections: connections, Entities: &crm.Store{}, Logger: logger}),
		Reconciler:  reconcile.New(reconcile.Config{DB: db, Connections: connections, Revisions: live, Entities: &crm.Store{}, Logger: logger}),
		Connections: connections, Transfers: &transfer.Store{}, Jobs: &job.Store{Connectors: connectors},
		Notify: &notify.Store{Key: key, Entities: crm.KindNames()}, Webhooks: h.webhooks,
		Schemas: set, Key: key, Replay: map[job.Kind]job.Replay{job.Pull: resolve},
		DryRuns: map[job.Kind]job.DryRun{job.Pull: dry}, Revisions: live,
		Logger: logger, Registerer: h.registry, Version: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (h *hub) organization(code string) (postgres.Principal, string) {
	h.t.Helper()
	ctx := h.t.Context()
	o, err := h.access.AddOrganization(ctx, access.Organization{Code: code, Name: code, BaseCurrency: "EUR"})
	if err != nil {
		h.t.Fatal(err)
	}
	p := postgres.Principal{Organization: o.ID, Actor: postgres.System}
	u, err := h.access.AddUser(ctx, p, access.User{Login: code, Name: code, Roles: []string{access.Admin}}, "correct horse")
	if err != nil {
		h.t.Fatal(err)
	}
	_, token, err := h.access.AddToken(ctx, p, u.ID, "test", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return p, token
}

// saleMapping is one that is good for the stub.
const saleMapping = `entity: order
record: sale
fields:
  - {crm: number, remote: ref}
  - {crm: remark, remote: note}
`

// revisions keep mappings of the stub's sales, of which none is shipped.
func revisions(t testing.TB, connectors map[string]connector.Connector, key secret.Key, logger *slog.Logger) *revision.Store {
	t.Helper()
	order, err := schemas.FS.ReadFile("order.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	set, err := schema.Load(fstest.MapFS{
		"order.v1.json":  {Data: order},
		"stub/sale.json": {Data: []byte(`{"type":"object","required":["ref"],"properties":{"ref":{"type":"string"},"note":{"type":"string","maxLength":20},"memo":{"type":"string"}}}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	shipped, err := mapping.Load(fstest.MapFS{}, set)
	if err != nil {
		t.Fatal(err)
	}
	return &revision.Store{Shipped: shipped, Schemas: set, Connections: &connection.Store{Connectors: connectors, Key: key, Logger: logger}, CRM: &crm.Store{}}
}

// stub is a connector whose system refuses any password but "right".
func stub() connector.Connector {
	return connector.Connector{
		Name: "stub", Title: "Stub", Secrets: []string{"password"},
		Config: json.RawMessage(`{"type":"object","additionalProperties":false,"required":["url"],
			"properties":{"url":{"type":"string"},"password":{"type":"string"}}}`),
		Streams: []connector.Stream{{Entity: "order", Record: "sale", Capabilities: connector.Capabilities{Pull: true}}},
		Open:    func(o connector.Options) (connector.Session, error) { return stubSession{o.Secrets["password"]}, nil },
	}
}

type stubSession struct{ password secret.Text }

func (s stubSession) Check(context.Context) error {
	if s.password.Reveal() == "right" {
		return nil
	}
	return &connector.Error{Class: connector.ClassAuth, Code: "401", Message: "the password was refused", Remedy: "enter it again"}
}

func (stubSession) Close() error { return nil }

// dry is a dry run that finds one order.
func dry(_ context.Context, _ postgres.Principal, _ job.Job, o job.DryOptions) (r job.DryReport, err error) {
	switch o.After {
	case "x":
		return r, job.ErrDryCursor
	case "down":
		return r, &connector.Error{Class: connector.ClassTransient, Message: "no answer"}
	}
	r.Read = o.Size()
	r.Add(job.DryItem{Action: "create", RemoteID: "77"})
	return r, nil
}

// resolve is a replay that always succeeds.
func resolve(ctx context.Context, tx pgx.Tx, letters []job.DeadLetter) error {
	for _, d := range letters {
		if err := job.Resolve(ctx, tx, job.Things{ConnectionID: d.ConnectionID, Direction: d.Direction, Entity: d.Entity, IDs: []string{d.RemoteID}}); err != nil {
			return err
		}
	}
	return nil
}

// request sends a request with organization A's token unless the headers ("Name: value"; "Name:" leaves one out) say
// otherwise. {name} in path and body becomes the id of what was made under that name.
func (h *hub) request(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	h.t.Helper()
	for name, id := range h.ids {
		path, body = strings.ReplaceAll(path, "{"+name+"}", id), strings.ReplaceAll(body, "{"+name+"}", id)
	}
	r := httptest.NewRequestWithContext(h.t.Context(), method, "/api/v1"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+h.tokenA)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if method == http.MethodPatch {
		r.Header.Set("Content-Type", "application/merge-patch+json")
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ":")
		r.Header.Set(name, strings.TrimSpace(value))
		if strings.TrimSpace(value) == "" {
			r.Header.Del(name)
		}
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return w
}

// make posts something and remembers its id under a name.
func (h *hub) make(name, path, body string) {
	h.t.Helper()
	w := h.request(http.MethodPost, path, body)
	if w.Code/100 != 2 {
		h.t.Fatalf("make %s: %d %s", name, w.Code, w.Body)
	}
	h.ids[name] = field(h.t, w, "id")
}

func (h *hub) makeAll() {
	h.t.Helper()
	h.make("customer", "/customers", `{"name":"Beispiel GmbH","kind":"company","lifecycle":"customer","code":"C1"}`)
	h.make("contact", "/contacts", `{"name":"Erika Muster","customers":[{"customer_id":"{customer}"}]}`)
	h.make("category", "/product-categories", `{"code":"pumps","name":"Pumps"}`)
	h.make("product", "/products", `{"sku":"P1","product_category_id":"{category}","name":"Pump","unit":"unit","list_price":"10.5"}`)
	h.make("order", "/orders", `{"number":"SO-1","customer_id":"{customer}","date":"2026-09-01","currency":"EUR",
		"lines":[{"product_id":"{product}","description":"Pump","qty":"2","price":"10.5","tax_rate":"19"}]}`)
	h.make("invoice", "/invoices", `{"number":"I-1","customer_id":"{customer}","currency":"EUR","lines":[{"description":"Pump","qty":"2","price":"10.5"}]}`)
	h.make("payment", "/payments", `{"number":"Z-1","customer_id":"{customer}","date":"2026-09-02","currency":"EUR","amount":"5"}`)
	h.make("segment", "/segments", `{"name":"Best","rule":[{"field":"lifecycle","values":["customer"]}]}`)
	h.make("campaign", "/campaigns", `{"name":"Spring","segment_id":"{segment}"}`)
	h.make("opportunity", "/opportunities", `{"name":"Pumps","customer_id":"{customer}","currency":"EUR","amount":"100","campaign_id":"{campaign}"}`)
	h.ids["pipeline"] = field(h.t, h.request(http.MethodGet, "/opportunities/{opportunity}", ""), "pipeline_id")
	h.make("contract", "/contracts", `{"name":"Pumps","customer_id":"{customer}","currency":"EUR","opportunity_id":"{opportunity}"}`)
	h.make("member", "/campaign-members", `{"campaign_id":"{campaign}","contact_id":"{contact}"}`)
	h.make("ticket", "/tickets", `{"subject":"Leaks","customer_id":"{customer}"}`)
	h.make("feedback", "/feedback", `{"customer_id":"{customer}","at":"2026-09-01T08:00:00Z","score":4}`)
	h.make("activity", "/activities", `{"subject":"Thought","customer_id":"{customer}","at":"2026-09-01T08:00:00Z"}`)
	h.make("task", "/tasks", `{"subject":"Call","customer_id":"{customer}"}`)
	h.make("price", "/prices", `{"product_id":"{product}","currency":"EUR","amount":"9.5","valid_from":"2026-01-01"}`)
	h.make("rate", "/currency-rates", `{"currency":"USD","date":"2026-01-01","rate":"0.9"}`)
	h.make("field", "/custom-fields", `{"entity":"task","name":"channel"}`)
	h.make("target", "/targets", `{"month":"2026-09","measure":"revenue","amount":"100"}`)
	h.make("view", "/views", `{"entity":"order","name":"Drafts","filter":{"status":"draft"}}`)
	h.make("connection", "/connections", `{"code":"erp","name":"ERP","connector":"stub","config":{"url":"https://erp","password":"hunter2"}}`)
	h.make("job", "/jobs", `{"connection_id":"{connection}","kind":"pull","entity":"order","schedule":"@hourly"}`)
	h.make("run", "/jobs/{job}/run", "")
	h.make("subscription", "/subscriptions", `{"name":"Shop","target":"https://shop.example.com/hook","events":["*"]}`)
	h.ids["delivery"] = field(h.t, h.request(http.MethodPost, "/subscriptions/{subscription}/test", ""), "id")
	h.make("department", "/departments", `{"name":"Sales"}`)
	h.make("team", "/teams", `{"name":"Key accounts"}`)
	h.make("version", "/mapping-versions", `{"connection_id":"{connection}","entity":"order","text":`+strconv.Quote(saleMapping)+`}`)
	h.make("role", "/roles", `{"code":"helper","name":"Helper","grants":[{"resource":"customer","action":"read","scope":"own"}]}`)
	h.make("user", "/users", `{"login":"helper","name":"Helper","password":"correct horse","department_id":"{department}","roles":["helper"]}`)
	h.ids["boss"] = field(h.t, h.request(http.MethodGet, "/me", ""), "user_id")
	h.ids["token"] = field(h.t, h.request(http.MethodPost, "/tokens", `{"name":"made"}`), "id")
	h.signIn()
	h.ids["session"] = field(h.t, h.request(http.MethodGet, "/me/sessions", ""), "items", "id")
	h.ids["import"] = field(h.t, h.request(http.MethodPost, "/imports?entity=customer&name=c.csv", "code,name\nC7,Sieben\n", "Content-Type: text/csv"), "id")
	h.ids["attachment"] = field(h.t, h.request(http.MethodPost, "/contracts/{contract}/attachments?name=a.txt", "signed", "Content-Type: application/octet-stream"), "id")
	h.make("export", "/exports", `{"entity":"order","format":"csv"}`)
	h.make("rule", "/recycle-rules", `{"name":"Forgotten","is_active":true,"basis":"contact","days":60}`)
	h.make("limit", "/pool-limits", `{"max_owned":200}`)
	h.make("hand-over", "/users/{user}/hand-over", `{"to_user_id":"{boss}"}`)
	h.receive("inbox", ubl(h.t))
	h.bury()
	if err := h.db.As(h.t.Context(), h.principalA, func(tx pgx.Tx) error { return alert.Look(h.t.Context(), tx) }); err != nil {
		h.t.Fatal(err)
	}
	h.ids["alert"] = field(h.t, h.request(http.MethodGet, "/alerts?kind=dead_letters", ""), "items", "id")
	h.disagree()
	h.reconcile()
	h.propose()
	h.drift()
}

// drift makes a change of shape of the connection's records.
func (h *hub) drift() {
	h.t.Helper()
	h.ids["drift"] = uuid.NewString()
	err := h.db.As(h.t.Context(), h.principalA, func(tx pgx.Tx) error {
		_, err := tx.Exec(h.t.Context(), `insert into drift_findings (id, connection_id, entity, record, kind, pointer, rule, count, of, run_id)
			values ($1, $2, 'order', 'sale', 'missing_field', '/party/vat', 'stub/order.yaml:7', 2, 2, $3)`, h.ids["drift"], h.ids["connection"], h.ids["run"])
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// disagree links the order with a record, and makes a conflict about it.
func (h *hub) disagree() {
	h.t.Helper()
	h.ids["conflict"] = uuid.NewString()
	h.make("link", "/links", `{"connection_id":"{connection}","entity":"order","entity_id":"{order}","remote_id":"1001"}`)
	err := h.db.As(h.t.Context(), h.principalA, func(tx pgx.Tx) error {
		_, err := tx.Exec(h.t.Context(), `insert into conflicts (id, connection_id, entity, entity_id, field, ours, theirs)
			values ($1, $2, 'order', $3, 'remark', '"a"', '"b"')`, h.ids["conflict"], h.ids["connection"], h.ids["order"])
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// propose makes a matching with a proposal.
func (h *hub) propose() {
	h.t.Helper()
	h.ids["matching"], h.ids["proposal"] = uuid.NewString(), uuid.NewString()
	h.exec(`insert into matchings (id, connection_id, run_id, entity, status, read) values ($1, $2, $3, 'customer', 'finished', 1)`,
		h.ids["matching"], h.ids["connection"], h.ids["run"])
	h.exec(`insert into proposals (id, matching_id, connection_id, entity, remote_id, title, theirs, record, class, score)
		values ($1, $2, $3, 'customer', '77', 'Acme', '{"name": "Acme", "phone": "1"}', '{"id": "77", "data": {}}', 'review', 60)`,
		h.ids["proposal"], h.ids["matching"], h.ids["connection"])
	h.exec(`insert into proposal_candidates (proposal_id, connection_id, entity, entity_id, score, reasons)
		values ($1, $2, 'customer', $3, 60, '[{"kind": "name", "score": 60}]')`, h.ids["proposal"], h.ids["connection"], h.ids["customer"])
}

// exec changes A's data behind the API.
func (h *hub) exec(sql string, args ...any) {
	h.t.Helper()
	err := h.db.As(h.t.Context(), h.principalA, func(tx pgx.Tx) error {
		_, err := tx.Exec(h.t.Context(), sql, args...)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// reconcile makes a reconciliation that found two differences.
func (h *hub) reconcile() {
	h.t.Helper()
	h.ids["reconciliation"], h.ids["difference"], h.ids["other-difference"] = uuid.NewString(), uuid.NewString(), uuid.NewString()
	err := h.db.As(h.t.Context(), h.principalA, func(tx pgx.Tx) error {
		_, err := tx.Exec(h.t.Context(), `insert into reconciliations (id, connection_id, run_id, entity, verdict, mapping_version, counts, finished_at)
			values ($1, $2, $3, 'order', 'differs', 'v1', '{"different": 1, "missing_there": 1}', now())`, h.ids["reconciliation"], h.ids["connection"], h.ids["run"])
		if err != nil {
			return err
		}
		_, err = tx.Exec(h.t.Context(), `insert into differences (id, reconciliation_id, kind, entity_id, remote_id, title, fields, record)
			values ($2, $1, 'different', $4, '7', 'SO-1', '[{"field": "remark", "ours": "a", "theirs": "b", "agreed": null}]', '{"data": {}}'),
				($3, $1, 'missing_there', $4, null, 'SO-1', '[]', null)`,
			h.ids["reconciliation"], h.ids["difference"], h.ids["other-difference"], h.ids["order"])
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// signIn begins a session of organization A's user.
func (h *hub) signIn() string {
	h.t.Helper()
	entry, err := h.access.SignIn(h.t.Context(), access.SignIn{Login: "alpha", Password: "correct horse", IP: "192.0.2.1", UserAgent: "test"})
	if err != nil {
		h.t.Fatal(err)
	}
	return entry.Session
}

func (h *hub) bury() {
	h.t.Helper()
	c := job.DeadLetter{Direction: job.Pull, Entity: "order", RemoteID: "77", Stage: job.StageSchema, Class: "schema", Message: "bad"}
	if err := json.Unmarshal([]byte(`"`+h.ids["connection"]+`"`), &c.ConnectionID); err != nil {
		h.t.Fatal(err)
	}
	letters := []job.DeadLetter{c}
	if err := h.db.As(h.t.Context(), h.principalA, func(tx pgx.Tx) error { return job.Bury(h.t.Context(), tx, letters) }); err != nil {
		h.t.Fatal(err)
	}
	h.ids["letter"] = letters[0].ID.String()
}

// traces returns the trace of each change, in order.
func (h *hub) traces() []string {
	h.t.Helper()
	var traces []string
	err := h.db.AsSystem(h.t.Context(), func(tx pgx.Tx) error {
		rows, err := tx.Query(h.t.Context(), "select traceparent from outbox order by xid, seq")
		if err != nil {
			return err
		}
		traces, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return traces
}

// field returns a text in an answer; in a list that of its first item.
func field(t testing.TB, w *httptest.ResponseRecorder, path ...string) string {
	t.Helper()
	var at any
	if err := json.Unmarshal(w.Body.Bytes(), &at); err != nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	for _, name := range path {
		object, _ := at.(map[string]any)
		at = object[name]
		if items, ok := at.([]any); ok && len(items) > 0 {
			at = items[0]
		}
	}
	s, _ := at.(string)
	return s
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// until asks a condition again and again, and fails the test when it does not come true.
func until(t testing.TB, what string, condition func() (bool, error)) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		ok, err := condition()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: it did not happen", what)
		}
	}
}
