package upkeep_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/upkeep"
)

func date(t time.Time) *crm.Date {
	d := crm.DateOf(t)
	return &d
}

func TestRulesCountFromWhatTheySay(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	owner := f.user(t, "Ann")
	begun := f.now
	long := begun.AddDate(-1, 0, 0)
	won := func(at time.Time) func(id uuid.UUID) {
		return func(id uuid.UUID) {
			o := &crm.Opportunity{Name: "x", CustomerID: id, Currency: "EUR"}
			f.save(t, o)
			was := f.now
			f.now = at
			o.Stage = "won"
			f.save(t, o)
			f.now = was
		}
	}
	order := func(status string, at time.Time) func(uuid.UUID) {
		return func(id uuid.UUID) {
			one := decimal.NewFromInt(1)
			f.save(t, &crm.Order{CustomerID: id, Date: crm.DateOf(at), Currency: "EUR", Status: status, Lines: []crm.OrderLine{{Description: "x", Qty: one, Price: one}}})
		}
	}
	contract := func(status string, end *crm.Date) func(uuid.UUID) {
		return func(id uuid.UUID) {
			f.save(t, &crm.Contract{Name: "x", CustomerID: id, Currency: "EUR", Status: status, StartDate: date(long), EndDate: end})
		}
	}
	call := func(at time.Time) func(uuid.UUID) {
		return func(id uuid.UUID) {
			f.save(t, &crm.Activity{Type: "call", Subject: "x", CustomerID: id, At: at})
		}
	}
	planned := func(at time.Time) func(uuid.UUID) {
		return func(id uuid.UUID) { f.exec(t, `update customers set next_contact_at = $2 where id = $1`, id, at) }
	}
	all := upkeep.Keeps()
	for name, tc := range map[string]struct {
		terms upkeep.Terms
		give  []func(uuid.UUID)
		since *time.Time // nil: never due
		due   time.Time  // if not the days after
	}{
		"no contact since it was got":              {terms: upkeep.Terms{Basis: upkeep.SinceContact}, since: &begun},
		"contact before it was got":                {terms: upkeep.Terms{Basis: upkeep.SinceContact}, give: []func(uuid.UUID){call(long)}, since: &begun},
		"no first contact":                         {terms: upkeep.Terms{Basis: upkeep.SinceFirstContact}, since: &begun},
		"a first contact":                          {terms: upkeep.Terms{Basis: upkeep.SinceFirstContact}, give: []func(uuid.UUID){call(begun.Add(time.Minute))}},
		"no deal":                                  {terms: upkeep.Terms{Basis: upkeep.SinceDeal}, since: &begun},
		"a draft is no deal":                       {terms: upkeep.Terms{Basis: upkeep.SinceDeal}, give: []func(uuid.UUID){order("draft", begun.AddDate(0, 0, 5))}, since: &begun},
		"an order is":                              {terms: upkeep.Terms{Basis: upkeep.SinceDeal}, give: []func(uuid.UUID){order("confirmed", begun.AddDate(0, 0, 5))}, since: new(begun.AddDate(0, 0, 5))},
		"an opportunity won, too":                  {terms: upkeep.Terms{Basis: upkeep.SinceDeal}, give: []func(uuid.UUID){won(begun.AddDate(0, 0, 3))}, since: new(begun.AddDate(0, 0, 3))},
		"no contract":                              {terms: upkeep.Terms{Basis: upkeep.SinceContract}},
		"a contract that ends":                     {terms: upkeep.Terms{Basis: upkeep.SinceContract}, give: []func(uuid.UUID){contract("signed", date(begun.AddDate(0, 0, 2)))}, since: new(begun.AddDate(0, 0, 2))},
		"one that ended before it was got":         {terms: upkeep.Terms{Basis: upkeep.SinceContract}, give: []func(uuid.UUID){contract("signed", date(begun.AddDate(0, 0, -9)))}, since: &begun},
		"an open contract":                         {terms: upkeep.Terms{Basis: upkeep.SinceContract}, give: []func(uuid.UUID){contract("signed", date(begun)), contract("signed", nil)}},
		"another lifecycle":                        {terms: upkeep.Terms{Basis: upkeep.SinceContact, Lifecycles: []string{"churned"}}},
		"this lifecycle":                           {terms: upkeep.Terms{Basis: upkeep.SinceContact, Lifecycles: []string{"lead", "churned"}}, since: &begun},
		"no level":                                 {terms: upkeep.Terms{Basis: upkeep.SinceContact, Levels: []string{"A"}}},
		"another tag":                              {terms: upkeep.Terms{Basis: upkeep.SinceContact, Tags: []string{"x"}}},
		"this tag":                                 {terms: upkeep.Terms{Basis: upkeep.SinceContact, Tags: []string{"x", "vip"}}, since: &begun},
		"a tag that keeps it":                      {terms: upkeep.Terms{Basis: upkeep.SinceContact, KeepTags: []string{"vip"}}},
		"an open opportunity keeps it":             {terms: upkeep.Terms{Basis: upkeep.SinceContact, Keeps: all}, give: []func(uuid.UUID){func(id uuid.UUID) { f.save(t, &crm.Opportunity{Name: "x", CustomerID: id, Currency: "EUR"}) }}},
		"but not where the rule does not say so":   {terms: upkeep.Terms{Basis: upkeep.SinceContact}, give: []func(uuid.UUID){func(id uuid.UUID) { f.save(t, &crm.Opportunity{Name: "x", CustomerID: id, Currency: "EUR"}) }}, since: &begun},
		"an open order keeps it":                   {terms: upkeep.Terms{Basis: upkeep.SinceContact, Keeps: all}, give: []func(uuid.UUID){order("confirmed", begun)}},
		"an open ticket keeps it":                  {terms: upkeep.Terms{Basis: upkeep.SinceContact, Keeps: all}, give: []func(uuid.UUID){func(id uuid.UUID) { f.save(t, &crm.Ticket{Subject: "x", CustomerID: id}) }}},
		"a contract keeps it":                      {terms: upkeep.Terms{Basis: upkeep.SinceContact, Keeps: all}, give: []func(uuid.UUID){contract("signed", nil)}},
		"one that has ended does not":              {terms: upkeep.Terms{Basis: upkeep.SinceContact, Keeps: all}, give: []func(uuid.UUID){contract("signed", date(begun.AddDate(0, 0, 1)))}, since: &begun},
		"a planned contact keeps it until then":    {terms: upkeep.Terms{Basis: upkeep.SinceContact, Keeps: all}, give: []func(uuid.UUID){planned(begun.AddDate(0, 0, 30))}, since: &begun, due: begun.AddDate(0, 0, 31)},
		"one that passed long ago changes nothing": {terms: upkeep.Terms{Basis: upkeep.SinceContact, Keeps: all}, give: []func(uuid.UUID){planned(long)}, since: &begun},
	} {
		t.Run(name, func(t *testing.T) {
			c := f.customer(t, owner, func(c *crm.Customer) { c.Tags = []string{"vip"} })
			for _, give := range tc.give {
				give(c.ID)
			}
			tc.terms.Days = 20
			r := f.rule(t, tc.terms)
			defer f.exec(t, `delete from pool_rules`)
			defer f.exec(t, `update customers set deleted_at = now()`)
			var want []upkeep.DueCustomer
			if tc.since != nil {
				on := tc.since.AddDate(0, 0, 20)
				if !tc.due.IsZero() {
					on = tc.due
				}
				on = crm.DateOf(on).Time()
				want = []upkeep.DueCustomer{{
					CustomerID: c.ID, Name: c.Name, OwnerID: &owner, Owner: "Ann", RuleID: r.ID, Rule: r.Name, Basis: r.Basis, Since: date(*tc.since), Days: 20,
					DueOn: crm.DateOf(on), FallsAt: on,
				}}
			}
			f.now = begun.AddDate(0, 0, 40)
			defer func() { f.now = begun }()
			same := cmp.Options{cmp.Comparer(func(a, b crm.Date) bool { return a.String() == b.String() }), cmp.Comparer(time.Time.Equal)}
			if diff := cmp.Diff(want, f.due(t, 0, nil), same); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if want == nil {
				return
			}
			f.now = want[0].DueOn.Time().Add(-time.Second)
			if got := f.due(t, 0, nil); len(got) > 0 {
				t.Errorf("due the day before: %+v", got)
			}
			if got := f.due(t, 1, nil); len(got) != 1 {
				t.Errorf("looking ahead a day does not show it")
			}
		})
	}
}

// What the dry run says is what the job does, to the reason; and what it did, nobody else is told to do again.
func TestDryRunIsWhatTheJobDoes(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	owners := []uuid.UUID{f.user(t, "Ann"), f.user(t, "Bob")}
	rapid.Check(t, func(rt *rapid.T) {
		f.exec(t, `delete from pool_rules`)
		f.exec(t, `update customers set deleted_at = now() where deleted_at is null`)
		words := func(of []string) []string {
			return rapid.SliceOfNDistinct(rapid.SampledFrom(of), 0, len(of), rapid.ID).Draw(rt, "words")
		}
		for range rapid.IntRange(1, 3).Draw(rt, "rules") {
			f.rule(t, upkeep.Terms{
				Basis: rapid.SampledFrom(upkeep.Bases()).Draw(rt, "basis"), Days: rapid.IntRange(1, 20).Draw(rt, "days"),
				Lifecycles: words([]string{"lead", "customer"}), KeepTags: words([]string{"vip"}),
				Keeps: rapid.SliceOfNDistinct(rapid.SampledFrom(upkeep.Keeps()), 0, 3, rapid.ID).Draw(rt, "keeps"),
			})
		}
		for range rapid.IntRange(0, 6).Draw(rt, "customers") {
			f.now = f.now.Add(time.Duration(rapid.IntRange(0, 100).Draw(rt, "hours")) * time.Hour)
			c := f.customer(t, rapid.SampledFrom(append(owners, uuid.Nil)).Draw(rt, "owner"), func(c *crm.Customer) {
				c.Lifecycle, c.Tags = rapid.SampledFrom([]string{"lead", "customer", "other"}).Draw(rt, "lifecycle"), words([]string{"vip", "x"})
			})
			switch rapid.IntRange(0, 4).Draw(rt, "has") {
			case 0:
				f.save(t, &crm.Activity{Type: "call", Subject: "x", CustomerID: c.ID, At: f.now, NextContactAt: new(f.now.AddDate(0, 0, 9))})
			case 1:
				f.save(t, &crm.Opportunity{Name: "x", CustomerID: c.ID, Currency: "EUR"})
			case 2:
				f.save(t, &crm.Contract{Name: "x", CustomerID: c.ID, Currency: "EUR", Status: "signed", StartDate: date(f.now), EndDate: date(f.now.AddDate(0, 0, 4))})
			case 3:
				f.save(t, &crm.Ticket{Subject: "x", CustomerID: c.ID})
			}
		}
		f.days(rapid.IntRange(0, 25).Draw(rt, "later"))
		said := f.due(t, 0, nil)
		before := f.log(t, upkeep.LogFilter{Event: upkeep.Recycled})
		n, err := f.store.Recycle(t.Context(), f.db, f.hub.Organization)
		if err != nil || n != len(said) {
			rt.Fatalf("%d fell of %d: %v", n, len(said), err)
		}
		after := f.log(t, upkeep.LogFilter{Event: upkeep.Recycled})
		type why struct{ customer, owner, rule, since, due string }
		var want, got []why
		for _, d := range said {
			want = append(want, why{d.CustomerID.String(), d.OwnerID.String(), d.RuleID.String(), d.Since.String(), d.DueOn.String()})
		}
		for _, e := range after[:len(after)-len(before)] {
			got = append(got, why{e.CustomerID.String(), e.FromOwnerID.String(), e.RuleID.String(), e.Since.String(), e.DueOn.String()})
			if c := f.read(t, e.CustomerID); c.OwnerID != nil || c.UpdatedBy != string(postgres.System) {
				rt.Errorf("it fell, and has owner %v by %s", c.OwnerID, c.UpdatedBy)
			}
		}
		byCustomer := func(a, b why) int { return cmpText(a.customer, b.customer) }
		slices.SortFunc(want, byCustomer)
		slices.SortFunc(got, byCustomer)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(why{})); diff != "" {
			rt.Errorf("said and done (-want +got):\n%s", diff)
		}
		if again := f.due(t, 0, nil); len(again) > 0 {
			rt.Errorf("still due: %+v", again)
		}
	})
}

func cmpText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func TestRunnerAppliesTheRulesAtTheirHour(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	owner := f.user(t, "Ann")
	f.do(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := f.store.UpdateSettings(ctx, tx, upkeep.PoolSettings{TimeZone: "Asia/Shanghai", RecycleHour: 3})
		return err
	})
	f.rule(t, upkeep.Terms{Basis: upkeep.SinceContact, Days: 1})
	c := f.customer(t, owner)
	step := func(at string, next string, owned bool) {
		t.Helper()
		f.now, _ = time.Parse(time.RFC3339, at)
		if err := f.runner.Work(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got upkeep.PoolSettings
		f.do(t, func(ctx context.Context, tx pgx.Tx) (err error) {
			got, err = f.store.Settings(ctx, tx)
			return err
		})
		if s := got.NextRecycleAt.Format(time.RFC3339); s != next {
			t.Errorf("at %s the next time is %s, want %s", at, s, next)
		}
		if is := f.read(t, c.ID).OwnerID != nil; is != owned {
			t.Errorf("at %s: has an owner: %v", at, is)
		}
	}
	step("2026-03-02T18:59:59Z", "2026-03-02T19:00:00Z", true) // three o'clock in Shanghai is to come
	step("2026-03-02T19:00:00Z", "2026-03-03T19:00:00Z", false)
	f.claim(t, owner, c.ID)
	f.do(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := f.store.RecycleNow(ctx, tx)
		return err
	})
	step("2026-03-04T16:00:00Z", "2026-03-04T19:00:00Z", false) // asked for, and it is the day after the claim there
}

func TestContactsGoWithTheirCustomer(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	ann, bob := f.user(t, "Ann", "sales"), f.user(t, "Bob", "sales")
	fallen, kept := f.customer(t, ann), f.customer(t, ann)
	contact := func(owner uuid.UUID, of ...uuid.UUID) *crm.Contact {
		c := &crm.Contact{Name: "x", OwnerID: &owner}
		for _, id := range of {
			c.Customers = append(c.Customers, crm.ContactCustomer{CustomerID: id})
		}
		f.save(t, c)
		return c
	}
	goes, stays, other := contact(ann, fallen.ID), contact(ann, fallen.ID, kept.ID), contact(bob, fallen.ID)
	check := func(want ...*uuid.UUID) {
		t.Helper()
		f.do(t, func(ctx context.Context, tx pgx.Tx) error {
			found, err := f.crm.Get(ctx, tx, crm.KindContact, []uuid.UUID{goes.ID, stays.ID, other.ID})
			for i, c := range []*crm.Contact{goes, stays, other} {
				if diff := cmp.Diff(want[i], crm.OwnerOf(found[c.ID])); diff != "" {
					t.Errorf("contact %d (-want +got):\n%s", i, diff)
				}
			}
			return err
		})
	}
	f.release(t, fallen.ID)
	check(nil, &ann, &bob)
	if v := f.claim(t, bob, fallen.ID); !v[0].Done || v[0].Version != f.read(t, fallen.ID).Version {
		t.Errorf("%+v", v)
	}
	check(&bob, &ann, &bob)
}
