//go:build killbill

// Package killbill_test holds the manifest against a Kill Bill that deploy/killbill.sh started. CRMHUB_TEST_KILLBILL is its address,
// CRMHUB_TEST_KILLBILL_SECRET the tenant's secret (crmhub-test).
package killbill_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"crmhub/connectors/rest"
	"crmhub/core/connector"
	"crmhub/core/connector/conformance"
	"crmhub/core/connector/connectortest"
	"crmhub/core/mapping"
	"crmhub/core/schema"
	"crmhub/core/secret"
	"crmhub/mappings"
	"crmhub/schemas"
)

// server is a Kill Bill, and a person who works with it.
type server struct {
	*testing.T
	url, secret string
	connector   connector.Connector
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{T: t}
	s.url = os.Getenv("CRMHUB_TEST_KILLBILL")                                  //nolint:forbidigo // tests are told so
	s.secret = cmp.Or(os.Getenv("CRMHUB_TEST_KILLBILL_SECRET"), "crmhub-test") //nolint:forbidigo // tests are told so
	if s.url == "" {
		t.Fatal("CRMHUB_TEST_KILLBILL must say where a Kill Bill is: deploy/killbill.sh up DIR starts one and prints it")
	}
	source, err := os.ReadFile("manifest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if s.connector, err = rest.Parse("manifest.yaml", source); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *server) session(password string) connector.Session {
	s.Helper()
	opened, err := s.connector.Open(connector.Options{
		Config:  map[string]any{"url": s.url, "user": "admin", "api_key": "crmhub"},
		Secrets: map[string]secret.Text{"password": secret.New(password), "api_secret": secret.New(s.secret)},
		Logger:  slog.New(slog.DiscardHandler),
	})
	if err != nil {
		s.Fatal(err)
	}
	return opened
}

// post does what a person does in Kill Bill, and returns the answer.
func (s *server) post(path string, doc any) any {
	s.Helper()
	body, err := json.Marshal(doc)
	if err != nil {
		s.Fatal(err)
	}
	r, err := http.NewRequestWithContext(s.Context(), http.MethodPost, s.url+"/1.0/kb"+path, bytes.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	r.SetBasicAuth("admin", "password")
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json",
		"X-Killbill-ApiKey": "crmhub", "X-Killbill-ApiSecret": s.secret, "X-Killbill-CreatedBy": "person",
	} {
		r.Header.Set(name, value)
	}
	response, err := (&http.Client{Timeout: time.Minute}).Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode > 299 {
		s.Fatalf("POST %s: %s %s %v", path, response.Status, text, err)
	}
	answer, err := schema.DecodeJSON(text)
	if err != nil {
		s.Fatal(err)
	}
	return answer
}

func unique() string { return strconv.FormatInt(time.Now().UnixNano(), 36) }

func TestTheManifestKeepsTheConnectorContract(t *testing.T) {
	s := newServer(t)
	same := func(data, record map[string]any) bool { return conformance.Contains(record, data) }
	connectortest.Run(t, connectortest.Harness{
		Connector: s.connector,
		Open:      func(*testing.T) connector.Session { return s.session("password") },
		OpenWrong: func(*testing.T) connector.Session { return s.session("wrong") },
		Streams: []connectortest.Stream{
			{
				Record: "account",
				Data: func(string) map[string]any {
					return map[string]any{"name": "Kit", "currency": "EUR", "city": "Graz", "country": "AT"}
				},
				Change:  func(data map[string]any) { data["name"] = "Kit 2" },
				Invalid: func(data map[string]any) { data["currency"] = "XXQ" },
				Same:    same,
			},
			{Record: "invoice"},
			{Record: "payment"},
		},
	})
}

// links is what the hub would know: entity → our id → theirs.
type links map[string]map[string]string

func (l links) Remote(entity, id string) (string, bool) {
	remote, ok := l[entity][id]
	return remote, ok
}

func (l links) Local(entity, remote string) (string, bool) {
	for id, r := range l[entity] {
		if r == remote {
			return id, true
		}
	}
	return "", false
}

// hub pushes and pulls by the shipped mappings.
type hub struct {
	*server
	connector.Session
	schemas  *schema.Set
	mappings *mapping.Set
	links    links
}

func (s *server) hub() *hub {
	s.Helper()
	h := &hub{server: s, Session: s.session("password"), links: links{"customer": {}, "invoice": {}}}
	s.Cleanup(func() {
		if err := h.Close(); err != nil {
			s.Error(err)
		}
	})
	var err error
	if h.schemas, err = schema.Load(schemas.FS); err != nil {
		s.Fatal(err)
	}
	if h.mappings, err = mapping.Load(mappings.FS, h.schemas); err != nil {
		s.Fatal(err)
	}
	return h
}

func (h *hub) mapping(entity string) *mapping.Mapping {
	h.Helper()
	m, ok := h.mappings.For("killbill", entity)
	if !ok {
		h.Fatalf("there is no mapping of %s", entity)
	}
	return m
}

func (h *hub) push(entity, reference string, w connector.Write, doc string) connector.Result {
	h.Helper()
	given, err := schema.DecodeJSON([]byte(doc))
	if err != nil {
		h.Fatal(err)
	}
	m := h.mapping(entity)
	if w.Data, err = m.Push(given.(map[string]any), h.links); err != nil {
		h.Fatal(err)
	}
	w.Reference = reference
	results, err := h.Session.(connector.Pusher).Push(h.Context(), m.Record(), []connector.Write{w})
	if err != nil {
		h.Fatal(err)
	}
	return results[0]
}

func (h *hub) create(entity, reference, doc string) connector.Record {
	h.Helper()
	r := h.push(entity, reference, connector.Write{Op: connector.OpCreate}, doc)
	if r.Outcome != connector.Done {
		h.Fatalf("%s %s: outcome %d, %v", entity, reference, r.Outcome, r.Err)
	}
	return r.Record
}

// pull reads all of a stream and returns the entity of one record.
func (h *hub) pull(entity, id string) map[string]any {
	h.Helper()
	m := h.mapping(entity)
	var cursor json.RawMessage
	for {
		page, err := h.Session.(connector.Puller).Pull(h.Context(), connector.PullRequest{Stream: m.Record(), Cursor: cursor, Limit: 5})
		if err != nil {
			h.Fatal(err)
		}
		for _, r := range page.Records {
			text, err := json.Marshal(r.Data)
			if err != nil {
				h.Fatal(err)
			}
			doc, err := schema.DecodeJSON(text)
			if err != nil {
				h.Fatal(err)
			}
			s, ok := h.schemas.Get("killbill/" + m.Record() + ".json")
			if !ok {
				h.Fatalf("there is no schema of %s", m.Record())
			}
			if err := s.Validate(doc).Err(); err != nil {
				h.Errorf("%s: %v", m.Record(), err)
			}
			if r.ID != id {
				continue
			}
			pulled, err := m.Pull(doc.(map[string]any), h.links)
			if err != nil {
				h.Fatal(err)
			}
			return pulled
		}
		if cursor = page.Cursor; !page.More {
			h.Fatalf("%s %s was not pulled", entity, id)
		}
	}
}

func (h *hub) want(got map[string]any, want string) {
	h.Helper()
	doc, err := schema.DecodeJSON([]byte(want))
	if err != nil {
		h.Fatal(err)
	}
	some := map[string]any{}
	for name := range doc.(map[string]any) {
		some[name] = got[name]
	}
	if diff := gocmp.Diff(doc, any(some)); diff != "" {
		h.Error(diff)
	}
}

func TestCustomersInvoicesAndPaymentsAreEqualOnBothSides(t *testing.T) {
	s := newServer(t)
	h := s.hub()
	tag := unique()
	const customer, invoice = "0198c0de-0000-7000-8000-000000000001", "0198c0de-0000-7000-8000-000000000002"

	account := h.create("customer", "C-"+tag, fmt.Sprintf(`{"code": "C-%s", "name": "ACME 客户", "email": "a@example.org", "currency": "EUR",
		"addresses": [{"kind": "bill", "street": "Main 1", "city": "Graz", "postcode": "8010", "country": "AT"}]}`, tag))
	h.links["customer"][customer] = account.ID
	h.want(h.pull("customer", account.ID), fmt.Sprintf(`{"code": "C-%s", "name": "ACME 客户", "email": "a@example.org", "currency": "EUR"}`, tag))
	if r := h.push("customer", "C-"+tag, connector.Write{Op: connector.OpCreate}, fmt.Sprintf(`{"code": "C-%s", "name": "twice", "currency": "EUR"}`, tag)); r.Outcome != connector.Refused || r.Err.Class != connector.ClassConflict {
		t.Errorf("the same customer twice: outcome %d, %v", r.Outcome, r.Err)
	}

	// Somebody bills the customer in Kill Bill.
	items := s.post("/invoices/charges/"+account.ID+"?autoCommit=true", []any{
		map[string]any{"accountId": account.ID, "currency": "EUR", "amount": json.Number("37.04"), "description": "Widgets"},
		map[string]any{"accountId": account.ID, "currency": "EUR", "amount": json.Number("7.41"), "description": "Work"},
	}).([]any)
	made := items[0].(map[string]any)["invoiceId"].(string)
	h.links["invoice"][invoice] = made
	h.want(h.pull("invoice", made), fmt.Sprintf(`{"kind": "invoice", "customer_id": %q, "currency": "EUR", "untaxed": "44.45", "tax": "0", "total": "44.45", "residual": "44.45", "status": "issued"}`, customer))

	// The customer pays by bank; here that is known first.
	paid := h.create("payment", "PAY-"+tag, fmt.Sprintf(`{"number": "PAY-%s", "customer_id": %q, "date": "2026-11-27", "currency": "EUR", "amount": "30.00", "status": "posted",
		"allocations": [{"invoice_id": %q, "amount": "30.00"}]}`, tag, customer, invoice))
	h.want(h.pull("payment", paid.ID), fmt.Sprintf(`{"number": "PAY-%s", "customer_id": %q, "currency": "EUR", "amount": "30", "status": "posted", "allocations": [{"invoice_id": %q, "amount": "30"}]}`, tag, customer, invoice))
	h.want(h.pull("invoice", made), `{"total": "44.45", "residual": "14.45"}`)

	payment := fmt.Sprintf(`{"number": "PAY-%s", "customer_id": %q, "date": "2026-11-27", "currency": "EUR", "amount": "5", "allocations": [{"invoice_id": %q, "amount": "5"}]}`, tag, customer, invoice)
	if r := h.push("payment", "PAY-"+tag, connector.Write{Op: connector.OpCreate}, payment); r.Outcome != connector.Refused || r.Err.Class != connector.ClassConflict {
		t.Errorf("the same payment twice: outcome %d, %v", r.Outcome, r.Err)
	}
	if r := h.push("payment", "PAY-"+tag, connector.Write{Op: connector.OpUpdate, ID: paid.ID}, payment); r.Outcome != connector.Refused || r.Err.Class != connector.ClassBusiness {
		t.Errorf("a payment of another amount: outcome %d, %v", r.Outcome, r.Err)
	}
	found, err := h.Session.(connector.Finder).Find(t.Context(), "payment", "PAY-"+tag)
	if err != nil || found == nil || found.ID != paid.ID {
		t.Errorf("found %+v, %v", found, err)
	}
}
