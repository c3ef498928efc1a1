package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"crmhub/core/bus"
	"crmhub/core/bus/bustest"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// bundle is a database with an organization of its own topics, and a broker.
type bundle struct {
	testing.TB
	url   string
	addr  string // of the broker
	db    *postgres.DB
	bus   *bus.Client
	who   postgres.Principal
	topic string
}

func setup(t testing.TB) *bundle {
	t.Helper()
	return setupOn(t, bustest.Addr(t))
}

func setupOn(t testing.TB, addr string) *bundle {
	t.Helper()
	b := &bundle{TB: t, url: postgrestest.URL(t), addr: addr, bus: bustest.Connect(t, addr)}
	b.db = postgrestest.Open(t, b.url)
	b.who = postgrestest.Organization(t, b.db)
	var code string
	err := b.db.As(t.Context(), b.who, func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "select code from organizations").Scan(&code)
	})
	if err != nil {
		t.Fatal(err)
	}
	b.topic = bus.Topic(code, "order")
	return b
}

// running is a relay under way.
type running struct {
	*Relay
	t    testing.TB
	idle chan struct{} // has a value when the relay looked and found nothing
	done chan int      // counts of what it published
	stop func()
}

// relay starts a relay, which ends with the test at the latest.
func (b *bundle) relay(db *postgres.DB, adjust ...func(*Relay)) *running {
	b.Helper()
	r := &running{t: b, idle: make(chan struct{}), done: make(chan int, 1000)}
	r.Relay = NewRelay(RelayConfig{DB: db, Bus: b.bus, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	ctx, cancel := context.WithCancel(b.Context())
	r.signals.published = func(n int) { r.done <- n }
	r.signals.idle = func() {
		select {
		case r.idle <- struct{}{}:
		case <-ctx.Done():
		default:
		}
	}
	for _, f := range adjust {
		f(r.Relay)
	}
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	b.Cleanup(r.stop)
	return r
}

// wait returns when n changes were published.
func (r *running) wait(n int) {
	r.t.Helper()
	for n > 0 {
		select {
		case got := <-r.done:
			n -= got
		case <-time.After(2 * time.Minute):
			r.t.Fatalf("%d changes were not published", n)
		}
	}
}

// looks returns when the relay has looked into the outbox from here on and found nothing more.
func (r *running) looks() {
	r.t.Helper()
	for range 2 { // the first look may have begun before
		select {
		case <-r.idle:
		case <-time.After(2 * time.Minute):
			r.t.Fatal("the relay does not come to rest")
		}
	}
}

func change(id uuid.UUID, version int64) Change {
	return Change{Entity: "order", EntityID: id, Version: version, Type: "updated", Origin: "crm", Data: json.RawMessage(`{"name":"客户"}`)}
}

func (b *bundle) append(changes ...Change) {
	b.Helper()
	if err := b.db.As(b.Context(), b.who, func(tx pgx.Tx) error { return Append(b.Context(), tx, changes) }); err != nil {
		b.Fatal(err)
	}
}

// read returns the versions on the topic, in order, once there are n.
func (b *bundle) read(n int) (versions []int64, events []uuid.UUID) {
	b.Helper()
	if err := b.bus.EnsureTopics(b.Context(), []string{b.topic}); err != nil {
		b.Fatal(err)
	}
	r := b.bus.NewReader(b.Context(), uuid.NewString(), []string{b.topic})
	defer func() { _ = r.Close() }()
	for len(versions) < n {
		batch, err := r.Fetch(b.Context(), 1000)
		if err != nil {
			b.Fatal(err)
		}
		for _, m := range batch {
			if m.Fault != nil {
				b.Fatal(m.Fault)
			}
			versions, events = append(versions, m.Version), append(events, m.ID)
		}
	}
	return versions, events
}

// sql runs statements as the server's superuser.
func (b *bundle) sql(statements ...string) {
	b.Helper()
	err := b.db.AsSystem(b.Context(), func(tx pgx.Tx) error {
		for _, statement := range append([]string{"reset role"}, statements...) {
			if _, err := tx.Exec(b.Context(), statement); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// kept returns the versions in the outbox.
func (b *bundle) kept() (versions []int64) {
	b.Helper()
	err := b.db.AsSystem(b.Context(), func(tx pgx.Tx) error {
		rows, err := tx.Query(b.Context(), "select version from outbox order by seq")
		if err != nil {
			return err
		}
		versions, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return versions
}

func (b *bundle) wantVersions(want ...int64) {
	b.Helper()
	got, _ := b.read(len(want))
	if diff := cmp.Diff(want, got); diff != "" {
		b.Errorf("versions on the topic (-want +got):\n%s", diff)
	}
}

func TestLateCommitIsNotSkipped(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.relay(b.db)
	id := uuid.New()

	// Version 1 is written first and commits last: without the snapshot's horizon, version 2 would move the position past it.
	err := b.db.As(t.Context(), b.who, func(slow pgx.Tx) error {
		if err := Append(t.Context(), slow, []Change{change(id, 1)}); err != nil {
			return err
		}
		b.append(change(id, 2))
		r.looks()
		if n := len(r.done); n > 0 {
			t.Error("a change was published before an older transaction had ended")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.wait(2)
	b.wantVersions(1, 2)
}

// A transaction may get its number, then wait for another with a higher one, and only then change the same entity. That
// holds however the horizon lies, which is here between the two.
func TestOrderOfAnEntityIsThatOfItsVersions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.relay(b.db)
	id := uuid.New()
	number := func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "select pg_current_xact_id()")
		return err
	}
	released := make(chan struct{})
	held := make(chan error)
	err := b.db.As(t.Context(), b.who, func(waiting pgx.Tx) error {
		if err := number(waiting); err != nil {
			return err
		}
		between := make(chan struct{})
		go func() {
			held <- b.db.As(t.Context(), b.who, func(tx pgx.Tx) error {
				err := number(tx)
				close(between)
				<-released
				return err
			})
		}()
		<-between
		b.append(change(id, 1))
		return Append(t.Context(), waiting, []Change{change(id, 2)})
	})
	r.looks()
	if n := len(r.done); n > 0 {
		t.Error("a version was published before the one it follows")
	}
	close(released)
	if err := errors.Join(err, <-held); err != nil {
		t.Fatal(err)
	}
	b.append(change(id, 3)) // wakes the relay
	r.wait(3)
	b.wantVersions(1, 2, 3)
}

func TestRolledBackChangeIsNotPublished(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.relay(b.db)
	_ = b.db.As(t.Context(), b.who, func(tx pgx.Tx) error {
		if err := Append(t.Context(), tx, []Change{change(uuid.New(), 7)}); err != nil {
			return err
		}
		return pgx.ErrTxClosed // anything: it rolls back
	})
	b.append(change(uuid.New(), 1))
	r.wait(1)
	b.wantVersions(1)
}

func TestManyPagesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := uuid.New()
	want := make([]int64, 2*pageSize+10)
	for i := range want {
		want[i] = int64(i + 1)
	}
	for from := 0; from < len(want); from += 700 {
		var changes []Change
		for _, v := range want[from:min(from+700, len(want))] {
			changes = append(changes, change(id, v))
		}
		b.append(changes...)
	}
	b.relay(b.db).wait(len(want))
	b.wantVersions(want...)
}

func TestAnotherRelayTakesOverWhenTheLeadersSessionDies(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.relay(b.db)
	b.append(change(uuid.New(), 1))
	first.wait(1)
	second := b.relay(postgrestest.Open(t, b.url))
	b.append(change(uuid.New(), 2))
	first.wait(1)
	if len(second.done) > 0 {
		t.Error("two relays publish at a time")
	}
	b.sql(`select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objsubid = 1
		and database = (select oid from pg_database where datname = current_database())`)
	b.append(change(uuid.New(), 3))
	select {
	case <-first.done:
	case <-second.done:
	case <-time.After(2 * time.Minute):
		t.Fatal("nobody took over")
	}
	first.stop()
	b.append(change(uuid.New(), 4))
	second.wait(1)
	// What was under way when the session died may come twice.
	published := map[int64]bool{}
	for n := 4; len(published) < 4; n++ {
		versions, _ := b.read(n)
		for _, v := range versions {
			published[v] = true
		}
	}
	if diff := cmp.Diff(map[int64]bool{1: true, 2: true, 3: true, 4: true}, published); diff != "" {
		t.Errorf("versions on the topic (-want +got):\n%s", diff)
	}
}

func TestLostSessionsAreOpenedAnew(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.relay(b.db)
	b.append(change(uuid.New(), 1))
	r.wait(1)
	b.sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
	again := postgrestest.Open(t, b.url)
	err := again.As(t.Context(), b.who, func(tx pgx.Tx) error { return Append(t.Context(), tx, []Change{change(uuid.New(), 2)}) })
	if err != nil {
		t.Fatal(err)
	}
	r.wait(1)
}

func TestCrashBetweenWriteAndPositionPublishesTheSameEventAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	crashes := 1
	r := b.relay(b.db, func(r *Relay) {
		r.signals.beforeMove = func() error {
			if crashes--; crashes >= 0 {
				return context.DeadlineExceeded // anything: the position stays
			}
			return nil
		}
	})
	b.append(change(uuid.New(), 1))
	r.wait(1)
	versions, ids := b.read(2)
	if !cmp.Equal(versions, []int64{1, 1}) || ids[0] != ids[1] {
		t.Errorf("published versions %v as events %v", versions, ids)
	}
}

// A dump carries the numbers of transactions along, and on a new server they lie in the future.
func TestDatabaseRestoredOnAnotherServerLosesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.relay(b.db)
	id := uuid.New()
	b.append(change(id, 1))
	r.wait(1)
	r.stop()
	b.append(change(id, 2)) // committed before the dump, not published
	b.sql("update outbox set xid = (xid::text::bigint + 1000000000)::text::xid8",
		"update outbox_position set xid = (select max(xid) from outbox)",
		"update audit_position set xid = (select max(xid) from outbox), highest_seq = (select min(seq) from outbox)") // sealed as far
	b.append(change(id, 3)) // committed after it was restored
	r = b.relay(b.db)
	r.wait(2)
	b.append(change(id, 4))
	r.wait(1)
	b.wantVersions(1, 2, 3, 4)
}

func TestPurgeKeepsWhatIsNotPublishedOrNotSealed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.relay(b.db)
	b.append(change(uuid.New(), 1))
	r.wait(1)
	r.stop()
	b.append(change(uuid.New(), 2))
	b.sql("update outbox set created_at = now() - interval '30 days'")
	if err := r.purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int64{1, 2}, b.kept()); diff != "" {
		t.Errorf("left in the outbox before it is sealed (-want +got):\n%s", diff)
	}
	b.sql("update audit_position set xid = pg_snapshot_xmin(pg_current_snapshot())")
	if err := r.purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int64{2}, b.kept()); diff != "" {
		t.Errorf("left in the outbox (-want +got):\n%s", diff)
	}
	b.sql("update outbox set created_at = now()")
	if err := r.measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := testutil.ToFloat64(r.metrics.lagRows); got != 1 {
		t.Errorf("%v changes lag, want 1", got)
	}
}

func TestBrokerOutageIsWaitedOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	broker := bustest.Start(t, dir, "127.0.0.1:0")
	b := setupOn(t, broker.Addr())
	var log lines
	r := b.relay(b.db, func(r *Relay) { r.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	b.append(change(uuid.New(), 1))
	r.wait(1)
	if err := broker.Close(); err != nil {
		t.Fatal(err)
	}
	b.append(change(uuid.New(), 2))
	log.waitFor(t, "cannot be published")
	bustest.Start(t, dir, broker.Addr())
	r.wait(1)
	log.waitFor(t, "published again")
	if n := log.count(); n != 2 {
		t.Errorf("an outage is worth 2 lines, got %d:\n%s", n, log.all())
	}
}

// lines are a log that can be waited for.
type lines struct {
	mutex sync.Mutex
	text  []string
	more  chan struct{}
}

func (l *lines) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.text = append(l.text, string(p))
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
	return len(p), nil
}

func (l *lines) all() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return strings.Join(l.text, "")
}

func (l *lines) count() int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return len(l.text)
}

func (l *lines) waitFor(t *testing.T, part string) {
	t.Helper()
	timeout := time.After(2 * time.Minute)
	for {
		l.mutex.Lock()
		if strings.Contains(strings.Join(l.text, ""), part) {
			l.mutex.Unlock()
			return
		}
		if l.more == nil {
			l.more = make(chan struct{})
		}
		more := l.more
		l.mutex.Unlock()
		select {
		case <-more:
		case <-timeout:
			t.Fatalf("the log does not say %q:\n%s", part, l.all())
		}
	}
}

func TestWhereAChangeIsPublishedIsKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, second := uuid.New(), uuid.New()
	b.append(change(first, 1), change(second, 1), change(first, 2))
	b.relay(b.db).wait(3)
	type place struct {
		ID        uuid.UUID
		Version   int64
		Partition int
		Offset    int64
	}
	want := map[place]bool{}
	r := b.bus.NewReader(t.Context(), uuid.NewString(), []string{b.topic})
	defer func() { _ = r.Close() }()
	for len(want) < 3 {
		batch, err := r.Fetch(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range batch {
			want[place{m.EntityID, m.Version, m.Partition, m.Offset}] = true
		}
	}
	got := map[place]bool{}
	err := b.db.As(t.Context(), b.who, func(tx pgx.Tx) error {
		rows, _ := tx.Query(t.Context(), "select entity_id, version, partition, position from publications where entity = 'order' and at <= now()")
		places, err := pgx.CollectRows(rows, pgx.RowToStructByPos[place])
		for _, p := range places {
			got[p] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("what is kept is not where they are:", diff)
	}
}
