package edit_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/edit"
	"crmhub/core/match"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/schema"
	"crmhub/core/secret"
	"crmhub/schemas"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// desk is an editor, and somebody who signed in to write.
type desk struct {
	*testing.T
	db     *postgres.DB
	store  *crm.Store
	editor *edit.Editor
	author edit.Author
}

// newDesk lets somebody write who has the grants, on entities whose fields are all open.
func newDesk(t *testing.T, grants ...access.Grant) *desk {
	t.Helper()
	d := &desk{T: t, db: postgrestest.New(t), store: &crm.Store{}}
	set, err := schema.Load(schemas.FS)
	if err != nil {
		t.Fatal(err)
	}
	if d.editor, err = edit.New(d.store, set); err != nil {
		t.Fatal(err)
	}
	key, err := secret.NewKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	people := &access.Store{DB: d.db, Key: key, Passwords: access.Cost{Memory: 8, Passes: 1}, Entities: []access.Entity{
		{Name: "customer", Owned: true, Fields: map[string]bool{}},
		{Name: "order", Owned: true, Fields: map[string]bool{}},
		{Name: "invoice", Owned: true, Fields: map[string]bool{}},
	}}
	who := postgrestest.Organization(t, d.db)
	if _, err = people.AddRole(t.Context(), who, access.Role{Code: "tested", Name: "Tested", Grants: grants}); err != nil {
		t.Fatal(err)
	}
	if _, err = people.AddUser(t.Context(), who, access.User{Login: "ann", Name: "Ann", Roles: []string{"tested"}}, "correct horse"); err != nil {
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
	d.author = edit.Author{Identity: identity, By: crm.By{Actor: identity.Principal.Actor, Origin: "crm"}}
	return d
}

func (d *desk) tx(fn func(tx pgx.Tx) error) error {
	return d.db.As(d.Context(), d.author.Principal, fn)
}

func (d *desk) create(k crm.Kind, doc map[string]any) (crm.Entity, error) {
	entity, err := d.editor.Read(d.author, k, doc)
	if err != nil {
		return nil, err
	}
	return entity, d.tx(func(tx pgx.Tx) error { return d.editor.Create(d.Context(), tx, d.author, entity, match.Same) })
}

func grants(scope access.Scope, r access.Resource, actions ...access.Action) []access.Grant {
	all := make([]access.Grant, len(actions))
	for i, a := range actions {
		all[i] = access.Grant{Resource: r, Action: a, Scope: scope}
	}
	return all
}

func TestWhoCreatesForHimselfIsTheOwner(t *testing.T) {
	t.Parallel()
	d := newDesk(t, grants(postgres.ScopeOwn, "customer", access.Read, access.Create, access.Update)...)
	made, err := d.create(crm.KindCustomer, map[string]any{"name": "Acme", "version": "7", "updated_by": "somebody else"})
	if err != nil {
		t.Fatal(err)
	}
	if owner := crm.OwnerOf(made); owner == nil || *owner != d.author.UserID || crm.HeadOf(made).Version != 1 {
		t.Errorf("made %+v", made)
	}
	_, err = d.create(crm.KindCustomer, map[string]any{"name": "Gift", "owner_id": uuid.NewString()})
	vs, _ := errors.AsType[schema.Violations](err)
	if diff := cmp.Diff(schema.Violations{{Pointer: "/owner_id", Rule: "permission", Message: "must be a user whose rows you may act on"}}, vs); diff != "" {
		t.Errorf("a gift: %v\n%s", err, diff)
	}
	err = d.tx(func(tx pgx.Tx) error {
		_, err := d.editor.Change(t.Context(), tx, d.author, crm.KindCustomer, crm.HeadOf(made).ID, 1, map[string]any{"owner_id": nil})
		return err
	})
	if not, ok := errors.AsType[*edit.ForbiddenError](err); !ok || not.Permission() != "customer:assign" {
		t.Errorf("given away: %v", err)
	}
}

// A connection says what is wrong with an invoice's file; what a person sends is passed over.
func TestFindingsAreNoPersonsToWrite(t *testing.T) {
	t.Parallel()
	d := newDesk(t, append(grants(postgres.ScopeOrganization, "customer", access.Read, access.Create),
		grants(postgres.ScopeOrganization, "invoice", access.Read, access.Create, access.Update)...)...)
	customer, err := d.create(crm.KindCustomer, map[string]any{"name": "Acme"})
	if err != nil {
		t.Fatal(err)
	}
	claimed := []any{map[string]any{"rule": "BR-01", "severity": "fatal"}}
	made, err := d.create(crm.KindInvoice, map[string]any{"customer_id": crm.HeadOf(customer).ID.String(), "currency": "EUR", "findings": claimed})
	if err != nil {
		t.Fatal(err)
	}
	v, _ := made.(*crm.Invoice)
	if len(v.Findings) > 0 {
		t.Errorf("a person's findings: %v", v.Findings)
	}
	v.Findings = []crm.Finding{{Rule: "BR-CO-10", Severity: "fatal"}}
	if err := d.tx(func(tx pgx.Tx) error { return d.store.Save(d.Context(), tx, d.author.By, []crm.Entity{v}) }); err != nil {
		t.Fatal(err)
	}
	err = d.tx(func(tx pgx.Tx) error {
		changed, err := d.editor.Change(t.Context(), tx, d.author, crm.KindInvoice, v.ID, v.Version, map[string]any{"remark": "seen", "findings": []any{}})
		if now, ok := changed.(*crm.Invoice); err == nil && (!ok || now.Remark != "seen" || len(now.Findings) != 1) {
			t.Errorf("changed: %+v", changed)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestWhatIsThereAlreadyIsToldOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t, grants(postgres.ScopeOrganization, "customer", access.Read, access.Create)...)
	doc := map[string]any{"name": "Acme Ltd", "phone": "+43 1 234567"}
	first, err := d.create(crm.KindCustomer, doc)
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.create(crm.KindCustomer, doc)
	dup, ok := errors.AsType[*edit.DuplicateError](err)
	if !ok || len(dup.Matches) != 1 || *dup.Matches[0].ID != crm.HeadOf(first).ID {
		t.Fatalf("a second one: %v", err)
	}
	again, err := d.editor.Read(d.author, crm.KindCustomer, doc)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.tx(func(tx pgx.Tx) error { return d.editor.Create(t.Context(), tx, d.author, again, "") }); err != nil {
		t.Errorf("accepted: %v", err)
	}
}

func TestNothingIsWrittenThatWasNotSeenOrMayNotBe(t *testing.T) {
	t.Parallel()
	d := newDesk(t, grants(postgres.ScopeOrganization, "customer", access.Read, access.Create, access.Update)...)
	made, err := d.create(crm.KindCustomer, map[string]any{"name": "Acme", "industry": "steel"})
	if err != nil {
		t.Fatal(err)
	}
	id := crm.HeadOf(made).ID
	change := func(seen int64, patch map[string]any) (changed crm.Entity, err error) {
		err = d.tx(func(tx pgx.Tx) (err error) {
			changed, err = d.editor.Change(t.Context(), tx, d.author, crm.KindCustomer, id, seen, patch)
			return err
		})
		return changed, err
	}
	changed, err := change(1, map[string]any{"industry": nil, "level": "A", "origin": "ignored"})
	if err != nil {
		t.Fatal(err)
	}
	if c, _ := changed.(*crm.Customer); c.Industry != "" || c.Level != "A" || c.Name != "Acme" || c.Origin != "crm" {
		t.Errorf("changed to %+v", changed)
	}
	if _, err = change(1, map[string]any{"level": "B"}); !errors.Is(err, crm.ErrStale) {
		t.Errorf("an old version: %v", err)
	}
	if _, err = change(2, map[string]any{"lvel": "B"}); err == nil {
		t.Error("a field that does not exist was written")
	}
	err = d.tx(func(tx pgx.Tx) error { return d.editor.Delete(t.Context(), tx, d.author, crm.KindCustomer, id, 2) })
	if not, ok := errors.AsType[*edit.ForbiddenError](err); !ok || not.Permission() != "customer:delete" {
		t.Errorf("deleted: %v", err)
	}
	err = d.tx(func(tx pgx.Tx) error {
		_, err := d.editor.Restore(t.Context(), tx, d.author, crm.KindCustomer, id, 2)
		return err
	})
	if !errors.Is(err, crm.ErrNotFound) {
		t.Errorf("restored what was not deleted: %v", err)
	}
}

func TestToConfirmAnOrderNeedsApproval(t *testing.T) {
	t.Parallel()
	rights := append(grants(postgres.ScopeOrganization, "customer", access.Read, access.Create),
		grants(postgres.ScopeOrganization, "order", access.Read, access.Create, access.Update)...)
	d := newDesk(t, rights...)
	customer, err := d.create(crm.KindCustomer, map[string]any{"name": "Acme"})
	if err != nil {
		t.Fatal(err)
	}
	order := map[string]any{"customer_id": crm.HeadOf(customer).ID.String(), "date": "2026-11-20", "currency": "EUR"}
	made, err := d.create(crm.KindOrder, order)
	if err != nil {
		t.Fatal(err)
	}
	move := func(status string) error {
		return d.tx(func(tx pgx.Tx) error {
			_, err := d.editor.Move(t.Context(), tx, d.author, crm.KindOrder, crm.HeadOf(made).ID, 0, map[string]any{"status": status})
			return err
		})
	}
	if err := move("submitted"); err != nil {
		t.Error(err)
	}
	if not, ok := errors.AsType[*edit.ForbiddenError](move("confirmed")); !ok || not.Permission() != "order:approve" {
		t.Errorf("confirmed without approval: %v", not)
	}
	order["status"] = "confirmed"
	if _, err := d.create(crm.KindOrder, order); err == nil {
		t.Error("an order was made confirmed")
	}
}

// What was approved stays what was approved: its price is not changed afterwards by who may not approve.
func TestToChangeWhatAConfirmedOrderComesToNeedsApproval(t *testing.T) {
	t.Parallel()
	rights := append(grants(postgres.ScopeOrganization, "customer", access.Read, access.Create),
		grants(postgres.ScopeOrganization, "order", access.Read, access.Create, access.Update)...)
	d := newDesk(t, rights...)
	customer, err := d.create(crm.KindCustomer, map[string]any{"name": "Acme"})
	if err != nil {
		t.Fatal(err)
	}
	line := func(price, delivered string) map[string]any {
		return map[string]any{"lines": []any{map[string]any{"description": "Bolt", "qty": "10", "price": price, "qty_delivered": delivered}}}
	}
	order := &crm.Order{CustomerID: crm.HeadOf(customer).ID, Date: crm.DateOf(time.Now()), Currency: "EUR", Status: "confirmed"}
	order.Lines = []crm.OrderLine{{Description: "Bolt", Qty: decimal.NewFromInt(10), Price: decimal.NewFromInt(100)}}
	if err := d.tx(func(tx pgx.Tx) error { return d.store.Save(t.Context(), tx, d.author.By, []crm.Entity{order}) }); err != nil {
		t.Fatal(err)
	}
	change := func(patch map[string]any) error {
		return d.tx(func(tx pgx.Tx) error {
			_, err := d.editor.Change(t.Context(), tx, d.author, crm.KindOrder, order.ID, 0, patch)
			return err
		})
	}
	for _, patch := range []map[string]any{line("1", "0"), {"lines": []any{}}, {"currency": "JPY"}} {
		if not, ok := errors.AsType[*edit.ForbiddenError](change(patch)); !ok || not.Permission() != "order:approve" {
			t.Errorf("%v without approval: %v", patch, not)
		}
	}
	for _, patch := range []map[string]any{line("100", "4"), {"remark": "by lorry"}} {
		if err := change(patch); err != nil {
			t.Errorf("%v: %v", patch, err)
		}
	}
}
