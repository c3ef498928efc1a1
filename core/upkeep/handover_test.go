package upkeep_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/upkeep"
)

// begin asks for a hand-over as a user.
func (f *firm) begin(t testing.TB, who uuid.UUID, w upkeep.Wish) (h upkeep.HandOver) {
	t.Helper()
	f.as(t, f.identity(t, who).Principal, func(ctx context.Context, tx pgx.Tx) error {
		parts, err := f.store.PlanHandOver(ctx, tx, w)
		if err == nil {
			h, err = f.store.BeginHandOver(ctx, tx, w, parts, "")
		}
		return err
	})
	return h
}

func (f *firm) handOver(t testing.TB, id uuid.UUID) (h upkeep.HandOver) {
	t.Helper()
	f.do(t, func(ctx context.Context, tx pgx.Tx) (err error) {
		h, err = f.store.HandOver(ctx, tx, id)
		return err
	})
	return h
}

func (f *firm) work(t testing.TB) {
	t.Helper()
	if err := f.runner.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (f *firm) count(t testing.TB, sql string, args ...any) (n int) {
	t.Helper()
	f.do(t, func(ctx context.Context, tx pgx.Tx) error { return tx.QueryRow(ctx, sql, args...).Scan(&n) })
	return n
}

// updates are how many changes of what was there are in the outbox.
func (f *firm) updates(t testing.TB) (n int) {
	t.Helper()
	err := f.db.AsSystem(t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), `select count(*) from outbox where type = 'updated'`).Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (f *firm) tasks(t testing.TB, owner uuid.UUID, n int, status string) {
	t.Helper()
	batch := make([]crm.Entity, n)
	for i := range batch {
		batch[i] = &crm.Task{Subject: "x", Status: status, OwnerID: &owner}
	}
	f.do(t, func(ctx context.Context, tx pgx.Tx) error { return f.crm.Save(ctx, tx, f.by(), batch) })
}

func TestHandOverMovesEachWithAVersionAndAChange(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	boss, ann, bob, cid := f.user(t, "Boss", "admin"), f.user(t, "Ann"), f.user(t, "Bob"), f.user(t, "Cid")
	f.tasks(t, ann, 1203, "not_started")
	f.tasks(t, ann, 7, "completed")
	f.tasks(t, bob, 3, "not_started")
	c := f.customer(t, ann)
	// What was stored before a rule came goes as well.
	f.save(t, &crm.CustomField{Entity: "task", Name: "region", Type: "text", IsRequired: true})

	wish := upkeep.Wish{From: ann, To: bob, ByKind: map[crm.Kind]uuid.UUID{crm.KindCustomer: cid}, OpenOnly: true}
	h := f.begin(t, boss, wish)
	want := []upkeep.Part{{Kind: crm.KindCustomer, ToUserID: cid, Expected: 1}, {Kind: crm.KindTask, ToUserID: bob, Expected: 1203}}
	if diff := cmp.Diff(want, h.Parts); diff != "" || h.Status != upkeep.Running {
		t.Errorf("%s (-want +got):\n%s", h.Status, diff)
	}
	err := f.db.As(t.Context(), f.hub, func(tx pgx.Tx) error {
		_, err := f.store.BeginHandOver(t.Context(), tx, wish, nil, "")
		return err
	})
	if !faulty(err, "") {
		t.Errorf("a second one at once: %v", err)
	}
	before := f.updates(t)
	f.work(t)
	h = f.handOver(t, h.ID)
	want[0].Moved, want[1].Moved = 1, 1203
	if diff := cmp.Diff(want, h.Parts); diff != "" || h.Status != upkeep.Done || h.FinishedAt == nil {
		t.Errorf("%s (-want +got):\n%s", h.Status, diff)
	}
	if n := f.updates(t) - before; n != 1204 {
		t.Errorf("%d changes in the outbox", n)
	}
	for what, sql := range map[string]string{
		"Bob's, with a version each": `select count(*) - 1203 from tasks where owner_id = $1 and version = 2 and updated_by = 'user:` + boss.String() + `' and $2::uuid is not null`,
		"Bob's of before":            `select count(*) - 3 from tasks where owner_id = $1 and version = 1 and $2::uuid is not null`,
		"Ann's, which are over":      `select count(*) - 7 from tasks where owner_id = $2 and $1::uuid is not null`,
	} {
		if n := f.count(t, sql, bob, ann); n != 0 {
			t.Errorf("%s: %+d", what, n)
		}
	}
	if now := f.read(t, c.ID); *now.OwnerID != cid {
		t.Errorf("the customer is %v's", now.OwnerID)
	}
	f.begin(t, boss, upkeep.Wish{From: ann, To: bob})
	f.work(t)
	if n := f.count(t, `select count(*) from tasks where owner_id = $1`, ann); n != 0 {
		t.Errorf("%d are left after all went", n)
	}
}

func TestHandOverStopsWhenItIsCancelledOrItsRightsAreGone(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	boss, ann, bob := f.user(t, "Boss", "admin"), f.user(t, "Ann"), f.user(t, "Bob")
	f.tasks(t, ann, 3, "started")
	end := func(spoil func(h upkeep.HandOver)) upkeep.HandOver {
		t.Helper()
		h := f.begin(t, boss, upkeep.Wish{From: ann, To: bob})
		spoil(h)
		f.work(t)
		if n := f.count(t, `select count(*) from tasks where owner_id = $1`, ann); n != 3 {
			t.Errorf("%d are left", n)
		}
		return f.handOver(t, h.ID)
	}
	h := end(func(h upkeep.HandOver) {
		f.do(t, func(ctx context.Context, tx pgx.Tx) error {
			_, err := f.store.CancelHandOver(ctx, tx, h.ID)
			return err
		})
	})
	if h.Status != upkeep.Cancelled || h.FinishedAt == nil {
		t.Errorf("cancelled: %+v", h)
	}
	h = end(func(upkeep.HandOver) {
		f.exec(t, `delete from user_roles where user_id = $1`, boss)
	})
	if h.Status != upkeep.Failed || h.Error == "" {
		t.Errorf("no more rights: %+v", h)
	}
	f.exec(t, `insert into user_roles (user_id, role_id) select $1, id from roles where code = 'admin'`, boss)
	if h = end(func(upkeep.HandOver) { f.exec(t, `update users set status = 'disabled' where id = $1`, boss) }); h.Status != upkeep.Failed {
		t.Errorf("nobody any more: %+v", h)
	}
}

func TestHandOverWishesAreChecked(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	ann, bob, gone := f.user(t, "Ann"), f.user(t, "Bob"), f.user(t, "Cid")
	f.exec(t, `update users set status = 'disabled' where id = $1`, gone)
	for name, tc := range map[string]struct {
		wish    upkeep.Wish
		pointer string
	}{
		"to nobody":                   {upkeep.Wish{From: ann}, "/to_user_id"},
		"to nobody here":              {upkeep.Wish{From: ann, To: uuid.New()}, "/to_user_id"},
		"to herself":                  {upkeep.Wish{From: ann, To: ann}, "/to_user_id"},
		"to who is gone":              {upkeep.Wish{From: ann, To: gone}, "/to_user_id"},
		"what nobody owns":            {upkeep.Wish{From: ann, To: bob, ByKind: map[crm.Kind]uuid.UUID{crm.KindProduct: bob}}, "/by_kind/product"},
		"by kind, to herself":         {upkeep.Wish{From: ann, ByKind: map[crm.Kind]uuid.UUID{crm.KindTask: ann}}, "/by_kind/task"},
		"from who is gone: it is why": {upkeep.Wish{From: gone, To: bob}, ""},
	} {
		err := f.db.As(t.Context(), f.hub, func(tx pgx.Tx) error {
			_, err := f.store.PlanHandOver(t.Context(), tx, tc.wish)
			return err
		})
		if tc.pointer == "" && err != nil || tc.pointer != "" && !faulty(err, tc.pointer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEveryOwnedKindIsHandedOver keeps what is open of a kind from being forgotten when a kind is added.
func TestEveryOwnedKindIsHandedOver(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	boss, ann, bob := f.user(t, "Boss", "admin"), f.user(t, "Ann"), f.user(t, "Bob")
	for _, openOnly := range []bool{false, true} {
		f.as(t, f.identity(t, boss).Principal, func(ctx context.Context, tx pgx.Tx) error {
			by := map[crm.Kind]uuid.UUID{}
			for _, k := range crm.Kinds() {
				if crm.Owned(k) {
					by[k] = bob
				}
			}
			_, err := f.store.PlanHandOver(ctx, tx, upkeep.Wish{From: ann, ByKind: by, OpenOnly: openOnly})
			return err
		})
	}
}
