package revision_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/hubtest"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/revision"
	"crmhub/core/schema"
	"crmhub/core/secret"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

const shipped = `entity: customer
record: party
fields:
  - {crm: name, remote: name}
`

const partySchema = `{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"alias":{"type":"string"},"remark":{"type":"string"}}}`

// process is one of several that share a database.
func process(t *testing.T) *revision.Store {
	t.Helper()
	mappings, set := hubtest.Load(t, map[string]string{"test/party.json": partySchema, "test/customer.yaml": shipped})
	key, err := secret.NewKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	connections := &connection.Store{Key: key, Logger: slog.New(slog.DiscardHandler), Connectors: map[string]connector.Connector{"test": {
		Name: "test", Config: json.RawMessage(`{}`),
		Streams: []connector.Stream{{Entity: "customer", Record: "party", Capabilities: connector.Capabilities{Pull: true, Push: true}}},
	}}}
	return &revision.Store{Shipped: mappings, Schemas: set, Connections: connections, CRM: &crm.Store{}}
}

// remote is a system in memory; its cursors count records.
type remote struct {
	records []connector.Record
	down    error
	stuck   bool     // its cursor does not move
	asked   []string // cursors
	given   []string // ids of records
}

func (*remote) Check(context.Context) error { return nil }
func (*remote) Close() error                { return nil }

func (r *remote) Pull(_ context.Context, q connector.PullRequest) (connector.Page, error) {
	r.asked = append(r.asked, string(q.Cursor))
	at := 0
	if q.Cursor != nil {
		if r.down != nil {
			return connector.Page{}, r.down
		}
		at, _ = strconv.Atoi(string(q.Cursor))
	}
	var since []connector.Record
	for _, record := range r.records {
		if !record.UpdatedAt.Before(q.Since) && (q.Until.IsZero() || record.UpdatedAt.Before(q.Until)) {
			since = append(since, record)
		}
	}
	end := min(at+2, len(since))
	if r.stuck && q.Cursor != nil {
		end = at
	}
	for _, record := range since[at:end] {
		r.given = append(r.given, record.ID)
	}
	return connector.Page{Records: since[at:end], Cursor: json.RawMessage(strconv.Itoa(end)), More: end < len(since)}, nil
}

func TestTheNewestRecordsAreRead(t *testing.T) {
	t.Parallel()
	s := process(t)
	f := newFirm(t, s)
	r := &remote{}
	for _, days := range []int{9000, 800, 20, 700, 21, 22, 3, 2} {
		r.records = append(r.records, connector.Record{ID: strconv.Itoa(days), UpdatedAt: time.Now().AddDate(0, 0, -days)})
	}
	c := s.Connections.Connectors["test"]
	c.Streams[0].Range = true
	c.Open = func(connector.Options) (connector.Session, error) { return r, nil }
	s.Connections.Connectors["test"] = c
	v := revision.Version{Entity: "customer", Text: shipped}
	for limit, want := range map[int]string{1: "2", 2: "2 3", 3: "2 3 20", 4: "2 3 20 21", 10: "2 3 20 21 22 700 800 9000"} {
		r.given = nil
		records, err := s.Records(t.Context(), f.conn, v, limit)
		var got []string
		for _, record := range records {
			got = append(got, record.ID)
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("of %d: %v, %v, want %s", limit, got, err, want)
		}
		slices.Sort(r.given)
		if once := slices.Compact(slices.Clone(r.given)); len(once) != len(r.given) || len(once) > limit+3 {
			t.Errorf("for %d were read: %v", limit, r.given)
		}
	}
}

func TestEffectOnWhatIsPulledIsReadFromTheOtherSystem(t *testing.T) {
	t.Parallel()
	s := process(t)
	f := newFirm(t, s)
	said := func(id string, data map[string]any) connector.Record { return connector.Record{ID: id, Data: data} }
	r := &remote{records: []connector.Record{
		said("same", map[string]any{"name": "Anna"}),
		said("other", map[string]any{"name": "Berta", "alias": "b@example.org"}),
		said("worse", map[string]any{"name": "Carla", "alias": "no address"}),
		said("bad", map[string]any{"alias": "x"}),
		{ID: "gone", Deleted: true},
		{ID: "unreadable", Data: map[string]any{}, Err: errors.New("a broken line")},
	}}
	c := s.Connections.Connectors["test"]
	c.Open = func(connector.Options) (connector.Session, error) { return r, nil }
	s.Connections.Connectors["test"] = c
	draft := shipped + "  - {crm: email, remote: alias}\n"
	var v revision.Version
	known := uuid.Must(uuid.NewV7())
	f.tx(func(tx pgx.Tx) (err error) {
		if v, err = s.Add(t.Context(), tx, revision.New{ConnectionID: f.conn.ID, Entity: "customer", Text: draft}); err != nil {
			return err
		}
		_, err = tx.Exec(t.Context(), `insert into links (id, connection_id, entity, entity_id, remote_id, state) values ($1, $2, 'customer', $3, 'other', 'linked')`,
			uuid.Must(uuid.NewV7()), f.conn.ID, known)
		return err
	})
	records, err := s.Records(t.Context(), f.conn, v, revision.MostChecked)
	if err != nil || len(records) != 4 || strings.Join(r.asked, ",") != ",2,4" {
		t.Fatalf("%v, %v, asked at %q", records, err, r.asked)
	}
	var e revision.Effect
	f.tx(func(tx pgx.Tx) (err error) {
		e, err = s.EffectOnRecords(t.Context(), tx, v, records)
		return err
	})
	want := revision.Effect{Checked: 4, Changed: 1, Unchanged: 1, Faulty: 2, Worse: 1, Fields: map[string]int{"email": 1}, Items: e.Items}
	if d := cmp.Diff(want, e); d != "" {
		t.Error(d)
	}
	if len(e.Items) != 2 || e.Items[0].RemoteID != "worse" || e.Items[0].After[0].Pointer != "/email" || e.Items[1].EntityID != known ||
		e.Items[1].Differences[0].After != "b@example.org" {
		t.Errorf("%+v", e.Items)
	}
	if some, err := s.Records(t.Context(), f.conn, v, 1); err != nil || len(some) != 1 {
		t.Error(some, err)
	}
	if _, err := s.Records(t.Context(), f.conn, revision.Version{Entity: "customer", Text: "entity: x"}, 1); !errors.As(err, new(schema.Violations)) {
		t.Errorf("of a version that does not fit: %v", err)
	}
	r.stuck = true
	if _, err := s.Records(t.Context(), f.conn, v, revision.MostChecked); !errors.As(err, new(*connector.Error)) || len(r.asked) > 20 {
		t.Errorf("of a cursor that does not move: %v, asked %d times", err, len(r.asked))
	}
	r.down = errors.New("connection refused")
	if _, err := s.Records(t.Context(), f.conn, v, revision.MostChecked); !errors.As(err, new(*connector.Error)) {
		t.Errorf("of a system that is away: %v", err)
	}
}

// firm is an organization with a connection.
type firm struct {
	*testing.T
	db   *postgres.DB
	who  postgres.Principal
	conn connection.Connection
}

func newFirm(t *testing.T, s *revision.Store) *firm {
	t.Helper()
	f := &firm{T: t, db: postgrestest.New(t)}
	f.who = postgrestest.Organization(t, f.db)
	f.tx(func(tx pgx.Tx) (err error) {
		f.conn, err = s.Connections.Add(t.Context(), tx, connection.New{Code: "erp", Name: "ERP", Connector: "test"})
		return err
	})
	return f
}

func (f *firm) tx(fn func(tx pgx.Tx) error) {
	f.Helper()
	if err := f.db.As(f.Context(), f.who, fn); err != nil {
		f.Fatal(err)
	}
}

// live is the number and the first remote path of what holds.
func (f *firm) live(s *revision.Store) (number int, text string) {
	f.Helper()
	f.tx(func(tx pgx.Tx) error {
		m, n, err := s.Live(f.Context(), tx, f.conn, "customer")
		number, text = n, string(m.Text())
		return err
	})
	return number, text
}

// stamp is what tells pushers that a mapping is another.
func (f *firm) stamp() (which string) {
	f.Helper()
	err := f.db.AsSystem(f.Context(), func(tx pgx.Tx) error {
		all, err := revision.AllLive(f.Context(), tx)
		which = all[f.conn.ID]
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	return which
}

func TestWhatIsPublishedHoldsInEveryProcessUntilItIsTakenBack(t *testing.T) {
	t.Parallel()
	here, there := process(t), process(t)
	f := newFirm(t, here)
	own := strings.Replace(shipped, "remote: name}", "remote: name}\n  - {crm: remark, remote: remark}", 1)
	if n, text := f.live(there); n != 0 || text != shipped || f.stamp() != "" {
		t.Fatalf("before: version %d, %q, stamp %q", n, text, f.stamp())
	}
	var v revision.Version
	f.tx(func(tx pgx.Tx) (err error) {
		if v, err = here.Add(t.Context(), tx, revision.New{ConnectionID: f.conn.ID, Entity: "customer", Text: own}); err != nil {
			return err
		}
		v, err = here.Publish(t.Context(), tx, v.ID)
		return err
	})
	if n, text := f.live(there); n != 1 || text != own || f.stamp() == "" {
		t.Errorf("published: version %d, %q, stamp %q", n, text, f.stamp())
	}
	f.tx(func(tx pgx.Tx) error {
		_, _, err := here.RollBack(t.Context(), tx, f.conn.ID, "customer", "a test")
		return err
	})
	if n, text := f.live(there); n != 0 || text != shipped || f.stamp() != "" {
		t.Errorf("taken back: version %d, %q, stamp %q", n, text, f.stamp())
	}
}

func TestFailingExampleKeepsADraftFromGoingLive(t *testing.T) {
	t.Parallel()
	s := process(t)
	f := newFirm(t, s)
	err := f.db.As(t.Context(), f.who, func(tx pgx.Tx) error {
		v, err := s.Add(t.Context(), tx, revision.New{
			ConnectionID: f.conn.ID, Entity: "customer", Text: shipped,
			Examples: json.RawMessage(`[{"entity":{"name":"A"},"record":{"name":"B"},"push":true}]`),
		})
		if err != nil {
			return err
		}
		_, err = s.Publish(t.Context(), tx, v.ID)
		return err
	})
	if vs := schema.Violations(nil); !errors.As(err, &vs) || vs[0].Rule != "test" || !strings.Contains(vs[0].Message, "example 1") {
		t.Errorf("%v", err)
	}
}

func TestEffectTellsWhatGetsWorseFirst(t *testing.T) {
	t.Parallel()
	s := process(t)
	f := newFirm(t, s)
	named := func(name string) *crm.Customer {
		return &crm.Customer{Name: name, Type: "company", Lifecycle: "customer"}
	}
	customers := []*crm.Customer{named("one"), named("two"), named("three")}
	customers[1].Remark = "careful"
	f.tx(func(tx pgx.Tx) error {
		for _, c := range customers {
			if err := s.CRM.Save(t.Context(), tx, crm.By{Actor: f.who.Actor, Origin: "crm"}, []crm.Entity{c}); err != nil {
				return err
			}
			id := uuid.Must(uuid.NewV7())
			if _, err := tx.Exec(t.Context(), `insert into links (id, connection_id, entity, entity_id, remote_id, state) values ($1, $2, 'customer', $3, $4, 'linked')`,
				id, f.conn.ID, c.ID, c.Name); err != nil {
				return err
			}
		}
		return nil
	})
	draft := "entity: customer\nrecord: party\nfields:\n  - {remote: name, push: \"entity.name == 'three' ? nil : entity.name\"}\n  - {crm: remark, remote: remark}\n"
	var e revision.Effect
	f.tx(func(tx pgx.Tx) error {
		v, err := s.Add(t.Context(), tx, revision.New{ConnectionID: f.conn.ID, Entity: "customer", Text: draft})
		if err != nil {
			return err
		}
		e, err = s.Effect(t.Context(), tx, v)
		return err
	})
	if e.Checked != 3 || e.Changed != 1 || e.Unchanged != 1 || e.Faulty != 1 || e.Worse != 1 || e.Fields["remark"] != 1 {
		t.Errorf("%+v", e)
	}
	if len(e.Items) != 2 || e.Items[0].RemoteID != "three" || len(e.Items[0].After) == 0 || e.Items[1].Differences[0].After != "careful" {
		t.Errorf("%+v", e.Items)
	}
}
