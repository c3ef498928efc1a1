package job

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// lockOrder lets one change the order of jobs at a time: two could else close a cycle that neither sees.
const lockOrder = `select pg_advisory_xact_lock(hashtextextended('crmhub job order ' || crmhub_organization()::text, 0))`

const selectOrder = `
select j.id, j.name || ' (' || c.code || ')', array(select o.after_id from job_order o where o.organization_id = j.organization_id and o.job_id = j.id)
from jobs j join connections c on c.organization_id = j.organization_id and c.id = j.connection_id
order by j.id`

// checkOrder reports whether a job may run after others: all exist, and none runs after it, however many lie between.
func checkOrder(ctx context.Context, tx pgx.Tx, j Job, after []uuid.UUID) (schema.Violations, error) {
	if len(after) == 0 {
		return nil, nil
	}
	if _, err := tx.Exec(ctx, lockOrder); err != nil {
		return nil, fmt.Errorf("read the order of jobs: %w", err)
	}
	rows, _ := tx.Query(ctx, selectOrder)
	names, before := map[uuid.UUID]string{}, map[uuid.UUID][]uuid.UUID{}
	var id uuid.UUID
	var name string
	var those []uuid.UUID
	_, err := pgx.ForEachRow(rows, []any{&id, &name, &those}, func() error {
		names[id], before[id] = name, those
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the order of jobs: %w", err)
	}
	if names[j.ID] == "" {
		names[j.ID] = j.Name
	}
	var vs schema.Violations
	for i, a := range after {
		pointer := fmt.Sprintf("/after/%d", i)
		_, known := before[a]
		switch path := pathTo(a, j.ID, before, nil); {
		case !known && a != j.ID:
			vs = append(vs, schema.Violation{Pointer: pointer, Rule: "exists", Message: "there is no such job"})
		case slices.Contains(after[:i], a):
			vs = append(vs, schema.Violation{Pointer: pointer, Rule: "unique", Message: "it is named twice"})
		case path != nil:
			way := []string{names[j.ID]}
			for _, step := range path {
				way = append(way, names[step])
			}
			vs = append(vs, schema.Violation{
				Pointer: pointer, Rule: "cycle", Message: "the jobs would wait for each other: " + strings.Join(way, " after "),
			})
		}
	}
	return vs, nil
}

// pathTo returns the way from one job to another along what comes before, both included; nil if there is none.
func pathTo(from, to uuid.UUID, before map[uuid.UUID][]uuid.UUID, seen []uuid.UUID) []uuid.UUID {
	if from == to {
		return []uuid.UUID{to}
	}
	if slices.Contains(seen, from) {
		return nil
	}
	for _, b := range before[from] {
		if path := pathTo(b, to, before, append(seen, from)); path != nil {
			return append([]uuid.UUID{from}, path...)
		}
	}
	return nil
}

const replaceOrder = `
with gone as (
	delete from job_order where job_id = $1 and after_id <> all($2::uuid[])
)
insert into job_order (job_id, after_id)
select $1, a from unnest($2::uuid[]) as a
on conflict do nothing`

func setOrder(ctx context.Context, tx pgx.Tx, id uuid.UUID, after []uuid.UUID) ([]uuid.UUID, error) {
	if after == nil {
		after = []uuid.UUID{}
	}
	if _, err := tx.Exec(ctx, replaceOrder, id, after); err != nil {
		return nil, fmt.Errorf("set what a job runs after: %w", err)
	}
	sorted := slices.Clone(after)
	slices.SortFunc(sorted, func(a, b uuid.UUID) int { return strings.Compare(a.String(), b.String()) })
	return sorted, nil
}

const enqueueAll = `
select id from jobs where connection_id = $1 and kind = $2 and status = 'active' order by created_at, id`

// EnqueueAll asks for a run of each active job of a kind of a connection. They execute in their order: a run waits for
// those its job runs after.
func (s *Store) EnqueueAll(ctx context.Context, tx pgx.Tx, connection uuid.UUID, kind Kind) ([]Run, error) {
	ids, err := postgres.All(ctx, tx, "enqueue all jobs of a connection", pgx.RowTo[uuid.UUID], enqueueAll, connection, kind)
	if err != nil {
		return nil, err
	}
	runs := make([]Run, len(ids))
	for i, id := range ids {
		if runs[i], err = Enqueue(ctx, tx, id, ByHand); err != nil {
			return nil, err
		}
	}
	return runs, nil
}

// EnqueueKind asks for a run of the job of a kind that is about an entity on a connection. The job is made if there is none,
// without a schedule. Errors: [schema.Violations].
func (s *Store) EnqueueKind(ctx context.Context, tx pgx.Tx, connection uuid.UUID, kind Kind, entity string) (Run, error) {
	all, err := s.List(ctx, tx, connection)
	if err != nil {
		return Run{}, err
	}
	for _, j := range all {
		if j.Kind == kind && j.Entity == entity {
			return Enqueue(ctx, tx, j.ID, ByHand)
		}
	}
	made, err := s.Create(ctx, tx, New{ConnectionID: connection, Kind: kind, Entity: entity})
	if err != nil {
		return Run{}, err
	}
	return Enqueue(ctx, tx, made.ID, ByHand)
}
