package job

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Plan says when the jobs run that are proposed for a connection.
type Plan struct {
	Pull      string // schedule of the pulls, see [ParseSchedule]
	Reconcile string // schedule of the reconciliations; "" proposes none
	TimeZone  string // IANA name both are meant in; "" is UTC
}

// Proposed is a job that makes sense and does not exist yet.
type Proposed struct {
	ID uuid.UUID // the one it will have, since others that are proposed may run after it
	New
}

// Propose returns the jobs that a connection lacks, as far as its connector's streams can do their work: a pull of each
// entity, after those of what it refers to (customers before orders before invoices); a push of each when a person asks,
// for what was there before the connection; and a reconciliation, after its pull, of each that the system keeps. Nothing
// is stored.
// Errors: [schema.Violations].
func (s *Store) Propose(ctx context.Context, tx pgx.Tx, connection uuid.UUID, p Plan) ([]Proposed, error) {
	c, vs, err := s.connectorOf(ctx, tx, connection)
	if err != nil {
		return nil, fmt.Errorf("propose jobs: %w", err)
	}
	if len(vs) > 0 {
		return nil, vs
	}
	existing, err := s.List(ctx, tx, connection)
	if err != nil {
		return nil, err
	}
	return propose(c, connection, existing, p)
}

// propose makes the proposal: pulls, pushes and reconciliations, each in the order of what refers to what.
func propose(c connector.Connector, connection uuid.UUID, existing []Job, p Plan) ([]Proposed, error) {
	var all []Proposed
	pulls := map[crm.Kind]uuid.UUID{}
	for _, kind := range []Kind{Pull, Push, Reconcile} {
		if kind == Reconcile && p.Reconcile == "" {
			continue
		}
		for _, k := range crm.Kinds() {
			in := New{ConnectionID: connection, Kind: kind, Entity: string(k), Timing: Timing{TimeZone: p.TimeZone}}
			from, can := stream(c.Streams, kind, in.Entity)
			if !can || kind == Reconcile && !keeps(from) {
				continue
			}
			switch kind {
			case Pull:
				in.Schedule, in.After = p.Pull, referred(crm.Fields(k), pulls)
			case Reconcile:
				in.Schedule, in.After = p.Reconcile, []uuid.UUID{pulls[k]}
			case Push, Match:
			}
			at := slices.IndexFunc(existing, func(j Job) bool { return j.Kind == kind && j.Entity == in.Entity })
			if at >= 0 {
				if kind == Pull {
					pulls[k] = existing[at].ID
				}
				continue
			}
			id, err := uuid.NewV7()
			if err != nil {
				return nil, fmt.Errorf("propose jobs: %w", err)
			}
			if all = append(all, Proposed{id, in}); kind == Pull {
				pulls[k] = id
			}
		}
	}
	return all, nil
}

// keeps reports whether a system still has what was read from it. Files and topics only hand on what is new: compared
// with them, everything would be missing there.
func keeps(s connector.Stream) bool { return s.Get || s.Range || !s.Incremental }

// referred are the pulls of what fields refer to, those of lists of an entity included.
func referred(fields []crm.Field, pulls map[crm.Kind]uuid.UUID) (ids []uuid.UUID) {
	for _, f := range fields {
		for _, id := range append(referred(f.Fields, pulls), pulls[f.Refers]) {
			if id != uuid.Nil && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// CreateProposed stores all jobs that [Store.Propose] gives, active, in a few statements however many there are. Where
// there is nothing to propose it does nothing. Errors: [schema.Violations].
func (s *Store) CreateProposed(ctx context.Context, tx pgx.Tx, connection uuid.UUID, p Plan) ([]Job, error) {
	if _, err := tx.Exec(ctx, lockOrder); err != nil { // who accepts the same proposal meanwhile waits, and finds nothing to do
		return nil, fmt.Errorf("create the proposed jobs: %w", err)
	}
	proposed, err := s.Propose(ctx, tx, connection, p)
	if err != nil || len(proposed) == 0 {
		return nil, err
	}
	made, err := s.createAll(ctx, tx, connection, proposed)
	if err != nil {
		return nil, err
	}
	acts := make([]audit.Act, len(made))
	for i, j := range made {
		acts[i] = audit.Act{Action: "created", Entity: "job", EntityID: j.ID, Detail: j}
	}
	return made, audit.Record(ctx, tx, acts...)
}

const insertJobs = `
insert into jobs (id, connection_id, name, kind, entity, schedule, time_zone, next_run_at)
select n.id, $1, n.kind || ' ' || n.entity, n.kind, n.entity, nullif(n.schedule, ''), n.time_zone, n.next_run_at
from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[])
	as n (id, kind, entity, schedule, time_zone, next_run_at)
on conflict (organization_id, connection_id, kind, entity) do nothing`

const insertOrders = `
insert into job_order (job_id, after_id)
select * from unnest($1::uuid[], $2::uuid[])`

func (s *Store) createAll(ctx context.Context, tx pgx.Tx, connection uuid.UUID, all []Proposed) ([]Job, error) {
	var (
		ids, later, earlier               []uuid.UUID
		kinds, entities, schedules, zones []string
		next                              []*time.Time
	)
	for _, p := range all {
		p.Timing = p.withDefaults()
		at, vs := s.begin(p.ID, p.Timing)
		if len(vs) > 0 {
			return nil, vs
		}
		ids, kinds, entities = append(ids, p.ID), append(kinds, string(p.Kind)), append(entities, p.Entity)
		schedules, zones, next = append(schedules, p.Schedule), append(zones, p.TimeZone), append(next, at)
		for _, a := range p.After {
			later, earlier = append(later, p.ID), append(earlier, a)
		}
	}
	tag, err := tx.Exec(ctx, insertJobs, connection, ids, kinds, entities, schedules, zones, next)
	if err != nil {
		return nil, fmt.Errorf("create the proposed jobs: %w", err)
	}
	if tag.RowsAffected() != int64(len(all)) {
		return nil, schema.Violations{{Pointer: "/entity", Rule: "unique", Message: "the connection has a job for this already"}}
	}
	if _, err := tx.Exec(ctx, insertOrders, later, earlier); err != nil {
		return nil, fmt.Errorf("order the proposed jobs: %w", err)
	}
	return postgres.All(ctx, tx, "read the proposed jobs", scanJob, selectJob+` where id = any($1) order by id`, ids)
}
