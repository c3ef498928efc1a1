package push_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"crmhub/core/bus"
	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/journey"
	"crmhub/core/link"
	"crmhub/core/mapping"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/push"
	"crmhub/core/schema"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// names maps a customer to a record with its code and name, and refuses customers called "unmappable".
type names struct{}

func (names) Push(doc map[string]any, links mapping.Links) (map[string]any, error) {
	if doc["name"] == "unmappable" {
		return nil, schema.Violations{{Pointer: "/name", Rule: "enum", Message: "has no counterpart"}}
	}
	record := map[string]any{"code": doc["code"], "name": doc["name"]}
	if parent, ok := doc["parent_id"].(string); ok {
		if record["parent"], ok = links.Remote("customer", parent); !ok {
			return nil, &mapping.MissingLink{Refs: []mapping.Ref{{Entity: "customer", ID: parent}}}
		}
	}
	return record, nil
}

func (names) PushRefs(doc map[string]any) []mapping.Ref {
	if parent, ok := doc["parent_id"].(string); ok {
		return []mapping.Ref{{Entity: "customer", ID: parent}}
	}
	return nil
}

func (names) Fields() []mapping.Field {
	return []mapping.Field{{Path: "code", Push: true}, {Path: "name", Push: true}, {Path: "parent_id", Push: true}}
}
func (names) Reference() string { return "code" }
func (names) Version() string   { return "v1" }

// topic is a feed of changes that a test writes to. It forgets nothing that was not confirmed.
type topic struct {
	mu      sync.Mutex
	changes []push.Change
	next    int
	done    int
	arrived chan struct{}
}

func newTopic() *topic { return &topic{arrived: make(chan struct{}, 1)} }

func (t *topic) add(changes ...push.Change) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.changes = append(t.changes, changes...)
	select {
	case t.arrived <- struct{}{}:
	default:
	}
}

// rewind gives again what was not confirmed, as a broker does to a new reader.
func (t *topic) rewind() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next = t.done
}

func (t *topic) Next(ctx context.Context, limit int) ([]push.Change, func(context.Context) error, error) {
	for {
		t.mu.Lock()
		batch := t.changes[t.next:min(len(t.changes), t.next+limit)]
		t.next += len(batch)
		end := t.next
		t.mu.Unlock()
		if len(batch) > 0 {
			return batch, func(context.Context) error {
				t.mu.Lock()
				defer t.mu.Unlock()
				if end < t.done {
					return errors.New("confirmed out of order")
				}
				t.done = end
				return nil
			}, nil
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-t.arrived:
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// bench is an organization with a connection to a remote, and a store whose changes go to a topic.
type bench struct {
	testing.TB
	url        string
	db         *postgres.DB
	who        postgres.Principal
	connection uuid.UUID
	store      crm.Store
	remote     *remote
	topic      *topic
	stream     connector.Stream
	session    connector.Session
	mapping    push.Mapping
	timeout    time.Duration
	breakers   *connection.Breakers
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{
		TB: t, url: postgrestest.URL(t), connection: uuid.New(), remote: newRemote(), topic: newTopic(), timeout: 300 * time.Millisecond,
		stream: connector.Stream{Entity: "customer", Record: "party", Capabilities: connector.Capabilities{
			Push: true, Find: true, Delete: true, Batch: 7, Concurrency: 3, Settle: settle,
		}},
	}
	b.session, b.mapping = b.remote, names{}
	b.db = postgrestest.Open(t, b.url)
	b.who = postgrestest.Organization(t, b.db)
	b.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `insert into connections (id, code, name, connector) values ($1, 'erp', 'ERP', 'stub')`, b.connection)
		return err
	})
	b.breakers = &connection.Breakers{DB: b.db, First: 10 * time.Millisecond, Longest: 100 * time.Millisecond}
	b.probe()
	return b
}

// probe lets a prober run beside the pushers, as in every process.
func (b *bench) probe() {
	ctx, cancel := context.WithCancel(b.Context())
	prober := connection.NewProber(connection.ProberConfig{
		Breakers: b.breakers, Store: &connection.Store{}, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
		Every: 10 * time.Millisecond, Check: func(ctx context.Context, _ connection.Connection) error { return b.remote.Check(ctx) },
	})
	done := make(chan error, 1)
	go func() { done <- prober.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
}

func (b *bench) ref() connection.Ref { return connection.Ref{Principal: b.who, ID: b.connection} }

// state is how the connection stands.
func (b *bench) state() connection.Breaker {
	b.Helper()
	got, err := b.breakers.Read(b.Context(), b.ref())
	if err != nil {
		b.Fatal(err)
	}
	return got
}

func (b *bench) tx(fn func(tx pgx.Tx) error) {
	b.Helper()
	if err := b.db.As(b.Context(), b.who, fn); err != nil {
		b.Fatal(err)
	}
}

// save stores customers and tells the topic.
func (b *bench) save(customers ...*crm.Customer) {
	b.Helper()
	batch := make([]crm.Entity, len(customers))
	for i, c := range customers {
		batch[i] = c
	}
	b.tx(func(tx pgx.Tx) error {
		return b.store.Save(b.Context(), tx, crm.By{Actor: b.who.Actor, Origin: "crm"}, batch)
	})
	for _, c := range customers {
		b.topic.add(b.change(c))
	}
}

func (b *bench) change(c *crm.Customer) push.Change {
	b.Helper()
	data, err := json.Marshal(c)
	if err != nil {
		b.Fatal(err)
	}
	return push.Change{Entity: "customer", ID: c.ID, Version: c.Version, Deleted: c.DeletedAt != nil, Data: data}
}

func customer(code, name string) *crm.Customer {
	return &crm.Customer{Code: code, Name: name, Type: "company", Lifecycle: "customer"}
}

func customers(n int) (cs []*crm.Customer) {
	for i := range n {
		cs = append(cs, customer(fmt.Sprintf("C%03d", i), fmt.Sprintf("Customer %d", i)))
	}
	return cs
}

func namesOf(cs []*crm.Customer) map[string]string {
	names := map[string]string{}
	for _, c := range cs {
		names[c.Code] = c.Name
	}
	return names
}

func (b *bench) pusher(changes push.Changes) *push.Pusher {
	b.Helper()
	p, err := push.New(push.Config{
		DB: b.db, Principal: postgres.Principal{Organization: b.who.Organization, Actor: postgres.Connection(b.connection)},
		Connection: b.connection, Code: "erp", Organization: "main", Streams: []push.Stream{{Stream: b.stream, Mapping: b.mapping}},
		Session: b.session, CRM: &b.store, Changes: changes, Logger: slog.New(slog.DiscardHandler),
		Metrics: push.NewMetrics(prometheus.NewRegistry()), Timeout: b.timeout, Breakers: b.breakers,
	})
	if err != nil {
		b.Fatal(err)
	}
	p.Hurry()
	return p
}

// run runs a pusher until the test ends or stop is called; stop returns what Run did.
func (b *bench) run(p *push.Pusher) (stop func() error) {
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() {
		err := p.Run(ctx)
		if err != nil {
			b.Logf("a pusher ended: %v", err)
		}
		done <- err
	}()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	b.Cleanup(func() { _ = stop() })
	return stop
}

// until waits for a condition that others bring about.
func (b *bench) until(what string, ok func() bool) {
	b.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); <-time.After(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			for _, l := range b.links(link.Filter{}) {
				if l.State != link.Linked || l.NextAttemptAt != nil {
					b.Logf("%+v", l)
				}
			}
			b.Fatalf("waited in vain until %s", what)
		}
	}
}

func (b *bench) links(f link.Filter) (ls []link.Link) {
	b.Helper()
	f.Limit = 500
	b.tx(func(tx pgx.Tx) error {
		p, err := link.List(b.Context(), tx, f)
		ls = p.Items
		return err
	})
	return ls
}

// synced waits until the customers' versions are synced and nothing is left to do.
func (b *bench) synced(cs ...*crm.Customer) {
	b.Helper()
	b.until(fmt.Sprintf("%d are synced", len(cs)), func() bool {
		versions := map[uuid.UUID]int64{}
		for _, l := range b.links(link.Filter{}) {
			if l.State == link.Linked && l.NextAttemptAt == nil {
				versions[l.EntityID] = l.SyncedVersion
			}
		}
		for _, c := range cs {
			if versions[c.ID] != c.Version {
				return false
			}
		}
		return true
	})
}

func (b *bench) holds(want map[string]string) {
	b.Helper()
	if diff := cmp.Diff(want, b.remote.names()); diff != "" {
		b.Error("the remote holds (-want +got):\n", diff)
	}
	if err := b.remote.wrong(); err != nil {
		b.Error(err)
	}
}

func TestChangesArriveOnceEach(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	stop := b.run(b.pusher(b.topic))
	cs := customers(60)
	b.save(cs...)
	b.synced(cs...)
	for _, c := range cs[:30] {
		c.Name += "!"
	}
	b.save(cs[:30]...)
	b.synced(cs...)
	if err := stop(); err != nil {
		t.Error(err)
	}
	b.holds(namesOf(cs))
}

func TestNewConnectionGetsWhatWasThereBefore(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	cs := customers(1200)
	b.save(cs...)
	b.run(b.pusher(nil))
	b.until("all are there", func() bool { return len(b.remote.names()) == 1200 })
	b.holds(namesOf(cs))
}

func TestStaleRepeatedAndDisorderedChangesDoNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.run(b.pusher(b.topic))
	c := customer("C1", "one")
	b.save(c)
	first := b.change(c)
	c.Name = "two"
	b.save(c)
	second := b.change(c)
	b.synced(c)
	calls := b.calls()
	b.topic.add(first, second, first)
	b.topic.add(second)
	b.until("all is confirmed", func() bool { return b.topic.confirmed() })
	if got := b.calls(); got != calls {
		t.Errorf("%d needless calls", got-calls)
	}
	b.holds(map[string]string{"C1": "two"})
}

func (b *bench) calls() (n int) {
	b.remote.lock(func() { n = b.remote.calls })
	return n
}

func (t *topic) confirmed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.done == len(t.changes)
}

func TestChangeOfWhatIsNotMappedIsNotSent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.run(b.pusher(b.topic))
	c := customer("C1", "one")
	b.save(c)
	b.synced(c)
	c.Remark = "called today"
	b.save(c)
	b.synced(c)
	if n := b.calls(); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
}

func TestPushDoesNotDuplicateAfterTimeout(t *testing.T) {
	t.Parallel()
	for name, what := range map[string]fault{"done, answer lost": committed, "not done": vanished, "done later": laterDone} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.remote.script = func(call int, _ connector.Write) fault {
				if call <= 20 {
					return what
				}
				return fine
			}
			b.run(b.pusher(b.topic))
			cs := customers(20)
			b.save(cs...)
			b.synced(cs...)
			b.holds(namesOf(cs))
		})
	}
}

func TestHalfDoneCreateIsCompleted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.stream.Steps = true
	b.remote.script = func(_ int, w connector.Write) fault {
		if w.Op == connector.OpCreate {
			return halfDone
		}
		return fine
	}
	b.run(b.pusher(b.topic))
	cs := customers(20)
	b.save(cs...)
	b.synced(cs...)
	b.holds(namesOf(cs))
}

func TestEntityChangedDuringAnUnknownCreateEndsUpNew(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.remote.script = func(call int, _ connector.Write) fault {
		if call == 1 {
			return committed
		}
		return fine
	}
	b.run(b.pusher(b.topic))
	c := customer("C1", "one")
	b.save(c)
	b.until("the first create is out", func() bool { return b.calls() == 1 })
	c.Name, c.Code = "two", "C2" // the reference changes, too
	b.save(c)
	b.synced(c)
	b.holds(map[string]string{"C2": "two"})
}

func TestVanishedCreateIsRepeatedUnderTheNewReference(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.remote.script = func(call int, _ connector.Write) fault {
		switch call {
		case 1:
			return vanished
		case 2:
			return committed
		}
		return fine
	}
	out, renamed := make(chan struct{}), make(chan struct{})
	first := sync.OnceFunc(func() {
		close(out)
		<-renamed // nobody looks the first create up before
	})
	b.remote.pushed = func(connector.Write) { first() }
	b.run(b.pusher(b.topic))
	c := customer("C1", "one")
	b.save(c)
	<-out
	c.Code = "C2"
	b.save(c)
	close(renamed)
	b.synced(c)
	b.holds(map[string]string{"C2": "one"})
	if diff := cmp.Diff(map[string]int{"C2": 1}, b.remote.creates); diff != "" {
		t.Error("creates (-want +got):\n", diff)
	}
}

// errDied is the death of a process.
var errDied = errors.New("died")

func TestDeathAtAnyPointLeavesExactlyOneCreateEach(t *testing.T) {
	t.Parallel()
	for _, at := range push.Steps() {
		for _, nth := range []int64{1, 4} { // 40 customers are six calls of one batch
			t.Run(fmt.Sprintf("%s %d", at, nth), func(t *testing.T) {
				t.Parallel()
				b := newBench(t)
				p := b.pusher(b.topic)
				var passed atomic.Int64
				p.SetStep(func(s push.Step) error {
					if s != at {
						return nil
					}
					if s == push.Steps()[2] || s == push.Steps()[3] { // once a call; the others, once a batch
						if passed.Add(1) < nth {
							return nil
						}
					}
					return errDied
				})
				cs := customers(40)
				b.save(cs...)
				if err := p.Run(t.Context()); !errors.Is(err, errDied) {
					t.Fatalf("got %v, want the pusher to die", err)
				}
				b.topic.rewind()
				b.run(b.pusher(b.topic))
				b.synced(cs...)
				b.holds(namesOf(cs))
			})
		}
	}
}

func TestLosingTheSessionStopsThePusherAndLosesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	cs := customers(40)
	killed := make(chan struct{})
	var once sync.Once
	b.remote.pushed = func(connector.Write) {
		once.Do(func() {
			b.killWorkers()
			close(killed)
		})
	}
	done := make(chan error, 1)
	go func() { done <- b.pusher(b.topic).Run(t.Context()) }()
	b.save(cs...)
	<-killed
	if err := <-done; err == nil {
		t.Error("a pusher without its session went on")
	}
	b.topic.rewind()
	b.run(b.pusher(b.topic))
	b.synced(cs...)
	b.holds(namesOf(cs))
}

func TestCallOfAPusherTakenForDeadIsWaitedFor(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	cs := customers(1)
	begun := make(chan struct{})
	var once sync.Once
	b.remote.pushed = func(connector.Write) {
		once.Do(func() {
			b.killWorkers() // the process is alive and its call goes on, while another takes over
			close(begun)
			<-time.After(b.timeout / 2) // the call takes its time
		})
	}
	done := make(chan error, 1)
	go func() { done <- b.pusher(b.topic).Run(t.Context()) }()
	b.save(cs...)
	<-begun
	b.topic.rewind()
	b.run(b.pusher(b.topic))
	b.synced(cs...)
	if err := <-done; err == nil {
		t.Error("a pusher without its session went on")
	}
	b.holds(namesOf(cs))
}

func TestFailedLookUpKeepsTheOutcomeUnknown(t *testing.T) {
	t.Parallel()
	for _, class := range []connector.Class{connector.ClassTransient, connector.ClassData, connector.ClassAuth} {
		t.Run(string(class), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.remote.script = func(call int, _ connector.Write) fault {
				if call == 1 {
					return committed
				}
				return fine
			}
			looked := 0
			b.remote.lookup = func() *connector.Error {
				if looked++; looked <= 2 {
					return &connector.Error{Class: class, Message: "no"}
				}
				return nil
			}
			b.run(b.pusher(b.topic))
			c := customer("C1", "one")
			b.save(c)
			b.synced(c)
			b.holds(map[string]string{"C1": "one"})
		})
	}
}

func (b *bench) killWorkers() {
	err := b.db.AsSystem(b.Context(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(b.Context(), "reset role"); err != nil {
			return err
		}
		_, err := tx.Exec(b.Context(), `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'
			and database = (select oid from pg_database where datname = current_database())`)
		return err
	})
	if err != nil {
		b.Error(err)
	}
}

func TestStoppingFinishesCallsUnderWayAndBeginsNoOthers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.stream.Batch, b.stream.Concurrency = 1, 1
	begun, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	b.remote.pushed = func(connector.Write) {
		once.Do(func() {
			close(begun)
			<-goOn
		})
	}
	stop := b.run(b.pusher(b.topic))
	cs := customers(5)
	b.save(cs...)
	<-begun
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	time.AfterFunc(20*time.Millisecond, func() { close(goOn) })
	if err := <-ended; err != nil {
		t.Error(err)
	}
	linked := len(b.links(link.Filter{State: link.Linked}))
	if linked == 0 || linked != len(b.remote.names()) {
		t.Errorf("%d linked, %d created", linked, len(b.remote.names()))
	}
	if left := len(b.links(link.Filter{State: link.Sending})); left > 0 {
		t.Errorf("%d claims were left", left)
	}
}

func TestQuotaPausesTheConnectionAndCostsNoAttempt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.remote.script = func(call int, _ connector.Write) fault {
		if call > 5 && call < 40 {
			return throttled
		}
		return fine
	}
	var most int
	b.remote.pushed = func(connector.Write) {
		for _, l := range b.links(link.Filter{}) {
			most = max(most, l.Attempts)
		}
	}
	b.stream.Concurrency = 1
	b.run(b.pusher(b.topic))
	cs := customers(30)
	b.save(cs...)
	b.synced(cs...)
	b.holds(namesOf(cs))
	if most > 0 {
		t.Errorf("%d attempts were counted", most)
	}
}

func TestOutageCostsNoAttemptAndEndsWhenTheRemoteAnswers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, class := range []connector.Class{connector.ClassTransient, connector.ClassAuth} {
		t.Run(string(class), func(t *testing.T) {
			checks := make(chan struct{}, 100)
			b.remote.lock(func() {
				b.remote.down = &connector.Error{Class: class, Message: "away"}
				b.remote.checked = func() { checks <- struct{}{} }
			})
			b.run(b.pusher(b.topic))
			cs := customers(100)
			for _, c := range cs {
				c.Code += string(class)
			}
			b.save(cs...)
			<-checks
			if class == connector.ClassTransient {
				<-checks
			} else {
				b.until("a person is waited for", func() bool { return b.state().State == connection.Stopped })
			}
			b.remote.lock(func() {
				// 15 calls would carry all of it, again and again. Those under way when the fifth failed are not called back.
				if most := 5 + b.stream.Concurrency; b.remote.refused > most {
					t.Errorf("%d calls to a remote that is away, want %d at most", b.remote.refused, most)
				}
				b.remote.refused = 0
			})
			for _, l := range b.links(link.Filter{}) {
				if l.Attempts > 0 {
					t.Errorf("an outage counts as an attempt: %+v", l)
				}
			}
			b.remote.lock(func() { b.remote.down = nil })
			if class == connector.ClassAuth {
				if err := b.breakers.Probed(t.Context(), b.ref(), b.remote.Check(t.Context())); err != nil {
					t.Fatal(err)
				}
			}
			b.synced(cs...)
			if got := b.state(); got.State != connection.Closed || got.Message != "away" || got.FailedAt == nil {
				t.Errorf("afterwards it is %+v", got)
			}
			if err := b.remote.wrong(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPoisonRecordLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.remote.script = func(_ int, w connector.Write) fault {
		if w.Data["name"] == "poison" {
			return rejected
		}
		return fine
	}
	b.run(b.pusher(b.topic))
	cs := customers(20)
	cs[3].Name, cs[4].Name = "poison", "unmappable"
	b.save(cs...)
	b.until("the others are there", func() bool { return len(b.links(link.Filter{State: link.Linked})) == 18 })
	b.until("the two have failed", func() bool { return len(b.links(link.Filter{State: link.Failed})) == 2 })
	letters := b.letters(job.Open)
	if len(letters) != 2 {
		t.Errorf("got %d dead letters, want 2: %+v", len(letters), letters)
	}
	cs[3].Name, cs[4].Name = "cured", "mapped"
	b.save(cs[3:5]...)
	b.synced(cs...)
	b.holds(namesOf(cs))
	if open := b.letters(job.Open); len(open) > 0 {
		t.Errorf("dead letters are still open: %+v", open)
	}
}

func (b *bench) letters(s job.LetterStatus) []job.DeadLetter {
	b.Helper()
	var p postgres.Page[job.DeadLetter]
	b.tx(func(tx pgx.Tx) (err error) {
		p, err = job.ListDeadLetters(b.Context(), tx, job.LetterFilter{Status: s})
		return err
	})
	return p.Items
}

func TestReplayedLetterIsTriedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.remote.script = func(call int, _ connector.Write) fault {
		if call == 1 {
			return rejected
		}
		return fine
	}
	b.run(b.pusher(b.topic))
	c := customer("C1", "one")
	b.save(c)
	b.until("it has failed", func() bool { return len(b.letters(job.Open)) == 1 })
	b.tx(func(tx pgx.Tx) error { return push.Replay(b.Context(), tx, b.letters(job.Open)) })
	b.until("it is resolved", func() bool { return len(b.letters(job.Resolved)) == 1 })
	b.synced(c)
	b.holds(map[string]string{"C1": "one"})
}

func TestTransientRefusalIsParkedAndTriedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var refused sync.Map
	b.remote.script = func(_ int, w connector.Write) fault {
		if n, _ := refused.LoadOrStore(w.Reference, new(int)); *n.(*int) < 3 {
			*n.(*int)++
			return busy
		}
		return fine
	}
	b.run(b.pusher(b.topic))
	cs := customers(20)
	b.save(cs...)
	b.synced(cs...)
	b.holds(namesOf(cs))
}

func TestChildWaitsForItsParent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	parent := customer("P", "parent")
	b.save(parent)
	b.topic = newTopic() // the parent's change is never seen: the child must ask for it
	var cs []*crm.Customer
	for _, c := range customers(10) {
		c.ParentID = &parent.ID
		cs = append(cs, c)
	}
	p := b.pusher(b.topic)
	b.save(cs...)
	b.run(p)
	b.synced(append(cs, parent)...)
	b.holds(namesOf(append(cs, parent)))
}

func TestDeletedEntityIsDeletedThere(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.run(b.pusher(b.topic))
	a, c := customer("A", "a"), customer("B", "b")
	b.save(a, c)
	b.synced(a, c)
	b.tx(func(tx pgx.Tx) error {
		e, err := b.store.Delete(b.Context(), tx, crm.By{Actor: b.who.Actor, Origin: "crm"}, crm.KindCustomer, a.ID, a.Version)
		if err == nil {
			a, _ = e.(*crm.Customer)
			b.topic.add(b.change(a))
		}
		return err
	})
	b.synced(a, c)
	b.holds(map[string]string{"B": "b"})
}

func TestEndThatNoTopicToldIsFoundByTheSweep(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	stop := b.run(b.pusher(b.topic))
	a, never := customer("A", "a"), customer("B", "b")
	b.save(a)
	b.synced(a)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	by := crm.By{Actor: b.who.Actor, Origin: "crm"}
	b.tx(func(tx pgx.Tx) error {
		if err := b.store.Save(b.Context(), tx, by, []crm.Entity{never}); err != nil {
			return err
		}
		for _, c := range []*crm.Customer{a, never} {
			if _, err := b.store.Delete(b.Context(), tx, by, crm.KindCustomer, c.ID, c.Version); err != nil {
				return err
			}
		}
		return nil
	})
	b.run(b.pusher(newTopic()))
	b.until("it is gone there", func() bool { return len(b.remote.names()) == 0 })
	if links := b.links(link.Filter{}); len(links) != 1 {
		t.Errorf("%d links, want that of what was there", len(links))
	}
}

func TestTwoPushersOfOneConnectionShareTheWork(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	again := newTopic()
	b.run(b.pusher(b.topic))
	b.run(b.pusher(again))
	cs := customers(200)
	for round := range 4 {
		for _, c := range cs {
			c.Name = fmt.Sprintf("%s at %d", c.Code, round)
		}
		b.save(cs...)
		for _, c := range cs {
			again.add(b.change(c))
		}
	}
	b.synced(cs...)
	b.holds(namesOf(cs))
}

func TestWhatIsOldWhenItsTurnComesIsAnnouncedAnew(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.stream.Batch, b.stream.Concurrency = 1, 1
	p := b.pusher(b.topic)
	p.Fresh(0)
	b.run(p)
	cs := customers(10)
	b.save(cs...)
	b.synced(cs...)
	b.holds(namesOf(cs))
}

func TestRecordThatExistsAlreadyIsAdopted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.stream.FindFirst = true
	b.remote.do(connector.Write{Op: connector.OpCreate, Reference: "C1", Data: map[string]any{"code": "C1", "name": "old"}})
	b.run(b.pusher(b.topic))
	c := customer("C1", "new")
	b.save(c)
	b.synced(c)
	b.holds(map[string]string{"C1": "new"})
}

func TestJourneyTellsOfEveryCall(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.remote.script = func(call int, _ connector.Write) fault {
		if call == 1 {
			return committed
		}
		return fine
	}
	b.run(b.pusher(b.topic))
	c := customer("C1", "one")
	b.save(c)
	b.synced(c)
	c.Name = "two"
	b.save(c)
	b.synced(c)
	var steps []string
	b.tx(func(tx pgx.Tx) error {
		p, err := journey.Read(t.Context(), tx, bus.Topic, journey.Filter{Entity: "customer", EntityID: c.ID})
		for _, s := range p.Items {
			if s.Kind != journey.Pushed {
				continue
			}
			line := fmt.Sprintf("%d %s %s %s", s.Version, s.Action, s.Outcome, s.MappingVersion)
			for _, e := range s.Exchanges {
				line += fmt.Sprintf(" | %s %s", e.Purpose, e.Request)
			}
			steps = append(steps, line)
		}
		return err
	})
	want := []string{
		`1 create unknown v1 | create {"code":"C1","name":"one"}`,
		`1  linked v1 | find `,
		`2 update linked v1 | update {"code":"C1","name":"two"}`,
	}
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Error(diff)
	}
}

// stored counts all that a push could write to the store.
func (b *bench) stored() (n int) {
	b.Helper()
	b.tx(func(tx pgx.Tx) error {
		return tx.QueryRow(b.Context(), `select (select count(*) from links) + (select count(*) from dead_letters) + (select count(*) from exchanges)
			+ (select coalesce(sum(version), 0) from customers) + (select coalesce(sum(wanted_version + synced_version), 0) from links)`).Scan(&n)
	})
	return n
}

// readable is a remote that can be asked for a record.
type readable struct{ *remote }

func (r readable) Get(_ context.Context, _, id string) (*connector.Record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.records[id] == nil {
		return nil, nil
	}
	rec := *r.records[id]
	return &rec, nil
}

// pulled maps customers both ways.
type pulled struct{ names }

func (pulled) Fields() []mapping.Field {
	return []mapping.Field{{Path: "code", Push: true, Pull: true}, {Path: "name", Push: true, Pull: true}}
}

// TestWhatNoPullTellsOfIsHandedToOne has a record change there in a way that no list tells: its new version refuses every update.
func TestWhatNoPullTellsOfIsHandedToOne(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.stream.Pull, b.stream.Get = true, true
	b.session, b.mapping = readable{b.remote}, pulled{}
	b.run(b.pusher(b.topic))
	c := customer("C1", "one")
	b.save(c)
	b.synced(c)
	b.remote.lock(func() {
		b.remote.records["1"].Version, b.remote.records["1"].Data = "9", map[string]any{"code": "C1", "name": "theirs"}
		b.remote.script = func(_ int, w connector.Write) fault {
			if w.RemoteVersion != "9" {
				return stale
			}
			return fine
		}
	})
	c.Name = "ours"
	b.save(c)
	var letters []job.DeadLetter
	b.until("the record waits for a pull", func() bool {
		letters = b.letters(job.Open)
		return len(letters) > 0
	})
	l := letters[0]
	record, err := connector.Kept(l.Payload)
	if l.Direction != job.Pull || l.Class != job.ClassWaiting || l.RemoteID != "1" || err != nil || record.Version != "9" || record.Data["name"] != "theirs" {
		t.Errorf("%+v, %v", l, err)
	}
	// What the pull does with it, in short.
	b.tx(func(tx pgx.Tx) error {
		return link.AcknowledgePulled(t.Context(), tx, b.connection, "customer", []link.Pulled{{
			EntityID: c.ID, RemoteID: "1", RemoteVersion: "9", Version: c.Version, Snapshot: []byte(`{"code": "C1", "name": "theirs"}`), Push: true,
		}})
	})
	b.synced(c)
	b.holds(map[string]string{"C1": "ours"})
}

// What was deleted here and lives on there is still known by its version: once restored it overwrites nothing unseen.
func TestAnEndThatIsNotSentForgetsNoVersion(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.stream.Delete = false
	b.run(b.pusher(b.topic))
	c := customer("C1", "one")
	b.save(c)
	b.synced(c)
	b.tx(func(tx pgx.Tx) error {
		e, err := b.store.Delete(t.Context(), tx, crm.By{Actor: b.who.Actor, Origin: "crm"}, crm.KindCustomer, c.ID, c.Version)
		if err == nil {
			c, _ = e.(*crm.Customer)
			b.topic.add(b.change(c))
		}
		return err
	})
	b.synced(c)
	if l := b.links(link.Filter{EntityID: c.ID}); len(l) != 1 || l[0].RemoteID != "1" || l[0].RemoteVersion != "1" {
		t.Errorf("%+v", l)
	}
}

func TestDryRunTellsWhatAPushWouldDoAndDoesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.stream.Get = true
	cs := customers(3)
	cs[2].Name = "unmappable"
	b.save(cs...)
	dry := func(o job.DryOptions) job.DryReport {
		t.Helper()
		calls, stored := b.calls(), b.stored()
		r, err := push.DryRun(t.Context(), push.Config{
			DB: b.db, Principal: postgres.Principal{Organization: b.who.Organization, Actor: postgres.Connection(b.connection)},
			Connection: b.connection, Session: readable{b.remote}, CRM: &b.store, Logger: slog.New(slog.DiscardHandler),
		}, push.Stream{Stream: b.stream, Mapping: names{}}, o)
		if err != nil {
			t.Fatal(err)
		}
		if n := b.calls(); n != calls {
			t.Errorf("%d writes reached the remote", n-calls)
		}
		if n := b.stored(); n != stored {
			t.Errorf("the store changed: %d, then %d", stored, n)
		}
		return r
	}
	r := dry(job.DryOptions{})
	if r.Read != 3 || r.Created != 2 || r.Failed != 1 || r.Next != "" {
		t.Errorf("at first: %+v", r)
	}
	if diff := cmp.Diff([]mapping.Difference{{Pointer: "/code", After: "C000"}, {Pointer: "/name", After: "Customer 0"}}, r.Items[0].Differences); diff != "" {
		t.Error(diff)
	}
	stop := b.run(b.pusher(b.topic))
	b.synced(cs[:2]...)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	cs[0].Name = "another"
	cs[1].Remark = "not mapped"
	b.save(cs[0], cs[1])
	r = dry(job.DryOptions{Limit: 2})
	if r.Updated != 1 || r.Unchanged != 1 || r.Next == "" {
		t.Errorf("then: %+v", r)
	}
	if diff := cmp.Diff([]mapping.Difference{{Pointer: "/name", Before: "Customer 0", After: "another"}}, r.Items[0].Differences); diff != "" {
		t.Error(diff)
	}
	if r = dry(job.DryOptions{Limit: 2, After: r.Next}); r.Read != 1 || r.Failed != 1 {
		t.Errorf("at last: %+v", r)
	}
}
