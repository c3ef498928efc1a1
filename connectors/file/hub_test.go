package file_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/mapping"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/pull"
	"crmhub/core/revision"
	"crmhub/core/schema"
	"crmhub/core/secret"
	"crmhub/mappings"
	"crmhub/schemas"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// hub is an organization that pulls from an inbox.
type hub struct {
	*inbox
	url         string
	db          *postgres.DB
	who         postgres.Principal
	connections *connection.Store
	conn        connection.Connection
	mappings    *mapping.Set
	jobs        map[string]job.Job
}

func newHub(t *testing.T, settings string) *hub {
	t.Helper()
	h := newHubOf(t, newInbox(t, settings))
	h.dir = h.connections.Folder(h.conn)
	if err := os.MkdirAll(h.dir, 0o750); err != nil {
		t.Fatal(err)
	}
	return h
}

// newHubOf has a connection to where the files of an inbox are.
func newHubOf(t *testing.T, i *inbox) *hub {
	t.Helper()
	h := &hub{inbox: i, url: postgrestest.URL(t), jobs: map[string]job.Job{}}
	h.db = postgrestest.Open(t, h.url)
	h.who = postgrestest.Organization(t, h.db)
	key, err := secret.NewKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	all, err := schema.Load(schemas.FS)
	if err != nil {
		t.Fatal(err)
	}
	if h.mappings, err = mapping.Load(mappings.FS, all); err != nil {
		t.Fatal(err)
	}
	c := h.connector()
	h.connections = &connection.Store{
		Key: key, Logger: slog.New(slog.DiscardHandler), Connectors: map[string]connector.Connector{"file": c}, Folders: h.dir,
	}
	h.tx(func(tx pgx.Tx) error {
		config := maps.Clone(h.config)
		for name, s := range h.secrets {
			config[name] = s.Reveal()
		}
		added, err := h.connections.Add(t.Context(), tx, connection.New{Code: "bank", Name: "Bank", Connector: "file", Config: config})
		if err != nil {
			return err
		}
		if h.conn, err = h.connections.Get(t.Context(), tx, added.ID); err != nil {
			return err
		}
		jobs := job.Store{Connectors: h.connections.Connectors}
		for _, s := range h.connections.Streams(h.conn) {
			if !s.Pull {
				continue
			}
			if h.jobs[s.Entity], err = jobs.Create(t.Context(), tx, job.New{ConnectionID: added.ID, Kind: job.Pull, Entity: s.Entity}); err != nil {
				return err
			}
		}
		return nil
	})
	return h
}

func (h *hub) tx(fn func(tx pgx.Tx) error) {
	h.Helper()
	if err := h.db.As(h.Context(), h.who, fn); err != nil {
		h.Fatal(err)
	}
}

// process starts a process that executes runs. kill ends it in the middle of what it does.
func (h *hub) process(pageSize int) (kill func()) {
	h.Helper()
	db, err := postgres.Open(h.Context(), postgres.Config{URL: h.url})
	if err != nil {
		h.Fatal(err)
	}
	puller := pull.New(pull.Config{
		DB: db, Connections: h.connections, Revisions: &revision.Store{Shipped: h.mappings}, Entities: &crm.Store{}, Logger: slog.New(slog.DiscardHandler),
		Registerer: prometheus.NewRegistry(), PageSize: pageSize,
	})
	runner := job.NewRunner(job.RunnerConfig{
		DB: db, Work: map[job.Kind]job.Work{job.Pull: puller.Run}, Every: 20 * time.Millisecond,
		Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.Context()))
	done := make(chan error, 1)
	go func() { done <- runner.Run(ctx) }()
	kill = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			h.Error(err)
		}
		db.Close()
	})
	h.Cleanup(kill)
	return kill
}

func (h *hub) enqueue(entity string) (r job.Run) {
	h.Helper()
	h.tx(func(tx pgx.Tx) (err error) {
		r, err = job.Enqueue(h.Context(), tx, h.jobs[entity].ID, job.ByHand)
		return err
	})
	return r
}

// pull runs an entity's job to its end.
func (h *hub) pull(entity string) job.Run {
	h.Helper()
	r := h.enqueue(entity)
	h.eventually("the run of "+entity+" ends", func() bool {
		h.tx(func(tx pgx.Tx) (err error) {
			r, err = job.GetRun(h.Context(), tx, r.ID)
			return err
		})
		return r.FinishedAt != nil
	})
	return r
}

func (h *hub) eventually(what string, ok func() bool) {
	h.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); {
		if time.Now().After(deadline) {
			h.Fatal("it did not happen in two minutes:", what)
		}
		select {
		case <-h.Context().Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// lines are the rows of a query with one column of text.
func (h *hub) lines(sql string) (all []string) {
	h.Helper()
	h.tx(func(tx pgx.Tx) error {
		rows, _ := tx.Query(h.Context(), sql)
		var err error
		all, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return all
}

func TestFinanceImportsWhatItExports(t *testing.T) {
	t.Parallel()
	h := newHub(t, `{"decimal_mark": ","}`)
	anna := &crm.Customer{Code: "ANNA", Name: "Anna", Email: "anna@example.org"}
	h.tx(func(tx pgx.Tx) error { // a customer that the hub has already
		return (&crm.Store{}).Save(t.Context(), tx, crm.By{Actor: h.who.Actor, Origin: "crm"}, []crm.Entity{anna})
	})
	h.process(2)
	// Payments come before what they refer to: they wait.
	h.drop("payments-05.csv", "number;customer;date;method;currency;amount;invoice;allocated\n"+
		"P1;ANNA;2026-05-20;transfer;EUR;150;R1;100\nP1;ANNA;;;;;R2;50\n"+
		"P2;BERTA;2026-05-21;transfer;EUR;7,50;R3;\n"+
		"P3;BERTA;2026-05-21;transfer;EUR;seven;;\n"+
		"P4;NOBODY;2026-05-21;transfer;EUR;1;;\n")
	h.pull("payment")
	h.drop("customers.csv", "Code;Name;E-mail;City;Country\nANNA;;;Graz;AT\nBERTA;Berta;b@example.org;;\n;Without a code;;;\n"+
		strings.Repeat("x", 5000)+";Too long;;;\nN\x00\xff;Broken;;;\n")
	h.drop("products.jsonl", `{"sku": "CHAI", "name": "Chai", "list_price": 18.5}`+"\n{broken\n"+
		`{"sku": "deep", "x": `+strings.Repeat("[", 30)+strings.Repeat("]", 30)+"}\n"+`{"sku": "a\u0000b", "n\u0000": 1e999999}`+"\n")
	h.drop("invoices.csv", "number;customer;issue date;currency;untaxed;tax;total;open;line product;line qty;line price;line tax rate;line untaxed;line tax\n"+
		"R1;ANNA;2026-05-04;EUR;1.100,00;210,00;1.310,00;1.210,00;CHAI;100;10;20;1.000;200\n"+
		"R1;;;;;;;;;1;100;10;100;10\n"+
		"R2;ANNA;2026-05-05;EUR;50;0;50;0;;;;;;\n"+
		"R3;BERTA;2026-05-06;EUR;7,50;;7,50;;;;;;;\n"+
		"R4;BERTA;2026-05-06;EUR;5;1;7;;;;;;;\n"+ // it does not add up
		"R5;BERTA;2026-05-32;EUR;5;1;6;;;;;;;\n"+
		"G1;BERTA;2026-05-07;EUR;-2,50;;-2,50;;;;;;;\n")
	for _, entity := range []string{"customer", "product", "invoice", "payment"} {
		if r := h.pull(entity); r.Status != job.Succeeded {
			t.Errorf("the run of %s ended %s: %+v", entity, r.Status, r.Error)
		}
	}
	h.want("customers", h.lines("select code || ' ' || name || ' ' || coalesce(email, '') from customers order by code"), []string{
		"ANNA Anna anna@example.org", "BERTA Berta b@example.org", "N\ufffdÿ Broken ",
	})
	h.want("products", h.lines("select sku || ' ' || trim_scale(list_price) from products"), []string{"CHAI 18.5"})
	h.want("invoices", h.lines(`
		select concat_ws(' ', i.number, i.kind, c.code, trim_scale(i.total), trim_scale(i.residual), i.payment_status, (select count(*) from invoice_lines l where l.invoice_id = i.id))
		from invoices i join customers c on c.id = i.customer_id order by 1`), []string{
		"G1 credit_note BERTA -2.5 -2.5 unpaid 0", "R1 invoice ANNA 1310 1210 partial 2", "R2 invoice ANNA 50 0 paid 0", "R3 invoice BERTA 7.5 7.5 unpaid 0",
	})
	h.want("payments", h.lines(`
		select concat_ws(' ', p.number, trim_scale(p.amount), string_agg(i.number || ':' || trim_scale(a.amount), ',' order by i.number))
		from payments p join payment_allocations a on a.payment_id = p.id join invoices i on i.id = a.invoice_id group by p.id, p.number, p.amount order by 1`), []string{
		"P1 150 R1:100,R2:50", "P2 7.5 R3:7.5",
	})
	h.want("dead letters", h.lines(`
		select concat_ws(' ', entity, class, split_part(remote_id, '@', 1), coalesce(violations -> 0 ->> 'pointer', '-'), violations -> 0 ->> 'rule')
		from dead_letters where status = 'open' order by 1`), []string{
		"customer schema customers.csv#4 /code required",
		"customer schema customers.csv#5 /code maxLength",
		"invoice data R4 /total sum",
		"invoice schema R5 /issue_date format",
		"payment schema P3 /amount format",
		"payment waiting P4 -",
		"product schema a�b /n� additionalProperties",
		"product schema products.jsonl#2 -",
		"product schema products.jsonl#3 -",
	})
	for _, entity := range []string{"customer", "product", "invoice", "payment"} {
		if r := h.pull(entity); r.Read != 0 {
			t.Errorf("%d of %s were read again", r.Read, entity)
		}
	}
	h.want("files", h.there(), []string{"done/customers.csv", "done/invoices.csv", "done/payments-05.csv", "done/products.jsonl"})
}

func TestElectronicInvoicesComeInWithTheirFindings(t *testing.T) {
	t.Parallel()
	for findings, want := range map[string]struct{ invoices, letters, files []string }{
		"accept": {
			[]string{
				"2026/000042 invoice 1235.9 1036 partial 4", "2026/000043 credit_note -1235.9 -1036 partial 4",
				"2026/000044 invoice 1235.9 1000 partial 4 BR-CO-16 (fatal)",
			},
			[]string{"invoice broken.xml broken.xml: line 2"},
			[]string{"done/a.xml", "done/b.XML", "done/c.xml", "done/customers.csv", "failed/broken.xml", "failed/broken.xml.error.txt"},
		},
		"refuse": {
			[]string{"2026/000042 invoice 1235.9 1036 partial 4", "2026/000043 credit_note -1235.9 -1036 partial 4"},
			[]string{"invoice broken.xml broken.xml: line 2", "invoice c.xml c.xml: it breaks rules of EN 16931: BR-CO-16"},
			[]string{"done/a.xml", "done/b.XML", "done/customers.csv", "failed/broken.xml", "failed/broken.xml.error.txt", "failed/c.xml", "failed/c.xml.error.txt"},
		},
	} {
		t.Run(findings, func(t *testing.T) {
			t.Parallel()
			h := newHub(t, `{"findings": "`+findings+`"}`)
			h.process(100)
			ubl := func(name, number string) string {
				b, err := os.ReadFile("../../core/einvoice/testdata/" + name)
				if err != nil {
					t.Fatal(err)
				}
				return strings.Replace(string(b), "2026/000042", number, 1)
			}
			h.drop("customers.csv", "code,name\n7300010000001,Example AB\n")
			h.drop("a.xml", ubl("invoice.xml", "2026/000042"))
			h.drop("b.XML", ubl("creditnote.xml", "2026/000043"))
			h.drop("c.xml", strings.Replace(ubl("invoice.xml", "2026/000044"), ">1036.00<", ">1000.00<", 1))
			h.drop("broken.xml", "<?xml version=\"1.0\"?>\n<Invoice>\n<a></b>\n")
			for range 2 {
				h.pull("customer")
				h.pull("invoice")
			}
			h.want("invoices", h.lines(`
				select concat_ws(' ', number, kind, trim_scale(total), trim_scale(residual), payment_status,
					(select count(*) from invoice_lines l where l.invoice_id = i.id), (select string_agg(f.rule || ' (' || f.severity || ')', ',') from invoice_findings f where f.invoice_id = i.id))
				from invoices i order by number`), want.invoices)
			h.want("dead letters", h.lines(`
				select concat_ws(' ', entity, split_part(remote_id, '@', 1), substring(message from '^[^:]*: (?:line 2|it breaks rules of EN 16931: BR-CO-16)'))
				from dead_letters where status = 'open' order by 1`), want.letters)
			h.want("files", h.there(), want.files)
		})
	}
}

func TestEachRowGoesInOnceWhateverDies(t *testing.T) {
	t.Parallel()
	h := newHub(t, `{}`)
	const rows = 300
	var text strings.Builder
	text.WriteString("code,name\n")
	for n := range rows {
		fmt.Fprintf(&text, "C%03d,Customer %d\n", n, n)
	}
	h.drop("customers.csv", text.String())
	count := func() (n int) {
		h.tx(func(tx pgx.Tx) error { return tx.QueryRow(t.Context(), "select count(*) from customers").Scan(&n) })
		return n
	}
	kills := 0
	for at := 40; at < rows; at += 80 {
		kill := h.process(3)
		h.enqueue("customer")
		h.eventually("some are in", func() bool { return count() >= at })
		kill()
		if count() < rows {
			kills++
		}
	}
	if kills == 0 {
		t.Error("no process died in the middle of the file")
	}
	h.process(3)
	h.pull("customer")
	h.pull("customer")
	h.want("versions", h.lines("select version || ' ' || count(*) from customers group by version"), []string{fmt.Sprintf("1 %d", rows)})
	h.want("dead letters", h.lines("select message from dead_letters"), []string{})
	h.want("the file", h.there(), []string{"done/customers.csv"})
}
