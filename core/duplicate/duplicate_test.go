package duplicate_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/duplicate"
	"crmhub/core/match"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// office is an organization with somebody at work.
type office struct {
	db    *postgres.DB
	who   postgres.Principal
	store crm.Store
}

func newOffice(t testing.TB) *office {
	t.Helper()
	o := &office{db: postgrestest.New(t)}
	o.moveIn(t)
	return o
}

// moveIn makes a new, empty organization the office's.
func (o *office) moveIn(t testing.TB) {
	t.Helper()
	o.who = postgrestest.Organization(t, o.db)
	o.who.Actor, o.who.Reach = postgres.User(uuid.New()), postgres.Everywhere()
}

func (o *office) by() crm.By { return crm.By{Actor: o.who.Actor, Origin: "crm"} }

func (o *office) try(t testing.TB, fn func(ctx context.Context, tx pgx.Tx) error) error {
	t.Helper()
	return o.db.As(t.Context(), o.who, func(tx pgx.Tx) error { return fn(t.Context(), tx) })
}

func (o *office) do(t testing.TB, fn func(ctx context.Context, tx pgx.Tx) error) {
	t.Helper()
	if err := o.try(t, fn); err != nil {
		t.Fatal(err)
	}
}

// admin runs a statement as the owner of the tables.
func (o *office) admin(t testing.TB, sql string, args ...any) {
	t.Helper()
	o.do(t, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "reset role"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sql, args...)
		return err
	})
}

func (o *office) save(t testing.TB, batch ...crm.Entity) {
	t.Helper()
	for _, e := range batch {
		by := o.by()
		if e.Kind() == crm.KindInvoice { // a connection brings them as they are
			by.Actor = postgres.Connection(uuid.Nil)
		}
		o.do(t, func(ctx context.Context, tx pgx.Tx) error { return o.store.Save(ctx, tx, by, []crm.Entity{e}) })
	}
}

func (o *office) check(t testing.TB, e crm.Entity) (found []duplicate.Match) {
	t.Helper()
	e.Normalize()
	o.do(t, func(ctx context.Context, tx pgx.Tx) (err error) {
		found, err = duplicate.Check(ctx, tx, &o.store, e)
		return err
	})
	return found
}

func TestCheckTellsWhyAndHowSure(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	company := &crm.Customer{
		Name: "华为技术有限公司", USCC: "91350100M000100Y43", Phone: "+86 139 1234 5678", Email: "ann@huawei.example",
		Addresses: []crm.CustomerAddress{{Kind: "bill", Address: crm.Address{City: "深圳"}}},
	}
	branch := &crm.Customer{Name: "华为技术有限公司上海分公司"}
	ann := &crm.Contact{Name: "Ann Lee", Mobile: "13912345678"}
	o.save(t, company, branch, ann)
	for name, tc := range map[string]struct {
		asked crm.Entity
		want  []duplicate.Match
	}{
		"code":     {&crm.Customer{Name: "x", USCC: "91350100M000100Y43"}, []duplicate.Match{{ID: &company.ID, Title: company.Name, Class: match.Same, Score: 100, Reasons: []match.Reason{{Kind: "uscc", Score: 100}}}}},
		"as tax":   {&crm.Customer{Name: "x", TaxID: "91350100M000100Y43"}, []duplicate.Match{{ID: &company.ID, Title: company.Name, Class: match.Same, Score: 100, Reasons: []match.Reason{{Kind: "tax_id", Score: 100}}}}},
		"name":     {&crm.Customer{Name: "华为技术（中国）股份有限公司", Addresses: []crm.CustomerAddress{{Address: crm.Address{City: "深圳市"}}}}, []duplicate.Match{{ID: &company.ID, Title: company.Name, Class: match.Possible, Score: 70, Reasons: []match.Reason{{Kind: "name", Score: 60}, {Kind: "city", Score: 10}}}}},
		"phone":    {&crm.Customer{Name: "x", Phone: "13912345678"}, []duplicate.Match{{ID: &company.ID, Title: company.Name, Class: match.Possible, Score: 60, Reasons: []match.Reason{{Kind: "phone", Score: 60}}}}},
		"domain":   {&crm.Customer{Name: "x", Email: "bob@huawei.example"}, []duplicate.Match{}},
		"nothing":  {&crm.Customer{Name: "联想"}, []duplicate.Match{}},
		"contact":  {&crm.Contact{Name: "ann LEE", Phone: "+8613912345678"}, []duplicate.Match{{ID: &ann.ID, Title: ann.Name, Class: match.Possible, Score: 80, Reasons: []match.Reason{{Kind: "phone", Score: 60}, {Kind: "full_name", Score: 20}}}}},
		"namesake": {&crm.Contact{Name: "Ann Lee"}, []duplicate.Match{}},
	} {
		if diff := cmp.Diff(tc.want, o.check(t, tc.asked)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	err := o.try(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := duplicate.Check(ctx, tx, &o.store, &crm.Product{})
		return err
	})
	if !errors.Is(err, duplicate.ErrKind) {
		t.Errorf("a product: got %v", err)
	}
}

// Whoever may see a part of the customers only is told that there is one, and whom to ask.
func TestCheckLooksBeyondTheScopeAndTellsNoMore(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	owner := uuid.New()
	o.do(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "insert into users (id, login, name) values ($1, $2, 'Erika')", owner, owner.String())
		return err
	})
	o.save(t, &crm.Customer{Name: "Northwind Ltd", TaxID: "DE1", Email: "x@n.example", Phone: "+4930123456", OwnerID: &owner}, &crm.Customer{Name: "Southwind"})
	o.admin(t, "create policy scope on customers as restrictive to crmhub_app using (owner_id is null)")
	asked := &crm.Customer{Name: "Northwind GmbH", TaxID: "DE1", Phone: "+4930123456"}
	want := []duplicate.Match{{Owner: "Erika", Class: match.Same}}
	if diff := cmp.Diff(want, o.check(t, asked)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	stranger := &office{db: o.db, who: postgrestest.Organization(t, o.db)}
	if found := stranger.check(t, asked); len(found) > 0 {
		t.Errorf("another organization finds %v", found)
	}
	for _, sql := range []string{"select remark from customers", "select owner_id from customers where owner_id is not null"} {
		o.do(t, func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "reset role")
			if err != nil {
				return err
			}
			if _, err = tx.Exec(ctx, "set local role crmhub_lookup"); err != nil {
				return err
			}
			_, err = tx.Exec(ctx, "savepoint s")
			if err != nil {
				return err
			}
			_, err = tx.Exec(ctx, sql)
			if code, _ := postgres.ErrorCode(err); (code == "42501") != (sql == "select remark from customers") {
				t.Errorf("%s as the lookup: %v", sql, err)
			}
			_, err = tx.Exec(ctx, "rollback to s")
			return err
		})
	}
}

// However many names begin like the one asked about, the one with its tax number is found.
func TestSureKeysAreNotCrowdedOut(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	var crowd []crm.Entity
	for i := range 250 {
		crowd = append(crowd, &crm.Customer{Name: fmt.Sprintf("Customer of place %03d far away", i)})
	}
	o.do(t, func(ctx context.Context, tx pgx.Tx) error { return o.store.Save(ctx, tx, o.by(), crowd) })
	sure := &crm.Customer{Name: "Customer at last", TaxID: "DE7"}
	o.save(t, sure)
	found := o.check(t, &crm.Customer{Name: "Customer elsewhere", TaxID: "DE 7"})
	if len(found) != 1 || found[0].ID == nil || *found[0].ID != sure.ID || found[0].Class != match.Same {
		t.Errorf("found %+v", found)
	}
}

func TestFindKeepsWhatWasDecided(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	a, b, c := &crm.Customer{Name: "Northwind Ltd"}, &crm.Customer{Name: "Northwind Inc"}, &crm.Customer{Name: "Northwind"}
	o.save(t, a, b, c, &crm.Customer{Name: "Southwind"})
	find := func() int {
		var n int
		o.do(t, func(ctx context.Context, tx pgx.Tx) (err error) {
			n, err = duplicate.Find(ctx, tx, crm.KindCustomer)
			return err
		})
		return n
	}
	list := func(s duplicate.Status) (pairs []duplicate.Pair) {
		o.do(t, func(ctx context.Context, tx pgx.Tx) (err error) {
			found, err := duplicate.List(ctx, tx, duplicate.Filter{Status: s})
			pairs = found.Items
			return err
		})
		return pairs
	}
	if n := find(); n != 3 || len(list(duplicate.Open)) != 3 {
		t.Fatalf("found %d, %d open; want 3", n, len(list(duplicate.Open)))
	}
	dismissed := list(duplicate.Open)[0]
	o.do(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := duplicate.Dismiss(ctx, tx, dismissed.ID)
		return err
	})
	other := a // of a pair that is open
	if dismissed.A == a.ID || dismissed.B == a.ID {
		other = b
	}
	find()
	if len(list(duplicate.Open)) != 2 || len(list(duplicate.Dismissed)) != 1 {
		t.Errorf("%d open, %d dismissed", len(list(duplicate.Open)), len(list(duplicate.Dismissed)))
	}
	other.Name = "Eastwind"
	o.save(t, other)
	find()
	if n := len(list(duplicate.Open)); n > 1 {
		t.Errorf("%d are open after one got another name", n)
	}
	err := o.try(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := duplicate.Dismiss(ctx, tx, uuid.New())
		return err
	})
	if !errors.Is(err, duplicate.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}
