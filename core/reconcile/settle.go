package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/link"
	"crmhub/core/mapping"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Decision is what somebody says about a field that both sides changed.
type Decision struct {
	Status link.ConflictStatus // ours, theirs or value
	Value  any                 // what both sides are to have instead
}

// Settled is what came of a decision.
type Settled struct {
	Conflict link.Kept `json:"conflict"`
	Settled  bool      `json:"settled"`
	Reason   string    `json:"reason,omitempty"` // why not
}

const openConflicts = `
select id, entity_id from conflicts
where status = 'open' and connection_id = $1 and entity = $2 and field = $3 and ($4::uuid is null or id > $4)
order by id
limit $5`

// Settle decides a conflict: its record is brought in with the decision, so that the ordinary merge makes both sides equal. One
// whose values changed since they were noted is not settled but noted anew, with the values of now. With a value the entity
// gets it first, by whom by says, and ours counts then. Errors: [link.ErrNoConflict], [schema.Violations].
func (r *Reconciler) Settle(ctx context.Context, tx pgx.Tx, by crm.By, id uuid.UUID, d Decision) (Settled, error) {
	if !slices.Contains([]link.ConflictStatus{link.ConflictOurs, link.ConflictTheirs, link.ConflictValue}, d.Status) {
		return Settled{}, schema.Violations{{Pointer: "/side", Rule: "enum", Message: "must be ours, theirs or value"}}
	}
	k, err := link.GetConflict(ctx, tx, id)
	if err != nil {
		return Settled{}, err
	}
	if err := link.LockStream(ctx, tx, k.ConnectionID, k.Entity); err != nil { // before the rows, as a pull does
		return Settled{}, err
	}
	entities, err := r.Entities.GetForUpdate(ctx, tx, crm.Kind(k.Entity), []uuid.UUID{k.EntityID})
	if err != nil {
		return Settled{}, err
	}
	if k, err = link.LockConflict(ctx, tx, id); err != nil {
		return Settled{}, err
	}
	if k.Status != link.ConflictOpen {
		return Settled{Conflict: k, Reason: closed(k.Status)}, nil
	}
	s := &settling{Reconciler: r, conflict: k, entity: entities[k.EntityID], by: by, others: map[string]link.Side{}}
	reason, err := s.settle(ctx, tx, d)
	if err != nil {
		return Settled{}, err
	}
	if k, err = link.GetConflict(ctx, tx, id); err != nil {
		return Settled{}, err
	}
	return Settled{Conflict: k, Settled: reason == "" && k.Status != link.ConflictOpen, Reason: reason}, nil
}

// closed is why what stands there cannot be settled.
func closed(as link.ConflictStatus) string {
	switch as {
	case link.ConflictDeleted:
		return "the entity was deleted"
	case link.ConflictMerged:
		return "the entity became part of another"
	case link.ConflictUnlinked:
		return "the two are not linked any more"
	default:
		return "it was settled already"
	}
}

// settling is a decision on its way.
type settling struct {
	*Reconciler
	conflict link.Kept
	entity   crm.Entity // locked; nil if there is none any more
	by       crm.By
	others   map[string]link.Side // the fields about which the kept record has nothing to say any more

	connection connection.Connection
	fields     []mapping.Field // of the live mapping; nil if there is none
}

// settle returns why the conflict was not settled; "" if it was.
func (s *settling) settle(ctx context.Context, tx pgx.Tx, d Decision) (reason string, err error) {
	record, err := s.record()
	if err != nil || record == nil {
		return "the record was not kept: run the pull, and decide then", err
	}
	if s.entity == nil || crm.HeadOf(s.entity).DeletedAt != nil { // before conflicts were closed with it
		return closed(link.ConflictDeleted), link.MarkSettled(ctx, tx, s.conflict.ID, link.ConflictDeleted)
	}
	ours, err := crm.Document(s.entity)
	if err != nil {
		return "", err
	}
	if reason, err := s.beside(ctx, tx, record); err != nil || reason != "" {
		return reason, err
	}
	if !link.Same(ours[s.conflict.Field], s.conflict.Ours) {
		reason, err := s.bring(ctx, tx, *record, nil)
		if reason == "" {
			reason = "it was changed here since: look again"
		}
		return reason, err
	}
	side := link.Theirs
	if d.Status != link.ConflictTheirs {
		side = link.Ours
		if s.oneWay() {
			return "the field comes from there and is never sent", nil
		}
	}
	if d.Status == link.ConflictValue {
		if err := s.enter(ctx, tx, ours, d.Value); err != nil {
			return "", err
		}
	}
	return s.bring(ctx, tx, *record, &decided{side, d.Status})
}

// record is the one that was kept, nil if none was.
func (s *settling) record() (*connector.Record, error) {
	if s.conflict.Record == nil {
		return nil, nil
	}
	record, err := connector.Kept(s.conflict.Record)
	if err != nil || record.ID == "" {
		return nil, err
	}
	return &record, nil
}

// beside finds out what the record is not asked about: all but what is disputed was merged when it came, and may have been sent
// since. The version is the one the link knows, for the same reason.
func (s *settling) beside(ctx context.Context, tx pgx.Tx, record *connector.Record) (reason string, err error) {
	ref := mapping.Ref{Entity: s.conflict.Entity, ID: s.conflict.EntityID.String()}
	links, err := link.ByEntity(ctx, tx, s.conflict.ConnectionID, []mapping.Ref{ref})
	if err != nil {
		return "", err
	}
	l := links[ref]
	if l.RemoteID != record.ID {
		return closed(link.ConflictUnlinked), link.MarkSettled(ctx, tx, s.conflict.ID, link.ConflictUnlinked)
	}
	record.Version = l.RemoteVersion
	if s.connection, err = s.Connections.Get(ctx, tx, s.conflict.ConnectionID); err != nil {
		return "", err
	}
	m, _, err := s.Revisions.Live(ctx, tx, s.connection, s.conflict.Entity)
	if err != nil || m == nil {
		return "", err // bring says so
	}
	s.fields = m.Fields()
	open, err := link.ListConflicts(ctx, tx, link.ConflictFilter{
		Connection: s.conflict.ConnectionID, Entity: s.conflict.Entity, EntityID: s.conflict.EntityID, Status: link.ConflictOpen, Limit: 500,
	})
	if err != nil {
		return "", err
	}
	for _, f := range s.fields {
		if !slices.ContainsFunc(open.Items, func(k link.Kept) bool { return k.Field == f.Path }) {
			s.others[f.Path] = link.Neither
		}
	}
	return "", nil
}

// oneWay reports whether ours cannot get there.
func (s *settling) oneWay() bool {
	return !slices.ContainsFunc(s.fields, func(f mapping.Field) bool { return f.Path == s.conflict.Field && f.Push })
}

// enter gives the entity another value of the field.
func (s *settling) enter(ctx context.Context, tx pgx.Tx, ours map[string]any, value any) error {
	if value == nil {
		delete(ours, s.conflict.Field)
	} else {
		ours[s.conflict.Field] = value
	}
	e, err := crm.FromDocument(crm.Kind(s.conflict.Entity), ours)
	if err != nil {
		return err
	}
	return s.Entities.Save(ctx, tx, s.by, []crm.Entity{e})
}

type decided struct {
	side link.Side
	as   link.ConflictStatus
}

// bring brings the record in, with the decision if there is one. A fault undoes the decision.
func (s *settling) bring(ctx context.Context, tx pgx.Tx, record connector.Record, d *decided) (reason string, err error) {
	inner, err := tx.Begin(ctx)
	if err != nil {
		return "", fmt.Errorf("settle conflict %s: %w", s.conflict.ID, err)
	}
	defer func() { _ = inner.Rollback(ctx) }() // of no effect once committed
	fields := maps.Clone(s.others)
	if d != nil {
		fields[s.conflict.Field] = d.side
		if err := link.MarkSettled(ctx, inner, s.conflict.ID, d.as); err != nil {
			return "", err
		}
	}
	var faults []error
	err = postgres.AsHub(ctx, inner, func() (err error) { // what comes in is the connection's
		faults, err = s.Puller.Bring(ctx, inner, s.connection, s.conflict.Entity, []connector.Record{record}, map[string]map[string]link.Side{record.ID: fields})
		return err
	})
	if err != nil {
		return "", err
	}
	if faults[0] != nil {
		return faults[0].Error(), nil
	}
	return "", inner.Commit(ctx)
}

// Rule decides all open conflicts about a field on a connection.
type Rule struct {
	Connection uuid.UUID
	Entity     string
	Field      string
	Status     link.ConflictStatus // ours or theirs
}

// Ruled is what came of a rule.
type Ruled struct {
	Settled int       `json:"settled"`
	Left    []Settled `json:"left" nullable:"false"`
	Next    string    `json:"next,omitempty"` // where to go on; absent at the end
}

const ruleSize = 100 // conflicts that a rule decides in one transaction

// SettleAll decides open conflicts by a rule, some at a time. after is Ruled.Next of the call before.
func (r *Reconciler) SettleAll(ctx context.Context, tx pgx.Tx, by crm.By, rule Rule, after string) (Ruled, error) {
	from, err := postgres.PlaceID(after)
	if err != nil {
		return Ruled{}, err
	}
	if rule.Status != link.ConflictOurs && rule.Status != link.ConflictTheirs {
		return Ruled{}, schema.Violations{{Pointer: "/side", Rule: "enum", Message: "must be ours or theirs"}}
	}
	rows, _ := tx.Query(ctx, openConflicts, rule.Connection, rule.Entity, rule.Field, from, ruleSize)
	var ids, entities []uuid.UUID
	var id, entity uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&id, &entity}, func() error {
		ids, entities = append(ids, id), append(entities, entity)
		return nil
	})
	if err != nil {
		return Ruled{}, fmt.Errorf("read conflicts: %w", err)
	}
	if err := link.LockStream(ctx, tx, rule.Connection, rule.Entity); err != nil {
		return Ruled{}, err
	}
	if _, err := r.Entities.GetForUpdate(ctx, tx, crm.Kind(rule.Entity), entities); err != nil { // in the order in which all lock them
		return Ruled{}, err
	}
	done := Ruled{Left: []Settled{}}
	for _, id := range ids {
		s, err := r.Settle(ctx, tx, by, id, Decision{Status: rule.Status})
		if err != nil {
			return done, err
		}
		if s.Settled {
			done.Settled++
		} else {
			done.Left = append(done.Left, s)
		}
	}
	if len(ids) == ruleSize {
		done.Next = ids[ruleSize-1].String()
	}
	return done, nil
}
