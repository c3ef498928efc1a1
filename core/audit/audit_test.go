package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"crmhub/core/bus/bustest"
	"crmhub/core/outbox"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/secret"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// office is a database with an organization whose trail is kept.
type office struct {
	testing.TB
	url    string
	db     *postgres.DB
	who    postgres.Principal
	key    secret.Key
	sealer *Sealer
}

func newOffice(t testing.TB) *office {
	t.Helper()
	key, err := secret.NewKey(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	o := &office{TB: t, url: postgrestest.URL(t), key: key}
	o.db = postgrestest.Open(t, o.url)
	o.who = postgrestest.Organization(t, o.db)
	o.who.Actor = postgres.User(uuid.MustParse("0199a1b2-0000-7000-8000-000000000001"))
	o.sealer = o.newSealer(o.db)
	return o
}

func (o *office) newSealer(db *postgres.DB) *Sealer {
	return NewSealer(SealerConfig{DB: db, Key: o.key, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
}

func (o *office) as(fn func(tx pgx.Tx) error) {
	o.Helper()
	if err := o.db.As(o.Context(), o.who, fn); err != nil {
		o.Fatal(err)
	}
}

func (o *office) change(id uuid.UUID, version int64, typ string) outbox.Change {
	return outbox.Change{
		Entity: "order", EntityID: id, Version: version, Type: typ, Origin: "crm",
		Data: json.RawMessage(fmt.Sprintf(`{"name":"客户 <1>","version":%d}`, version)),
	}
}

func (o *office) append(changes ...outbox.Change) {
	o.Helper()
	o.as(func(tx pgx.Tx) error { return outbox.Append(o.Context(), tx, changes) })
}

func (o *office) record(acts ...Act) {
	o.Helper()
	o.as(func(tx pgx.Tx) error { return Record(o.Context(), tx, acts...) })
}

// seal seals until n entries are. It may take a while: transactions of other tests on the server hold it up.
func (o *office) seal(n int) {
	o.Helper()
	for deadline := time.Now().Add(2 * time.Minute); n > 0; {
		sealed, err := o.sealer.Seal(o.Context())
		if err != nil {
			o.Fatal(err)
		}
		if n -= sealed; n < 0 {
			o.Fatalf("%d more were sealed than should have been", -n)
		}
		if time.Now().After(deadline) {
			o.Fatalf("%d are not sealed", n)
		}
	}
}

// trail returns the whole trail.
func (o *office) trail() (entries []Entry) {
	o.Helper()
	o.as(func(tx pgx.Tx) error {
		for e, err := range All(o.Context(), tx) {
			if err != nil {
				return err
			}
			entries = append(entries, e)
		}
		return nil
	})
	return entries
}

func (o *office) verify(r Range) (report Report) {
	o.Helper()
	o.as(func(tx pgx.Tx) (err error) {
		report, err = Verify(o.Context(), tx, o.key, o.who.Organization, r)
		return err
	})
	return report
}

// sql runs statements as the server's superuser, who need not keep any rule.
func (o *office) sql(statements ...string) {
	o.Helper()
	err := o.db.AsSystem(o.Context(), func(tx pgx.Tx) error { return asSuperuser(o.Context(), tx, statements...) })
	if err != nil {
		o.Fatal(err)
	}
}

func asSuperuser(ctx context.Context, tx pgx.Tx, statements ...string) error {
	for _, statement := range append([]string{"reset role", "set local session_replication_role = replica"}, statements...) {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

func TestTrailSaysWhoDidWhat(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	order, token, user := uuid.New(), uuid.New(), uuid.New()
	updated := o.change(order, 2, "updated")
	updated.Diff = json.RawMessage(`{ "name": ["a", "客户"] }`)
	o.append(o.change(order, 1, "created"))
	o.record(Act{Action: "created", Entity: "token", EntityID: token, Detail: map[string]string{"name": "export"}})
	o.append(updated)
	err := o.db.AsSystem(t.Context(), func(tx pgx.Tx) error {
		return Record(t.Context(), tx, Act{Action: "created", Entity: "session", Organization: o.who.Organization, Actor: postgres.User(user)})
	})
	if err != nil {
		t.Fatal(err)
	}
	o.seal(4)
	ann := string(o.who.Actor)
	want := []Entry{
		{Number: 1, Actor: ann, Action: "created", Entity: "order", EntityID: &order, Version: 1, Detail: json.RawMessage(`{"name":"客户 <1>","version":1}`)},
		{Number: 2, Actor: ann, Action: "created", Entity: "token", EntityID: &token, Detail: json.RawMessage(`{"name":"export"}`)},
		{Number: 3, Actor: ann, Action: "updated", Entity: "order", EntityID: &order, Version: 2, Detail: json.RawMessage(`{"name":["a","客户"]}`)},
		{Number: 4, Actor: "user:" + user.String(), Action: "created", Entity: "session", Detail: json.RawMessage{}},
	}
	got := o.trail()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Entry{}, "At", "PreviousHash", "Hash", "Salt", "Digest")); diff != "" {
		t.Errorf("trail (-want +got):\n%s", diff)
	}
	if got[1].PreviousHash != got[0].Hash || time.Since(got[0].At) > time.Minute {
		t.Errorf("entries are not linked, or of another time: %v", got)
	}
	want4 := Report{Intact: true, Entries: 4, Last: 4, Hash: got[3].Hash}
	if diff := cmp.Diff(want4, o.verify(Range{})); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

// The hash must not change from one version of the hub to the next: trails are kept for years.
func TestHashIsTheOneInTheREADME(t *testing.T) {
	t.Parallel()
	order := uuid.MustParse("0199a1b2-0000-7000-8000-000000000002")
	e := Entry{
		Number: 1, At: time.Date(2026, 9, 1, 8, 0, 0, 120_000, time.UTC), Actor: "system", Action: "updated", Entity: "order",
		EntityID: &order, Version: 2, Detail: json.RawMessage(`{"remark":["","客户"]}`),
	}
	const want = "7e0883486e8458f2bb7d5085b3183a88f4ce71b30888c16ab7092745876032ad"
	if got := new(chain).hash(uuid.MustParse("0199a1b2-0000-7000-8000-000000000001"), &e).String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	d := digest(Salt{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, e.Detail)
	e.Digest = &d
	const concealed = "ee92b26aa8dbdd5790b3ed7956e3f77ca5b78fce3bdd5576b651e3c8a8e76a8a"
	if got := new(chain).hash(uuid.MustParse("0199a1b2-0000-7000-8000-000000000001"), &e).String(); got != concealed {
		t.Errorf("with a digest: got %s, want %s", got, concealed)
	}
}

func TestChangesAreSealedOnceEach(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := uuid.New()
	const n = 2*pageSize + 10
	for from := 1; from <= n; from += 700 {
		var changes []outbox.Change
		for v := from; v < min(from+700, n+1); v++ {
			changes = append(changes, o.change(id, int64(v), "updated"))
		}
		o.append(changes...)
	}
	crashes := 3
	o.sealer.written = func() error {
		if crashes--; crashes >= 0 {
			return context.DeadlineExceeded // anything: the page was read and is not written
		}
		if crashes == -2 { // another sealer is quicker
			if _, err := o.newSealer(o.db).Seal(t.Context()); err != nil {
				t.Error(err)
			}
		}
		return nil
	}
	moved := 0
	for deadline := time.Now().Add(time.Minute); len(o.trail()) < n && time.Now().Before(deadline); {
		_, err := o.sealer.Seal(t.Context())
		if errors.Is(err, errMoved) {
			moved++
			continue
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if crashes == 0 { // a new process
			written := o.sealer.written
			o.sealer = o.newSealer(postgrestest.Open(t, o.url))
			o.sealer.written = written
		}
	}
	if moved != 1 {
		t.Errorf("%d pages were refused because another sealer was quicker, want 1", moved)
	}
	for i, e := range o.trail() {
		if e.Number != int64(i+1) || e.Version != int64(i+1) {
			t.Fatalf("entry %d has version %d", e.Number, e.Version)
		}
	}
	if r := o.verify(Range{}); !r.Intact || r.Entries != n {
		t.Errorf("of %d entries: %+v", n, r)
	}
}

func TestLateCommitIsNotSkipped(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := uuid.New()
	o.as(func(slow pgx.Tx) error {
		if err := outbox.Append(t.Context(), slow, []outbox.Change{o.change(id, 1, "updated")}); err != nil {
			return err
		}
		o.append(o.change(id, 2, "updated"))
		o.record(Act{Action: "created", Entity: "token"})
		n, err := o.sealer.Seal(t.Context())
		if n > 0 {
			t.Errorf("%d were sealed before an older transaction had ended", n)
		}
		return err
	})
	o.seal(3)
	var got []int64
	for _, e := range o.trail() {
		got = append(got, e.Version)
	}
	if diff := cmp.Diff([]int64{1, 2, 0}, got); diff != "" {
		t.Errorf("versions in the trail (-want +got):\n%s", diff)
	}
}

func TestRolledBackIsNotSealed(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	_ = o.db.As(t.Context(), o.who, func(tx pgx.Tx) error {
		err := errors.Join(Record(t.Context(), tx, Act{Action: "created", Entity: "token"}), outbox.Append(t.Context(), tx, []outbox.Change{o.change(uuid.New(), 1, "created")}))
		if err != nil {
			t.Error(err)
		}
		return pgx.ErrTxClosed // anything: it rolls back
	})
	o.record(Act{Action: "revoked", Entity: "token"})
	o.seal(1)
	if got := o.trail(); len(got) != 1 || got[0].Action != "revoked" {
		t.Errorf("sealed: %v", got)
	}
}

func TestSealerWorksWhileItLeads(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	sealed := make(chan struct{}, 10)
	o.sealer.written = func() error { sealed <- struct{}{}; return nil }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- o.sealer.Run(ctx) }()
	for range 2 {
		o.record(Act{Action: "created", Entity: "token"})
		select {
		case <-sealed:
		case <-time.After(2 * time.Minute):
			t.Fatal("nothing is sealed")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	o.sealer = o.newSealer(o.db)
	o.seal(2 - len(o.trail()))
	if r := o.verify(Range{}); !r.Intact || r.Entries != 2 {
		t.Errorf("report: %+v", r)
	}
}

func TestLagIsTheAgeOfTheOldestWriteNotSealed(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	lag := func() float64 {
		if err := o.sealer.measure(t.Context()); err != nil {
			t.Fatal(err)
		}
		return testutil.ToFloat64(o.sealer.metrics.lagSeconds)
	}
	o.append(o.change(uuid.New(), 1, "created"))
	o.record(Act{Action: "created", Entity: "token"})
	o.sql("update outbox set created_at = now() - interval '1 hour'", "update audit_acts set created_at = now() - interval '1 minute'")
	if got := lag(); got < 3600 || got > 3700 {
		t.Errorf("lag is %v, want an hour", got)
	}
	o.seal(2)
	if got := lag(); got != 0 {
		t.Errorf("lag is %v, want none", got)
	}
}

// A dump carries the numbers of transactions along, and on a new server they lie in the future.
func TestDatabaseRestoredOnAnotherServerSealsEachOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := uuid.New()
	o.append(o.change(id, 1, "updated"), o.change(id, 2, "updated")) // published and sealed
	o.seal(2)
	o.sql("update outbox_position set xid = pg_snapshot_xmin(pg_current_snapshot()), highest_seq = (select max(seq) from outbox)")
	o.append(o.change(id, 3, "updated")) // sealed only
	o.seal(1)
	o.append(o.change(id, 4, "updated")) // neither
	o.record(Act{Action: "created", Entity: "token", Version: 5})
	o.sql("update outbox set xid = (xid::text::bigint + 1000000000)::text::xid8",
		"update audit_acts set xid = (xid::text::bigint + 1000000000)::text::xid8",
		"update outbox_position set xid = (xid::text::bigint + 1000000000)::text::xid8",
		"update audit_position set xid = (xid::text::bigint + 1000000000)::text::xid8")
	o.append(o.change(id, 6, "updated")) // after it was restored
	o.sealer = o.newSealer(o.db)
	if n, err := o.sealer.Seal(t.Context()); n != 0 || err != nil {
		t.Errorf("%d were sealed by numbers of another server, %v", n, err)
	}
	// A transaction that has its number before the relay's holds back both what the relay numbers anew and the acts.
	o.as(func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "select pg_current_xact_id()"); err != nil {
			return err
		}
		o.relayUntil(func() bool { return o.adopted() })
		o.sealer = o.newSealer(o.db)
		if n, err := o.sealer.Seal(t.Context()); n != 0 || err != nil {
			t.Errorf("%d were sealed before the transaction ended, %v", n, err)
		}
		return nil
	})
	o.relayUntil(func() bool { return len(o.trail()) >= 6 })
	o.append(o.change(id, 7, "updated"))
	o.seal(1)
	var got []int64
	for _, e := range o.trail() {
		got = append(got, e.Version)
	}
	if diff := cmp.Diff([]int64{1, 2, 3, 4, 5, 6, 7}, got); diff != "" {
		t.Errorf("versions in the trail (-want +got):\n%s", diff)
	}
}

// relayUntil lets a relay run, and the sealer with it, until done: the relay is the one that gives rows numbers of this server.
func (o *office) relayUntil(done func() bool) {
	o.Helper()
	ctx, cancel := context.WithCancel(o.Context())
	relay := outbox.NewRelay(outbox.RelayConfig{
		DB: o.db, Bus: bustest.Connect(o, bustest.Addr(o)), Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	ended := make(chan error, 1)
	go func() { ended <- relay.Run(ctx) }()
	for deadline := time.Now().Add(2 * time.Minute); !done(); {
		if _, err := o.sealer.Seal(ctx); err != nil && !errors.Is(err, errMoved) {
			o.Fatal(err)
		}
		if time.Now().After(deadline) {
			o.Fatal("the relay does not adopt what came from another server")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		o.Error(err)
	}
}

// adopted reports whether a relay has found the rows of another server.
func (o *office) adopted() (yes bool) {
	o.Helper()
	err := o.db.AsSystem(o.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(o.Context(), "select xid < pg_snapshot_xmax(pg_current_snapshot()) from outbox_position").Scan(&yes)
	})
	if err != nil {
		o.Fatal(err)
	}
	return yes
}

func TestNoRoleOfTheHubChangesTheTrail(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.record(Act{Action: "created", Entity: "token"})
	o.seal(1)
	roles := map[string]func(ctx context.Context, fn func(tx pgx.Tx) error) error{
		"app":     func(ctx context.Context, fn func(tx pgx.Tx) error) error { return o.db.As(ctx, o.who, fn) },
		"system":  o.db.AsSystem,
		"auditor": o.db.AsAuditor,
		"owner": func(ctx context.Context, fn func(tx pgx.Tx) error) error {
			return o.db.AsSystem(ctx, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, "reset role"); err != nil {
					return err
				}
				return fn(tx)
			})
		},
	}
	statements := []string{"update audit_log set actor = 'x'", "delete from audit_log", "truncate audit_log"}
	for name, as := range roles {
		forbidden := statements
		switch name {
		case "app", "system":
			forbidden = append(forbidden, "insert into audit_log select organization_id, 99, at, actor, action, entity, entity_id, version, detail, hash, hash from audit_log",
				"insert into audit_heads values (gen_random_uuid(), 1, '', '')", "update audit_heads set number = 0", "delete from audit_acts", "update audit_acts set actor = 'x'")
		case "auditor":
			forbidden = append(forbidden, "delete from audit_heads", "update audit_acts set actor = 'x'", "update outbox set actor = 'x'", "select from customers")
		}
		for _, statement := range forbidden {
			err := as(t.Context(), func(tx pgx.Tx) error {
				_, err := tx.Exec(t.Context(), statement)
				return err
			})
			if code, _ := postgres.ErrorCode(err); code != "42501" {
				t.Errorf("%s as %s: got %v, want insufficient_privilege", statement, name, err)
			}
		}
	}
}

func TestOrganizationsHaveTrailsOfTheirOwn(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	other := *o
	other.who = postgrestest.Organization(t, o.db)
	o.record(Act{Action: "created", Entity: "token", Version: 1})
	other.record(Act{Action: "created", Entity: "token", Version: 2})
	o.record(Act{Action: "revoked", Entity: "token", Version: 3})
	o.seal(3)
	for name, tc := range map[string]struct {
		office *office
		want   []int64
	}{"one": {o, []int64{1, 3}}, "other": {&other, []int64{2}}} {
		var got []int64
		for i, e := range tc.office.trail() {
			got = append(got, e.Version)
			if e.Number != int64(i+1) {
				t.Errorf("%s: entry %d has number %d", name, i+1, e.Number)
			}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if r := tc.office.verify(Range{}); !r.Intact {
			t.Errorf("%s: %+v", name, r.Fault)
		}
	}
	err := o.db.As(t.Context(), o.who, func(tx pgx.Tx) error {
		return Record(t.Context(), tx, Act{Action: "created", Entity: "token", Organization: other.who.Organization})
	})
	if code, _ := postgres.ErrorCode(err); code != "42501" {
		t.Errorf("an act in another organization: got %v, want insufficient_privilege", err)
	}
}
