package reconcile_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"crmhub/core/crm"
	"crmhub/core/link"
	"crmhub/core/mapping"
	"crmhub/core/postgres"
	"crmhub/core/reconcile"
	"crmhub/core/schema"
)

// disputed makes a conflict about the remark of a customer, on a connection where a person is asked about it.
func (w *world) disputed(i int, ours, theirs string) (link.Kept, string) {
	w.T.Helper()
	id := ""
	for rid, r := range w.remote.All("party") {
		if r.Data["code"] == code(i) {
			id = rid
		}
	}
	c := w.Customers()[code(i)]
	c.Website = ours
	w.Save(c)
	w.remote.Put("party", id, map[string]any{"code": code(i), "name": c.Name, "web": theirs})
	w.pull("customer")
	return w.conflict(c), id
}

func (w *world) conflict(c *crm.Customer) link.Kept {
	w.T.Helper()
	var p postgres.Page[link.Kept]
	w.Tx(func(tx pgx.Tx) (err error) {
		p, err = link.ListConflicts(w.Context(), tx, link.ConflictFilter{Connection: w.Connection.ID, EntityID: c.ID, Field: "website"})
		return err
	})
	if len(p.Items) == 0 {
		w.T.Fatal("there is no conflict")
	}
	return p.Items[0]
}

func (w *world) settle(k link.Kept, d reconcile.Decision) (s reconcile.Settled) {
	w.T.Helper()
	w.Tx(func(tx pgx.Tx) (err error) {
		s, err = w.reconciler.Settle(w.Context(), tx, crm.By{Actor: w.Who.Actor, Origin: "crm"}, k.ID, d)
		return err
	})
	return s
}

func TestConflictsAreSettledAndBothSidesEndEqual(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for name, tc := range map[string]struct {
		decision reconcile.Decision
		want     string
	}{
		"ours":   {reconcile.Decision{Status: link.ConflictOurs}, "https://ours.example"},
		"theirs": {reconcile.Decision{Status: link.ConflictTheirs}, "https://theirs.example"},
		"value":  {reconcile.Decision{Status: link.ConflictValue, Value: "https://third.example"}, "https://third.example"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := h.world(t)
			w.parties(3)
			k, id := w.disputed(1, "https://ours.example", "https://theirs.example")
			if k.Status != link.ConflictOpen || k.Ours != "https://ours.example" || k.Theirs != "https://theirs.example" || k.Base != nil {
				t.Errorf("%+v", k)
			}
			s := w.settle(k, tc.decision)
			if !s.Settled || s.Conflict.Status != tc.decision.Status || s.Conflict.SettledBy != "system" {
				t.Errorf("%+v", s)
			}
			w.push()
			w.pull("customer")
			c := w.Customers()[code(1)]
			if there := w.remote.All("party")[id].Data["web"]; c.Website != tc.want || there != tc.want {
				t.Errorf("%q here and %q there, want %q", c.Website, there, tc.want)
			}
			if r, found := w.reconcile("customer"); r.Verdict != reconcile.Equal {
				t.Errorf("%+v %+v", r, found)
			}
			if again := w.settle(k, tc.decision); again.Settled || again.Reason == "" {
				t.Errorf("settled twice: %+v", again)
			}
		})
	}
}

// As long as nobody decided, other fields flow, and the disputed one stays on both sides as it is.
func TestAnOpenConflictIsNotDecidedByAPush(t *testing.T) {
	t.Parallel()
	w := newHouse(t).world(t)
	w.parties(2)
	k, id := w.disputed(0, "https://ours.example", "https://theirs.example")
	c := w.Customers()[code(0)]
	c.Name = "Renamed"
	w.Save(c)
	w.push()
	if data := w.remote.All("party")[id].Data; data["name"] != "Renamed" || data["web"] != "https://theirs.example" {
		t.Errorf("%+v", data)
	}
	w.pull("customer")
	if again := w.conflict(c); again.ID != k.ID || again.Status != link.ConflictOpen || w.Customers()[code(0)].Website != "https://ours.example" {
		t.Errorf("%+v", again)
	}
}

// A decision about values that are not those of now is not carried out; the conflict shows those of now.
func TestAConflictThatChangedIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	w := newHouse(t).world(t)
	w.parties(2)
	k, id := w.disputed(0, "https://ours.example", "https://theirs.example")
	c := w.Customers()[code(0)]
	c.Website = "https://newer.example"
	w.Save(c)
	s := w.settle(k, reconcile.Decision{Status: link.ConflictTheirs})
	if s.Settled || s.Conflict.Status != link.ConflictOpen || s.Conflict.Ours != "https://newer.example" || w.Customers()[code(0)].Website != "https://newer.example" {
		t.Errorf("%+v", s)
	}

	// There it changes to what we have: nobody has to decide any more.
	w.remote.Put("party", id, map[string]any{"code": code(0), "name": c.Name, "web": "https://newer.example"})
	w.pull("customer")
	if again := w.conflict(c); again.Status != link.ConflictConverged {
		t.Errorf("%+v", again)
	}
}

// What was sent while a conflict was open is not turned back by the record as it was then.
func TestADecisionIsAboutItsFieldAlone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, side := range []link.ConflictStatus{link.ConflictOurs, link.ConflictTheirs} {
		t.Run(string(side), func(t *testing.T) {
			t.Parallel()
			w := h.world(t)
			w.parties(2)
			k, id := w.disputed(0, "https://ours.example", "https://theirs.example")
			c := w.Customers()[code(0)]
			c.Name = "Renamed"
			w.Save(c)
			w.push()
			sent := w.LinkOf(c.ID)
			if s := w.settle(k, reconcile.Decision{Status: side}); !s.Settled {
				t.Errorf("%+v", s)
			}
			if now := w.Customers()[code(0)]; now.Name != "Renamed" {
				t.Errorf("the name is %q again", now.Name)
			}
			if l := w.LinkOf(c.ID); l.RemoteVersion != sent.RemoteVersion {
				t.Errorf("the link knows version %s of the record again, not %s", l.RemoteVersion, sent.RemoteVersion)
			}
			w.push()
			w.pull("customer")
			now, there := w.Customers()[code(0)], w.remote.All("party")[id].Data
			want := "https://" + string(side) + ".example"
			if now.Name != "Renamed" || there["name"] != "Renamed" || now.Website != want || there["web"] != want {
				t.Errorf("%q, %q here and %v there", now.Name, now.Website, there)
			}
		})
	}
}

func TestWhatWasTakenApartIsNotSettled(t *testing.T) {
	t.Parallel()
	w := newHouse(t).world(t)
	w.parties(2)
	k, _ := w.disputed(0, "https://ours.example", "https://theirs.example")
	c := w.Customers()[code(0)]
	w.Tx(func(tx pgx.Tx) error {
		_, err := link.Disconnect(w.Context(), tx, w.LinkOf(c.ID).ID)
		return err
	})
	w.Tx(func(tx pgx.Tx) error {
		by := crm.By{Actor: w.Who.Actor, Origin: "crm"}
		s, err := w.reconciler.Settle(w.Context(), tx, by, k.ID, reconcile.Decision{Status: link.ConflictTheirs})
		if s.Settled || s.Reason == "" {
			t.Errorf("%+v, %v", s, err)
		}
		return err
	})
	if n := len(w.Customers()); n != 2 {
		t.Errorf("there are %d customers", n)
	}
}

func TestARuleSettlesAllConflictsOfAField(t *testing.T) {
	t.Parallel()
	w := newHouse(t).world(t)
	w.parties(4)
	for i := range 3 {
		w.disputed(i, "https://ours.example", "https://theirs.example")
	}
	rule := reconcile.Rule{Connection: w.Connection.ID, Entity: "customer", Field: "website", Status: link.ConflictTheirs}
	var done reconcile.Ruled
	w.Tx(func(tx pgx.Tx) (err error) {
		done, err = w.reconciler.SettleAll(t.Context(), tx, crm.By{Actor: w.Who.Actor, Origin: "crm"}, rule, "")
		return err
	})
	if done.Settled != 3 || len(done.Left) > 0 || done.Next != "" {
		t.Errorf("%+v", done)
	}
	for i := range 3 {
		if c := w.Customers()[code(i)]; c.Website != "https://theirs.example" {
			t.Errorf("%+v", c)
		}
	}
}

func TestAValueIsHeldAgainstTheRulesOfItsField(t *testing.T) {
	t.Parallel()
	w := newHouse(t).world(t)
	w.parties(1)
	k, _ := w.disputed(0, "https://ours.example", "https://theirs.example")
	err := w.DB.As(t.Context(), w.Who, func(tx pgx.Tx) error {
		_, err := w.reconciler.Settle(t.Context(), tx, crm.By{Actor: w.Who.Actor, Origin: "crm"}, k.ID, reconcile.Decision{Status: link.ConflictValue, Value: "no address"})
		return err
	})
	var vs schema.Violations
	if !errors.As(err, &vs) || vs[0].Pointer != "/website" {
		t.Errorf("%v", err)
	}
	if again := w.conflict(w.Customers()[code(0)]); again.Status != link.ConflictOpen {
		t.Errorf("%+v", again)
	}
}

// Nobody has to decide any more about what was deleted or taken apart: the conflict says so. What is taken back is asked about again.
func TestConflictsOfWhatIsDeletedAreClosed(t *testing.T) {
	t.Parallel()
	w := newHouse(t).world(t)
	w.parties(3)
	k, _ := w.disputed(0, "https://ours.example", "https://theirs.example")
	c := w.Customers()[code(0)]
	by := crm.By{Actor: w.Who.Actor, Origin: "crm"}
	var gone crm.Entity
	w.Tx(func(tx pgx.Tx) (err error) {
		gone, err = w.Entities.Delete(w.Context(), tx, by, crm.KindCustomer, c.ID, c.Version)
		return err
	})
	if now := w.conflict(c); now.ID != k.ID || now.Status != link.ConflictDeleted || now.SettledBy != "system" {
		t.Errorf("%+v", now)
	}
	if s := w.settle(k, reconcile.Decision{Status: link.ConflictOurs}); s.Settled || s.Reason == "" {
		t.Errorf("settled all the same: %+v", s)
	}
	w.Tx(func(tx pgx.Tx) (err error) {
		_, err = w.Entities.Restore(w.Context(), tx, by, crm.KindCustomer, c.ID, crm.HeadOf(gone).Version)
		return err
	})
	if now := w.conflict(c); now.ID != k.ID || now.Status != link.ConflictOpen || now.SettledBy != "" {
		t.Errorf("it is back, and nobody is asked: %+v", now)
	}

	_, _ = w.disputed(1, "https://ours.example", "https://theirs.example")
	apart := w.Customers()[code(1)]
	w.Tx(func(tx pgx.Tx) error {
		_, err := link.Disconnect(w.Context(), tx, w.LinkOf(apart.ID).ID)
		return err
	})
	if now := w.conflict(apart); now.Status != link.ConflictUnlinked {
		t.Errorf("%+v", now)
	}

	_, _ = w.disputed(2, "https://ours.example", "https://theirs.example")
	loser := w.Customers()[code(2)]
	w.Tx(func(tx pgx.Tx) error {
		_, err := w.Entities.DeleteMerged(w.Context(), tx, by, crm.KindCustomer, loser.ID, loser.Version)
		return err
	})
	if now := w.conflict(loser); now.Status != link.ConflictMerged {
		t.Errorf("%+v", now)
	}
}

// A rule, pulls, edits, deletions and links taken apart lock the same rows: in one order, so that none has to give way.
func TestNobodyGivesWayWhileARuleSettles(t *testing.T) {
	t.Parallel()
	w := newHouse(t).world(t)
	const n = 20
	w.parties(n)
	for i := range n {
		w.disputed(i, "https://ours.example", "https://theirs.example")
	}
	before := w.Customers()
	by := crm.By{Actor: w.Who.Actor, Origin: "crm"}
	rule := reconcile.Rule{Connection: w.Connection.ID, Entity: "customer", Field: "website", Status: link.ConflictTheirs}
	as := func(fn func(tx pgx.Tx) error) error { return w.DB.As(t.Context(), w.Who, fn) }
	var g errgroup.Group
	g.Go(func() error {
		return as(func(tx pgx.Tx) error {
			_, err := w.reconciler.SettleAll(t.Context(), tx, by, rule, "")
			return err
		})
	})
	for i := n - 1; i >= 0; i-- { // against the order of the conflicts
		c := before[code(i)]
		g.Go(func() error {
			return as(func(tx pgx.Tx) error {
				if i%3 == 0 {
					l, err := link.ByEntity(t.Context(), tx, w.Connection.ID, []mapping.Ref{{Entity: "customer", ID: c.ID.String()}})
					if err != nil {
						return err
					}
					for _, l := range l {
						if _, err := link.Disconnect(t.Context(), tx, l.ID); err != nil && !errors.Is(err, link.ErrBusy) {
							return err
						}
					}
					return nil
				}
				_, err := w.Entities.Delete(t.Context(), tx, by, crm.KindCustomer, c.ID, c.Version)
				if errors.Is(err, crm.ErrStale) {
					return nil // the rule was first
				}
				return err
			})
		})
	}
	for range 3 {
		w.pull("customer")
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	var deadlocks int
	if err := w.DB.AsSystem(t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), `select pg_stat_get_db_deadlocks(oid) from pg_database where datname = current_database()`).Scan(&deadlocks)
	}); err != nil || deadlocks > 0 {
		t.Errorf("%d deadlocks, %v", deadlocks, err)
	}
}
