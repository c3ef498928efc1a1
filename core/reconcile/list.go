package reconcile

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
)

const (
	columns = `
select r.id, r.connection_id, r.run_id, r.entity, r.verdict, coalesce(r.message, ''), r.mapping_version, r.counts, r.sums, r.started_at, r.started_by, r.finished_at, r.said
from reconciliations r`
	differenceColumns = `
d.id, d.reconciliation_id, d.kind, d.entity_id, coalesce(d.remote_id, ''), coalesce(d.title, ''), coalesce(d.message, ''), d.fields, d.ours, d.theirs,
	d.state, coalesce(d.action, ''), coalesce(d.reason, ''), d.found_at, d.changed_at, coalesce(d.changed_by, ''), d.record, d.said`
)

func scan(row pgx.CollectableRow) (r Reconciliation, err error) {
	err = row.Scan(&r.ID, &r.ConnectionID, &r.RunID, &r.Entity, &r.Verdict, &r.Message, &r.MappingVersion, &r.Counts, &r.Sums,
		&r.StartedAt, &r.StartedBy, &r.FinishedAt, &r.Said)
	return r, err
}

func scanDifference(row pgx.CollectableRow) (d Difference, err error) {
	err = row.Scan(&d.ID, &d.ReconciliationID, &d.Kind, &d.EntityID, &d.RemoteID, &d.Title, &d.Message, &d.Fields, &d.Ours, &d.Theirs,
		&d.State, &d.Action, &d.Reason, &d.FoundAt, &d.ChangedAt, &d.ChangedBy, &d.record, &d.Said)
	return d, err
}

// Get returns a reconciliation, or [ErrNotFound].
func Get(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Reconciliation, error) {
	return one(ctx, tx, columns+` where r.id = $1`, id)
}

// OfRun returns the reconciliation of a run, or [ErrNotFound] as long as it has not begun.
func OfRun(ctx context.Context, tx pgx.Tx, run uuid.UUID) (Reconciliation, error) {
	return one(ctx, tx, columns+` where r.run_id = $1`, run)
}

func one(ctx context.Context, tx pgx.Tx, sql string, args ...any) (Reconciliation, error) {
	return postgres.One(ctx, tx, "read a reconciliation", scan, ErrNotFound, sql, args...)
}

// Filter narrows a list of reconciliations; zero fields do not.
type Filter struct {
	Connection uuid.UUID
	Entity     string
	Verdict    Verdict
	After      string // Next of the page before
	Limit      int    // 0: 50; at most 500
}

const list = columns + `
where ($1::uuid is null or r.connection_id = $1) and ($2 = '' or r.entity = $2) and ($3 = '' or r.verdict = $3) and ($4::uuid is null or r.id < $4)
order by r.id desc
limit $5`

// List returns reconciliations, the newest first.
func List(ctx context.Context, tx pgx.Tx, f Filter) (p postgres.Page[Reconciliation], err error) {
	after, err := postgres.PlaceID(f.After)
	if err != nil {
		return p, err
	}
	return postgres.List(ctx, tx, "list reconciliations", scan, f.Limit, func(r Reconciliation) string { return r.ID.String() },
		list, postgres.OrNull(f.Connection), f.Entity, f.Verdict, after)
}

// DifferenceFilter narrows the differences of a reconciliation; zero fields do not.
type DifferenceFilter struct {
	Kind  Kind
	State State
	After string // Next of the page before
	Limit int    // 0: 50; at most 500
}

const listDifferences = `
select ` + differenceColumns + `
from differences d
where d.reconciliation_id = $1 and ($2 = '' or d.kind = $2) and ($3 = '' or d.state = $3) and ($4::uuid is null or d.id > $4)
order by d.id
limit $5`

// Differences returns the differences of a reconciliation, or [ErrNotFound].
func Differences(ctx context.Context, tx pgx.Tx, reconciliation uuid.UUID, f DifferenceFilter) (p postgres.Page[Difference], err error) {
	after, err := postgres.PlaceID(f.After)
	if err != nil {
		return p, err
	}
	if _, err := Get(ctx, tx, reconciliation); err != nil {
		return p, err
	}
	return postgres.List(ctx, tx, "list differences", scanDifference, f.Limit, func(d Difference) string { return d.ID.String() },
		listDifferences, reconciliation, f.Kind, f.State, after)
}
