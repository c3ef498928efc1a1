package upkeep_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/schema"
	"crmhub/core/upkeep"
)

// codes are what became of customers: "done", or why not.
func codes(verdicts []upkeep.Verdict) []string {
	var all []string
	for _, v := range verdicts {
		if v.Done != (v.Refusal == nil) {
			all = append(all, "neither")
		} else if v.Done {
			all = append(all, "done")
		} else {
			all = append(all, string(v.Refusal.Code))
		}
	}
	return all
}

func (f *firm) expect(t testing.TB, what string, got []upkeep.Verdict, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, codes(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
	for _, v := range got {
		if v.Refusal != nil && (v.Refusal.Why == "" || v.Refusal.Help == "") {
			t.Errorf("%s: the refusal %s does not say why and what would help", what, v.Refusal.Code)
		}
	}
}

func TestClaimsEndWhereTheLimitsSay(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	ann, bob := f.user(t, "Ann", "sales"), f.user(t, "Bob", "sales", "sales_manager")
	var ids []uuid.UUID
	for range 8 {
		ids = append(ids, f.pooled(t))
	}
	f.limit(t, nil, "", upkeep.Quota{MaxOwned: new(1), ClaimsPerDay: new(3), CooldownDays: new(30)})
	f.limit(t, nil, "sales", upkeep.Quota{MaxOwned: new(4)})
	f.limit(t, nil, "sales_manager", upkeep.Quota{MaxOwned: new(6), CooldownDays: new(2)})
	f.limit(t, &bob, "", upkeep.Quota{ClaimsPerDay: new(1)})

	f.expect(t, "three a day, everybody's", f.claim(t, ann, ids[:4]...), "done", "done", "done", "claims_per_day")
	f.days(1)
	f.expect(t, "another day, four of a sales person", f.claim(t, ann, ids[3], ids[4]), "done", "max_owned")
	f.expect(t, "one a day, his own", f.claim(t, bob, ids[4], ids[5]), "done", "claims_per_day")
	f.expect(t, "what is not there any more", f.claim(t, bob, ids[0], uuid.New(), f.customer(t, ann).ID), "taken", "not_pooled", "not_pooled")

	if v := f.release(t, ids[0]); !v.Done {
		t.Fatal(v.Refusal)
	}
	f.release(t, ids[1])
	f.release(t, ids[4])
	f.days(1)
	got := f.claim(t, ann, ids[0], ids[5])
	f.expect(t, "not back at once", got, "cooldown", "done")
	if until := got[0].Refusal.Until; until == nil || !until.Equal(f.now.AddDate(0, 0, 29)) {
		t.Errorf("until %v", until)
	}
	f.expect(t, "somebody else may", f.claim(t, bob, ids[0]), "done")
	f.days(1)
	f.expect(t, "two days later, of his more generous role", f.claim(t, bob, ids[4]), "done")
	f.days(28)
	f.expect(t, "thirty days later", f.claim(t, ann, ids[1]), "max_owned")
	f.release(t, ids[5])
	f.expect(t, "thirty days later, with room", f.claim(t, ann, ids[1]), "done")
	if c := f.read(t, ids[1]); *c.OwnerID != ann || c.UpdatedBy != string(postgres.User(ann)) {
		t.Errorf("it is %v's by %s", c.OwnerID, c.UpdatedBy)
	}
}

func TestAssigningCountsWhatOneOwnsAndNothingElse(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	ann := f.user(t, "Ann", "sales")
	a, b := f.pooled(t), f.pooled(t)
	f.limit(t, nil, "", upkeep.Quota{MaxOwned: new(1), ClaimsPerDay: new(0), CooldownDays: new(30)})
	assign := func(to uuid.UUID, ids ...uuid.UUID) (verdicts []upkeep.Verdict, err error) {
		err = f.db.As(t.Context(), f.hub, func(tx pgx.Tx) error {
			verdicts, err = f.store.Assign(t.Context(), tx, f.by(), to, ids)
			return err
		})
		return verdicts, err
	}
	got, err := assign(ann, a, b)
	if err != nil {
		t.Fatal(err)
	}
	f.expect(t, "one", got, "done", "max_owned")
	f.release(t, a)
	if got, err = assign(ann, a); err != nil {
		t.Fatal(err)
	}
	f.expect(t, "a manager needs not wait", got, "done")

	f.exec(t, `update users set status = 'disabled' where id = $1`, ann)
	for name, to := range map[string]uuid.UUID{"who is disabled": ann, "nobody here": uuid.New()} {
		if _, err := assign(to, b); !faulty(err, "/owner_id") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := assign(ann, b, b); !faulty(err, "/ids/1") {
		t.Errorf("twice: %v", err)
	}
}

func faulty(err error, pointer string) bool {
	var vs schema.Violations
	return errors.As(err, &vs) && slices.ContainsFunc(vs, func(v schema.Violation) bool { return v.Pointer == pointer })
}

// Many claim the same few customers at once: each goes to one of them, nobody gets more than he may, and the log agrees.
func TestManyClaimAtOnce(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	const people, each = 4, 3
	f.limit(t, nil, "", upkeep.Quota{MaxOwned: new(each)})
	var ids []uuid.UUID
	for range people*each + 2 {
		ids = append(ids, f.pooled(t))
	}
	users := make([]uuid.UUID, people)
	for i := range users {
		users[i] = f.user(t, "Ann", "sales")
	}
	var mu sync.Mutex
	won := map[uuid.UUID][]uuid.UUID{} // customer → who was told that it is theirs
	var wg sync.WaitGroup
	for i, user := range users {
		for half := range 2 { // each with two hands
			wg.Go(func() {
				who := f.identity(t, user).Principal
				mine := slices.Clone(ids)
				slices.Reverse(mine[(i+half)%3:])
				for part := range slices.Chunk(mine, 5) {
					err := f.db.As(t.Context(), who, func(tx pgx.Tx) error {
						verdicts, err := f.store.Claim(t.Context(), tx, crm.By{Actor: who.Actor, Origin: "crm"}, user, part)
						mu.Lock()
						defer mu.Unlock()
						for _, v := range verdicts {
							if v.Done {
								won[v.ID] = append(won[v.ID], user)
							}
						}
						return err
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	owned := map[uuid.UUID]int{}
	for _, id := range ids {
		c := f.read(t, id)
		switch {
		case c.OwnerID == nil && len(won[id]) == 0:
		case c.OwnerID != nil && len(won[id]) == 1 && won[id][0] == *c.OwnerID:
			owned[*c.OwnerID]++
		default:
			t.Errorf("%v has it, and it was given to %v", c.OwnerID, won[id])
		}
	}
	for _, user := range users {
		if owned[user] != each {
			t.Errorf("one of them owns %d of %d", owned[user], each)
		}
	}
	if n := len(f.log(t, upkeep.LogFilter{Event: upkeep.Claimed})); n != people*each {
		t.Errorf("%d claims in the log", n)
	}
}

func TestReleaseTakesWhatOneSeesAndMayGiveUp(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	ann, bob := f.user(t, "Ann", "sales"), f.user(t, "Bob", "sales")
	own, foreign, pooled := f.customer(t, ann), f.customer(t, bob), f.pooled(t)
	who := f.identity(t, ann)
	release := func(ids ...uuid.UUID) (verdicts []upkeep.Verdict) {
		f.as(t, who.Principal, func(ctx context.Context, tx pgx.Tx) (err error) {
			verdicts, err = f.store.Release(ctx, tx, crm.By{Actor: who.Principal.Actor, Origin: "crm"}, ids, " moved ", func(owner *uuid.UUID) bool { return who.Covers("customer", "update", owner) })
			return err
		})
		return verdicts
	}
	f.expect(t, "hers, his, and what is in the pool", release(own.ID, foreign.ID, pooled), "done", "not_found", "not_found")
	if c := f.read(t, foreign.ID); c.OwnerID == nil {
		t.Error("somebody's customer was given up by another")
	}
	var page postgres.Page[upkeep.PooledCustomer]
	f.as(t, who.Principal, func(ctx context.Context, tx pgx.Tx) (err error) {
		page, err = f.store.List(ctx, tx, upkeep.Filter{Text: own.Name})
		return err
	})
	if len(page.Items) != 1 || page.Items[0].Reason != "moved" || page.Items[0].FromOwner != "Ann" || page.Items[0].Event != upkeep.Released {
		t.Errorf("%+v", page.Items)
	}
	// Whoever gives it an owner by another door takes it out of the pool.
	now := f.read(t, own.ID)
	now.OwnerID = &bob
	f.save(t, now)
	f.expect(t, "not in the pool any more", f.claim(t, ann, own.ID), "not_pooled")
}

// Of the organization's customers a sales person sees his own and, by the one view, those in the pool; who may not read the
// pool sees none there.
func TestThePoolShowsNoOtherCustomers(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	ann, service, bob := f.user(t, "Ann", "sales"), f.user(t, "Sue", "service"), f.user(t, "Bob", "sales")
	phone := func(c *crm.Customer) { c.Phone, c.Email = "+49 30 1234567", "x@example.com" }
	own, foreign, nobodys := f.customer(t, ann, phone), f.customer(t, bob, phone), f.customer(t, uuid.Nil, phone)
	pooled, gone, deleted := f.customer(t, bob, phone), f.customer(t, bob), f.customer(t, bob)
	for _, c := range []*crm.Customer{pooled, gone, deleted} {
		f.release(t, c.ID)
	}
	f.claim(t, bob, gone.ID)
	f.do(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := f.crm.Delete(ctx, tx, f.by(), crm.KindCustomer, deleted.ID, f.read(t, deleted.ID).Version)
		return err
	})
	other := newFirm(t)
	other.pooled(t)

	seen := func(user uuid.UUID) (rows, pool []uuid.UUID) {
		who := f.identity(t, user).Principal
		f.as(t, who, func(ctx context.Context, tx pgx.Tx) error {
			found, err := f.crm.Get(ctx, tx, crm.KindCustomer, []uuid.UUID{own.ID, foreign.ID, nobodys.ID, pooled.ID, gone.ID, deleted.ID})
			for id := range found {
				rows = append(rows, id)
			}
			return err
		})
		f.as(t, who, func(ctx context.Context, tx pgx.Tx) error {
			page, err := f.store.List(ctx, tx, upkeep.Filter{})
			for _, c := range page.Items {
				pool = append(pool, c.ID)
				if !*c.HasPhone || !*c.HasEmail {
					t.Error("it does not say that there is a phone and an address")
				}
			}
			return err
		})
		return rows, pool
	}
	rows, pool := seen(ann)
	if diff := cmp.Diff([][]uuid.UUID{{own.ID}, {pooled.ID}}, [][]uuid.UUID{rows, pool}); diff != "" {
		t.Errorf("a sales person (-want +got):\n%s", diff)
	}
	if rows, pool = seen(service); len(rows) != 6 || len(pool) != 0 {
		t.Errorf("service sees %d customers and %d in the pool", len(rows), len(pool))
	}
	// The view shows nothing by which to reach a customer, whatever is asked of it.
	err := f.db.As(t.Context(), f.identity(t, ann).Principal, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `select phone from pool`)
		return err
	})
	if code, _ := postgres.ErrorCode(err); code != "42703" {
		t.Errorf("the view has a phone: %v", err)
	}
	for name, sql := range map[string]string{"its rules": `select from pool_rules`, "its limits": `select from pool_limits`, "its log": `select from pool_log`} {
		f.rule(t, upkeep.Terms{Basis: upkeep.SinceContact, Days: 9000 / 10})
		f.as(t, f.identity(t, service).Principal, func(ctx context.Context, tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, sql)
			if tag.RowsAffected() > 0 {
				t.Errorf("who may not read the pool reads %s", name)
			}
			return err
		})
	}
}

func TestThePoolIsPagedAndNarrowed(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	var want []uuid.UUID
	for i := range 5 {
		c := f.customer(t, uuid.Nil, func(c *crm.Customer) {
			if i%2 == 0 {
				c.Level, c.Industry = "A", "Retail"
			}
		})
		if i > 1 {
			f.now = f.now.Add(time.Hour)
		}
		f.release(t, c.ID)
		want = append([]uuid.UUID{c.ID}, want...)
	}
	list := func(filter upkeep.Filter) (all []uuid.UUID) {
		filter.Limit = 2
		for {
			var page postgres.Page[upkeep.PooledCustomer]
			f.do(t, func(ctx context.Context, tx pgx.Tx) (err error) {
				page, err = f.store.List(ctx, tx, filter)
				return err
			})
			for _, c := range page.Items {
				all = append(all, c.ID)
			}
			if filter.After = page.Next; page.Next == "" {
				return all
			}
		}
	}
	if diff := cmp.Diff(want, list(upkeep.Filter{})); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]uuid.UUID{want[0], want[2], want[4]}, list(upkeep.Filter{Level: "A", Industry: "Retail"})); diff != "" {
		t.Errorf("narrowed (-want +got):\n%s", diff)
	}
	err := f.db.As(t.Context(), f.hub, func(tx pgx.Tx) error {
		_, err := f.store.List(t.Context(), tx, upkeep.Filter{After: "x"})
		return err
	})
	if !errors.Is(err, postgres.ErrPlace) {
		t.Errorf("from nowhere: %v", err)
	}
}
