package ledger_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmhub/connectors/ledger"
	"crmhub/core/connector"
	"crmhub/core/connector/connectortest"
	"crmhub/core/schema"
	"crmhub/schemas"
)

func may6() time.Time { return time.Date(2026, 5, 6, 23, 0, 0, 0, time.UTC) }

// books are a connection's folder and a session that writes it.
type books struct {
	*testing.T
	dir     string
	session connector.Session
}

func newBooks(t *testing.T, settings string) *books {
	t.Helper()
	b := &books{T: t, dir: t.TempDir()}
	b.session = b.open(settings)
	t.Cleanup(func() {
		if err := b.session.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *books) open(settings string) connector.Session {
	b.Helper()
	c := ledger.Connector(may6)
	config := object(b.T, settings)
	s, err := schema.Compile("config.json", c.Config)
	if err != nil {
		b.Fatal(err)
	}
	if vs := s.Validate(config); len(vs) > 0 {
		b.Fatal(vs)
	}
	session, err := c.Open(connector.Options{Config: config, Folder: b.dir})
	if err != nil {
		b.Fatal(err)
	}
	return session
}

func object(t testing.TB, text string) map[string]any {
	t.Helper()
	doc, err := schema.DecodeJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc.(map[string]any)
}

// push writes one record; ops other than a create name its id.
func (b *books) push(record string, w connector.Write) connector.Result {
	b.Helper()
	results, err := b.session.(connector.Pusher).Push(b.Context(), record, []connector.Write{w})
	if err != nil {
		b.Fatal(err)
	}
	return results[0]
}

func (b *books) create(record, reference, data string) connector.Record {
	b.Helper()
	r := b.push(record, connector.Write{Op: connector.OpCreate, Reference: reference, Data: object(b.T, data)})
	if r.Outcome != connector.Done {
		b.Fatal(r.Err)
	}
	return r.Record
}

func (b *books) update(record, id, data string) connector.Record {
	b.Helper()
	r := b.push(record, connector.Write{Op: connector.OpUpdate, ID: id, Data: object(b.T, data)})
	if r.Outcome != connector.Done {
		b.Fatal(r.Err)
	}
	return r.Record
}

// files are the journals below book, by path, without the line that holds the record.
func (b *books) files() map[string]string {
	b.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(filepath.Join(b.dir, "book"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(filepath.Join(b.dir, "book"), path)
		text := string(content)
		if strings.HasPrefix(text, "; crmhub ") {
			_, text, _ = strings.Cut(text, "\n")
		}
		if !strings.HasPrefix(name, "account") && !strings.HasPrefix(name, "commodity") {
			all[name] = text
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return all
}

const (
	uid1 = `"uid": "019a0000-0000-7000-8000-000000000001"`
	uid2 = `"uid": "019a0000-0000-7000-8000-000000000002"`
	uid3 = `"uid": "019a0000-0000-7000-8000-000000000003"`

	anna = `{` + uid1 + `, "code": "ANNA", "name": "Anna \"A\"; Ltd"}`
	chai = `{` + uid2 + `, "sku": "CHAI", "category": "Beverages"}`

	settings = `{"format": "%s", "base_currency": "EUR",
		"revenue": [{"category": "Beverages", "account": "Income:Drinks"}, {"tax_rate": "0", "account": "Income:Exempt"}],
		"tax": [{"rate": "20", "account": "Liabilities:VAT:20"}, {"rate": "10.0", "account": "Liabilities:VAT:10"}],
		"money": [{"method": "cash", "account": "Assets:Cash"}, {"currency": "USD", "account": "Assets:Bank:Dollars"}]}`

	sale = `{` + uid3 + `, "number": "INV-1", "kind": "invoice", "customer": "ANNA", "issue_date": "2026-05-04", "due_date": "2026-06-03",
		"currency": "USD", "rate": "0.9", "untaxed": "196.54", "tax": "35.92", "total": "232.46", "status": "posted", "lines": [
			{"product": "CHAI", "tax_rate": "20", "untaxed": "164.16", "tax": "32.83"},
			{"tax_rate": "10", "untaxed": "30.9", "tax": "3.09"}, {"tax_rate": "0", "untaxed": "1.48", "tax": "0"}]}`
	receipt = `{` + uid2 + `, "number": "PAY-1", "customer": "ANNA", "date": "2026-05-05", "method": "transfer", "reference": "for; INV-1 | 2",
		"currency": "USD", "amount": "300", "status": "posted", "allocations": [{"invoice": "INV-1", "amount": "200"}, {"invoice": "INV-2", "amount": "50"}]}`
)

func as(format string) string { return strings.Replace(settings, "%s", format, 1) }

func (b *books) trade() {
	b.Helper()
	b.create("customer", "ANNA", anna)
	b.create("product", "CHAI", chai)
	b.create("invoice", "INV-1", sale)
	b.create("payment", "PAY-1", receipt)
}

func TestDocumentsBecomeEntries(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]map[string]string{
		"beancount": {
			"invoice/2026/05/INV-1.beancount": `2026-05-04 price USD 0.9 EUR
2026-05-04 * "Anna \"A\"; Ltd" "Invoice INV-1" ^INV-1
  due: "2026-06-03"
  Assets:Receivable:ANNA  232.46 USD
    invoice: "INV-1"
  Income:Drinks  -164.16 USD
  Income:Sales  -30.90 USD
  Income:Exempt  -1.48 USD
  Liabilities:VAT:20  -32.83 USD
  Liabilities:VAT:10  -3.09 USD
`,
			"payment/2026/05/PAY-1.beancount": `2026-05-05 * "Anna \"A\"; Ltd" "Payment PAY-1, for; INV-1 | 2" ^INV-1 ^INV-2
  Assets:Bank:Dollars  300.00 USD
  Assets:Receivable:ANNA  -200.00 USD
    invoice: "INV-1"
  Assets:Receivable:ANNA  -50.00 USD
    invoice: "INV-2"
  Liabilities:Prepayments:ANNA  -50.00 USD
`,
		},
		"hledger": {
			"invoice/2026/05/INV-1.journal": `P 2026-05-04 USD 0.9 EUR
2026-05-04 * (INV-1) Anna "A", Ltd | Invoice INV-1
    ; due: 2026-06-03
    Assets:Receivable:ANNA  232.46 USD  ; invoice: INV-1
    Income:Drinks  -164.16 USD
    Income:Sales  -30.90 USD
    Income:Exempt  -1.48 USD
    Liabilities:VAT:20  -32.83 USD
    Liabilities:VAT:10  -3.09 USD
`,
			"payment/2026/05/PAY-1.journal": `2026-05-05 * (PAY-1) Anna "A", Ltd | Payment PAY-1, for, INV-1 / 2
    Assets:Bank:Dollars  300.00 USD
    Assets:Receivable:ANNA  -200.00 USD  ; invoice: INV-1
    Assets:Receivable:ANNA  -50.00 USD  ; invoice: INV-2
    Liabilities:Prepayments:ANNA  -50.00 USD
`,
		},
	} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			b := newBooks(t, as(format))
			b.trade()
			if diff := cmp.Diff(want, b.files()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What was posted stays; what takes it back is an entry of the day it became known.
func TestCancellationsAreReversed(t *testing.T) {
	t.Parallel()
	b := newBooks(t, `{"format": "beancount"}`)
	b.create("customer", "ANNA", anna)
	plain := strings.Replace(sale, `"product": "CHAI", `, "", 1)
	draft := strings.Replace(strings.Replace(plain, `"posted"`, `"draft"`, 1), `"issue_date": "2026-05-04", `, "", 1)
	id := b.create("invoice", "INV-1", draft).ID
	if diff := cmp.Diff(map[string]string{"invoice/draft/INV-1.beancount": ""}, b.files()); diff != "" {
		t.Error("a draft makes no entry:", diff)
	}
	b.update("invoice", id, plain)
	posted := b.files()["invoice/2026/05/INV-1.beancount"]
	if len(b.files()) != 1 || !strings.Contains(posted, `2026-05-04 * "Anna`) {
		t.Fatal(b.files())
	}
	cancelled := strings.Replace(plain, `"posted"`, `"cancelled"`, 1)
	once := b.update("invoice", id, cancelled)
	if again := b.update("invoice", id, cancelled); again.Version != once.Version {
		t.Error("cancelled twice, it is another file")
	}
	text := b.files()["invoice/2026/05/INV-1.beancount"]
	want := posted + `2026-05-06 * "Anna \"A\"; Ltd" "Cancelled: Invoice INV-1" ^INV-1
  due: "2026-06-03"
  Assets:Receivable:ANNA  -232.46 USD
    invoice: "INV-1"
  Income:Sales  196.54 USD
  Liabilities:Tax  35.92 USD
`
	if diff := cmp.Diff(want, text); diff != "" {
		t.Error(diff)
	}

	r := b.push("invoice", connector.Write{Op: connector.OpDelete, ID: id})
	if r.Outcome != connector.Done || b.files()["invoice/2026/05/INV-1.beancount"] != want {
		t.Error("the deletion of what is cancelled has nothing to reverse:", r.Err, b.files())
	}
	b.update("invoice", id, plain)
	if got := b.files()["invoice/2026/05/INV-1.beancount"]; got != want+strings.Replace(posted, "2026-05-04", "2026-05-06", 1) {
		t.Error("restored, it is posted again:", got)
	}
	if r := b.push("invoice", connector.Write{Op: connector.OpDelete, ID: "NEVER"}); r.Outcome != connector.Done {
		t.Error("what is not there is deleted:", r.Err)
	}
}

func TestPaymentOfAnotherDayMoves(t *testing.T) {
	t.Parallel()
	b := newBooks(t, as("hledger"))
	b.create("customer", "ANNA", anna)
	id := b.create("payment", "PAY-1", receipt).ID
	b.update("payment", id, strings.Replace(receipt, "2026-05-05", "2025-12-31", 1))
	files := b.files()
	if len(files) != 1 || !strings.HasPrefix(files["payment/2025/12/PAY-1.journal"], "2025-12-31 * (PAY-1)") {
		t.Error(files)
	}
}

func TestFaultsAreNamed(t *testing.T) {
	t.Parallel()
	b := newBooks(t, as("beancount"))
	b.trade()
	for name, tc := range map[string]struct{ record, old, new, want string }{
		"currency":        {"invoice", `"USD"`, `"USD\n2026-01-01 open X"`, "/currency"},
		"date":            {"invoice", `"2026-05-04"`, `"2026-05-32"`, "/issue_date"},
		"amount":          {"invoice", `"164.16"`, `"164.16 USD"`, "/lines/0/untaxed"},
		"exponent":        {"invoice", `"164.16"`, `"1e400000000"`, "/lines/0/untaxed"},
		"sum":             {"invoice", `"232.46"`, `"240"`, "/total"},
		"customer's form": {"invoice", `"ANNA"`, `"ANNA  1 USD"`, "/customer"},
		"no customer":     {"invoice", `"ANNA"`, `"BERTA"`, "the ledger has no customer BERTA"},
		"no product":      {"invoice", `"CHAI"`, `"TEA"`, "the ledger has no product TEA"},
		"status":          {"payment", `"posted"`, `"paid"`, "/status"},
		"allocation":      {"payment", `"INV-1", "amount"`, `"..", "amount"`, "/allocations/0/invoice"},
		"another's":       {"payment", uid2, uid3, "another payment with this reference"},
		"type":            {"payment", `"300"`, `300`, "another type"},
	} {
		record, data := map[string]string{"invoice": "INV-1", "payment": "PAY-1"}[tc.record], map[string]string{"invoice": sale, "payment": receipt}[tc.record]
		before := b.files()
		r := b.push(tc.record, connector.Write{Op: connector.OpUpdate, ID: record, Data: object(t, strings.Replace(data, tc.old, tc.new, 1))})
		if r.Outcome != connector.Refused || !strings.Contains(r.Err.Message, tc.want) {
			t.Errorf("%s: outcome %d, %v", name, r.Outcome, r.Err)
		}
		if diff := cmp.Diff(before, b.files()); diff != "" {
			t.Errorf("%s changed the books: %s", name, diff)
		}
	}
}

func TestNothingIsWrittenOutsideTheFolder(t *testing.T) {
	t.Parallel()
	b := newBooks(t, `{"format": "hledger"}`)
	outside := t.TempDir()
	if err := os.MkdirAll(filepath.Join(b.dir, "card"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(b.dir, "card", "customer")); err != nil {
		t.Fatal(err)
	}
	r := b.push("customer", connector.Write{Op: connector.OpCreate, Reference: "ANNA", Data: object(t, anna)})
	if r.Outcome == connector.Done {
		t.Error("a link led out of the folder")
	}
	if found, err := os.ReadDir(outside); err != nil || len(found) > 0 {
		t.Error(found, err)
	}
	if r := b.push("invoice", connector.Write{Op: connector.OpUpdate, ID: "../X", Data: object(t, sale)}); r.Outcome != connector.Refused {
		t.Error("an id with folders was taken")
	}
}

// The conformance kit looks for goroutines left behind: this test does not run beside others.
func TestTheConnectorKeepsTheContract(t *testing.T) { //nolint:paralleltest // see above
	for _, format := range []string{"beancount", "hledger"} {
		t.Run(format, func(t *testing.T) {
			b := newBooks(t, as(format))
			b.create("customer", "ANNA", anna)
			b.create("product", "CHAI", chai)
			all, err := schema.Load(schemas.FS)
			if err != nil {
				t.Fatal(err)
			}
			stream := func(record, field, template, changed string, change, invalid any) connectortest.Stream {
				return connectortest.Stream{
					Record: record,
					Data: func(reference string) map[string]any {
						data := object(t, template)
						data[field] = reference
						s, _ := all.Get("ledger/" + record + ".json")
						if vs := s.Validate(data); len(vs) > 0 {
							t.Error(vs)
						}
						return data
					},
					Change:  func(data map[string]any) { data[changed] = change },
					Invalid: func(data map[string]any) { data["uid"] = invalid },
					Same:    func(data, record map[string]any) bool { return reflect.DeepEqual(maps.Clone(data), record) },
				}
			}
			connectortest.Run(t, connectortest.Harness{
				Connector: ledger.Connector(may6),
				Open:      func(*testing.T) connector.Session { return b.open(as(format)) },
				Streams: []connectortest.Stream{
					stream("customer", "code", anna, "name", "Another", "nobody"),
					stream("product", "sku", chai, "category", "Another", "nobody"),
					stream("invoice", "number", sale, "due_date", "2026-07-01", json.Number("1")),
					stream("payment", "number", receipt, "date", "2026-04-01", ""),
				},
			})
		})
	}
}
