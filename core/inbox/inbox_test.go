package inbox_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/access"
	"crmhub/core/attachment"
	"crmhub/core/crm"
	"crmhub/core/edit"
	"crmhub/core/inbox"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/schema"
	"crmhub/core/secret"
	"crmhub/schemas"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// office is an organization whose bookkeeper works in the inbox.
type office struct {
	*testing.T
	db     *postgres.DB
	box    inbox.Store
	author edit.Author
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{T: t, db: postgrestest.New(t)}
	set, err := schema.Load(schemas.FS)
	if err != nil {
		t.Fatal(err)
	}
	store := &crm.Store{}
	editor, err := edit.New(store, set)
	if err != nil {
		t.Fatal(err)
	}
	key, err := secret.NewKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	people := &access.Store{DB: o.db, Key: key, Passwords: access.Cost{Memory: 8, Passes: 1}}
	var grants []access.Grant
	for _, r := range []access.Resource{"customer", "order", "invoice"} {
		people.Entities = append(people.Entities, access.Entity{Name: r, Owned: true, Fields: map[string]bool{}})
		for _, a := range []access.Action{access.Read, access.Create, access.Update} {
			grants = append(grants, access.Grant{Resource: r, Action: a, Scope: postgres.ScopeOrganization})
		}
	}
	who := postgrestest.Organization(t, o.db)
	if _, err = people.AddRole(t.Context(), who, access.Role{Code: "books", Name: "Books", Grants: grants}); err != nil {
		t.Fatal(err)
	}
	if _, err = people.AddUser(t.Context(), who, access.User{Login: "ann", Name: "Ann", Roles: []string{"books"}}, "correct horse"); err != nil {
		t.Fatal(err)
	}
	entry, err := people.SignIn(t.Context(), access.SignIn{Login: "ann", Password: "correct horse"})
	if err != nil {
		t.Fatal(err)
	}
	identity, err := people.AuthenticateSession(t.Context(), entry.Session)
	if err != nil {
		t.Fatal(err)
	}
	o.box = inbox.Store{CRM: store, Editor: editor, Access: people}
	o.author = edit.Author{Identity: identity, By: crm.By{Actor: identity.Principal.Actor, Origin: "crm"}}
	return o
}

// try runs fn in a transaction that is kept only if it succeeds.
func (o *office) try(fn func(tx pgx.Tx) error) error {
	return o.db.As(o.Context(), o.author.Principal, fn)
}

func (o *office) tx(fn func(tx pgx.Tx) error) {
	o.Helper()
	if err := o.try(fn); err != nil {
		o.Fatal(err)
	}
}

func (o *office) save(entities ...crm.Entity) {
	o.Helper()
	for _, e := range entities {
		o.tx(func(tx pgx.Tx) error { return o.box.CRM.Save(o.Context(), tx, o.author.By, []crm.Entity{e}) })
	}
}

// receive takes in an invoice with replacements of its text.
func (o *office) receive(name string, replace ...string) (item inbox.Item) {
	o.Helper()
	o.tx(func(tx pgx.Tx) (err error) {
		item, err = o.box.Receive(o.Context(), tx, name, o.ubl(replace...))
		return err
	})
	return item
}

func (o *office) ubl(replace ...string) []byte {
	o.Helper()
	b, err := os.ReadFile("../einvoice/testdata/invoice.xml")
	if err != nil {
		o.Fatal(err)
	}
	return []byte(strings.NewReplacer(replace...).Replace(string(b)))
}

func (o *office) accept(id, customer uuid.UUID) (item inbox.Item, err error) {
	err = o.try(func(tx pgx.Tx) (err error) {
		item, err = o.box.Accept(o.Context(), tx, o.author, id, customer)
		return err
	})
	return item, err
}

func (o *office) get(id uuid.UUID) (item inbox.Item) {
	o.Helper()
	o.tx(func(tx pgx.Tx) (err error) {
		item, err = o.box.Get(o.Context(), tx, id)
		return err
	})
	return item
}

// is fails unless a file stands so, with findings of these rules.
func (o *office) is(what string, item inbox.Item, status inbox.Status, seller inbox.SellerIs, customer *uuid.UUID, rules ...string) {
	o.Helper()
	found := []string{}
	for _, f := range item.Findings {
		found = append(found, f.Rule)
	}
	type standing struct {
		Status   inbox.Status
		Seller   inbox.SellerIs
		Customer *uuid.UUID
		Rules    []string
	}
	if d := cmp.Diff(standing{status, seller, customer, append([]string{}, rules...)}, standing{item.Status, item.SellerIs, item.CustomerID, found}); d != "" {
		o.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func (o *office) count(sql string) (n int) {
	o.Helper()
	o.tx(func(tx pgx.Tx) error { return tx.QueryRow(o.Context(), sql).Scan(&n) })
	return n
}

func TestFilesAreJudgedKeptOnceAndBecomeOneInvoice(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	buyer := &crm.Customer{Code: "7300010000001", Name: "Example AB"}
	day, err := crm.ParseDate("2026-02-01")
	if err != nil {
		t.Fatal(err)
	}
	o.save(buyer, &crm.Customer{Name: "Somebody else"})
	order := &crm.Order{Number: "SO-2026-000042", CustomerID: buyer.ID, Date: day, Currency: "EUR"}
	o.save(order)

	// What comes in, and how it is judged.
	good := o.receive("a.xml")
	o.is("a good one", good, inbox.Review, inbox.Unknown, &buyer.ID)
	if again := o.receive("again.xml"); again.ID != good.ID || again.Name != "a.xml" {
		t.Errorf("the same file again is %s, %s", again.ID, again.Name)
	}
	faulty := o.receive("faulty.xml", "2026/000042", "2026/000043", ">1036.00<", ">1000.00<")
	o.is("one that breaks a rule", faulty, inbox.Review, inbox.Unknown, &buyer.ID, "BR-CO-16")
	wrong := o.receive("wrong.xml", "2026/000042", "2026/000044", ">1235.90<", ">1235.80<")
	stranger := o.receive("stranger.xml", "2026/000042", "2026/000045", "7300010000001", "7300010000009", "Example AB", "Nobody knows", "SE556732170701", "SE999999999901",
		"5567321707", "9999999999", "robin@example.com", "robin@nobody.example", "Stockholm", "Malmö")
	o.is("of an unknown customer", stranger, inbox.Review, inbox.Unknown, nil)
	twin := o.receive("twin.xml", "Thank you", "Thanks")
	if twin.TwinID == nil || *twin.TwinID != good.ID {
		t.Errorf("the twin knows nothing of the first: %v", twin.TwinID)
	}
	o.is("no invoice", o.receive("broken.xml", "</Invoice>", ""), inbox.Refused, inbox.Unknown, nil, "UBL-SYNTAX")
	sellAs := func(vat string) {
		o.tx(func(tx pgx.Tx) error {
			return o.box.Access.UpdateSeller(t.Context(), tx, access.Seller{VATNumber: vat})
		})
	}
	sellAs("DE999999999")
	o.is("a bill to be paid", o.receive("bill.xml", "2026/000042", "2026/000046"), inbox.Refused, inbox.Other, nil, "SELLER")
	sellAs("DE 123 456 789")
	o.is("our own", o.receive("own.xml", "2026/000042", "2026/000047"), inbox.Review, inbox.Ours, &buyer.ID)

	// It becomes one invoice, with what is open of it, its order and the file.
	taken, err := o.accept(good.ID, buyer.ID)
	if err != nil {
		t.Fatal(err)
	}
	o.is("accepted", taken, inbox.Accepted, inbox.Unknown, &buyer.ID)
	if taken.InvoiceID == nil {
		t.Fatal("no invoice was made")
	}
	var made *crm.Invoice
	o.tx(func(tx pgx.Tx) error {
		found, err := o.box.CRM.Get(t.Context(), tx, crm.KindInvoice, []uuid.UUID{*taken.InvoiceID})
		made, _ = found[*taken.InvoiceID].(*crm.Invoice)
		return err
	})
	lines := decimal.Zero
	for _, l := range made.Lines {
		lines = lines.Add(l.Untaxed).Add(l.Tax)
	}
	got := []string{made.Number, made.Status, made.PaymentStatus, made.Untaxed.String(), made.Tax.String(), made.Total.String(), made.Residual.String(), lines.String()}
	if d := cmp.Diff([]string{"2026/000042", "issued", "partial", "1048.5", "187.4", "1235.9", "1036", "1235.9"}, got); d != "" || made.OrderID == nil || *made.OrderID != order.ID {
		t.Errorf("the invoice, of order %v: %s", made.OrderID, d)
	}
	o.tx(func(tx pgx.Tx) error {
		files, err := attachment.List(t.Context(), tx, attachment.Owner{Entity: "invoice", ID: made.ID}, uuid.Nil, 10)
		if len(files) != 1 || files[0].Name != "a.xml" || files[0].SHA256 != good.SHA256 {
			t.Errorf("attached: %+v", files)
		}
		if _, err := o.box.File(t.Context(), tx, good.ID); !errors.Is(err, inbox.ErrNotFound) {
			t.Errorf("the inbox has the bytes still: %v", err)
		}
		return err
	})

	// No second one, by whatever way.
	standing := (*inbox.StatusError)(nil)
	if _, err := o.accept(good.ID, buyer.ID); !errors.As(err, &standing) || standing.Status != inbox.Accepted {
		t.Errorf("accepted twice: %v", err)
	}
	if again := o.receive("again.xml"); again.ID != good.ID {
		t.Error("an accepted file came in again")
	}
	if known := o.get(twin.ID).KnownID; known == nil || *known != made.ID {
		t.Errorf("the twin knows nothing of the invoice: %v", known)
	}
	for item, pointer := range map[uuid.UUID]string{twin.ID: "/number", wrong.ID: "/total"} {
		_, err := o.accept(item, buyer.ID)
		if vs := schema.Violations(nil); !errors.As(err, &vs) || vs[0].Pointer != pointer {
			t.Errorf("accepted in spite of its %s: %v", pointer, err)
		}
		o.is("what was not accepted", o.get(item), inbox.Review, o.get(item).SellerIs, &buyer.ID, map[string][]string{"/total": {"BR-CO-15", "BR-CO-16"}}[pointer]...)
	}
	if n := o.count("select count(*) from invoices"); n != 1 {
		t.Errorf("there are %d invoices", n)
	}

	// A faulty one is accepted with what it breaks, and what was refused waits again.
	if faulty, err = o.accept(faulty.ID, buyer.ID); err != nil || o.count("select count(*) from invoice_findings where rule = 'BR-CO-16'") != 1 {
		t.Errorf("the faulty one: %+v, %v", faulty, err)
	}
	o.tx(func(tx pgx.Tx) error {
		refused, err := o.box.Refuse(t.Context(), tx, twin.ID, "it is a copy")
		if err != nil || refused.Status != inbox.Refused || refused.Reason != "it is a copy" {
			t.Errorf("refused: %+v, %v", refused, err)
		}
		if _, err := o.box.Refuse(t.Context(), tx, good.ID, "late"); !errors.As(err, &standing) {
			t.Errorf("an accepted file was refused: %v", err)
		}
		back, err := o.box.Reopen(t.Context(), tx, twin.ID)
		o.is("open again, judged by what is known by now", back, inbox.Review, inbox.Ours, &buyer.ID)
		return err
	})
}
