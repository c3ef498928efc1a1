package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/schema"
	"crmhub/core/secret"
	"crmhub/core/signature"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// door is an organization with a connection that has pull jobs for orders and invoices.
type door struct {
	testing.TB
	db         *postgres.DB
	who        postgres.Principal
	store      *Store
	receiver   *Receiver
	connection uuid.UUID
}

func newDoor(t testing.TB) *door {
	t.Helper()
	key, err := secret.NewKey(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	d := &door{TB: t, db: postgrestest.New(t), store: &Store{Key: key, Entities: []string{"order", "invoice"}}, connection: uuid.New()}
	d.receiver = &Receiver{DB: d.db, Store: d.store}
	d.who = postgrestest.Organization(t, d.db)
	d.who.Actor = postgres.System
	d.exec("insert into connections (id, code, name, connector) values ($1, 'erp', 'ERP', 'stub')", d.connection)
	d.exec(`insert into jobs (id, connection_id, name, kind, entity, status) values
		(gen_random_uuid(), $1, 'o', 'pull', 'order', 'active'), (gen_random_uuid(), $1, 'i', 'pull', 'invoice', 'active'),
		(gen_random_uuid(), $1, 'c', 'pull', 'customer', 'paused'), (gen_random_uuid(), $1, 'p', 'push', 'order', 'active')`, d.connection)
	return d
}

func (d *door) as(fn func(tx pgx.Tx) error) {
	d.Helper()
	if err := d.db.As(d.Context(), d.who, fn); err != nil {
		d.Fatal(err)
	}
}

func (d *door) exec(sql string, args ...any) {
	d.Helper()
	d.as(func(tx pgx.Tx) error {
		_, err := tx.Exec(d.Context(), sql, args...)
		return err
	})
}

func (d *door) set(in Settings) (w Webhook, made secret.Text) {
	d.Helper()
	d.as(func(tx pgx.Tx) (err error) {
		w, made, err = d.store.Set(d.Context(), tx, d.connection, in)
		return err
	})
	return w, made
}

// queued are the entities whose pulls are queued.
func (d *door) queued() (entities []string) {
	d.Helper()
	d.as(func(tx pgx.Tx) error {
		rows, _ := tx.Query(d.Context(), `select j.entity from runs r join jobs j on j.id = r.job_id where r.status = 'queued' and r.cause = 'webhook' order by 1`)
		got, err := pgx.CollectRows(rows, pgx.RowTo[string])
		entities = got
		return err
	})
	return entities
}

func (d *door) messages() (list []Message) {
	d.Helper()
	d.as(func(tx pgx.Tx) error {
		found, err := d.store.Messages(d.Context(), tx, d.connection, "", 100)
		list = found.Items
		return err
	})
	return list
}

func sign(t testing.TB, id string, at time.Time, body string, s secret.Text) http.Header {
	t.Helper()
	h := http.Header{}
	if err := signature.Sign(h, id, at, []byte(body), s); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestMessageRunsThePullsOnce(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	w, key := d.set(Settings{Scheme: Standard})
	h := sign(t, "msg_1", time.Now(), `{}`, key)
	for range 2 {
		if err := d.receiver.Receive(t.Context(), w.ID, h, []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"invoice", "order"}, d.queued()); diff != "" {
		t.Errorf("queued (-want +got):\n%s", diff)
	}
	list := d.messages()
	if len(list) != 1 || list[0].MessageID != "msg_1" || len(list[0].Runs) != 2 || list[0].Size != 2 {
		t.Errorf("messages: %+v", list)
	}
	d.exec("update runs set status = 'succeeded'")
	if err := d.receiver.Receive(t.Context(), w.ID, h, []byte(`{}`)); err != nil || len(d.queued()) > 0 {
		t.Errorf("the same message long after: %v, %v", err, d.queued())
	}
}

// An index takes no id of kilobytes; whoever sends one is told that it counted, and that once.
func TestMessageWithALongIDCountsOnce(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	w, key := d.set(Settings{Scheme: Standard})
	random := make([]byte, 4000)
	_, _ = rand.Read(random)
	h := sign(t, hex.EncodeToString(random), time.Now(), `{}`, key)
	for range 2 {
		if err := d.receiver.Receive(t.Context(), w.ID, h, []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
	if list := d.messages(); len(list) != 1 || len(list[0].Runs) != 2 {
		t.Errorf("messages: %+v", list)
	}
}

func TestMessageThatDoesNotCountChangesNothing(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	w, key := d.set(Settings{Scheme: Standard})
	body := `{"a":1}`
	for name, tc := range map[string]struct {
		id   uuid.UUID
		h    http.Header
		body string
		want error
	}{
		"unsigned":     {w.ID, http.Header{}, body, signature.ErrMissing},
		"forged":       {w.ID, sign(t, "m", time.Now(), body, signature.NewSecret()), body, signature.ErrMismatch},
		"changed":      {w.ID, sign(t, "m", time.Now(), body, key), `{"a":2}`, signature.ErrMismatch},
		"replayed":     {w.ID, sign(t, "m", time.Now().Add(-time.Hour), body, key), body, signature.ErrExpired},
		"to somewhere": {uuid.New(), sign(t, "m", time.Now(), body, key), body, ErrNotFound},
	} {
		if err := d.receiver.Receive(t.Context(), tc.id, tc.h, []byte(tc.body)); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	if len(d.messages()) > 0 || len(d.queued()) > 0 {
		t.Errorf("left behind: %v %v", d.messages(), d.queued())
	}
}

func TestMessageSaysWhichPullToRun(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	w, key := d.set(Settings{Scheme: Standard, Pointer: "/events/0/type", Entities: map[string]string{"invoice.paid": "invoice"}})
	for i, tc := range []struct {
		body string
		want []string
	}{
		{`{"events":[{"type":"person.moved"}]}`, nil},
		{`{"events":[]}`, nil},
		{`not JSON`, nil},
		{`{"events":[{"type":"invoice.paid"}]}`, []string{"invoice"}},
	} {
		h := sign(t, uuid.NewString(), time.Now(), tc.body, key)
		if err := d.receiver.Receive(t.Context(), w.ID, h, []byte(tc.body)); err != nil {
			t.Fatal(err)
		}
		if got := d.queued(); !slices.Equal(got, tc.want) || len(d.messages()) != i+1 {
			t.Errorf("%s: queued %v, %d messages", tc.body, got, len(d.messages()))
		}
	}
}

// A body alone is signed alike each time: what counts as the same message is one whose runs have not begun.
func TestBodySignedAloneCountsAgainOnceItsRunsHaveBegun(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	w, made := d.set(Settings{Scheme: HMAC, Header: "X-Hub-Signature-256", Secret: secret.New("It's a Secret to Everybody")})
	if !made.IsZero() {
		t.Error("the hub made a secret that the other system does not know")
	}
	body := []byte(`{"id":7}`)
	m := hmac.New(sha256.New, []byte("It's a Secret to Everybody"))
	m.Write(body)
	h := http.Header{"X-Hub-Signature-256": {"sha256=" + hex.EncodeToString(m.Sum(nil))}}
	receive := func() {
		t.Helper()
		if err := d.receiver.Receive(t.Context(), w.ID, h, body); err != nil {
			t.Fatal(err)
		}
	}
	receive()
	receive()
	if n := len(d.messages()); n != 1 {
		t.Errorf("%d messages", n)
	}
	d.exec("update runs set status = 'running'")
	receive()
	if got := d.queued(); len(got) != 2 {
		t.Errorf("queued while others run: %v", got)
	}
}

func TestSettingsKeepTheSecretAndTheAddress(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	first, key := d.set(Settings{Scheme: Standard})
	again, made := d.set(Settings{Scheme: Standard, Pointer: "/type", Entities: map[string]string{"a/b": "order"}})
	if !made.IsZero() || again.ID != first.ID {
		t.Errorf("changed: %v, %v", made.IsZero(), again)
	}
	if err := d.receiver.Receive(t.Context(), first.ID, sign(t, "m", time.Now(), "{}", key), []byte("{}")); err != nil {
		t.Error(err)
	}
	for _, tc := range []struct {
		in       Settings
		pointers []string
	}{
		{Settings{Scheme: "none"}, []string{"/scheme"}},
		{Settings{Scheme: HMAC}, []string{"/header", "/secret"}},
		{Settings{Scheme: HMAC, Header: "X Y", Secret: secret.New("short")}, []string{"/header", "/secret"}},
		{Settings{Scheme: Standard, Header: "X", Secret: secret.New("short"), Pointer: "type"}, []string{"/header", "/secret", "/pointer", "/entities"}},
		{Settings{Scheme: Standard, Pointer: "/t", Entities: map[string]string{"a/b": "robot"}}, []string{"/entities/a~1b"}},
	} {
		err := d.db.As(t.Context(), d.who, func(tx pgx.Tx) error {
			_, _, err := d.store.Set(t.Context(), tx, d.connection, tc.in)
			return err
		})
		vs, _ := errors.AsType[schema.Violations](err)
		var pointers []string
		for _, v := range vs {
			pointers = append(pointers, v.Pointer)
		}
		if diff := cmp.Diff(tc.pointers, pointers); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tc.in, diff)
		}
	}
	err := d.db.As(t.Context(), d.who, func(tx pgx.Tx) error {
		_, _, err := d.store.Set(t.Context(), tx, uuid.New(), Settings{Scheme: Standard})
		return err
	})
	if !errors.Is(err, ErrNotFound) {
		t.Errorf("of no connection: %v", err)
	}
	d.as(func(tx pgx.Tx) error { return d.store.Remove(t.Context(), tx, d.connection) })
	if err := d.receiver.Receive(t.Context(), first.ID, sign(t, "n", time.Now(), "{}", key), []byte("{}")); !errors.Is(err, ErrNotFound) {
		t.Errorf("after it was removed: %v", err)
	}
}

func FuzzPointer(f *testing.F) {
	f.Add(`{"a":[{"b~/":"x"}]}`, "/a/0/b~0~1")
	f.Add(`[]`, "//")
	f.Fuzz(func(_ *testing.T, body, pointer string) {
		Webhook{Pointer: pointer}.said([]byte(body))
	})
}
