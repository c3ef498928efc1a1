package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"crmhub/core/bus/bustest"
	"crmhub/core/outbox"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/schema"
	"crmhub/core/secret"
	"crmhub/core/signature"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// desk is a database with an organization that tells others.
type desk struct {
	testing.TB
	db    *postgres.DB
	who   postgres.Principal
	store *Store
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	key, err := secret.NewKey(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{TB: t, db: postgrestest.New(t), store: &Store{Key: key, Entities: []string{"customer", "order"}, Mails: true}}
	d.who = postgrestest.Organization(t, d.db)
	d.who.Actor = postgres.System
	return d
}

func (d *desk) as(fn func(tx pgx.Tx) error) {
	d.Helper()
	if err := d.db.As(d.Context(), d.who, fn); err != nil {
		d.Fatal(err)
	}
}

func (d *desk) add(target string, events ...string) (s Subscription, key secret.Text) {
	d.Helper()
	d.as(func(tx pgx.Tx) (err error) {
		s, key, err = d.store.Add(d.Context(), tx, New{Name: "shop", Target: target, Events: events})
		return err
	})
	return s, key
}

func (d *desk) announce(eventType string) (e Event) {
	d.Helper()
	d.as(func(tx pgx.Tx) (err error) {
		if e, err = NewEvent(eventType, "something happened", map[string]any{"name": "客户 <1>"}); err != nil {
			return err
		}
		return Announce(d.Context(), tx, e)
	})
	return e
}

// run lets a sender work until the test ends.
func (d *desk) run(m Mailer) *Sender {
	d.Helper()
	s := NewSender(SenderConfig{
		DB: d.db, Key: d.store.Key, Mailer: m, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(), UserAgent: "crmhub/test",
	})
	ctx, cancel := context.WithCancel(d.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	d.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			d.Error(err)
		}
		s.post.client.CloseIdleConnections()
	})
	return s
}

// deliveryOf waits until the one delivery of a subscription is as wanted.
func (d *desk) deliveryOf(s Subscription, done func(Delivery) bool) (found Delivery) {
	d.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		d.as(func(tx pgx.Tx) error {
			list, err := d.store.Deliveries(d.Context(), tx, Filter{Subscription: s.ID, Limit: 10})
			if len(list.Items) > 0 {
				found = list.Items[0]
			}
			return err
		})
		if found.ID != uuid.Nil && done(found) {
			return found
		}
		if time.Now().After(deadline) {
			d.Fatalf("the delivery stays as %+v", found)
		}
	}
}

func is(status DeliveryStatus) func(Delivery) bool {
	return func(d Delivery) bool { return d.Status == status }
}

// message is a webhook as a receiver got it.
type message struct {
	header http.Header
	body   []byte
}

// receiver is somebody's server. It answers what answer says.
func receiver(t testing.TB, answer func(w http.ResponseWriter)) (address string, got chan message) {
	t.Helper()
	got = make(chan message, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- message{r.Header, body}
		answer(w)
	}))
	t.Cleanup(server.Close)
	return server.URL, got
}

func fine(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }

func TestEventReachesThoseWhoWantIt(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	url, got := receiver(t, fine)
	orders, key := d.add(url, "order.*")
	d.add(url+"/customers", "customer.created")
	d.run(nil)
	e := d.announce("order.created")
	m := <-got
	id, err := signature.Verify(m.header, time.Now(), m.body, key)
	if err != nil || id != e.ID.String() {
		t.Errorf("signed as %s, %v", id, err)
	}
	var body map[string]any
	if err := json.Unmarshal(m.body, &body); err != nil {
		t.Fatal(err)
	}
	delete(body, "timestamp")
	want := map[string]any{
		"id": e.ID.String(), "type": "order.created", "summary": "something happened", "data": map[string]any{"name": "客户 <1>"},
	}
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	delivered := d.deliveryOf(orders, is(Delivered))
	if len(delivered.Attempts) != 1 || delivered.Attempts[0].Status != 204 || delivered.DeliveredAt == nil {
		t.Errorf("delivery: %+v", delivered)
	}
	d.as(func(tx pgx.Tx) error { return Announce(t.Context(), tx, e) }) // a topic brings it again
	d.announce("order.updated")
	if m := <-got; m.header.Get(signature.HeaderID) == e.ID.String() {
		t.Error("an event came twice")
	}
}

func TestReceiverThatFailsIsTriedAgainAndHoldsBackNobody(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	bad, tried := receiver(t, func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	good, got := receiver(t, fine)
	failing, _ := d.add(bad, "*")
	d.add(good, "*")
	d.run(nil)
	d.announce("order.created")
	first := <-tried
	<-got
	pending := d.deliveryOf(failing, func(d Delivery) bool { return len(d.Attempts) == 1 })
	if pending.Status != Pending || pending.Attempts[0].Status != 503 || time.Until(*pending.NextAttemptAt) < 50*time.Minute {
		t.Errorf("delivery: %+v", pending)
	}
	d.as(func(tx pgx.Tx) error {
		s, err := d.store.Get(t.Context(), tx, failing.ID)
		if s.FailingSince == nil {
			t.Error("a subscription that fails does not say so")
		}
		return err
	})
	d.as(func(tx pgx.Tx) error { // a person does not wait
		_, err := d.store.Resend(t.Context(), tx, pending.ID)
		return err
	})
	again := <-tried
	if diff := cmp.Diff(first.body, again.body); diff != "" || first.header.Get(signature.HeaderID) != again.header.Get(signature.HeaderID) {
		t.Errorf("sent again it is another (-first +again):\n%s", diff)
	}
}

// Receivers that never answer take their four deliveries each and no more: others get theirs meanwhile.
func TestReceiversThatHangHoldBackNobody(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	end := make(chan struct{})
	silent, tried := receiver(t, func(http.ResponseWriter) { <-end })
	t.Cleanup(func() { close(end) }) // before the server's
	good, got := receiver(t, fine)
	for range 6 {
		d.add(silent, "order.*")
	}
	d.add(good, "alert.*")
	d.run(nil)
	for range 5 {
		d.announce("order.created")
	}
	for range 16 {
		<-tried
	}
	d.announce("alert.opened")
	select {
	case <-got:
	case <-time.After(attemptLimit - 5*time.Second):
		t.Error("a receiver waits until others have not answered")
	}
}

func TestReceiverThatIsGoneIsNotTroubledAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	url, got := receiver(t, func(w http.ResponseWriter) { w.WriteHeader(http.StatusGone) })
	s, _ := d.add(url, "*")
	d.run(nil)
	d.announce("order.created")
	<-got
	d.deliveryOf(s, is(Failed))
	d.as(func(tx pgx.Tx) error {
		now, err := d.store.Get(t.Context(), tx, s.ID)
		if now.Status != Disabled || !strings.Contains(now.DisabledCause, "410") {
			t.Errorf("subscription: %+v", now)
		}
		return err
	})
	d.announce("order.created") // while it is disabled
	d.as(func(tx pgx.Tx) error {
		now, err := d.store.Get(t.Context(), tx, s.ID)
		if err != nil {
			return err
		}
		_, err = d.store.Update(t.Context(), tx, s.ID, now.Version, Change{Name: "shop", Target: url, Events: []string{"*"}, Status: Active})
		return err
	})
	later := d.announce("order.updated")
	if m := <-got; m.header.Get(signature.HeaderID) != later.ID.String() {
		t.Error("what happened while it was disabled is told afterwards")
	}
}

func TestNewSecretSignsBesideTheOldOneForADay(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	url, got := receiver(t, fine)
	s, old := d.add(url, "*")
	var fresh secret.Text
	d.as(func(tx pgx.Tx) (err error) {
		_, fresh, err = d.store.RotateSecret(t.Context(), tx, s.ID)
		return err
	})
	d.run(nil)
	d.announce("order.created")
	m := <-got
	for name, key := range map[string]secret.Text{"old": old, "new": fresh} {
		if _, err := signature.Verify(m.header, time.Now(), m.body, key); err != nil {
			t.Errorf("%s secret: %v", name, err)
		}
	}
	d.as(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "update subscriptions set secret_ends_at = now() - interval '1 second'")
		return err
	})
	d.announce("order.created")
	m = <-got
	if _, err := signature.Verify(m.header, time.Now(), m.body, old); !errors.Is(err, signature.ErrMismatch) {
		t.Errorf("the old secret signs after its day: %v", err)
	}
}

// mails are sent to nobody.
type mails struct {
	mu   sync.Mutex
	sent []string
	fail error
}

func (m *mails) Send(_ context.Context, to, subject, text string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent = append(m.sent, to+"|"+subject+"|"+text)
	return m.fail
}

func TestMailSaysWhatHappenedWithoutItsData(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	s, key := d.add("mailto:ops@example.com", "alert.*")
	if !key.IsZero() {
		t.Error("a mail has a secret")
	}
	m := &mails{}
	d.run(m)
	e := d.announce("alert.opened")
	d.deliveryOf(s, is(Delivered))
	want := "ops@example.com|something happened|something happened\n\nalert.opened " + e.ID.String() + "\n"
	if diff := cmp.Diff([]string{want}, m.sent); diff != "" {
		t.Errorf("mails (-want +got):\n%s", diff)
	}
	d.as(func(tx pgx.Tx) error {
		if _, _, err := d.store.RotateSecret(t.Context(), tx, s.ID); !errors.Is(err, ErrMail) {
			t.Errorf("a mail's secret was rotated: %v", err)
		}
		return nil
	})
}

func TestChangeOnItsTopicIsDelivered(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	client := bustest.Open(t)
	url, got := receiver(t, fine)
	d.add(url, "order.created")
	d.run(nil)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	feed := &Feed{DB: d.db, Bus: client, Entities: d.store.Entities, Logger: slog.New(slog.DiscardHandler)}
	relay := outbox.NewRelay(outbox.RelayConfig{DB: d.db, Bus: client, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	for _, run := range []func(context.Context) error{feed.Run, relay.Run} {
		wg.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	id := uuid.New()
	change := func(version int64, typ string) outbox.Change {
		return outbox.Change{Entity: "order", EntityID: id, Version: version, Type: typ, Origin: "crm", Data: json.RawMessage(`{"number":"SO-1","total":"24.99"}`)}
	}
	d.as(func(tx pgx.Tx) error {
		return outbox.Append(t.Context(), tx, []outbox.Change{change(2, "updated"), change(1, "created")})
	})
	m := <-got
	var body struct {
		Type, Summary, Entity string
		EntityID              uuid.UUID `json:"entity_id"`
		Version               int64
		Data                  json.RawMessage
	}
	if err := json.Unmarshal(m.body, &body); err != nil {
		t.Fatal(err)
	}
	if body.Type != "order.created" || body.Entity != "order" || body.EntityID != id || body.Version != 1 ||
		body.Summary != "order SO-1 created (version 1)" || string(body.Data) != `{"number":"SO-1","total":"24.99"}` {
		t.Errorf("got %s", m.body)
	}
}

// A delivery whose process died is taken up by another when the lease is over, with the same id.
func TestDeliveryOfAProcessThatDiedIsSentByAnother(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	url, got := receiver(t, fine)
	s, _ := d.add(url, "*")
	e := d.announce("order.created")
	dead := NewSender(SenderConfig{DB: d.db, Key: d.store.Key, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
	if claimed, err := dead.claim(t.Context(), newReceivers()); len(claimed) != 1 || err != nil {
		t.Fatalf("claimed %d, %v", len(claimed), err)
	}
	if claimed, err := dead.claim(t.Context(), newReceivers()); len(claimed) != 0 || err != nil {
		t.Fatalf("claimed %d during the lease, %v", len(claimed), err)
	}
	d.as(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "update deliveries set next_attempt_at = now()")
		return err
	})
	d.run(nil)
	if m := <-got; m.header.Get(signature.HeaderID) != e.ID.String() {
		t.Error("another id")
	}
	d.deliveryOf(s, is(Delivered))
}

func TestAttemptsAreSpreadOverThreeDays(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	var total time.Duration
	for tries := range schedule {
		o := judge(due{tries: tries}, answer{status: 500}, now)
		wait := o.next.Sub(now)
		if o.status != Pending || wait < schedule[tries] || wait > schedule[tries]*11/10 {
			t.Errorf("after %d attempts: %+v", tries, o)
		}
		total += schedule[tries]
	}
	if total < 3*24*time.Hour || total > 4*24*time.Hour {
		t.Errorf("all attempts take %v", total)
	}
	for name, tc := range map[string]struct {
		tries  int
		answer answer
		want   outcome
	}{
		"created":           {0, answer{status: 201}, outcome{status: Delivered, next: now}},
		"moved":             {9, answer{status: 301}, outcome{status: Failed, next: now, disable: "every attempt failed for days"}},
		"no answer":         {9, answer{err: io.EOF}, outcome{status: Failed, next: now, disable: "every attempt failed for days"}},
		"gone":              {0, answer{status: 410}, outcome{status: Failed, next: now, disable: "the receiver answered 410 Gone", gone: true}},
		"asks for patience": {0, answer{status: 429, after: time.Hour}, outcome{status: Pending, next: now.Add(time.Hour)}},
	} {
		if got := judge(due{tries: tc.tries}, tc.answer, now); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tc.want)
		}
	}
}

func TestWhatIsWrongWithASubscriptionIsSaid(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.store.Mails = false
	for _, tc := range []struct {
		target  string
		events  []string
		pointer string
	}{
		{"http://example.com/hook", []string{"*"}, "/target"},
		{"https://user:pw@example.com/hook", []string{"*"}, "/target"},
		{"ftp://example.com", []string{"*"}, "/target"},
		{"https://example.com/a b", []string{"*"}, "/target"},
		{"mailto:ops@example.com", []string{"*"}, "/target"},
		{"mailto:a@example.com,b@example.com", []string{"*"}, "/target"},
		{"https://example.com", nil, "/events"},
		{"https://example.com", []string{"order.*", "robot.created"}, "/events/1"},
		{"https://example.com", []string{"order.exploded"}, "/events/0"},
		{"https://example.com", []string{"order.*", "order.*"}, "/events/1"},
	} {
		err := d.db.As(t.Context(), d.who, func(tx pgx.Tx) error {
			_, _, err := d.store.Add(t.Context(), tx, New{Name: "x", Target: tc.target, Events: tc.events})
			return err
		})
		vs, ok := errors.AsType[schema.Violations](err)
		if !ok || len(vs) != 1 || vs[0].Pointer != tc.pointer {
			t.Errorf("%s %v: %v", tc.target, tc.events, err)
		}
	}
	for _, target := range []string{"https://example.com/hook?x=1", "http://127.0.0.1:1/x", "http://localhost/x", "http://[::1]/x"} {
		d.add(target, "order.created", "alert.*", "customer.*")
	}
}

func TestOrganizationsAreToldOfTheirOwn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	url, got := receiver(t, fine)
	d.add(url, "*")
	other := *d
	other.who = postgrestest.Organization(t, d.db)
	other.who.Actor = postgres.System
	d.run(nil)
	other.announce("order.created")
	mine := d.announce("order.created")
	if m := <-got; m.header.Get(signature.HeaderID) != mine.ID.String() {
		t.Error("one hears of another's")
	}
	other.as(func(tx pgx.Tx) error {
		list, err := other.store.List(t.Context(), tx)
		if len(list) != 0 {
			t.Errorf("one sees another's: %v", list)
		}
		return err
	})
}
