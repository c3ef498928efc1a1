package push_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/crm"
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

func (names) Version() string { return "v1" }

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
	return push.Change{Entity: "customer", ID: c.ID, Version: c.Version, Deleted: c.DeletedAt != nil, At: time.Now(), Data: data}
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
	return b.pusherOf(changes, push.Stream{Stream: b.stream, Mapping: b.mapping})
}

func (b *bench) pusherOf(changes push.Changes, streams ...push.Stream) *push.Pusher {
	b.Helper()
	p, err := push.New(push.Config{
		DB: b.db, Principal: postgres.Principal{Organization: b.who.Organization, Actor: postgres.Connection(b.connection)},
		Connection: b.connection, Code: "erp", Organization: "main", Streams: streams,
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

// arrived waits until the customers are synced, and the remote holds them and nothing else, each created once.
func (b *bench) arrived(cs ...*crm.Customer) {
	b.Helper()
	b.synced(cs...)
	b.holds(namesOf(cs))
}

// atFirst does something while the first write is under way.
func (b *bench) atFirst(do func()) {
	once := sync.OnceFunc(do)
	b.remote.pushed = func(connector.Write) { once() }
}

// errDied is the death of a process.
var errDied = errors.New("died")
