package journey_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/bus"
	"crmhub/core/connector"
	"crmhub/core/journey"
	"crmhub/core/link"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// fixture is an organization with an order that is linked over a connection.
type fixture struct {
	testing.TB
	db                *postgres.DB
	who               postgres.Principal
	connection, order uuid.UUID
	topic             string
	difference        uuid.UUID
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{TB: t, db: postgrestest.New(t), connection: uuid.New(), order: uuid.New()}
	f.who = postgrestest.Organization(t, f.db)
	f.tx(`insert into connections (id, code, name, connector) values ($1, 'erp', 'ERP', 'stub')`, f.connection)
	var code string
	err := f.db.As(t.Context(), f.who, func(tx pgx.Tx) error { return tx.QueryRow(t.Context(), "select code from organizations").Scan(&code) })
	if err != nil {
		t.Fatal(err)
	}
	f.topic = bus.Topic(code, "order")
	return f
}

func (f *fixture) tx(sql string, args ...any) {
	f.Helper()
	err := f.db.As(f.Context(), f.who, func(tx pgx.Tx) error {
		_, err := tx.Exec(f.Context(), sql, args...)
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) as(how func(fn func(tx pgx.Tx) error) error, sql string, args ...any) {
	f.Helper()
	err := how(func(tx pgx.Tx) error {
		_, err := tx.Exec(f.Context(), sql, args...)
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) note(events ...journey.Event) {
	f.Helper()
	var b pgx.Batch
	if err := journey.Queue(&b, events); err != nil {
		f.Fatal(err)
	}
	if err := f.db.Ask(f.Context(), f.who, &b); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) read(who postgres.Principal, filter journey.Filter) postgres.Page[journey.Step] {
	f.Helper()
	filter.Entity, filter.EntityID = "order", f.order
	var p postgres.Page[journey.Step]
	err := f.db.As(f.Context(), who, func(tx pgx.Tx) (err error) {
		p, err = journey.Read(f.Context(), tx, bus.Topic, filter)
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	return p
}

// live is a journey through all that there is.
func (f *fixture) live() {
	f.Helper()
	at := time.Now().UTC().Truncate(time.Microsecond).Add(-time.Hour)
	auditor := func(fn func(tx pgx.Tx) error) error { return f.db.AsAuditor(f.Context(), fn) }
	system := func(fn func(tx pgx.Tx) error) error { return f.db.AsSystem(f.Context(), fn) }
	letter, conflict := uuid.New(), uuid.New()
	entry := `insert into audit_log (organization_id, number, at, actor, action, entity, entity_id, version, detail, previous_hash, hash)
		values ($1, $2, $3, 'system', $4, $5, $6, nullif($7::bigint, 0), $8, '', '')`
	f.as(auditor, entry, f.who.Organization, 1, at, "created", "order", f.order, 1, `{"number":"SO-1","remark":"secret"}`)
	f.as(system, `insert into publications (organization_id, entity, entity_id, version, partition, position, at) values ($1, 'order', $2, 1, 3, 42, $3)`,
		f.who.Organization, f.order, at.Add(time.Millisecond))
	f.tx(`insert into links (id, connection_id, entity, entity_id, remote_id, state, created_at) values ($1, $2, 'order', $3, '77', 'linked', $4)`,
		uuid.New(), f.connection, f.order, at.Add(2*time.Millisecond))
	f.as(auditor, entry, f.who.Organization, 2, at.Add(time.Minute), "updated", "order", f.order, 2, `{"remark":["secret","more"],"status":["draft","confirmed"]}`)
	f.tx(`insert into conflicts (id, connection_id, entity, entity_id, field, base, ours, theirs, created_at)
		values ($1, $2, 'order', $3, 'remark', '"a"', '"b"', '"c"', $4)`, conflict, f.connection, f.order, at.Add(2*time.Minute))
	f.tx(`insert into dead_letters (id, connection_id, direction, entity, remote_id, stage, class, message, fingerprint, mapping_version, created_at)
		values ($1, $2, 'pull', 'order', '77', 'schema', 'schema', 'bad', 'f', 'abc', $3)`, letter, f.connection, at.Add(3*time.Minute))
	f.as(auditor, entry, f.who.Organization, 3, at.Add(4*time.Minute), "replayed", "dead_letter", letter, 0, nil)
	f.differ(at.Add(5 * time.Minute))
	f.as(auditor, entry, f.who.Organization, 4, at.Add(6*time.Minute), "mended", "difference", f.difference, 0, `{"action":"push"}`)
	f.note(journey.Event{
		Entity: "order", EntityID: f.order, Connection: f.connection, Direction: journey.Push, Version: 2, Op: connector.OpUpdate, Outcome: "parked",
		RemoteID: "77", MappingVersion: "abc", Cause: &link.Cause{Class: "transient", Message: "busy"},
		Exchanges: []journey.Exchange{{
			At: at, Purpose: "update", Milliseconds: 12, Method: "PUT", Path: "/orders/77", Status: 503, Request: `{"remark":"more","n":[1,null]}`, Response: "busy",
		}},
	})
	f.note(journey.Event{Entity: "order", EntityID: uuid.New(), Connection: f.connection, Direction: journey.Push, Version: 1, Outcome: "linked"})
}

// differ makes reconciliations: one that found the order's record missing here, by its id only, and one that found it different; and
// a difference of another connection's record with the same id.
func (f *fixture) differ(at time.Time) {
	f.Helper()
	f.difference = uuid.New()
	other := uuid.New()
	f.tx(`insert into connections (id, code, name, connector) values ($1, 'other', 'Other', 'stub')`, other)
	for i, connection := range []uuid.UUID{f.connection, f.connection, other} {
		of := uuid.New()
		f.tx(`insert into reconciliations (id, connection_id, run_id, entity, verdict, mapping_version) values ($1, $2, $3, 'order', 'differs', 'abc')`,
			of, connection, uuid.New())
		if i == 1 {
			f.tx(`insert into differences (id, reconciliation_id, kind, entity_id, remote_id, fields, state, found_at)
				values ($1, $2, 'different', $3, '77', '[{"field": "remark", "ours": "b", "theirs": "c"}]', 'mended', $4)`, f.difference, of, f.order, at)
			continue
		}
		f.tx(`insert into differences (id, reconciliation_id, kind, remote_id, found_at) values ($1, $2, 'missing_here', '77', $3)`, uuid.New(), of, at.Add(-time.Second))
	}
}

// told is a step in a line.
func told(steps []journey.Step) (lines []string) {
	for _, s := range steps {
		line := fmt.Sprintf("%s %d %s %s %s", s.Kind, s.Version, s.Action, s.Outcome, s.Message)
		if s.Offset != nil {
			line += fmt.Sprintf("%s/%d@%d", s.Topic, *s.Partition, *s.Offset)
		}
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return lines
}

func TestJourneyTellsEverythingInOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.live()
	whole := f.read(f.who, journey.Filter{})
	want := []string{
		"change 1 created", "published 1 " + f.topic + "/3@42", "link 0", "change 2 updated", "conflict 0 open remark",
		"dead_letter 0 pull open bad", "act 0 replayed dead_letter", "difference 0 missing_here open",
		"difference 0 different mended", "act 0 mended difference", "push 2 update parked busy",
	}
	if diff := cmp.Diff(want, told(whole.Items)); diff != "" {
		t.Error(diff)
	}
	last := whole.Items[len(whole.Items)-1]
	if len(last.Exchanges) != 1 || last.Exchanges[0].Status != 503 || last.MappingVersion != "abc" || last.RemoteID != "77" {
		t.Errorf("%+v", last)
	}
	var parts []string
	filter := journey.Filter{Limit: 3}
	for {
		p := f.read(f.who, filter)
		parts = append(parts, told(p.Items)...)
		if filter.After = p.Next; p.Next == "" {
			break
		}
	}
	if diff := cmp.Diff(want, parts); diff != "" {
		t.Error("page by page:", diff)
	}
}

func TestJourneyOfAnotherOrganizationIsNotSeen(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.live()
	if p := f.read(postgrestest.Organization(t, f.db), journey.Filter{}); len(p.Items) > 0 {
		t.Errorf("%v", told(p.Items))
	}
}

func TestCursorIsChecked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, after := range []string{"x", "_", "2026-01-01T00:00:00Z_1", "2026-01-01T00:00:00Z_1_x"} {
		err := f.db.As(t.Context(), f.who, func(tx pgx.Tx) error {
			_, err := journey.Read(t.Context(), tx, bus.Topic, journey.Filter{Entity: "order", EntityID: f.order, After: after})
			return err
		})
		if err != postgres.ErrPlace { //nolint:errorlint // it is returned as it is
			t.Errorf("%q: %v", after, err)
		}
	}
}

func TestWhoSeesNotEverythingSeesNoValues(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.live()
	steps := f.read(f.who, journey.Filter{}).Items
	plain := slices.Clone(steps)
	var nobody *access.Permissions
	if err := journey.SightOf(nobody, "order", nil).Mask(steps); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(steps)
	if err != nil {
		t.Fatal(err)
	}
	for _, hidden := range []string{`"more"`, `\"more\"`, `"b"`} {
		if strings.Contains(string(text), hidden) {
			t.Errorf("%s is shown: %s", hidden, text)
		}
	}
	if e := steps[len(steps)-1].Exchanges[0]; e.Request != `{"n":["•••",null],"remark":"•••"}` || e.Response != "•••" || e.Path != "/orders/77" {
		t.Errorf("%+v", e)
	}
	if len(plain) != len(steps) {
		t.Error("steps are missing")
	}
}

func TestOldStepsArePruned(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.live()
	p := journey.Pruner{DB: f.db, Logger: slog.New(slog.DiscardHandler)}
	if err := p.PruneBefore(t.Context(), time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	before := len(f.read(f.who, journey.Filter{}).Items)
	if err := p.PruneBefore(t.Context(), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if after := len(f.read(f.who, journey.Filter{}).Items); before != 11 || after != 9 {
		t.Errorf("%d steps, then %d: the push and the publication go", before, after)
	}
}

func TestExcerptKeepsWholeCharacters(t *testing.T) {
	t.Parallel()
	text, cut := journey.Excerpt([]byte(strings.Repeat("客", connector.MaxBody)))
	if !cut || len(text) > connector.MaxBody || strings.Trim(text, "客") != "" {
		t.Errorf("%d bytes, cut: %t", len(text), cut)
	}
}
