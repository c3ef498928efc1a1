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

	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/upkeep"
)

// due is a follow-up in short: why, what, when, and whether that is past.
func short(all []upkeep.FollowUp) []string {
	var lines []string
	for _, f := range all {
		line := string(f.Why) + " " + f.Title + " " + f.At.Format("01-02 15:04")
		if f.Overdue {
			line += " overdue"
		}
		lines = append(lines, line)
	}
	return lines
}

// followUps asks page by page of three.
func (f *firm) followUps(t testing.TB, who postgres.Principal, a upkeep.Ask) (all []upkeep.FollowUp) {
	t.Helper()
	if a.Sources == nil {
		a.Sources = upkeep.Sources()
	}
	a.Limit = 3
	for {
		var page postgres.Page[upkeep.FollowUp]
		f.as(t, who, func(ctx context.Context, tx pgx.Tx) (err error) {
			page, err = f.store.FollowUps(ctx, tx, a)
			return err
		})
		all = append(all, page.Items...)
		if a.After = page.Next; page.Next == "" {
			return all
		}
	}
}

func TestFollowUpsAreWhatIsDueByTheEndOfTheDay(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	ann, bob := f.user(t, "Ann", "sales"), f.user(t, "Bob", "sales")
	f.do(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := f.store.UpdateSettings(ctx, tx, upkeep.PoolSettings{TimeZone: "Asia/Shanghai"})
		return err
	})
	f.rule(t, upkeep.Terms{Name: "Forgotten", Basis: upkeep.SinceContact, Days: 30, WarnDays: 7})
	today := f.now // ten o'clock in the morning, six in the evening there
	day := func(n int) *crm.Date { return date(today.AddDate(0, 0, n)) }
	at := func(hours int) *time.Time { return new(today.Add(time.Duration(hours) * time.Hour)) }

	f.now = today.AddDate(0, 0, -25)
	c := f.customer(t, ann, func(c *crm.Customer) { c.Name = "Mine" })
	one := decimal.NewFromInt(100)
	order := &crm.Order{
		Number: "SO-1", CustomerID: c.ID, Date: crm.DateOf(today), Currency: "EUR", Status: "confirmed", OwnerID: &bob, Lines: []crm.OrderLine{{Description: "x", Qty: decimal.NewFromInt(1), Price: one}},
		Instalments: []crm.OrderInstalment{{DueDate: *day(-3), Amount: one}},
	}
	f.save(t,
		&crm.Task{Subject: "late", OwnerID: &ann, DueAt: at(-30)},
		&crm.Task{Subject: "tonight", OwnerID: &ann, DueAt: at(5), CustomerID: &c.ID},
		&crm.Task{Subject: "tomorrow", OwnerID: &ann, DueAt: at(7)}, // it is one in the morning there
		&crm.Task{Subject: "remind", OwnerID: &ann, DueAt: at(80), RemindAt: at(-1)},
		&crm.Task{Subject: "done", OwnerID: &ann, DueAt: at(-30), Status: "completed"},
		&crm.Task{Subject: "his", OwnerID: &bob, DueAt: at(-30)},
		&crm.Opportunity{Name: "deal", CustomerID: c.ID, Currency: "EUR", OwnerID: &ann, ExpectedClose: day(0)},
		&crm.Opportunity{Name: "later", CustomerID: c.ID, Currency: "EUR", OwnerID: &ann, ExpectedClose: day(1)},
		&crm.Contract{Name: "ends", CustomerID: c.ID, Currency: "EUR", OwnerID: &ann, Status: "signed", StartDate: day(-90), EndDate: day(30)},
		&crm.Contract{Name: "lasts", CustomerID: c.ID, Currency: "EUR", OwnerID: &ann, Status: "signed", StartDate: day(-90), EndDate: day(31)},
		&crm.Ticket{Subject: "leaks", CustomerID: c.ID, OwnerID: &ann, FirstResponseDue: at(-2), ResolveDue: at(1)},
		order,
	)
	f.exec(t, `update customers set next_contact_at = $1`, at(-20))
	issued := crm.DateOf(today.AddDate(0, 0, -20))
	invoice := &crm.Invoice{
		Number: "I-1", CustomerID: c.ID, Currency: "EUR", Status: "issued", IssueDate: &issued, DueDate: day(-1),
		Lines: []crm.InvoiceLine{{Description: "x", Qty: decimal.NewFromInt(1), Price: one, Untaxed: one}}, Untaxed: one, Total: one, Residual: one,
	}
	f.do(t, func(ctx context.Context, tx pgx.Tx) error {
		return f.crm.Save(ctx, tx, crm.By{Actor: postgres.Connection(uuid.New()), Origin: "erp"}, []crm.Entity{invoice})
	})
	f.now = today

	want := []string{
		"instalment SO-1 02-26 16:00 overdue",
		"invoice I-1 02-28 16:00 overdue",
		"task late 03-01 04:00 overdue",
		"next_contact Mine 03-01 14:00 overdue",
		"close deal 03-01 16:00",
		"first_response leaks 03-02 08:00 overdue",
		"reminder remind 03-02 09:00 overdue",
		"resolve leaks 03-02 11:00",
		"task tonight 03-02 15:00",
		"recycle Mine 03-06 16:00",
		"contract_end ends 03-31 16:00",
	}
	hers := upkeep.Ask{Owners: []uuid.UUID{ann}, Pooling: []uuid.UUID{ann}}
	got := f.followUps(t, f.hub, hers)
	if diff := cmp.Diff(want, short(got)); diff != "" {
		t.Errorf("hers, to the hub (-want +got):\n%s", diff)
	}
	for _, g := range got {
		if g.Why == upkeep.WhyTask && g.Title == "tonight" && (g.Customer != "Mine" || *g.CustomerID != c.ID || *g.OwnerID != ann) {
			t.Errorf("%+v", g)
		}
	}
	// What she does not see is not hers to see here: the invoice is nobody's, the order Bob's.
	if diff := cmp.Diff(want[2:], short(f.followUps(t, f.identity(t, ann).Principal, hers))); diff != "" {
		t.Errorf("hers, to her (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"task his 03-01 04:00 overdue"}, short(f.followUps(t, f.hub, upkeep.Ask{Owners: []uuid.UUID{bob}, Pooling: []uuid.UUID{}}))); diff != "" {
		t.Errorf("his (-want +got):\n%s", diff)
	}
	if n := len(f.followUps(t, f.hub, upkeep.Ask{})); n != len(want)+1 {
		t.Errorf("everybody's are %d", n)
	}
	tomorrow := hers
	tomorrow.Until = day(1)
	if n := len(f.followUps(t, f.hub, tomorrow)); n != len(want)+3 { // a task, an opportunity and a contract more
		t.Errorf("by tomorrow there are %d", n)
	}
	only := hers
	only.Sources = upkeep.Sources()[:1]
	if diff := cmp.Diff([]string{want[2], want[8]}, short(f.followUps(t, f.hub, only))); diff != "" {
		t.Errorf("tasks alone (-want +got):\n%s", diff)
	}
}

// What a customer owes is for his owner to see to, whoever made the invoice and though he be deleted; what nobody's owes for the invoice's.
func TestInvoicesAreSeenToByTheCustomersOwner(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	ann, bob := f.user(t, "Ann", "sales"), f.user(t, "Bob", "sales")
	day, one := crm.DateOf(f.now.AddDate(0, 0, -2)), decimal.NewFromInt(1)
	for _, i := range []struct {
		number         string
		customer, made uuid.UUID
		deleted        bool
	}{
		{"1 Ann's", ann, uuid.Nil, false},
		{"2 Ann's, made by Bob", ann, bob, false},
		{"3 Ann's, deleted", ann, bob, true},
		{"4 Bob's, made by Ann", bob, ann, false},
		{"5 Bob's, deleted, made by Ann", bob, ann, true},
		{"6 nobody's, made by Ann", uuid.Nil, ann, false},
		{"7 nobody's, deleted, made by Ann", uuid.Nil, ann, true},
		{"8 nobody's", uuid.Nil, uuid.Nil, false},
	} {
		invoice := &crm.Invoice{
			Number: i.number, CustomerID: f.customer(t, i.customer).ID, Currency: "EUR", Status: "issued", IssueDate: &day, DueDate: &day,
			Lines: []crm.InvoiceLine{{Description: "x", Qty: one, Price: one, Untaxed: one}}, Untaxed: one, Total: one, Residual: one,
		}
		if i.made != uuid.Nil {
			invoice.OwnerID = &i.made
		}
		f.do(t, func(ctx context.Context, tx pgx.Tx) error {
			return f.crm.Save(ctx, tx, crm.By{Actor: postgres.Connection(uuid.New()), Origin: "erp"}, []crm.Entity{invoice})
		})
		if i.deleted {
			f.exec(t, `update customers set deleted_at = now() where id = $1`, invoice.CustomerID)
		}
	}
	for _, c := range []struct {
		owners []uuid.UUID
		want   string
	}{
		{[]uuid.UUID{ann}, "12367"},
		{[]uuid.UUID{bob}, "45"},
		{[]uuid.UUID{ann, bob}, "1234567"},
		{[]uuid.UUID{}, ""},
		{nil, "12345678"},
	} {
		got := ""
		for _, u := range f.followUps(t, f.hub, upkeep.Ask{Owners: c.owners, Sources: slices.DeleteFunc(upkeep.Sources(), func(s upkeep.Source) bool { return s.Why != upkeep.WhyInvoice })}) {
			got += u.Title[:1]
		}
		got = string(slices.Sorted(slices.Values([]byte(got))))
		if got != c.want {
			t.Errorf("of %v are %q, not %q", c.owners, got, c.want)
		}
	}
}
