package duplicate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"crmhub/core/crm"
	"crmhub/core/duplicate"
	"crmhub/core/link"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/schema"
)

func (o *office) merge(t testing.TB, k crm.Kind, survivor, loser uuid.UUID, take ...string) duplicate.Merge {
	t.Helper()
	var m duplicate.Merge
	o.do(t, func(ctx context.Context, tx pgx.Tx) (err error) {
		m, err = duplicate.Do(ctx, tx, &o.store, o.by(), duplicate.Request{Kind: k, Survivor: duplicate.Side{ID: survivor}, Loser: duplicate.Side{ID: loser}, Take: take})
		return err
	})
	return m
}

func (o *office) undo(t testing.TB, id uuid.UUID) duplicate.Unmerged {
	t.Helper()
	var u duplicate.Unmerged
	o.do(t, func(ctx context.Context, tx pgx.Tx) (err error) {
		u, err = duplicate.Undo(ctx, tx, &o.store, o.by(), id)
		return err
	})
	return u
}

func (o *office) get(t testing.TB, k crm.Kind, id uuid.UUID) crm.Entity {
	t.Helper()
	var found map[uuid.UUID]crm.Entity
	o.do(t, func(ctx context.Context, tx pgx.Tx) (err error) {
		found, err = o.store.Get(ctx, tx, k, []uuid.UUID{id})
		return err
	})
	return found[id]
}

// state is what the store and the crosswalk say, but for versions, times and deleted entities.
type state struct {
	Documents map[string]string // by id
	Links     map[string]string // the entity, by the link's id
}

func (o *office) state(t testing.TB) state {
	t.Helper()
	s := state{map[string]string{}, map[string]string{}}
	o.do(t, func(ctx context.Context, tx pgx.Tx) error {
		for _, k := range crm.Kinds() {
			page, err := o.store.List(ctx, tx, k, crm.Query{Limit: 1000})
			if err != nil {
				return err
			}
			for _, e := range page.Items {
				h := crm.HeadOf(e)
				id := h.ID.String()
				*h = crm.Head{ID: h.ID}
				b, err := json.Marshal(e)
				if err != nil {
					return err
				}
				s.Documents[id] = string(b)
			}
		}
		rows, err := tx.Query(ctx, "select id::text, entity_id::text from links")
		if err != nil {
			return err
		}
		var id, entity string
		_, err = pgx.ForEachRow(rows, []any{&id, &entity}, func() error { s.Links[id] = entity; return nil })
		return err
	})
	return s
}

func (o *office) connect(t testing.TB, code string) uuid.UUID {
	t.Helper()
	id := uuid.New()
	o.do(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "insert into connections (id, code, name, connector) values ($1, $2, $2, 'stub')", id, code)
		return err
	})
	return id
}

func (o *office) link(t testing.TB, connection uuid.UUID, k crm.Kind, id uuid.UUID) {
	t.Helper()
	o.do(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `insert into links (id, connection_id, entity, entity_id, remote_id, state, wanted_version, synced_version)
			values (gen_random_uuid(), $1, $2, $3, gen_random_uuid()::text, 'linked', 1, 1)`, connection, k, id)
		return err
	})
}

// trade draws customers, contacts, products, and documents that refer to them, and links of some.
func (o *office) trade(t testing.TB, rt *rapid.T, connections []uuid.UUID) (byKind map[crm.Kind][]uuid.UUID) {
	byKind = map[crm.Kind][]uuid.UUID{}
	some := func(k crm.Kind) *uuid.UUID {
		if rapid.Bool().Draw(rt, "leave out") || len(byKind[k]) == 0 {
			return nil
		}
		return new(rapid.SampledFrom(byKind[k]).Draw(rt, string(k)))
	}
	text := rapid.SampledFrom([]string{"", "x", "华为", "y z"})
	save := func(e crm.Entity) {
		o.save(t, e)
		id := crm.HeadOf(e).ID
		byKind[e.Kind()] = append(byKind[e.Kind()], id)
		for _, c := range connections {
			if rapid.Bool().Draw(rt, "link") {
				o.link(t, c, e.Kind(), id)
			}
		}
	}
	ext := func() crm.Ext {
		return rapid.SampledFrom([]crm.Ext{nil, crm.Ext(`{"a":1}`), crm.Ext(`{"b":{"c":"d"}}`)}).Draw(rt, "ext")
	}
	for range 3 {
		c := &crm.Customer{Name: "c" + text.Draw(rt, "name"), Industry: text.Draw(rt, "industry"), Remark: text.Draw(rt, "remark"), TaxID: text.Draw(rt, "tax"), ParentID: some(crm.KindCustomer), Ext: ext()}
		for range rapid.IntRange(0, 2).Draw(rt, "addresses") {
			c.Addresses = append(c.Addresses, crm.CustomerAddress{Kind: rapid.SampledFrom([]string{"bill", "ship"}).Draw(rt, "kind"), Address: crm.Address{City: text.Draw(rt, "city")}})
		}
		if rapid.Bool().Draw(rt, "limited") {
			c.CreditLimit = new(decimal.New(rapid.Int64Range(0, 3).Draw(rt, "limit"), 0))
		}
		save(c)
	}
	for range 3 {
		c := &crm.Contact{Name: "p" + text.Draw(rt, "name"), Title: text.Draw(rt, "title"), OptOut: rapid.Bool().Draw(rt, "opt out"), Ext: ext()}
		for _, id := range byKind[crm.KindCustomer] {
			if rapid.Bool().Draw(rt, "at") {
				c.Customers = append(c.Customers, crm.ContactCustomer{CustomerID: id, IsPrimary: rapid.Bool().Draw(rt, "primary")})
			}
		}
		save(c)
		save(&crm.Product{SKU: fmt.Sprint("sku", len(byKind[crm.KindProduct])), Name: "g" + text.Draw(rt, "name"), Category: text.Draw(rt, "category"), IsActive: true})
	}
	date := rapid.SampledFrom([]string{"2026-01-02"}).Draw(rt, "date")
	day, err := crm.ParseDate(date)
	if err != nil {
		t.Fatal(err)
	}
	one := decimal.New(1, 0)
	for range 3 {
		customer := rapid.SampledFrom(byKind[crm.KindCustomer]).Draw(rt, "customer")
		order := &crm.Order{CustomerID: customer, ContactID: some(crm.KindContact), Date: day, Currency: "EUR"}
		for range rapid.IntRange(0, 2).Draw(rt, "lines") {
			order.Lines = append(order.Lines, crm.OrderLine{ProductID: some(crm.KindProduct), Description: "d", Qty: one, Price: one})
		}
		save(order)
		invoice := &crm.Invoice{CustomerID: customer, Currency: "EUR", IssueDate: &day, Untaxed: one, Total: one, Residual: one, Status: rapid.SampledFrom([]string{"draft", "issued"}).Draw(rt, "status")}
		invoice.Lines = []crm.InvoiceLine{{ProductID: some(crm.KindProduct), Description: "d", Qty: one, Price: one, Untaxed: one}}
		save(invoice)
		save(&crm.Payment{CustomerID: customer, Date: day, Currency: "EUR", Amount: one})
	}
	return byKind
}

func TestMergeMovesAllAndUndoGivesItBack(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	rapid.Check(t, func(rt *rapid.T) {
		o.moveIn(t)
		connections := []uuid.UUID{o.connect(t, "erp"), o.connect(t, "finance")}
		byKind := o.trade(t, rt, connections)
		k := rapid.SampledFrom(duplicate.Mergeable()).Draw(rt, "kind")
		survivor, loser := byKind[k][0], byKind[k][1]
		if rapid.Bool().Draw(rt, "swap") {
			survivor, loser = loser, survivor
		}
		take := rapid.SliceOfNDistinct(rapid.SampledFrom(crm.Writable(k)), 0, 3, rapid.ID).Draw(rt, "take")
		before := o.state(t)
		m := o.merge(t, k, survivor, loser, take...)
		after := o.state(t)
		for id, doc := range after.Documents {
			if strings.Contains(doc, loser.String()) {
				rt.Errorf("%s still refers to the loser: %s", id, doc)
			}
		}
		checkLinks(rt, before, after, m)
		u := o.undo(t, m.ID)
		if len(u.Fields)+len(u.References)+len(u.Links) > 0 {
			rt.Errorf("not undone: %+v", u)
		}
		if diff := cmp.Diff(before, o.state(t)); diff != "" {
			rt.Errorf("after undoing (-before +after):\n%s", diff)
		}
		o.sound(t, rt)
	})
}

// checkLinks holds that no link is lost or doubled, and that the survivor got what it lacked.
func checkLinks(rt *rapid.T, before, after state, m duplicate.Merge) {
	if len(before.Links) != len(after.Links) {
		rt.Errorf("there were %d links and are %d", len(before.Links), len(after.Links))
	}
	for id, entity := range before.Links {
		want := entity
		if i := slices.IndexFunc(m.Links, func(l duplicate.LinkMoved) bool { return l.ID.String() == id }); i >= 0 && m.Links[i].Moved {
			want = m.SurvivorID.String()
		} else if entity == m.LoserID.String() && i < 0 {
			rt.Errorf("nothing is said of the loser's link %s", id)
		}
		if after.Links[id] != want {
			rt.Errorf("link %s is of %s, want %s", id, after.Links[id], want)
		}
	}
}

// sound holds that changes were published for each version, and that tokens and keys follow.
func (o *office) sound(t testing.TB, rt *rapid.T) {
	var versions, changes int
	o.do(t, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "reset role"); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, `select (select sum(version) from (select version from customers union all select version from contacts union all select version from products
			union all select version from orders union all select version from invoices union all select version from payments) v),
			(select count(*) from outbox o where exists (select from customers where id = o.entity_id union all select from contacts where id = o.entity_id
			union all select from products where id = o.entity_id union all select from orders where id = o.entity_id
			union all select from invoices where id = o.entity_id union all select from payments where id = o.entity_id))`).Scan(&versions, &changes)
		return err
	})
	if versions != changes {
		rt.Errorf("%d versions and %d changes", versions, changes)
	}
}

func TestMergeTakesWhatIsAskedAndFillsWhatIsEmpty(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	a := &crm.Customer{
		Tags: []string{"vip"},
		Code: "A", Name: "Alpha", Industry: "toys", Phone: "+49 30 123456", Ext: crm.Ext(`{"x":1}`),
		Addresses: []crm.CustomerAddress{{Kind: "bill", Address: crm.Address{City: "Berlin"}}},
	}
	b := &crm.Customer{
		Code: "B", Name: "Beta", Tags: []string{"steel", "vip"}, Industry: "steel", TaxID: "DE1", Ext: crm.Ext(`{"x":2,"y":3}`),
		Addresses: []crm.CustomerAddress{{Kind: "bill", Address: crm.Address{City: "Berlin"}}, {Kind: "ship", Address: crm.Address{City: "Bonn"}}},
	}
	o.save(t, a, b)
	b.ParentID = &a.ID
	o.save(t, b)
	o.merge(t, crm.KindCustomer, a.ID, b.ID, "name", "phone")
	got := o.get(t, crm.KindCustomer, a.ID).(*crm.Customer)
	got.Head = crm.Head{}
	want := &crm.Customer{
		InvoiceProfiles: []crm.InvoiceProfile{}, Tags: []string{"vip", "steel"},
		Code: "A", Name: "Beta", Type: "company", Lifecycle: "lead", Industry: "toys", TaxID: "DE1", Ext: crm.Ext(`{"x":1,"y":3}`),
		Addresses: []crm.CustomerAddress{{Kind: "bill", Address: crm.Address{City: "Berlin"}}, {Kind: "ship", Address: crm.Address{City: "Bonn"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if gone := crm.HeadOf(o.get(t, crm.KindCustomer, b.ID)); gone.DeletedAt == nil {
		t.Error("the loser is not deleted")
	}
}

func TestUndoLeavesWhatWasChangedSinceAndSaysSo(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	erp := o.connect(t, "erp")
	a, b, c := &crm.Customer{Name: "A"}, &crm.Customer{Name: "B", Industry: "steel", Source: "fair"}, &crm.Customer{Name: "C"}
	o.save(t, a, b, c)
	child, other := &crm.Customer{Name: "child", ParentID: &b.ID}, &crm.Customer{Name: "other", ParentID: &b.ID}
	o.save(t, child, other)
	o.link(t, erp, crm.KindCustomer, b.ID)
	m := o.merge(t, crm.KindCustomer, a.ID, b.ID)
	merged := o.get(t, crm.KindCustomer, a.ID).(*crm.Customer)
	merged.Industry = "toys"
	moved := o.get(t, crm.KindCustomer, child.ID).(*crm.Customer)
	moved.ParentID = &c.ID
	o.save(t, merged, moved)
	o.do(t, func(ctx context.Context, tx pgx.Tx) error { _, err := tx.Exec(ctx, "delete from links"); return err })
	u := o.undo(t, m.ID)
	if diff := cmp.Diff([]string{"industry"}, u.Fields); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]crm.Moved{{Kind: crm.KindCustomer, ID: child.ID, Field: "parent_id"}}, u.References); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(m.Links, u.Links); diff != "" || len(u.Links) != 1 {
		t.Error(diff)
	}
	if got := o.get(t, crm.KindCustomer, a.ID).(*crm.Customer); got.Industry != "toys" || got.Source != "" {
		t.Errorf("the survivor is %+v", got)
	}
	if got := o.get(t, crm.KindCustomer, other.ID).(*crm.Customer); *got.ParentID != b.ID {
		t.Error("a reference was not moved back")
	}
	err := o.try(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := duplicate.Undo(ctx, tx, &o.store, o.by(), m.ID)
		return err
	})
	if !errors.Is(err, duplicate.ErrNotFound) {
		t.Errorf("undone twice: %v", err)
	}
}

// A pusher that hears of the loser's end leaves a link without a record; it is not in the way.
func TestLinkMovesBackPastOneWithoutARecord(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	erp := o.connect(t, "erp")
	a, b := &crm.Customer{Name: "A"}, &crm.Customer{Name: "B"}
	o.save(t, a, b)
	o.link(t, erp, crm.KindCustomer, b.ID)
	want := o.state(t)
	m := o.merge(t, crm.KindCustomer, a.ID, b.ID)
	o.do(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "insert into links (id, connection_id, entity, entity_id, state) values (gen_random_uuid(), $1, 'customer', $2, 'linked')", erp, b.ID)
		return err
	})
	if u := o.undo(t, m.ID); len(u.Links) > 0 {
		t.Errorf("links stay: %v", u.Links)
	}
	if diff := cmp.Diff(want, o.state(t)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

func TestCallUnderWayForbidsAMerge(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	erp := o.connect(t, "erp")
	a, b := &crm.Customer{Name: "A"}, &crm.Customer{Name: "B"}
	o.save(t, a, b)
	o.link(t, erp, crm.KindCustomer, b.ID)
	worker, die := postgrestest.Worker(t, o.db)
	o.do(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "update links set state = 'sending', worker = $1", worker)
		return err
	})
	attempt := func() error {
		return o.try(t, func(ctx context.Context, tx pgx.Tx) error {
			_, err := duplicate.Do(ctx, tx, &o.store, o.by(), duplicate.Request{Kind: crm.KindCustomer, Survivor: duplicate.Side{ID: a.ID}, Loser: duplicate.Side{ID: b.ID}})
			return err
		})
	}
	if err := attempt(); !errors.Is(err, link.ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
	die()
	if err := attempt(); err != nil {
		t.Error(err)
	}
}

func TestMergeIsRefused(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	a, b := &crm.Customer{Name: "A"}, &crm.Customer{Name: "B"}
	o.save(t, a, b)
	attempt := func(r duplicate.Request) error {
		return o.try(t, func(ctx context.Context, tx pgx.Tx) error {
			_, err := duplicate.Do(ctx, tx, &o.store, o.by(), r)
			return err
		})
	}
	side := func(e crm.Entity, version int64) duplicate.Side {
		return duplicate.Side{ID: crm.HeadOf(e).ID, Version: version}
	}
	for name, tc := range map[string]struct {
		asked duplicate.Request
		want  string
	}{
		"itself":        {duplicate.Request{Kind: crm.KindCustomer, Survivor: side(a, 1), Loser: side(a, 1)}, "/loser_id"},
		"nobody":        {duplicate.Request{Kind: crm.KindCustomer, Survivor: side(a, 1), Loser: duplicate.Side{ID: uuid.New()}}, "/loser_id"},
		"stale":         {duplicate.Request{Kind: crm.KindCustomer, Survivor: side(a, 1), Loser: side(b, 2)}, crm.ErrStale.Error()},
		"a document":    {duplicate.Request{Kind: crm.KindOrder, Survivor: side(a, 1), Loser: side(b, 1)}, duplicate.ErrKind.Error()},
		"no such field": {duplicate.Request{Kind: crm.KindCustomer, Survivor: side(a, 1), Loser: side(b, 1), Take: []string{"name", "id"}}, "/take/1"},
	} {
		err := attempt(tc.asked)
		if vs := schema.Violations(nil); errors.As(err, &vs) {
			err = errors.New(vs[0].Pointer)
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
	}
}

// An issued invoice moves along a merge only.
func TestIssuedInvoiceStaysOtherwise(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	a, b := &crm.Customer{Name: "A"}, &crm.Customer{Name: "B"}
	o.save(t, a, b)
	day, _ := crm.ParseDate("2026-01-02")
	o.save(t, &crm.Invoice{CustomerID: b.ID, Currency: "EUR", IssueDate: &day, Status: "issued"})
	err := o.try(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "update invoices set customer_id = $1", a.ID)
		return err
	})
	if err == nil {
		t.Error("the customer of an issued invoice was changed")
	}
}
