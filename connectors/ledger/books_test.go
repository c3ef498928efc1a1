package ledger_test

import (
	"bufio"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/shopspring/decimal"

	"crmhub/connectors/ledger"
	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/mapping"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/push"
	"crmhub/core/schema"
	"crmhub/core/secret"
	"crmhub/mappings"
	"crmhub/schemas"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// firm is an organization whose invoices and payments are pushed into a folder of journals.
type firm struct {
	*books
	db         *postgres.DB
	who        postgres.Principal
	store      crm.Store
	connection connection.Connection
	streams    []push.Stream
	customers  []*crm.Customer
}

func newFirm(t *testing.T, format string) *firm {
	t.Helper()
	f := &firm{books: newBooks(t, as(format)), db: postgrestest.New(t)}
	f.who = postgrestest.Organization(t, f.db)
	key, err := secret.NewKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	c := ledger.Connector(may6)
	connections := &connection.Store{Key: key, Logger: slog.New(slog.DiscardHandler), Connectors: map[string]connector.Connector{"ledger": c}}
	f.tx(func(tx pgx.Tx) (err error) {
		f.connection, err = connections.Add(t.Context(), tx, connection.New{Code: "books", Name: "Books", Connector: "ledger", Config: object(t, as(format))})
		return err
	})
	all, err := schema.Load(schemas.FS)
	if err != nil {
		t.Fatal(err)
	}
	set, err := mapping.Load(mappings.FS, all)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range c.Streams {
		m, ok := set.For("ledger", s.Entity)
		if !ok {
			t.Fatal("no mapping of", s.Entity)
		}
		f.streams = append(f.streams, push.Stream{Stream: s, Mapping: m})
	}
	return f
}

func (f *firm) tx(fn func(tx pgx.Tx) error) {
	f.Helper()
	if err := f.db.As(f.Context(), f.who, fn); err != nil {
		f.Fatal(err)
	}
}

// save stores entities as a finance system's pull would.
func (f *firm) save(entities ...crm.Entity) {
	f.Helper()
	f.tx(func(tx pgx.Tx) error {
		return f.store.Save(f.Context(), tx, crm.By{Actor: postgres.Connection(uuid.New()), Origin: "finance"}, entities)
	})
}

// push runs a pusher until every entity is in the books.
func (f *firm) push() {
	f.Helper()
	p, err := push.New(push.Config{
		DB: f.db, Principal: f.connection.Principal(), Connection: f.connection.ID, Code: "books", Organization: "main",
		Streams: f.streams, Session: f.session, CRM: &f.store, Logger: slog.New(slog.DiscardHandler),
		Metrics: push.NewMetrics(prometheus.NewRegistry()),
	})
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(f.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	for deadline := time.Now().Add(2 * time.Minute); !f.synced(); {
		if time.Now().After(deadline) {
			f.Error("the books are not complete in two minutes: ", f.behind())
			break
		}
		select {
		case <-f.Context().Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	cancel()
	if err := <-done; err != nil {
		f.Fatal(err)
	}
}

const unsynced = `
select e.kind || ' ' || e.id || coalesce(' ' || l.state || coalesce(' ' || l.cause::text, ''), ' without a link')
from (
	select 'customer' as kind, id, version from customers
	union all select 'product', id, version from products
	union all select 'invoice', id, version from invoices
	union all select 'payment', id, version from payments
) e
left join links l on l.entity = e.kind and l.entity_id = e.id
where l.id is null or l.state <> 'linked' or l.synced_version < e.version`

func (f *firm) behind() (all []string) {
	f.Helper()
	f.tx(func(tx pgx.Tx) error {
		rows, _ := tx.Query(f.Context(), unsynced)
		var err error
		all, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return all
}

func (f *firm) synced() bool { return len(f.behind()) == 0 }

const receivables = `
select currency, sum(residual)::text from invoices
where status not in ('draft', 'cancelled') and deleted_at is null
group by currency`

// owed is what the hub says customers owe, by currency.
func (f *firm) owed() map[string]string {
	f.Helper()
	owed := map[string]string{}
	f.tx(func(tx pgx.Tx) error {
		var currency, amount string
		rows, _ := tx.Query(f.Context(), receivables)
		_, err := pgx.ForEachRow(rows, []any{&currency, &amount}, func() error {
			owed[currency] = decimal.RequireFromString(amount).String()
			return nil
		})
		return err
	})
	return owed
}

// booked adds the postings to receivables up, by currency.
func (f *firm) booked() map[string]string {
	f.Helper()
	sums := map[string]decimal.Decimal{}
	for _, text := range f.files() {
		lines := bufio.NewScanner(strings.NewReader(text))
		for lines.Scan() {
			fields := strings.Fields(lines.Text())
			if len(fields) > 2 && strings.HasPrefix(fields[0], "Assets:Receivable:") {
				sums[fields[2]] = sums[fields[2]].Add(decimal.RequireFromString(fields[1]))
			}
		}
	}
	booked := map[string]string{}
	for currency, sum := range sums {
		booked[currency] = sum.String()
	}
	return booked
}

func dec(s string) decimal.Decimal { return decimal.RequireFromString(s) }

func day(t *testing.T, text string) crm.Date {
	t.Helper()
	var d crm.Date
	if err := d.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return d
}

// hostile are names that would be syntax where they are not kept from it.
var hostile = []string{
	"Alfreds Futterkiste", `Quote" "Ltd`, "Semi; colon | bar", "Two\nlines\n2026-01-01 open Assets:Stolen\n", `Back\slash\`,
	"2026-01-01 * (x) y", "[2020-01-01] date:1 a:b, c:d", "  = ! * @ {} #tag ^link", "北京客户有限公司 👍", "tab\there\u2028\u0085 end",
}

// trade makes ten customers' business of a year: invoices with several rates in three currencies, part payments, prepayments,
// a credit note, a refund, drafts and cancellations.
func (f *firm) business() {
	f.Helper()
	chai := &crm.Product{SKU: "CHAI", Name: "Chai", Category: "Beverages", IsActive: true}
	f.save(chai)
	for i, name := range hostile {
		c := &crm.Customer{Code: []string{"C-0001", "k/12", "客户7"}[i%3] + strings.Repeat("x", i), Name: name}
		f.customers = append(f.customers, c)
		f.save(c)
		currency := []string{"EUR", "USD", "JPY"}[i%3]
		v := &crm.Invoice{
			Number: "INV/" + c.Code, CustomerID: c.ID, Currency: currency, RateToBase: dec([]string{"1", "0.9", "0.006"}[i%3]),
			IssueDate: new(day(f.T, "2026-05-0"+string(rune('1'+i%9)))), DueDate: new(day(f.T, "2026-06-30")), Status: "issued",
			Lines: []crm.InvoiceLine{
				{ProductID: &chai.ID, Description: name, Qty: dec("3"), Price: dec("100"), TaxRate: dec("20"), Untaxed: dec("300"), Tax: dec("60")},
				{Qty: dec("1"), Price: dec("50"), TaxRate: dec("10"), Untaxed: dec("50"), Tax: dec("5")},
				{Qty: dec("1"), Price: dec("7"), Untaxed: dec("7")},
			},
			Untaxed: dec("357"), Tax: dec("65"), Total: dec("422"), Residual: dec("322"), PaymentStatus: "partial",
		}
		f.save(v)
		f.save(&crm.Payment{
			Number: "P" + v.Number, CustomerID: c.ID, Date: day(f.T, "2026-05-20"), Method: []string{"cash", "transfer"}[i%2], Reference: name,
			Currency: currency, Amount: dec("150"), Allocations: []crm.PaymentAllocation{{InvoiceID: v.ID, Amount: dec("100")}},
		})
		if i > 1 {
			continue
		}
		credit := &crm.Invoice{
			Number: "CN/" + c.Code, Type: "credit_note", ReversesID: &v.ID, CustomerID: c.ID, Currency: currency, IssueDate: new(day(f.T, "2026-07-01")),
			Untaxed: dec("-10"), Tax: dec("-2"), Total: dec("-12"), Residual: dec("-5"), Status: "issued", PaymentStatus: "partial",
		}
		f.save(credit)
		f.save(&crm.Payment{ // money back
			Number: "R" + c.Code, CustomerID: c.ID, Date: day(f.T, "2026-07-02"), Currency: currency, Amount: dec("-7"),
			Allocations: []crm.PaymentAllocation{{InvoiceID: credit.ID, Amount: dec("-7")}},
		})
		f.save(
			&crm.Invoice{Number: "D/" + c.Code, CustomerID: c.ID, Currency: "CHF", Untaxed: dec("5"), Total: dec("5")},
			&crm.Invoice{
				Number: "X/" + c.Code, CustomerID: c.ID, Currency: "EUR", IssueDate: new(day(f.T, "2026-07-01")), Untaxed: dec("9"), Total: dec("9"),
				Residual: dec("9"), Status: "issued",
			},
		)
		f.save(&crm.Payment{Number: "DP" + c.Code, CustomerID: c.ID, Date: day(f.T, "2026-07-01"), Currency: "EUR", Amount: dec("1"), Status: "draft"})
	}
}

// cancel lets what was posted not hold after all.
func (f *firm) cancel() {
	f.Helper()
	for _, c := range f.customers[:2] {
		var v *crm.Invoice
		f.tx(func(tx pgx.Tx) error {
			found, err := f.store.FindByKey(f.Context(), tx, crm.KindInvoice, "number", []string{"X/" + c.Code})
			if err != nil {
				return err
			}
			all, err := f.store.Get(f.Context(), tx, crm.KindInvoice, []uuid.UUID{found["X/"+c.Code]})
			v, _ = all[found["X/"+c.Code]].(*crm.Invoice)
			return err
		})
		v.Status = "cancelled"
		f.save(v)
	}
}

func TestBooksSayWhatTheHubSays(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"beancount", "hledger"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			f := newFirm(t, format)
			f.business()
			f.push()
			if diff := cmp.Diff(f.owed(), f.booked()); diff != "" {
				t.Errorf("receivables (-hub +books):\n%s", diff)
			}
			f.cancel()
			f.push()
			if diff := cmp.Diff(f.owed(), f.booked()); diff != "" {
				t.Errorf("receivables after cancellations (-hub +books):\n%s", diff)
			}
			before := f.files()
			f.push()
			if diff := cmp.Diff(before, f.files()); diff != "" {
				t.Error("pushed again, the books changed:", diff)
			}
		})
	}
}
