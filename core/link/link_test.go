package link_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/link"
	"crmhub/core/mapping"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// fixture is a connection of an organization and two workers.
type fixture struct {
	t          *testing.T
	db         *postgres.DB
	who        postgres.Principal
	connection uuid.UUID
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	db := postgrestest.New(t)
	f := fixture{t: t, db: db, who: postgrestest.Organization(t, db), connection: uuid.New()}
	f.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `insert into connections (id, code, name, connector) values ($1, 'erp', 'ERP', 'stub')`, f.connection)
		return err
	})
	return f
}

func (f fixture) tx(fn func(tx pgx.Tx) error) {
	f.t.Helper()
	if err := f.db.As(f.t.Context(), f.who, fn); err != nil {
		f.t.Fatal(err)
	}
}

func (f fixture) announce(worker int32, grace time.Duration, in ...link.Intent) map[uuid.UUID]link.Announced {
	f.t.Helper()
	var b pgx.Batch
	got, err := link.Announce(&b, link.Claimant{Connection: f.connection, Entity: "order", Worker: worker, Grace: grace}, in)
	if err == nil {
		err = f.db.Ask(f.t.Context(), f.who, &b)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return got
}

func (f fixture) acknowledge(worker int32, out ...link.Outcome) link.Acknowledged {
	f.t.Helper()
	var got link.Acknowledged
	f.tx(func(tx pgx.Tx) (err error) {
		got, err = link.Acknowledge(f.t.Context(), tx, worker, out, nil)
		return err
	})
	return got
}

func (f fixture) due() (ids []uuid.UUID) {
	f.t.Helper()
	f.tx(func(tx pgx.Tx) error {
		links, err := link.Due(f.t.Context(), tx, f.connection, []string{"order", "customer"}, 100)
		for _, l := range links {
			ids = append(ids, l.EntityID)
		}
		return err
	})
	return ids
}

func (f fixture) get(entity string, id uuid.UUID) link.Link {
	f.t.Helper()
	var got link.Link
	f.tx(func(tx pgx.Tx) error {
		ref := mapping.Ref{Entity: entity, ID: id.String()}
		found, err := link.ByEntity(f.t.Context(), tx, f.connection, []mapping.Ref{ref})
		got = found[ref]
		return err
	})
	return got
}

// later moves the whole table into the past, as if time had gone by.
func (f fixture) later(d time.Duration) {
	f.t.Helper()
	f.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(f.t.Context(), `update links set next_attempt_at = next_attempt_at - make_interval(secs => $1)`, d.Seconds())
		return err
	})
}

func done(a link.Announced, version int64, remote string) link.Outcome {
	return link.Done(a.ID, link.Agreed{Version: version, RemoteID: remote, RemoteVersion: "e1", Snapshot: []byte(`{"a":1}`), Digest: []byte("d")})
}

func TestAnnounceDecidesByTheLinksState(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	w, _ := postgrestest.Worker(t, f.db)
	cause := link.Cause{Class: "data", Message: "no"}
	intent := func(id uuid.UUID, v int64, digest string) link.Intent {
		return link.Intent{EntityID: id, Version: v, Reference: "R" + id.String(), Digest: []byte(digest)}
	}
	for name, c := range map[string]struct {
		before  func(a link.Announced) []link.Outcome // after version 2 was announced
		version int64
		digest  string
		wait    time.Duration
		want    link.Verdict
	}{
		"claimed by a living worker":    {func(link.Announced) []link.Outcome { return nil }, 3, "d", time.Hour, link.Busy},
		"synced, the same version":      {func(a link.Announced) []link.Outcome { return []link.Outcome{done(a, 2, a.EntityID.String())} }, 2, "x", 0, link.Synced},
		"synced, an older version":      {func(a link.Announced) []link.Outcome { return []link.Outcome{done(a, 2, a.EntityID.String())} }, 1, "x", 0, link.Synced},
		"synced, a newer version":       {func(a link.Announced) []link.Outcome { return []link.Outcome{done(a, 2, a.EntityID.String())} }, 3, "x", 0, link.Claimed},
		"synced, the same record":       {func(a link.Announced) []link.Outcome { return []link.Outcome{done(a, 2, a.EntityID.String())} }, 3, "d", 0, link.Unchanged},
		"parked, too early":             {func(a link.Announced) []link.Outcome { return []link.Outcome{link.Park(a.ID, time.Minute, cause)} }, 3, "x", 0, link.Busy},
		"parked, due":                   {func(a link.Announced) []link.Outcome { return []link.Outcome{link.Park(a.ID, time.Minute, cause)} }, 3, "x", time.Hour, link.Claimed},
		"unknown, too early":            {func(a link.Announced) []link.Outcome { return []link.Outcome{link.Lost(a.ID, time.Minute, cause)} }, 3, "x", 0, link.Busy},
		"unknown, settled":              {func(a link.Announced) []link.Outcome { return []link.Outcome{link.Lost(a.ID, time.Minute, cause)} }, 2, "x", time.Hour, link.Claimed},
		"failed, the same version":      {func(a link.Announced) []link.Outcome { return []link.Outcome{link.Fail(a.ID, 2, cause)} }, 2, "x", time.Hour, link.Busy},
		"failed, a newer version":       {func(a link.Announced) []link.Outcome { return []link.Outcome{link.Fail(a.ID, 2, cause)} }, 3, "x", 0, link.Claimed},
		"given back":                    {func(a link.Announced) []link.Outcome { return []link.Outcome{link.Release(a, time.Minute, nil)} }, 2, "x", 0, link.Claimed},
		"a version older than wanted":   {func(a link.Announced) []link.Outcome { return []link.Outcome{link.Release(a, time.Minute, nil)} }, 1, "x", 0, link.Busy},
		"waiting, the same, too early":  {func(a link.Announced) []link.Outcome { return []link.Outcome{wait(a)} }, 2, "x", 0, link.Busy},
		"waiting, a newer one may help": {func(a link.Announced) []link.Outcome { return []link.Outcome{wait(a)} }, 3, "x", 0, link.Claimed},
	} {
		id := uuid.New()
		first := f.announce(w, time.Minute, intent(id, 2, "d"))[id]
		if first.Verdict != link.Claimed || first.State != link.Pending {
			t.Errorf("%s: a new link is %s, was %s; want claimed, pending", name, first.Verdict, first.State)
		}
		f.acknowledge(w, c.before(first)...)
		f.later(c.wait)
		got := f.announce(w, time.Minute, intent(id, c.version, c.digest))[id]
		if got.Verdict != c.want {
			t.Errorf("%s: got %s, want %s", name, got.Verdict, c.want)
		}
		l := f.get("order", id)
		if want := max(c.version, 2); l.WantedVersion != want {
			t.Errorf("%s: version %d is wanted, want %d", name, l.WantedVersion, want)
		}
		if l.WantedVersion > l.SyncedVersion && l.NextAttemptAt == nil && l.State != link.Failed {
			t.Errorf("%s: version %d will never be sent: %+v", name, l.WantedVersion, l)
		}
	}
}

func wait(a link.Announced) link.Outcome {
	return link.Wait(a.ID, 2, "customer", uuid.New(), time.Hour, link.Cause{Class: "link", Message: "no customer"})
}

func TestClaimOfADeadWorkerIsLookedIntoAfterItsGrace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	dead, end := postgrestest.Worker(t, f.db)
	heir, _ := postgrestest.Worker(t, f.db)
	id := uuid.New()
	intent := link.Intent{EntityID: id, Version: 1, Reference: "SO1", Digest: []byte("d1")}
	first := f.announce(dead, time.Hour, intent)[id]
	end()

	if got := f.announce(heir, time.Hour, intent)[id]; got.Verdict != link.Busy {
		t.Errorf("within its grace the link is %s, want busy", got.Verdict)
	}
	f.later(2 * time.Hour)
	if diff := cmp.Diff([]uuid.UUID{id}, f.due()); diff != "" {
		t.Error("due (-want +got):\n", diff)
	}
	intent.Reference, intent.Digest = "SO2", []byte("d2") // the order was renumbered meanwhile
	got := f.announce(heir, time.Hour, intent)[id]
	want := link.Announced{
		Verdict: link.Claimed, ID: first.ID, EntityID: id, Reference: "SO1", State: link.Sending, Digest: []byte("d1"), WantedVersion: 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("announced (-want +got):\n", diff)
	}
	if ack := f.acknowledge(dead, done(first, 1, "7")); ack.Kept != 0 {
		t.Error("a worker taken for dead still acknowledged")
	}
	if ack := f.acknowledge(heir, done(got, 1, "7")); ack.Kept != 1 {
		t.Error("the heir could not acknowledge")
	}
	if l := f.get("order", id); l.State != link.Linked || l.RemoteID != "7" || l.NextAttemptAt != nil {
		t.Errorf("got %+v", l)
	}
}

func TestVersionWantedMeanwhileIsDueAfterTheAcknowledgement(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	w, _ := postgrestest.Worker(t, f.db)
	id := uuid.New()
	a := f.announce(w, time.Hour, link.Intent{EntityID: id, Version: 1})[id]
	f.announce(w, time.Hour, link.Intent{EntityID: id, Version: 2})
	if ack := f.acknowledge(w, done(a, 1, "7")); ack.Due != 1 {
		t.Errorf("got %+v, want one due", ack)
	}
	if diff := cmp.Diff([]uuid.UUID{id}, f.due()); diff != "" {
		t.Error("due (-want +got):\n", diff)
	}
}

func TestOneRecordIsLinkedWithOneEntity(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	w, _ := postgrestest.Worker(t, f.db)
	a, b, c := uuid.New(), uuid.New(), uuid.New()
	got := f.announce(w, time.Hour, link.Intent{EntityID: a, Version: 1}, link.Intent{EntityID: b, Version: 1}, link.Intent{EntityID: c, Version: 1})
	ack := f.acknowledge(w, done(got[a], 1, "7"), done(got[b], 1, "7"))
	if diff := cmp.Diff([]uuid.UUID{got[b].ID}, ack.Collision); diff != "" {
		t.Error("within a batch (-want +got):\n", diff)
	}
	ack = f.acknowledge(w, done(got[c], 1, "7"))
	if diff := cmp.Diff([]uuid.UUID{got[c].ID}, ack.Collision); diff != "" {
		t.Error("with a stored one (-want +got):\n", diff)
	}
	for id, want := range map[uuid.UUID]link.State{a: link.Linked, b: link.Unknown, c: link.Unknown} {
		if l := f.get("order", id); l.State != want || (l.Cause == nil) != (want == link.Linked) {
			t.Errorf("got %+v, want %s", l, want)
		}
	}
}

func TestChildIsDueWhenItsParentGetsARecord(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	w, _ := postgrestest.Worker(t, f.db)
	child, parent := uuid.New(), uuid.New()
	a := f.announce(w, time.Hour, link.Intent{EntityID: child, Version: 1})[child]
	f.tx(func(tx pgx.Tx) error {
		ready, err := link.WantParents(t.Context(), tx, f.connection, "customer", []uuid.UUID{parent})
		if len(ready) != 0 {
			t.Errorf("%v has no record", ready)
		}
		if err != nil {
			return err
		}
		_, err = link.Acknowledge(t.Context(), tx, w, []link.Outcome{
			link.Wait(a.ID, 1, "customer", parent, time.Hour, link.Cause{Class: "link", Message: "no customer"}),
		}, nil)
		return err
	})
	if diff := cmp.Diff([]uuid.UUID{parent}, f.due()); diff != "" {
		t.Error("the parent is due (-want +got):\n", diff)
	}
	f.tx(func(tx pgx.Tx) error {
		return link.AcknowledgePulled(t.Context(), tx, f.connection, "customer", []link.Pulled{{EntityID: parent, RemoteID: "C1", Version: 1, Snapshot: []byte("{}")}})
	})
	if diff := cmp.Diff([]uuid.UUID{child}, f.due()); diff != "" {
		t.Error("the child is due (-want +got):\n", diff)
	}
}

func TestPullLeavesACallUnderWayAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	w, _ := postgrestest.Worker(t, f.db)
	id := uuid.New()
	a := f.announce(w, time.Hour, link.Intent{EntityID: id, Version: 1})[id]
	f.tx(func(tx pgx.Tx) error {
		return link.AcknowledgePulled(t.Context(), tx, f.connection, "order", []link.Pulled{{EntityID: id, RemoteID: "7", Version: 2, Snapshot: []byte(`{"b":2}`)}})
	})
	if l := f.get("order", id); l.State != link.Sending || l.RemoteID != "7" {
		t.Errorf("got %+v", l)
	}
	if ack := f.acknowledge(w, done(a, 1, "7")); ack.Kept != 1 || ack.Due != 1 {
		t.Errorf("got %+v, want the call kept and version 2 due", ack)
	}
	f.tx(func(tx pgx.Tx) error {
		found, err := link.ByRemote(t.Context(), tx, f.connection, []mapping.Ref{{Entity: "order", ID: "7"}})
		if diff := cmp.Diff(`{"a": 1, "b": 2}`, string(found[mapping.Ref{Entity: "order", ID: "7"}].Snapshot)); diff != "" {
			t.Error("snapshot (-want +got):\n", diff)
		}
		return err
	})
}

func TestRetryLeavesUnknownOutcomesTheirTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	w, _ := postgrestest.Worker(t, f.db)
	failed, lost := uuid.New(), uuid.New()
	got := f.announce(w, time.Hour, link.Intent{EntityID: failed, Version: 1}, link.Intent{EntityID: lost, Version: 1})
	f.acknowledge(w, link.Fail(got[failed].ID, 1, link.Cause{Message: "no"}), link.Lost(got[lost].ID, time.Hour, link.Cause{Message: "timeout"}))
	f.tx(func(tx pgx.Tx) error {
		n, err := link.Retry(t.Context(), tx, f.connection, "order", []uuid.UUID{failed, lost})
		if n != 1 {
			t.Errorf("%d are due, want 1", n)
		}
		return err
	})
	if diff := cmp.Diff([]uuid.UUID{failed}, f.due()); diff != "" {
		t.Error("due (-want +got):\n", diff)
	}
}

func TestListGoesOnWhereItEnded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	w, _ := postgrestest.Worker(t, f.db)
	for range 5 {
		f.announce(w, time.Hour, link.Intent{EntityID: uuid.New(), Version: 1})
	}
	seen := map[uuid.UUID]bool{}
	filter := link.Filter{Connection: f.connection, Entity: "order", State: link.Sending, Limit: 2}
	for pages := 1; ; pages++ {
		var p postgres.Page[link.Link]
		f.tx(func(tx pgx.Tx) (err error) {
			p, err = link.List(t.Context(), tx, filter)
			return err
		})
		for _, l := range p.Items {
			seen[l.ID] = true
		}
		if filter.After = p.Next; p.Next == "" {
			if len(seen) != 5 || pages != 3 {
				t.Errorf("%d links on %d pages, want 5 on 3", len(seen), pages)
			}
			return
		}
	}
}
