//go:build tryton

// The tests in this folder need a Tryton server; trytontest says how to name it:
//
//	CRMHUB_TEST_TRYTON=$(deploy/tryton.sh up DIR) go test -tags tryton ./connectors/tryton/...
package tryton_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"crmhub/connectors/rest"
	"crmhub/connectors/tryton/trytontest"
	"crmhub/core/connector"
	"crmhub/core/schema"
	"crmhub/core/secret"
	"crmhub/schemas"
)

// server is a Tryton server, with the schemas of what it holds.
type server struct {
	*trytontest.Server
	t       *testing.T
	schemas *schema.Set
}

func newServer(t *testing.T) *server {
	t.Helper()
	set, err := schema.Load(schemas.FS)
	if err != nil {
		t.Fatal(err)
	}
	return &server{Server: trytontest.Open(t), t: t, schemas: set}
}

type session interface {
	connector.Session
	connector.Puller
	connector.Pusher
	connector.Finder
	connector.Getter
}

func manifest(t *testing.T) connector.Connector {
	t.Helper()
	source, err := os.ReadFile("manifest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := rest.Parse("manifest.yaml", source)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// session opens one that the caller closes.
func (s *server) session(password string) connector.Session {
	s.t.Helper()
	opened, err := manifest(s.t).Open(connector.Options{
		Config:  map[string]any{"url": s.URL, "database": trytontest.Database, "user": trytontest.User, "account_category": trytontest.Category},
		Secrets: map[string]secret.Text{"password": secret.New(password)},
		Logger:  slog.New(slog.DiscardHandler),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return opened
}

func (s *server) open(password string) session {
	s.t.Helper()
	opened := s.session(password)
	s.t.Cleanup(func() {
		if err := opened.Close(); err != nil {
			s.t.Error(err)
		}
	})
	return opened.(session)
}

// unique makes a reference that no other run has used.
func unique() string { return strconv.FormatInt(time.Now().UnixNano(), 36) }

func (s *server) push(c session, stream string, w connector.Write) connector.Record {
	s.t.Helper()
	results, err := c.Push(s.t.Context(), stream, []connector.Write{w})
	if err != nil {
		s.t.Fatal(err)
	}
	if results[0].Outcome != connector.Done {
		s.t.Fatalf("%s of %s: outcome %d, %v (%v)", w.Op, stream, results[0].Outcome, results[0].Err, results[0].Err.Remedy)
	}
	return results[0].Record
}

func (s *server) find(c session, stream, reference string) connector.Record {
	s.t.Helper()
	r, err := c.Find(s.t.Context(), stream, reference)
	if err != nil {
		s.t.Fatal(err)
	}
	if r == nil {
		s.t.Fatalf("%s %s is not found", stream, reference)
	}
	s.valid(stream, r.Data)
	return *r
}

// pull reads to the end.
func (s *server) pull(c session, stream string, cursor json.RawMessage) (map[string]connector.Record, json.RawMessage) {
	s.t.Helper()
	records := map[string]connector.Record{}
	for {
		page, err := c.Pull(s.t.Context(), connector.PullRequest{Stream: stream, Cursor: cursor, Limit: 3})
		if err != nil {
			s.t.Fatal(err)
		}
		for _, r := range page.Records {
			if _, twice := records[r.ID]; twice {
				s.t.Errorf("%s %s came twice", stream, r.ID)
			}
			s.valid(stream, r.Data)
			records[r.ID] = r
		}
		if cursor = page.Cursor; !page.More {
			return records, cursor
		}
	}
}

func (s *server) valid(stream string, data map[string]any) {
	s.t.Helper()
	record, ok := s.schemas.Get("tryton/" + stream + ".json")
	if !ok {
		s.t.Fatalf("there is no schema of %s", stream)
	}
	plain, err := json.Marshal(data)
	if err != nil {
		s.t.Fatal(err)
	}
	doc, err := schema.DecodeJSON(plain)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := record.Validate(doc).Err(); err != nil {
		s.t.Errorf("%s: %v\n%s", stream, err, plain)
	}
}

func at(t *testing.T, data any, path string) any {
	t.Helper()
	for key := range strings.SplitSeq(path, ".") {
		switch v := data.(type) {
		case map[string]any:
			data = v[key]
		case []any:
			var i int
			if _, err := fmt.Sscan(key, &i); err != nil || i >= len(v) {
				t.Fatalf("there is no %s in %v", path, v)
			}
			data = v[i]
		default:
			t.Fatalf("there is no %s: %v", path, data)
		}
	}
	return data
}

func want(t *testing.T, data map[string]any, values map[string]string) {
	t.Helper()
	for path, value := range values {
		if got := fmt.Sprint(at(t, data, path)); got != value {
			t.Errorf("%s is %s, not %s", path, got, value)
		}
	}
}

func TestCheckSaysWhetherTheCredentialsAreGood(t *testing.T) {
	s := newServer(t)
	if err := s.open(s.Password).Check(t.Context()); err != nil {
		t.Errorf("good password: %v", err)
	}
	err := s.open("wrong").Check(t.Context())
	if err == nil || connector.AsError(err).Class != connector.ClassAuth || connector.AsError(err).Remedy == "" {
		t.Errorf("wrong password: %v", err)
	}
}

func TestOrderBecomesInvoiceAndPayment(t *testing.T) {
	s := newServer(t)
	c := s.open(s.Password)
	tag := unique()
	today := time.Now().UTC().Format(time.DateOnly)
	_, invoices := s.pull(c, "account.invoice", nil)
	_, payments := s.pull(c, "account.move.line", nil)

	party := s.push(c, "party.party", connector.Write{Op: connector.OpCreate, Reference: "C-" + tag, Data: map[string]any{
		"code": "C-" + tag, "name": "ACME 客户", "email": "a@example.org", "phone": "+43 316 123456", "website": "https://example.org",
		"addresses":   []any{map[string]any{"street": "Main 1", "city": "Graz", "postal_code": "8010", "country": map[string]any{"code": "AT"}, "invoice": true}},
		"identifiers": []any{map[string]any{"code": "ATU-" + tag}},
	}})
	if found := s.find(c, "party.party", "C-"+tag); found.ID != party.ID {
		t.Errorf("found party %s, created %s", found.ID, party.ID)
	} else {
		want(t, found.Data, map[string]string{"name": "ACME 客户", "email": "a@example.org", "phone": "+43 316 123456", "addresses.0.city": "Graz", "addresses.0.country.code": "AT", "identifiers.0.code": "ATU-" + tag})
	}
	updated := s.push(c, "party.party", connector.Write{Op: connector.OpUpdate, ID: party.ID, Data: map[string]any{
		"code": "C-" + tag, "name": "ACME GmbH", "email": "b@example.org", "phone": "+43 316 123456", "website": "https://example.org",
		"addresses": []any{
			map[string]any{"street": "Main 2", "city": "Graz", "postal_code": "8010", "country": map[string]any{"code": "AT"}, "invoice": true},
			map[string]any{"street": "Side 3", "city": "Wien"},
		},
		"identifiers": []any{map[string]any{"code": "ATU-" + tag}},
	}})
	want(t, updated.Data, map[string]string{"name": "ACME GmbH", "email": "b@example.org", "addresses.0.street": "Main 2", "addresses.1.city": "Wien"})
	if n := len(at(t, updated.Data, "contact_mechanisms").([]any)); n != 3 {
		t.Errorf("after the update there are %d contact mechanisms, not 3", n)
	}

	product := s.push(c, "product.product", connector.Write{Op: connector.OpCreate, Reference: "SKU-" + tag, Data: map[string]any{
		"code": "SKU-" + tag, "name": "Widget", "active": true, "default_uom": map[string]any{"symbol": "u"}, "template": map[string]any{"list_price": "12.3456"},
	}})
	s.push(c, "product.product", connector.Write{Op: connector.OpUpdate, ID: product.ID, Data: map[string]any{
		"code": "SKU-" + tag, "name": "Widget 2", "active": true, "description": "new", "default_uom": map[string]any{"symbol": "u"}, "template": map[string]any{"list_price": "13.5"},
	}})
	if found := s.find(c, "product.product", "SKU-"+tag); found.ID != product.ID {
		t.Errorf("found product %s, created %s", found.ID, product.ID)
	} else {
		want(t, found.Data, map[string]string{"name": "Widget 2", "template.list_price": "13.5", "description": "new", "default_uom.symbol": "u"})
	}

	order := func(state, quantity string) map[string]any {
		return map[string]any{
			"reference": "O-" + tag, "party": map[string]any{"id": json.Number(party.ID)}, "currency": map[string]any{"code": "EUR"},
			"payment_term": map[string]any{"name": "30 days"}, "sale_date": today, "state": state, "comment": "a remark",
			"lines": []any{map[string]any{
				"type": "line", "product": map[string]any{"id": json.Number(product.ID)}, "description": "Widget", "quantity": json.Number(quantity),
				"unit": map[string]any{"symbol": "u"}, "unit_price": "12.3456", "taxes": []any{map[string]any{"rate": "0.2"}},
			}},
		}
	}
	sale := s.push(c, "sale.sale", connector.Write{Op: connector.OpCreate, Reference: "O-" + tag, Data: order("draft", "2")})
	draft := s.find(c, "sale.sale", "O-"+tag)
	want(t, draft.Data, map[string]string{"state": "draft", "lines.0.quantity": "2.0", "payment_term.name": "30 days", "currency.code": "EUR"})
	quoted := s.push(c, "sale.sale", connector.Write{Op: connector.OpUpdate, ID: sale.ID, Data: order("quotation", "2")})
	want(t, quoted.Data, map[string]string{"state": "quotation"})
	processing := s.push(c, "sale.sale", connector.Write{Op: connector.OpUpdate, ID: sale.ID, Data: order("processing", "3")})
	want(t, processing.Data, map[string]string{"state": "processing", "lines.0.quantity": "3.0", "untaxed_amount": "37.04", "tax_amount": "7.41", "total_amount": "44.45"})

	again := s.push(c, "sale.sale", connector.Write{Op: connector.OpUpdate, ID: sale.ID, Data: order("processing", "3")})
	if again.ID != sale.ID {
		t.Errorf("an update that changes nothing gave %q", again.ID)
	}
	results, err := c.Push(t.Context(), "sale.sale", []connector.Write{{Op: connector.OpUpdate, ID: sale.ID, Data: order("processing", "4")}})
	if err != nil || results[0].Outcome != connector.Refused || results[0].Err.Class != connector.ClassBusiness {
		t.Errorf("a sale in process was changed: %+v, %v", results, err)
	}

	// What people do in Tryton: post the invoice and enter payments.
	invoice := s.PostInvoices(json.Number(sale.ID))[0]

	pulled, invoices := s.pull(c, "account.invoice", invoices)
	posted, ok := pulled[fmt.Sprint(invoice)]
	if !ok {
		t.Fatalf("invoice %v was not pulled", invoice)
	}
	want(t, posted.Data, map[string]string{
		"state": "posted", "untaxed_amount": "37.04", "tax_amount": "7.41", "total_amount": "44.45", "amount_to_pay": "44.45",
		"party.id": party.ID, "sales.0.id": sale.ID, "sales.0.reference": "O-" + tag, "lines.0.amount": "37.04", "lines.0.product.id": product.ID,
	})

	s.Pay(invoice, "30")
	pulled, invoices = s.pull(c, "account.invoice", invoices)
	want(t, pulled[fmt.Sprint(invoice)].Data, map[string]string{"state": "posted", "amount_to_pay": "14.45"})
	s.Pay(invoice, "14.45")
	pulled, _ = s.pull(c, "account.invoice", invoices)
	want(t, pulled[fmt.Sprint(invoice)].Data, map[string]string{"state": "paid", "amount_to_pay": "0"})

	paid, _ := s.pull(c, "account.move.line", payments)
	var amounts []string
	for _, p := range paid {
		if fmt.Sprint(at(t, p.Data, "invoice_payment.id")) == fmt.Sprint(invoice) {
			amounts = append(amounts, fmt.Sprint(p.Data["credit"]))
			want(t, p.Data, map[string]string{"party.id": party.ID, "debit": "0", "move.state": "posted", "move.company.currency.code": "EUR"})
		}
	}
	if slices.Sort(amounts); !slices.Equal(amounts, []string{"14.45", "30"}) {
		t.Errorf("payments are %v", amounts)
	}
}

func TestRefusedRecordsAreToldByClass(t *testing.T) {
	s := newServer(t)
	c := s.open(s.Password)
	tag := unique()
	first := connector.Write{Op: connector.OpCreate, Reference: "D-" + tag, Data: map[string]any{"name": "first"}}
	s.push(c, "party.party", first)
	results, err := c.Push(t.Context(), "party.party", []connector.Write{
		first,
		{Op: connector.OpCreate, Reference: "E-" + tag, Data: map[string]any{"name": "second"}},
		{Op: connector.OpCreate, Reference: "F-" + tag, Data: map[string]any{"name": "third", "addresses": []any{map[string]any{"country": map[string]any{"code": "QQ"}}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if r := results[0]; r.Outcome != connector.Refused || r.Err.Class != connector.ClassConflict || r.Err.Code != "UserError" {
		t.Errorf("the code that is there already: %+v %v", r, r.Err)
	}
	if r := results[1]; r.Outcome != connector.Done {
		t.Errorf("the good one beside it: %+v %v", r, r.Err)
	}
	if r := results[2]; r.Outcome != connector.Refused || r.Err.Class != connector.ClassData || r.Err.Remedy == "" {
		t.Errorf("the unknown country: %+v %v", r, r.Err)
	}

	party := s.find(c, "party.party", "E-"+tag)
	sale := map[string]any{
		"state": "quotation", "party": map[string]any{"id": json.Number(party.ID)}, "currency": map[string]any{"code": "EUR"},
		"lines": []any{map[string]any{"type": "line", "description": "x", "quantity": json.Number("1"), "unit_price": "1"}},
	}
	results, err = c.Push(t.Context(), "sale.sale", []connector.Write{{Op: connector.OpCreate, Reference: "S-" + tag, Data: sale}})
	if err != nil {
		t.Fatal(err)
	}
	// The sale is there, the quotation was refused: nobody may create it again.
	if r := results[0]; r.Outcome != connector.Unknown || r.Err.Class != connector.ClassData || r.Err.Code != "UserError" {
		t.Errorf("a quotation without an address: %+v %v", r, r.Err)
	}
	there := s.find(c, "sale.sale", "S-"+tag)
	results, err = c.Push(t.Context(), "sale.sale", []connector.Write{{Op: connector.OpUpdate, ID: there.ID, Data: sale}})
	if err != nil || results[0].Outcome != connector.Refused || results[0].Err.Class != connector.ClassData {
		t.Errorf("the same as an update: %+v, %v", results, err)
	}
	s.Call("party.address.create", []any{map[string]any{"party": json.Number(party.ID), "city": "Graz"}})
	sale["comment"] = "now there is an address"
	want(t, s.push(c, "sale.sale", connector.Write{Op: connector.OpUpdate, ID: there.ID, Data: sale}).Data, map[string]string{"state": "quotation"})
	sale["state"] = "cancelled"
	want(t, s.push(c, "sale.sale", connector.Write{Op: connector.OpUpdate, ID: there.ID, Data: sale}).Data, map[string]string{"state": "cancelled"})

	if r, err := c.Find(t.Context(), "party.party", "nobody-"+tag); r != nil || err != nil {
		t.Errorf("found %+v, %v", r, err)
	}
	if r, err := c.Get(t.Context(), "party.party", "999999999"); r != nil || err != nil {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestLostSessionIsRenewed(t *testing.T) {
	s := newServer(t)
	c := s.open(s.Password)
	if err := c.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.EndSessions()
	if err := c.Check(t.Context()); err != nil {
		t.Errorf("after the server forgot the session: %v", err)
	}
}

func TestIncrementalPullReadsWhatChanged(t *testing.T) {
	s := newServer(t)
	c := s.open(s.Password)
	tag := unique()
	first := s.push(c, "party.party", connector.Write{Op: connector.OpCreate, Reference: "I-" + tag, Data: map[string]any{"name": "before"}})
	all, cursor := s.pull(c, "party.party", nil)
	if _, ok := all[first.ID]; !ok {
		t.Fatal("the first run has not read everything")
	}
	second := s.push(c, "party.party", connector.Write{Op: connector.OpCreate, Reference: "J-" + tag, Data: map[string]any{"name": "after"}})
	s.push(c, "party.party", connector.Write{Op: connector.OpUpdate, ID: first.ID, Data: map[string]any{"name": "changed"}})
	changed, _ := s.pull(c, "party.party", cursor)
	if changed[first.ID].Data["name"] != "changed" || changed[second.ID].Data["name"] != "after" {
		t.Errorf("the second run read %v", changed)
	}
}
