package file_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmhub/connectors/file"
	"crmhub/core/connector"
	"crmhub/core/connector/conformance"
	"crmhub/core/connector/connectortest"
	"crmhub/core/schema"
	"crmhub/core/secret"
	"crmhub/core/sheet"
)

// inbox is a folder that files are dropped into, and what a hub that pulls from it knows.
type inbox struct {
	testing.TB
	dir     string
	config  map[string]any
	secrets map[string]secret.Text
	clock   time.Time
	cursors map[string]json.RawMessage // what was committed, by stream
}

func newInbox(t testing.TB, settings string) *inbox {
	t.Helper()
	i := &inbox{TB: t, dir: t.TempDir(), cursors: map[string]json.RawMessage{}, clock: time.Now().Add(time.Hour)}
	doc, err := schema.DecodeJSON([]byte(settings))
	if err != nil {
		t.Fatal(err)
	}
	i.config = doc.(map[string]any)
	return i
}

func (i *inbox) connector() connector.Connector {
	return file.Connector(func() time.Time { return i.clock })
}

func (i *inbox) open() connector.Session {
	i.Helper()
	c := i.connector()
	s, err := schema.Compile("config.json", c.Config)
	if err != nil {
		i.Fatal(err)
	}
	if vs := s.Validate(i.config); len(vs) > 0 {
		i.Fatal(vs)
	}
	session, err := c.Open(connector.Options{Config: i.config, Secrets: i.secrets, Folder: i.dir})
	if err != nil {
		i.Fatal(err)
	}
	return session
}

func (i *inbox) drop(name, content string) {
	i.Helper()
	if err := os.WriteFile(filepath.Join(i.dir, name), []byte(content), 0o600); err != nil {
		i.Fatal(err)
	}
}

// run pulls a stream with a new session, as a run of a job does: each page is committed before the run ends.
func (i *inbox) run(stream string) []connector.Record {
	i.Helper()
	return i.pages(stream, 2, -1)
}

// pages pulls at most so many pages of which all but the last that came are committed if most is reached: there it dies.
func (i *inbox) pages(stream string, limit, most int) (records []connector.Record) {
	i.Helper()
	s := i.open()
	defer func() { _ = s.Close() }()
	cursor := i.cursors[stream]
	for n := 0; ; n++ {
		p, err := s.(connector.Puller).Pull(i.Context(), connector.PullRequest{Stream: stream, Cursor: cursor, Limit: limit})
		if err != nil {
			i.Fatal(err)
		}
		if n == most {
			return records
		}
		records, cursor = append(records, p.Records...), p.Cursor
		i.cursors[stream] = cursor
		if !p.More {
			return records
		}
	}
}

// there are all files in the folder and those below it.
func (i *inbox) there() (names []string) {
	i.Helper()
	err := fs.WalkDir(os.DirFS(i.dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		i.Fatal(err)
	}
	return names
}

func ids(records []connector.Record) (all []string) {
	for _, r := range records {
		id := r.ID
		if r.Err != nil {
			id = "! " + r.Err.Error()
		}
		all = append(all, id)
	}
	return all
}

func (i *inbox) want(what string, got, want any) {
	i.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		i.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestRowsBecomeRecords(t *testing.T) {
	t.Parallel()
	i := newInbox(t, `{"decimal_mark": ",", "date_layout": "02.01.2006", "invoice": {"columns": {"number": "Beleg-Nr.", "lines.qty": "Menge"}}}`)
	i.drop("Invoices 2026.csv", "\ufeffBeleg Nr;Customer;Issue Date;Currency;Total;Tax;Menge;Line untaxed;unknown\n"+
		"R1;ANNA;04.05.2026;EUR;1.234,50;;2;1000;x\n"+
		"R1;ANNA;;;;;3;234,5;\n"+
		"\n"+
		"R2;BERTA;31.13.2026;EUR;12,x;2,00;;;\n"+
		";ANNA;04.05.2026;EUR;1;;;;\n"+
		"R3;ANNA;04.05.2026;EUR;1;;1;;\nR3;BERTA;04.05.2026;EUR;1;;1;;\n")
	records := i.run("invoice")
	i.want("ids", ids(records), []string{
		"R1", "R2", "Invoices 2026.csv#6@" + strings.Split(records[2].ID, "@")[1],
		"! Invoices 2026.csv, row 7: row 8 has the id of row 7 and another customer",
	})
	i.want("two rows of one invoice", records[0].Data, map[string]any{
		"number": "R1", "customer": "ANNA", "issue_date": "2026-05-04", "currency": "EUR", "total": "1234.5",
		"lines": []any{map[string]any{"qty": "2", "untaxed": "1000"}, map[string]any{"qty": "3", "untaxed": "234.5"}},
	})
	i.want("what cannot be read stays", records[1].Data, map[string]any{
		"number": "R2", "customer": "BERTA", "issue_date": "31.13.2026", "currency": "EUR", "total": "12,x", "tax": "2",
	})
}

// An amount that the connection's decimal mark does not explain may mean a thousand times as much.
func TestAmountsThatTheMarkDoesNotExplainAreRefused(t *testing.T) {
	t.Parallel()
	i := newInbox(t, `{"decimal_mark": ",", "date_layout": "02.01.2006"}`)
	i.drop("payments 1.csv", "number;customer;date;currency;amount\n"+
		"P1;ANNA;04.05.2026;EUR;1.155\n"+"P2;ANNA;04.05.2026;EUR;1,155\n"+"P3;ANNA;04.05.2026;EUR;1.15\n"+"P4;ANNA;04.05.2026;EUR;1234.56\n"+"P5;ANNA;04.05.2026;EUR;7\n")
	var book bytes.Buffer
	w, err := sheet.NewWriter(&book, sheet.XLSX, []sheet.Column{{Name: "number"}, {Name: "customer"}, {Name: "amount", Type: sheet.Number}})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range [][]string{{"X1", "ANNA", "1.155"}, {"X2", "ANNA", "-1234.5"}, {"X3", "ANNA", "1.155,25"}} {
		if err := w.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	i.drop("payments 2.xlsx", book.String())
	got := map[string]any{}
	for _, r := range i.run("payment") {
		number, _ := r.Data["number"].(string)
		got[number] = r.Data["amount"]
		if r.Err != nil {
			got[number] = r.Err.Error()
		}
	}
	i.want("amounts", got, map[string]any{
		"P1": "1155", "P2": "1.155", "P5": "7",
		"P3": "payments 1.csv, row 4: amount is no number with the decimal mark ,", "P4": "payments 1.csv, row 5: amount is no number with the decimal mark ,",
		"X1": "1.155", "X2": "-1234.5", "X3": "1155.25",
	})
}

func TestJSONLinesBecomeRecords(t *testing.T) {
	t.Parallel()
	i := newInbox(t, `{}`)
	i.drop("payments.jsonl", `{"number": 7, "customer": "ANNA", "amount": 12.50, "allocations": [{"invoice": "R1", "amount": 2.50}]}`+"\n\n"+
		`{"number": "8",`+"\n"+`[1]`+"\n"+`{"number": "9"}`)
	records := i.run("payment")
	i.want("ids", ids(records), []string{"7", "! payments.jsonl, row 3: not JSON: unexpected EOF", "! payments.jsonl, row 4: the line is no JSON object", "9"})
	i.want("numbers", records[0].Data, map[string]any{
		"number": "7", "customer": "ANNA", "amount": "12.5", "allocations": []any{map[string]any{"invoice": "R1", "amount": "2.5"}},
	})
}

func TestDoneFilesMoveOnlyOnceThatIsCommitted(t *testing.T) {
	t.Parallel()
	i := newInbox(t, `{}`)
	i.drop("customers.csv", "code,name\nA,Anna\n")
	i.drop("customers-broken.xlsx", "PK\x03\x04 no workbook")
	i.drop("customers-other.csv", "name\nAnna\n")
	i.drop("notes.csv", "of no stream")
	got := ids(i.run("customer"))
	slices.Sort(got)
	i.want("records", got, []string{
		"! customers-broken.xlsx: the file is no readable XLSX workbook: zip: not a valid zip file",
		`! customers-other.csv: there is no column for code among the 1 that the first row names`, "A",
	})
	i.want("in the run that reads them, they stay", i.there(), []string{"customers-broken.xlsx", "customers-other.csv", "customers.csv", "notes.csv"})
	i.want("the next run", ids(i.run("customer")), []string(nil))
	i.want("moves them", i.there(), []string{
		"done/customers.csv", "failed/customers-broken.xlsx", "failed/customers-broken.xlsx.error.txt",
		"failed/customers-other.csv", "failed/customers-other.csv.error.txt", "notes.csv",
	})
	i.drop("customers.csv", "code,name\nB,Berta\n")
	i.want("the same name again", ids(i.run("customer")), []string{"B"})
	i.want("nothing is left", ids(i.run("customer")), []string(nil))
	if names := i.there(); len(names) != 7 || names[0] == names[1] {
		t.Error("one was written over the other:", names)
	}
}

func TestKeptFilesAreNotReadAgain(t *testing.T) {
	t.Parallel()
	keeping := newInbox(t, `{"done": "keep"}`)
	keeping.drop("customers.csv", "code\nA\n")
	keeping.want("once", ids(keeping.run("customer")), []string{"A"})
	keeping.want("and not again", ids(keeping.run("customer")), []string(nil))
	keeping.drop("customers.csv", "code\nA\nB\n")
	keeping.want("what changed is read anew", ids(keeping.run("customer")), []string{"A", "B"})
}

func TestAFileIsReadOnWhereItStopped(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]func(n int) string{
		"customers.csv":   func(n int) string { return fmt.Sprintf("C%03d,Name\n", n) },
		"customers.jsonl": func(n int) string { return fmt.Sprintf(`{"code": "C%03d"}`+"\n", n) },
	} {
		i := newInbox(t, `{}`)
		var text strings.Builder
		if strings.HasSuffix(name, "csv") {
			text.WriteString("code,name\n")
		}
		var want []string
		for n := range 100 {
			text.WriteString(content(n))
			want = append(want, fmt.Sprintf("C%03d", n))
		}
		i.drop(name, text.String())
		var got []string
		for len(got) < 100 {
			before := len(got)
			got = append(got, ids(i.pages("customer", 7, 3))...) // dies with the fourth page read and not committed
			if len(got) == before {
				break
			}
		}
		i.want(name, got, want)
	}
}

func TestOnlyCompleteFilesAreTaken(t *testing.T) {
	t.Parallel()
	i := newInbox(t, `{"settle_seconds": 60}`)
	i.clock = time.Now()
	i.drop("customers.csv", "code\nA\n")
	i.drop("customers.csv.part", "code\nB\n")
	i.drop(".customers.csv", "code\nC\n")
	i.drop("~$customers.xlsx", "PK")
	i.want("too young", ids(i.run("customer")), []string(nil))
	i.clock = i.clock.Add(30 * time.Second)
	i.want("still", ids(i.run("customer")), []string(nil))
	i.clock = i.clock.Add(time.Hour)
	i.want("settled", ids(i.run("customer")), []string{"A"})
}

func TestOldestFilesComeFirst(t *testing.T) {
	t.Parallel()
	i := newInbox(t, `{}`)
	for n, name := range []string{"customers-c.csv", "customers-a.csv", "customers-b.csv"} {
		i.drop(name, fmt.Sprintf("code\nC%d\n", n))
		at := time.Date(2026, 5, 4, n, 0, 0, 0, time.UTC)
		if err := os.Chtimes(filepath.Join(i.dir, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	i.want("order", ids(i.run("customer")), []string{"C0", "C1", "C2"})
}

func TestNoLinkLeadsOutOfTheFolder(t *testing.T) {
	t.Parallel()
	i := newInbox(t, `{}`)
	outside := filepath.Join(t.TempDir(), "customers.csv")
	if err := os.WriteFile(outside, []byte("code\nSECRET\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(i.dir, "customers.csv")); err != nil {
		t.Fatal(err)
	}
	i.want("a link", ids(i.run("customer")), []string(nil))
	if err := os.Remove(filepath.Join(i.dir, "done")); err != nil {
		t.Fatal(err)
	}
	elsewhere := t.TempDir()
	if err := os.Symlink(elsewhere, filepath.Join(i.dir, "done")); err != nil {
		t.Fatal(err)
	}
	i.drop("customers-1.csv", "code\nA\n")
	i.want("a file", ids(i.run("customer")), []string{"A"})
	i.want("is not moved out", ids(i.run("customer")), []string(nil))
	if found, err := os.ReadDir(elsewhere); err != nil || len(found) > 0 {
		t.Error(found, err)
	}
}

func TestFaultyConfigurationsAreNamed(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string]string{
		`{"invoice": {"pattern": "[a"}}`:                                           "/invoice/pattern",
		`{"invoice": {"id": ["numero"]}}`:                                          "/invoice/id",
		`{"payment": {"columns": {"allocations.x": "X"}}}`:                         "/payment/columns",
		`{"order": {"write": "csv", "folder": "../x"}}`:                            "/order/folder",
		`{"order": {"write": "csv", "folder": "done/x"}}`:                          "/order/folder",
		`{"order": {"write": "csv", "name": "{reference}"}}`:                       "/order/name",
		`{"order": {"write": "csv", "name": "../{reference}{n}"}}`:                 "/order/name",
		`{"order": {"folder": "out"}}`:                                             "/order: folder",
		`{"order": {"write": "csv"}, "delimiter": " "}`:                            "/delimiter",
		`{"sftp": {"host": "h", "user": "u", "host_key": "ssh-ed25519 x"}}`:        "/sftp/host_key",
		`{"sftp": {"host": "h", "user": "u", "host_key": "` + publicKey(t) + `"}}`: "/sftp: needs",
	} {
		i := newInbox(t, settings)
		_, err := i.connector().Open(connector.Options{Config: i.config, Folder: i.dir})
		if e := connector.AsError(err); err == nil || e.Class != connector.ClassConfig || !strings.HasPrefix(e.Message, want) {
			t.Errorf("%s: %v", settings, err)
		}
	}
	i := newInbox(t, `{}`)
	i.dir = ""
	s := i.open()
	if err := s.Check(t.Context()); err == nil || connector.AsError(err).Class != connector.ClassConfig {
		t.Error("without a folder:", err)
	}
}

// The conformance kit looks for goroutines left behind: this test does not run beside others.
func TestTheConnectorKeepsTheContract(t *testing.T) { //nolint:paralleltest // see above
	i := newInbox(t, `{"settle_seconds": 0}`)
	i.drop("customers.csv", "code\nA\nB\nC\n")
	i.drop("products.jsonl", `{"sku": "X"}`)
	c := i.connector()
	c.Streams = c.Carried(i.config)
	connectortest.Run(t, connectortest.Harness{
		Connector: c,
		Open:      func(*testing.T) connector.Session { return i.open() },
		Streams:   []connectortest.Stream{{Record: "customer"}, {Record: "product"}, {Record: "invoice"}, {Record: "payment"}},
	})
}

func TestWhatIsWrittenKeepsTheContract(t *testing.T) { //nolint:paralleltest // as above
	i := newInbox(t, `{"encoding": "windows-1252", "delimiter": ";", "decimal_mark": ",",
		"order": {"write": "csv", "folder": "out/orders"}, "product": {"write": "xlsx"}, "customer": {"write": "jsonl", "name": "K{n}_{reference}"}}`)
	c := i.connector()
	c.Streams = c.Carried(i.config)
	stream := func(record, key string) connectortest.Stream {
		return connectortest.Stream{
			Record: record,
			Data:   func(ref string) map[string]any { return map[string]any{key: ref} },
			Change: func(data map[string]any) { data["currency"] = "EUR" },
			Same:   func(data, record map[string]any) bool { return conformance.Contains(record, data) },
		}
	}
	order := stream("order", "number")
	order.Data = func(ref string) map[string]any {
		return map[string]any{"number": ref, "total": "12.50", "lines": []any{map[string]any{"product": "=X", "qty": "1"}, map[string]any{"product": "Y", "qty": "-2.5"}}}
	}
	order.Invalid = func(data map[string]any) { data["remark"] = "客户" }
	connectortest.Run(t, connectortest.Harness{
		Connector: c, Open: func(*testing.T) connector.Session { return i.open() },
		Streams: []connectortest.Stream{order, stream("product", "sku"), stream("customer", "code"), {Record: "invoice"}},
	})
	s := i.open()
	defer func() { _ = s.Close() }()
	results, err := s.(connector.Pusher).Push(t.Context(), "order", []connector.Write{{Op: connector.OpCreate, Reference: "SO/1", Data: order.Data("SO/1")}})
	if err != nil || results[0].Outcome != connector.Done {
		t.Fatal(results, err)
	}
	names, err := filepath.Glob(filepath.Join(i.dir, "out/orders/order-SO-1~*-1.csv"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	written, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(written), "\r\n")
	comma := func(n int) string { return strings.Repeat(";", n) }
	i.want("a table", string(written), head+"\r\nSO/1"+comma(22)+"12,50"+comma(3)+"'=X"+comma(3)+"1"+comma(3)+"\r\nSO/1"+comma(22)+"12,50"+comma(3)+"Y"+comma(3)+"-2,5"+comma(3)+"\r\n")
	if err := s.(connector.Receiver).Receive(t.Context(), "orders.csv", strings.NewReader("number\n1\n")); err == nil || connector.AsError(err).Class != connector.ClassData {
		t.Error("orders were taken in over a connection that writes them:", err)
	}
}

func FuzzTables(f *testing.F) {
	f.Add("number,customer,total,line_qty\nR1,A,1,2\n", false)
	f.Add(`{"number": 1, "lines": [{"qty": 1.5}, 7]}`, true)
	f.Add("number;number\n\"", false)
	f.Fuzz(func(t *testing.T, content string, asLines bool) {
		i := newInbox(t, `{"settle_seconds": 0}`)
		i.drop(map[bool]string{false: "invoices.csv", true: "invoices.jsonl"}[asLines], content)
		seen := i.pages("invoice", 3, -1)
		for _, r := range seen {
			if r.ID == "" || r.Data == nil {
				t.Errorf("%+v", r)
			}
		}
		i.cursors = map[string]json.RawMessage{}
		if again := i.pages("invoice", 1000, -1); len(again) != len(seen) {
			t.Errorf("%d records in small pages, %d in one", len(seen), len(again))
		}
	})
}

func TestFilesThatAreHandedOverLieThereWhole(t *testing.T) {
	t.Parallel()
	i := newInbox(t, `{}`)
	s := i.open()
	defer func() { _ = s.Close() }()
	receive := func(name string, content io.Reader) error {
		return s.(connector.Receiver).Receive(t.Context(), name, content)
	}
	if err := receive("customers.csv", strings.NewReader("code\nA\n")); err != nil {
		t.Fatal(err)
	}
	for name, class := range map[string]connector.Class{
		"customers.csv": connector.ClassConflict, "Notes.csv": connector.ClassData, "../customers.csv": connector.ClassData, "done/customers.csv": connector.ClassData,
		".customers.csv": connector.ClassData, "customers.exe": connector.ClassData, `a\customers.csv`: connector.ClassData, "": connector.ClassData,
		"customers" + strings.Repeat("x", 300) + ".csv": connector.ClassData,
	} {
		if err := receive(name, strings.NewReader("x")); err == nil || connector.AsError(err).Class != class {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := receive("customers-2.csv", iotest.ErrReader(io.ErrUnexpectedEOF)); err == nil {
		t.Error("half a file was taken")
	}
	i.want("there", i.there(), []string{"customers.csv"})
	i.want("records", ids(i.run("customer")), []string{"A"})
}
