package upkeep_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/secret"
	"crmhub/core/upkeep"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// firm is an organization whose clock stands still until somebody moves it.
type firm struct {
	db     *postgres.DB
	hub    postgres.Principal
	now    time.Time
	crm    *crm.Store
	store  *upkeep.Store
	access *access.Store
	runner *upkeep.Runner
	made   int
}

func newFirm(t testing.TB) *firm {
	t.Helper()
	db := postgrestest.New(t)
	key, err := secret.NewKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	f := &firm{db: db, hub: postgrestest.Organization(t, db), now: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return f.now }
	f.crm = &crm.Store{Now: clock}
	f.store = &upkeep.Store{Entities: f.crm, Now: clock}
	f.access = &access.Store{DB: db, Key: key, Now: clock, Passwords: access.Cost{Memory: 8, Passes: 1}, Entities: []access.Entity{{Name: "customer", Owned: true}, {Name: "task", Owned: true}}}
	f.runner = &upkeep.Runner{DB: db, Access: f.access, Store: f.store, Logger: slog.New(slog.DiscardHandler)}
	return f
}

// days lets days go by.
func (f *firm) days(n int) { f.now = f.now.AddDate(0, 0, n) }

func (f *firm) by() crm.By { return crm.By{Actor: f.hub.Actor, Origin: "crm"} }

func (f *firm) as(t testing.TB, who postgres.Principal, fn func(ctx context.Context, tx pgx.Tx) error) {
	t.Helper()
	if err := f.db.As(t.Context(), who, func(tx pgx.Tx) error { return fn(t.Context(), tx) }); err != nil {
		t.Fatal(err)
	}
}

func (f *firm) do(t testing.TB, fn func(ctx context.Context, tx pgx.Tx) error) {
	t.Helper()
	f.as(t, f.hub, fn)
}

func (f *firm) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	f.do(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, sql, args...)
		return err
	})
}

// user is somebody with a preset role, or none.
func (f *firm) user(t testing.TB, name string, roles ...string) uuid.UUID {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	f.exec(t, `insert into users (id, login, name) values ($1, $2, $3)`, id, name+id.String(), name)
	f.exec(t, `insert into user_roles (user_id, role_id) select $1, id from roles where code = any($2)`, id, roles)
	return id
}

// identity is what a user may do now.
func (f *firm) identity(t testing.TB, user uuid.UUID) access.Identity {
	t.Helper()
	who, err := f.access.Actor(t.Context(), f.hub.Organization, postgres.User(user))
	if err != nil {
		t.Fatal(err)
	}
	return who
}

func (f *firm) save(t testing.TB, batch ...crm.Entity) {
	t.Helper()
	for _, e := range batch {
		f.do(t, func(ctx context.Context, tx pgx.Tx) error { return f.crm.Save(ctx, tx, f.by(), []crm.Entity{e}) })
	}
}

// customer makes one of an owner; the nil UUID is nobody.
func (f *firm) customer(t testing.TB, owner uuid.UUID, change ...func(*crm.Customer)) *crm.Customer {
	t.Helper()
	f.made++
	c := &crm.Customer{Name: fmt.Sprint("Customer ", f.made)}
	if owner != uuid.Nil {
		c.OwnerID = &owner
	}
	for _, fn := range change {
		fn(c)
	}
	f.save(t, c)
	return c
}

func (f *firm) read(t testing.TB, id uuid.UUID) *crm.Customer {
	t.Helper()
	var c *crm.Customer
	f.do(t, func(ctx context.Context, tx pgx.Tx) error {
		found, err := f.crm.Get(ctx, tx, crm.KindCustomer, []uuid.UUID{id})
		c, _ = found[id].(*crm.Customer)
		return err
	})
	return c
}

// pooled makes a customer that is in the pool.
func (f *firm) pooled(t testing.TB) uuid.UUID {
	t.Helper()
	c := f.customer(t, uuid.Nil)
	if v := f.release(t, c.ID); !v.Done {
		t.Fatalf("not released: %+v", v.Refusal)
	}
	return c.ID
}

func (f *firm) release(t testing.TB, id uuid.UUID) (v upkeep.Verdict) {
	t.Helper()
	f.do(t, func(ctx context.Context, tx pgx.Tx) error {
		all, err := f.store.Release(ctx, tx, f.by(), []uuid.UUID{id}, "", func(*uuid.UUID) bool { return true })
		if err == nil {
			v = all[0]
		}
		return err
	})
	return v
}

func (f *firm) claim(t testing.TB, user uuid.UUID, ids ...uuid.UUID) (verdicts []upkeep.Verdict) {
	t.Helper()
	who := f.identity(t, user).Principal
	f.as(t, who, func(ctx context.Context, tx pgx.Tx) (err error) {
		verdicts, err = f.store.Claim(ctx, tx, crm.By{Actor: who.Actor, Origin: "crm"}, user, ids)
		return err
	})
	return verdicts
}

func (f *firm) rule(t testing.TB, terms upkeep.Terms) upkeep.RecycleRule {
	t.Helper()
	var r upkeep.RecycleRule
	if terms.Name == "" {
		terms.Name = string(terms.Basis)
	}
	terms.IsActive = true
	f.do(t, func(ctx context.Context, tx pgx.Tx) (err error) {
		r, err = f.store.AddRule(ctx, tx, terms)
		return err
	})
	return r
}

func (f *firm) limit(t testing.TB, user *uuid.UUID, role string, q upkeep.Quota) {
	t.Helper()
	f.do(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := f.store.AddLimit(ctx, tx, user, role, q)
		return err
	})
}

// due is what the dry run says, page by page of two.
func (f *firm) due(t testing.TB, ahead int, owners []uuid.UUID) (all []upkeep.DueCustomer) {
	t.Helper()
	for after := ""; ; {
		f.do(t, func(ctx context.Context, tx pgx.Tx) error {
			page, err := f.store.Due(ctx, tx, upkeep.DryRun{Ahead: ahead, Owners: owners, After: after, Limit: 2})
			all, after = append(all, page.Items...), page.Next
			return err
		})
		if after == "" {
			return all
		}
	}
}

func (f *firm) log(t testing.TB, filter upkeep.LogFilter) []upkeep.PoolEvent {
	t.Helper()
	filter.Limit = 500
	var page postgres.Page[upkeep.PoolEvent]
	f.do(t, func(ctx context.Context, tx pgx.Tx) (err error) {
		page, err = f.store.Log(ctx, tx, filter)
		return err
	})
	return page.Items
}
