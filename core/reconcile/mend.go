package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/link"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Action is what is done about a difference.
type Action string

// The actions.
const (
	Push   Action = "push"   // ours is right: the record is to become as the entity
	Pull   Action = "pull"   // theirs is right: the entity is to become as the record
	Link   Action = "link"   // the two are one
	Unlink Action = "unlink" // the two are not one, or the record is gone for good
	Ignore Action = "ignore" // it does not matter
)

// Actions are all actions.
func Actions() []Action { return []Action{Push, Pull, Link, Unlink, Ignore} }

// Actions are what can be done about the difference while it is open.
func (d *Difference) Actions() []Action {
	switch {
	case d.State != Open:
		return nil
	case d.Kind == MissingThere && d.RemoteID != "":
		return []Action{Push, Unlink, Ignore}
	case d.Kind == MissingThere:
		return []Action{Push, Ignore}
	case d.Kind == MissingHere && d.EntityID != nil: // it was deleted here
		return []Action{Push, Unlink, Ignore}
	case d.Kind == MissingHere, d.Kind == Unreadable:
		return []Action{Pull, Ignore}
	case d.Kind == Different:
		return []Action{Push, Pull, Unlink, Ignore}
	case d.Kind == Unlinked:
		return []Action{Link, Ignore}
	}
	return []Action{Ignore}
}

// Errand is what somebody wants done about differences: about these, or about the open ones of a kind.
type Errand struct {
	Action Action
	IDs    []uuid.UUID
	Kind   Kind   // where IDs are empty
	Reason string // required to ignore
}

// Done is what came of an errand.
type Done struct {
	Done    int            `json:"done"`
	Refused []link.Refused `json:"refused" nullable:"false"`
	Left    int64          `json:"left"` // open ones of the kind that were not looked at yet: ask again, from Next on
	Next    string         `json:"next,omitempty"`
}

// MendSize is how many differences an errand looks at, in one transaction.
const MendSize = 500

const (
	lockDifferences = `
select ` + differenceColumns + `
from differences d
where d.reconciliation_id = $1 and d.state = 'open' and (d.id = any($2) or $3 <> '' and d.kind = $3) and ($4::uuid is null or d.id > $4)
order by d.id
limit $5
for update`
	statesOf  = `select id, state from differences where reconciliation_id = $1 and id = any($2)`
	countLeft = `select count(*) from differences where reconciliation_id = $1 and state = 'open' and kind = $2 and id > $3`
	settle    = `
update differences set state = $3, action = $2, reason = nullif($4, ''), changed_at = now(), changed_by = crmhub_actor() where id = any($1)`
)

// Mend does something about differences, by the ways that entities and records go anyway: a link is made due, a record is
// brought in. The next reconciliation tells what came of it. One that changed since it was found is refused, as is an id that
// is no open difference here. after is Done.Next of the call before.
// Errors: [ErrNotFound], [ErrRunning], [schema.Violations].
func (r *Reconciler) Mend(ctx context.Context, tx pgx.Tx, reconciliation uuid.UUID, in Errand, after string) (Done, error) {
	if err := in.check(); err != nil {
		return Done{}, err
	}
	from, err := postgres.PlaceID(after)
	if err != nil {
		return Done{}, err
	}
	of, err := Get(ctx, tx, reconciliation)
	if err != nil {
		return Done{}, err
	}
	if of.Verdict == Running {
		return Done{}, ErrRunning
	}
	if err := link.LockStream(ctx, tx, of.ConnectionID, of.Entity); err != nil { // before the rows, as a pull does
		return Done{}, err
	}
	rows, _ := tx.Query(ctx, lockDifferences, reconciliation, in.IDs, in.Kind, from, MendSize)
	open, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*Difference, error) {
		d, err := scanDifference(row)
		return &d, err
	})
	if err != nil {
		return Done{}, fmt.Errorf("read differences: %w", err)
	}
	m := &mending{Reconciler: r, of: of, in: in, refused: map[uuid.UUID]string{}}
	absent, err := m.missing(ctx, tx, open)
	if err != nil {
		return Done{}, err
	}
	err = postgres.AsHub(ctx, tx, func() error { return m.mend(ctx, tx, open) }) // what comes in is the connection's
	if err != nil {
		return Done{}, err
	}
	done, err := m.settle(ctx, tx, open)
	done.Refused = append(absent, done.Refused...)
	return done, err
}

// MendAll is Mend to its end, some hundreds in a transaction of who's. What was done before an error stays done.
//
// The proposals of package matching are gone through by the same turns. The two have no type in common: which items an errand may
// name, what makes one refused and what is told of the rest is each one's own, and the turns alone are these lines.
func (r *Reconciler) MendAll(ctx context.Context, who postgres.Principal, reconciliation uuid.UUID, in Errand) (all Done, err error) {
	for more := true; more; more = all.Next != "" {
		done, err := postgres.Get(ctx, r.DB, who, func(tx pgx.Tx) (Done, error) { return r.Mend(ctx, tx, reconciliation, in, all.Next) })
		if err != nil {
			return all, err
		}
		all = Done{Done: all.Done + done.Done, Refused: append(all.Refused, done.Refused...), Left: done.Left, Next: done.Next}
	}
	return all, nil
}

func (in Errand) check() error {
	var vs schema.Violations
	if !slices.Contains(Actions(), in.Action) {
		vs = append(vs, schema.Violation{Pointer: "/action", Rule: "enum", Message: "must be push, pull, link, unlink or ignore"})
	}
	if (len(in.IDs) == 0) == (in.Kind == "") {
		vs = append(vs, schema.Violation{Pointer: "/ids", Rule: "required", Message: "name differences, or a kind"})
	}
	if in.Kind != "" && !slices.Contains(Kinds(), in.Kind) {
		vs = append(vs, schema.Violation{Pointer: "/kind", Rule: "enum", Message: "is no kind of difference"})
	}
	if len(in.IDs) > MendSize {
		vs = append(vs, schema.Violation{Pointer: "/ids", Rule: "maxItems", Message: fmt.Sprintf("must not be more than %d", MendSize)})
	}
	if in.Action == Ignore && strings.TrimSpace(in.Reason) == "" {
		vs = append(vs, schema.Violation{Pointer: "/reason", Rule: "required", Message: "say why it does not matter"})
	}
	return vs.Err()
}

// mending is an errand on its way.
type mending struct {
	*Reconciler
	of         Reconciliation
	in         Errand
	connection connection.Connection
	refused    map[uuid.UUID]string // why, by difference
}

func (m *mending) refuse(d *Difference, why string) { m.refused[d.ID] = why }

// missing says of the ids that are no open differences here why they are not mended, each once.
func (m *mending) missing(ctx context.Context, tx pgx.Tx, open []*Difference) ([]link.Refused, error) {
	absent := []link.Refused{}
	for i, id := range m.in.IDs {
		if !slices.ContainsFunc(open, func(d *Difference) bool { return d.ID == id }) && !slices.Contains(m.in.IDs[:i], id) {
			absent = append(absent, link.Refused{ID: id, Reason: "it is no difference of this reconciliation"})
		}
	}
	if len(absent) == 0 {
		return absent, nil
	}
	var id uuid.UUID
	var state State
	rows, _ := tx.Query(ctx, statesOf, m.of.ID, m.in.IDs)
	_, err := pgx.ForEachRow(rows, []any{&id, &state}, func() error {
		if i := slices.IndexFunc(absent, func(u link.Refused) bool { return u.ID == id }); i >= 0 {
			absent[i].Reason = fmt.Sprintf("it is %s already", state)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the states of differences: %w", err)
	}
	return absent, nil
}

func (m *mending) mend(ctx context.Context, tx pgx.Tx, open []*Difference) error {
	some := make([]*Difference, 0, len(open))
	for _, d := range open {
		if slices.Contains(d.Actions(), m.in.Action) {
			some = append(some, d)
		} else {
			m.refuse(d, fmt.Sprintf("a difference of the kind %s cannot be mended by %s", d.Kind, m.in.Action))
		}
	}
	if m.in.Action == Ignore || len(some) == 0 {
		return nil
	}
	var err error
	if m.connection, err = m.Connections.Get(ctx, tx, m.of.ConnectionID); err != nil {
		return err
	}
	if some, err = m.unchanged(ctx, tx, some); err != nil {
		return err
	}
	switch m.in.Action {
	case Push:
		return m.push(ctx, tx, some)
	case Link:
		return m.link(ctx, tx, some)
	case Unlink:
		return m.unlink(ctx, tx, some)
	default:
		return m.bring(ctx, tx, some, link.Theirs)
	}
}

const changedSince = `
select d.id
from unnest($3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[]) as d (id, entity_id, remote_id, found_at)
where exists (
	select from links l
	where l.connection_id = $1 and l.entity = $2 and l.updated_at > d.found_at and (l.entity_id = d.entity_id or l.remote_id = d.remote_id))`

// unchanged leaves what nobody has synced or changed since it was found: what is known of the others is old.
func (m *mending) unchanged(ctx context.Context, tx pgx.Tx, some []*Difference) ([]*Difference, error) {
	kind := crm.Kind(m.of.Entity)
	args := struct {
		ids       []uuid.UUID
		entityIDs []*uuid.UUID
		remoteIDs []*string
		foundAt   []time.Time
	}{}
	var entityIDs []uuid.UUID
	for _, d := range some {
		args.ids, args.entityIDs, args.foundAt = append(args.ids, d.ID), append(args.entityIDs, d.EntityID), append(args.foundAt, d.FoundAt)
		var remoteID *string
		if d.RemoteID != "" {
			remoteID = &d.RemoteID
		}
		args.remoteIDs = append(args.remoteIDs, remoteID)
		if d.EntityID != nil {
			entityIDs = append(entityIDs, *d.EntityID)
		}
	}
	rows, _ := tx.Query(ctx, changedSince, m.of.ConnectionID, kind, args.ids, args.entityIDs, args.remoteIDs, args.foundAt)
	synced, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("what was synced since: %w", err)
	}
	entities, err := m.Entities.Get(ctx, tx, kind, entityIDs)
	if err != nil {
		return nil, err
	}
	left := make([]*Difference, 0, len(some))
	for _, d := range some {
		changed := slices.Contains(synced, d.ID)
		if d.EntityID != nil {
			e := entities[*d.EntityID]
			changed = changed || e == nil || crm.HeadOf(e).UpdatedAt.After(d.FoundAt)
		}
		if changed {
			m.refuse(d, "it was changed or synced since: reconcile again")
			continue
		}
		left = append(left, d)
	}
	return left, nil
}

// push makes ours count: a record that differs is brought in with the decision, others are made due.
func (m *mending) push(ctx context.Context, tx pgx.Tx, some []*Difference) error {
	i := slices.IndexFunc(m.Connections.Streams(m.connection), func(s connector.Stream) bool { return s.Entity == m.of.Entity && s.Push })
	mapped, _, err := m.Revisions.Live(ctx, tx, m.connection, m.of.Entity)
	if err != nil {
		return err
	}
	if i < 0 || mapped == nil {
		for _, d := range some {
			m.refuse(d, "this connection is never sent a "+m.of.Entity)
		}
		return nil
	}
	oneWay := map[string]bool{}
	for _, f := range mapped.Fields() {
		oneWay[f.Path] = !f.Push
	}
	var differ, again, anew []*Difference
	for _, d := range some {
		j := slices.IndexFunc(d.Fields, func(f Field) bool { return oneWay[f.Field] })
		switch {
		case j >= 0:
			m.refuse(d, d.Fields[j].Field+" comes from there and is never sent")
		case d.Kind == Different:
			differ = append(differ, d)
		case d.Kind == MissingThere:
			anew = append(anew, d)
		default:
			again = append(again, d)
		}
	}
	return errors.Join(m.bring(ctx, tx, differ, link.Ours), m.send(ctx, tx, anew, link.Anew), m.send(ctx, tx, again, link.Again))
}

// send makes entities due, by link.Again or link.Anew.
func (m *mending) send(ctx context.Context, tx pgx.Tx, some []*Difference,
	makeDue func(context.Context, pgx.Tx, uuid.UUID, string, []link.Version) (map[uuid.UUID]bool, error),
) error {
	if len(some) == 0 {
		return nil
	}
	ids := make([]uuid.UUID, len(some))
	for i, d := range some {
		ids[i] = *d.EntityID
	}
	entities, err := m.Entities.Get(ctx, tx, crm.Kind(m.of.Entity), ids)
	if err != nil {
		return err
	}
	wanted := make([]link.Version, 0, len(some))
	for _, e := range entities {
		wanted = append(wanted, link.Version{EntityID: crm.HeadOf(e).ID, Version: crm.HeadOf(e).Version})
	}
	due, err := makeDue(ctx, tx, m.of.ConnectionID, m.of.Entity, wanted)
	if err != nil {
		return err
	}
	for _, d := range some {
		if !due[*d.EntityID] {
			m.refuse(d, link.ErrBusy.Error())
		}
	}
	return nil
}

// bring brings records in as they were read, with the decision which side counts where they differ.
func (m *mending) bring(ctx context.Context, tx pgx.Tx, some []*Difference, side link.Side) error {
	if len(some) == 0 {
		return nil
	}
	records := make([]connector.Record, len(some))
	decided := make(map[string]map[string]link.Side, len(some))
	for i, d := range some {
		records[i] = d.asRecord()
		decided[d.RemoteID] = make(map[string]link.Side, len(d.Fields))
		for _, f := range d.Fields {
			decided[d.RemoteID][f.Field] = side
		}
	}
	faults, err := m.Puller.Bring(ctx, tx, m.connection, m.of.Entity, records, decided)
	if err != nil {
		return err
	}
	for i, fault := range faults {
		if fault != nil {
			m.refuse(some[i], fault.Error())
		}
	}
	return nil
}

func (m *mending) link(ctx context.Context, tx pgx.Tx, some []*Difference) error {
	var linked []*Difference
	for _, d := range some {
		var taken *link.TakenError
		_, err := link.Connect(ctx, tx, m.of.ConnectionID, m.of.Entity, *d.EntityID, d.RemoteID)
		switch {
		case errors.As(err, &taken), errors.Is(err, link.ErrBusy):
			m.refuse(d, err.Error())
		case err != nil:
			return err
		default:
			linked = append(linked, d)
		}
	}
	return m.bring(ctx, tx, linked, link.Theirs) // no field is decided: it goes as on a first match
}

const linkOf = `select id from links where connection_id = $1 and entity = $2 and entity_id = $3`

func (m *mending) unlink(ctx context.Context, tx pgx.Tx, some []*Difference) error {
	for _, d := range some {
		var id uuid.UUID
		err := tx.QueryRow(ctx, linkOf, m.of.ConnectionID, m.of.Entity, d.EntityID).Scan(&id)
		if err == nil {
			_, err = link.Disconnect(ctx, tx, id)
		}
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			m.refuse(d, link.ErrNotFound.Error())
		case errors.Is(err, link.ErrBusy):
			m.refuse(d, link.ErrBusy.Error())
		case err != nil:
			return fmt.Errorf("unlink %s %s: %w", m.of.Entity, d.EntityID, err)
		}
	}
	return nil
}

// settle writes down what was done.
func (m *mending) settle(ctx context.Context, tx pgx.Tx, open []*Difference) (Done, error) {
	done := Done{Refused: []link.Refused{}}
	var ids []uuid.UUID
	var acts []audit.Act
	state, action := Mended, "mended"
	if m.in.Action == Ignore {
		state, action = Ignored, "ignored"
	}
	for _, d := range open {
		if why, refused := m.refused[d.ID]; refused {
			done.Refused = append(done.Refused, link.Refused{ID: d.ID, Reason: why})
			continue
		}
		ids = append(ids, d.ID)
		acts = append(acts, audit.Act{Action: action, Entity: "difference", EntityID: d.ID, Detail: map[string]any{
			"reconciliation_id": m.of.ID, "action": m.in.Action, "reason": m.in.Reason, "kind": d.Kind,
			"entity": m.of.Entity, "entity_id": d.EntityID, "remote_id": d.RemoteID,
		}})
	}
	done.Done = len(ids)
	if _, err := tx.Exec(ctx, settle, ids, m.in.Action, state, m.in.Reason); err != nil {
		return done, fmt.Errorf("settle differences: %w", err)
	}
	if n := len(open); n == MendSize && m.in.Kind != "" {
		done.Next = open[n-1].ID.String()
		if err := tx.QueryRow(ctx, countLeft, m.of.ID, m.in.Kind, open[n-1].ID).Scan(&done.Left); err != nil {
			return done, fmt.Errorf("count differences: %w", err)
		}
	}
	return done, audit.Record(ctx, tx, acts...)
}
