package crm_test

import (
	"context"
	"errors"
	"maps"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
)

// Whatever the function, another organization's rows are as if they were not.
func TestAnotherOrganizationSeesAndTouchesNothing(t *testing.T) {
	t.Parallel()
	owner := newShop(t)
	stranger := openShop(t, owner.db)
	for _, e := range owner.examples(t) {
		t.Run(string(e.Kind()), func(t *testing.T) {
			k, head := e.Kind(), headOf(t, e)
			before := asJSON(t, owner.get(t, e))
			err := stranger.as(t, func(ctx context.Context, tx pgx.Tx) error {
				for name, get := range map[string]func(context.Context, pgx.Tx, crm.Kind, []uuid.UUID) (map[uuid.UUID]crm.Entity, error){
					"Get": stranger.store.Get, "GetForUpdate": stranger.store.GetForUpdate,
				} {
					if got, err := get(ctx, tx, k, []uuid.UUID{head.ID}); err != nil || len(got) > 0 {
						t.Errorf("%s returns %d, %v", name, len(got), err)
					}
				}
				if page, err := stranger.store.List(ctx, tx, k, crm.Query{}); err != nil || len(page.Items) > 0 {
					t.Errorf("List returns %d, %v", len(page.Items), err)
				}
				if refs, err := stranger.store.IDsAfter(ctx, tx, k, uuid.Nil, 10); err != nil || len(refs) > 0 {
					t.Errorf("IDsAfter returns %d, %v", len(refs), err)
				}
				if n, err := stranger.store.Count(ctx, tx, k); err != nil || n > 0 {
					t.Errorf("Count returns %d, %v", n, err)
				}
				if _, err := stranger.store.Delete(ctx, tx, stranger.by(), k, head.ID, head.Version); !errors.Is(err, crm.ErrNotFound) {
					t.Errorf("Delete: got %v, want ErrNotFound", err)
				}
				if err := stranger.store.Save(ctx, tx, stranger.by(), []crm.Entity{owner.get(t, e)}); !errors.Is(err, crm.ErrNotFound) {
					t.Errorf("Save: got %v, want ErrNotFound", err)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if after := asJSON(t, owner.get(t, e)); after != before {
				t.Errorf("was\n%s\nis\n%s", before, after)
			}
		})
	}
}

func TestNobodyRefersToAnotherOrganizationsRows(t *testing.T) {
	t.Parallel()
	owner := newShop(t)
	stranger := openShop(t, owner.db)
	examples := owner.examples(t)
	customer, product, invoice := headOf(t, examples[0]).ID, headOf(t, examples[2]).ID, headOf(t, examples[4]).ID
	user := owner.user(t)
	mine := &crm.Customer{Name: "mine"}
	stranger.save(t, mine)
	day := date(t, "2026-01-01")

	wantRules(t, stranger.trySave(t, stranger.by(), &crm.Customer{Name: "x", ParentID: &customer, OwnerID: &user}), "/parent_id exists", "/owner_id exists")
	wantRules(t, stranger.trySave(t, stranger.by(), &crm.Contact{Name: "x", Customers: []crm.ContactCustomer{{CustomerID: customer}}}), "/customers/0/customer_id exists")
	wantRules(t, stranger.trySave(t, stranger.by(), &crm.Order{CustomerID: mine.ID, Date: day, Currency: "EUR", Lines: []crm.OrderLine{{Qty: dec("1"), ProductID: &product}}}), "/lines/0/product_id exists")
	wantRules(t, stranger.trySave(t, stranger.by(), &crm.Payment{
		CustomerID: mine.ID, Date: day, Currency: "EUR", Amount: dec("1"), Allocations: []crm.PaymentAllocation{{InvoiceID: invoice, Amount: dec("1")}},
	}), "/allocations/0/invoice_id exists")

	// Not even past the store: the keys begin with the organization.
	err := stranger.as(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "update customers set parent_id = $1", customer)
		return err
	})
	if err == nil {
		t.Error("a foreign parent was accepted")
	}
}

func TestFindByKeyFindsWhatIsMeant(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a := &crm.Customer{Code: "A", Name: "A", TaxID: "1"}
	s.save(t, a, &crm.Customer{Code: "B", Name: "B", TaxID: "2"}, &crm.Customer{Code: "C", Name: "C", TaxID: "2"})
	const uscc, shared = "91110000802100433B", "91440300708461136T"
	d := &crm.Customer{Code: "D", Name: "D", USCC: uscc, TaxID: uscc}
	e := &crm.Customer{Code: "E", Name: "E", USCC: "91310000MA1FL8XQ30"}
	s.save(t, d, e, &crm.Customer{Code: "F", Name: "F", USCC: shared}, &crm.Customer{Code: "G", Name: "G", TaxID: shared})
	stranger := openShop(t, s.db)
	find := func(s *shop, field string) map[string]uuid.UUID {
		var found map[string]uuid.UUID
		err := s.as(t, func(ctx context.Context, tx pgx.Tx) (err error) {
			found, err = s.store.FindByKey(ctx, tx, crm.KindCustomer, field, []string{"A", "1", "2", "x", uscc, e.USCC, shared})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if got := find(s, "code"); len(got) != 1 || got["A"] != a.ID {
		t.Errorf("by code: %v", got)
	}
	want := map[string]uuid.UUID{"1": a.ID, uscc: d.ID, e.USCC: e.ID}
	if got := find(s, "tax_id"); !maps.Equal(got, want) {
		t.Errorf("by tax_id, or the USCC that is one, some of which two share: %v, want %v", got, want)
	}
	if got := find(stranger, "code"); len(got) != 0 {
		t.Errorf("another organization's: %v", got)
	}
	err := s.as(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := s.store.FindByKey(ctx, tx, crm.KindCustomer, "remark", nil)
		return err
	})
	if err == nil {
		t.Error("found by what is no key")
	}
}
