package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/connector"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Store reads and writes jobs in the caller's transaction.
type Store struct {
	Connectors map[string]connector.Connector // by name: a job is only created for what its connection can do
	Now        func() time.Time
}

const (
	jobColumns = `organization_id, id, connection_id, name, kind, entity, coalesce(schedule, ''), time_zone, overlap, misfire, jitter_seconds,
	array(select o.after_id from job_order o where o.organization_id = jobs.organization_id and o.job_id = jobs.id order by o.after_id),
	status, next_run_at, created_at, created_by, updated_at`
	selectJob = `select ` + jobColumns + ` from jobs`
)

func scanJob(row pgx.CollectableRow) (j Job, err error) {
	err = row.Scan(&j.Organization, &j.ID, &j.ConnectionID, &j.Name, &j.Kind, &j.Entity, &j.Schedule, &j.TimeZone, &j.Overlap, &j.Misfire,
		&j.JitterSeconds, &j.After, &j.Status, &j.NextRunAt, &j.CreatedAt, &j.CreatedBy, &j.UpdatedAt)
	return j, err
}

const insertJob = `
insert into jobs (id, connection_id, name, kind, entity, schedule, time_zone, overlap, misfire, jitter_seconds, next_run_at)
values ($1, $2, $3, $4, $5, nullif($6, ''), $7, $8, $9, $10, $11)
on conflict (organization_id, connection_id, kind, entity) do nothing
returning ` + jobColumns

// Create stores a new, active job. Everything wrong with it is reported at once as [schema.Violations].
func (s *Store) Create(ctx context.Context, tx pgx.Tx, in New) (Job, error) {
	in.Timing = in.withDefaults()
	c, vs, err := s.connectorOf(ctx, tx, in.ConnectionID)
	if err != nil {
		return Job{}, fmt.Errorf("create job: %w", err)
	}
	if len(vs) == 0 {
		vs = checkStream(c, in.Kind, in.Entity)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Job{}, fmt.Errorf("create job: %w", err)
	}
	next, faults := s.begin(id, in.Timing)
	order, err := checkOrder(ctx, tx, Job{ID: id, Name: in.Name}, in.After)
	if err != nil {
		return Job{}, err
	}
	if vs = append(append(append(vs, faults...), in.check()...), order...); len(vs) > 0 {
		return Job{}, vs
	}
	if in.Name == "" {
		in.Name = string(in.Kind) + " " + in.Entity
	}
	j, err := oneJob(ctx, tx, insertJob, id, in.ConnectionID, in.Name, in.Kind, in.Entity, in.Schedule, in.TimeZone, in.Overlap, in.Misfire,
		in.JitterSeconds, next)
	if errors.Is(err, ErrNotFound) {
		return Job{}, schema.Violations{{
			Pointer: "/entity", Rule: "unique",
			Message: "the connection has a job for this already",
		}}
	}
	if err != nil {
		return Job{}, err
	}
	if j.After, err = setOrder(ctx, tx, id, in.After); err != nil {
		return Job{}, err
	}
	return j, audit.Record(ctx, tx, audit.Act{Action: "created", Entity: "job", EntityID: j.ID, Detail: j})
}

// connectorOf returns the connector of a connection, with the streams that this connection carries, or what is wrong with naming it.
func (s *Store) connectorOf(ctx context.Context, tx pgx.Tx, connection uuid.UUID) (connector.Connector, schema.Violations, error) {
	var name string
	var config json.RawMessage
	err := tx.QueryRow(ctx, `select connector, config from connections where id = $1`, connection).Scan(&name, &config)
	if errors.Is(err, pgx.ErrNoRows) {
		return connector.Connector{}, schema.Violations{{Pointer: "/connection_id", Rule: "exists", Message: "there is no such connection"}}, nil
	}
	if err != nil {
		return connector.Connector{}, nil, err
	}
	settings, err := schema.DecodeJSON(config)
	if err != nil {
		return connector.Connector{}, nil, fmt.Errorf("read the connection's configuration: %w", err)
	}
	c := s.Connectors[name]
	known, _ := settings.(map[string]any)
	c.Streams = c.Carried(known)
	return c, nil, nil
}

const selectActivePull = `
select id from jobs
where connection_id = $1 and kind = 'pull' and entity = $2 and status = 'active'`

// ActivePull returns the id of the job that pulls an entity from a connection, or [ErrNotFound] if there is none that
// runs without a person.
func ActivePull(ctx context.Context, tx pgx.Tx, connectionID uuid.UUID, entity string) (id uuid.UUID, err error) {
	err = tx.QueryRow(ctx, selectActivePull, connectionID, entity).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return id, ErrNotFound
	}
	if err != nil {
		return id, fmt.Errorf("look up the job that pulls %s: %w", entity, err)
	}
	return id, nil
}

const updateJob = `
update jobs set name = $2, schedule = nullif($3, ''), time_zone = $4, overlap = $5, misfire = $6, jitter_seconds = $7,
	next_run_at = case when status = 'active' then $8::timestamptz end, updated_at = now()
where id = $1
returning ` + jobColumns

// Update replaces a job's name and timing. Errors: [schema.Violations], [ErrNotFound].
func (s *Store) Update(ctx context.Context, tx pgx.Tx, id uuid.UUID, in Change) (Job, error) {
	in.Timing = in.withDefaults()
	old, err := oneJob(ctx, tx, selectJob+` where id = $1 for no key update`, id)
	if err != nil {
		return Job{}, err
	}
	next, vs := s.begin(id, in.Timing)
	order, err := checkOrder(ctx, tx, old, in.After)
	if err != nil {
		return Job{}, err
	}
	if vs = append(append(append(checkName(in.Name), vs...), in.check()...), order...); len(vs) > 0 {
		return Job{}, vs
	}
	if _, err := setOrder(ctx, tx, id, in.After); err != nil {
		return Job{}, err
	}
	return change(ctx, tx, old, updateJob, in.Name, in.Schedule, in.TimeZone, in.Overlap, in.Misfire, in.JitterSeconds, next)
}

// Pause stops a job's schedule; a run of it that executes goes on.
func (s *Store) Pause(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Job, error) {
	old, err := oneJob(ctx, tx, selectJob+` where id = $1 for no key update`, id)
	if err != nil {
		return Job{}, err
	}
	return change(ctx, tx, old, `update jobs set status = 'paused', next_run_at = null, updated_at = now() where id = $1
		returning `+jobColumns)
}

// Resume lets a paused job's schedule count again, from now on.
func (s *Store) Resume(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Job, error) {
	old, err := oneJob(ctx, tx, selectJob+` where id = $1 for no key update`, id)
	if err != nil {
		return Job{}, err
	}
	next, vs := s.begin(id, old.Timing)
	if len(vs) > 0 {
		return Job{}, vs
	}
	return change(ctx, tx, old, `update jobs set status = 'active', next_run_at = $2, updated_at = now() where id = $1
		returning `+jobColumns, next)
}

const deleteJob = `
delete from jobs j
where id = $1 and not exists (select from runs r where r.job_id = j.id and r.status = 'running')`

// Delete removes a job with its runs and their logs. What they brought stays, with its dead letters and reconciliations;
// so does the place that a pull had reached: a job made for the same again goes on there. Errors: [ErrNotFound],
// [ErrRunning].
func (s *Store) Delete(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	old, err := oneJob(ctx, tx, selectJob+` where id = $1 for update`, id)
	if err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, deleteJob, id)
	if err != nil {
		return fmt.Errorf("delete job %s: %w", id, err)
	}
	if tag.RowsAffected() == 0 {
		return ErrRunning
	}
	return audit.Record(ctx, tx, audit.Act{Action: "deleted", Entity: "job", EntityID: id, Detail: old})
}

// change runs an update of a job, and writes down for the audit trail what it changed.
func change(ctx context.Context, tx pgx.Tx, old Job, sql string, args ...any) (Job, error) {
	id := old.ID
	j, err := oneJob(ctx, tx, sql, append([]any{id}, args...)...)
	if err != nil {
		return Job{}, err
	}
	changed, err := audit.Diff(settings(old), settings(j))
	if err != nil {
		return Job{}, err
	}
	return j, audit.Record(ctx, tx, audit.Act{Action: "updated", Entity: "job", EntityID: id, Detail: changed})
}

// settings are what people decide of a job.
func settings(j Job) map[string]any {
	return map[string]any{
		"name": j.Name, "schedule": j.Schedule, "time_zone": j.TimeZone, "status": j.Status, "overlap": j.Overlap, "misfire": j.Misfire,
		"jitter_seconds": j.JitterSeconds, "after": j.After,
	}
}

// Get returns a job, or [ErrNotFound].
func (s *Store) Get(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Job, error) {
	return oneJob(ctx, tx, selectJob+` where id = $1`, id)
}

// List returns the jobs of a connection, or of all with [uuid.Nil]. There are few: a handful a connection.
func (s *Store) List(ctx context.Context, tx pgx.Tx, connection uuid.UUID) ([]Job, error) {
	return postgres.All(ctx, tx, "list jobs", scanJob, selectJob+` where $1::uuid is null or connection_id = $1 order by connection_id, kind, entity`,
		postgres.OrNull(connection))
}

// begin returns when a job is due that is scheduled from now on, nil without a schedule.
func (s *Store) begin(id uuid.UUID, t Timing) (*time.Time, schema.Violations) {
	if t.Schedule == "" {
		_, vs := parseZone(t.TimeZone)
		return nil, vs
	}
	parsed, vs := ParseSchedule(t.Schedule, t.TimeZone)
	if len(vs) > 0 {
		return nil, vs
	}
	at := parsed.begin(now(s.Now), delay(id, t.JitterSeconds))
	return &at, nil
}

func oneJob(ctx context.Context, tx pgx.Tx, sql string, args ...any) (Job, error) {
	return postgres.One(ctx, tx, "read or write a job", scanJob, ErrNotFound, sql, args...)
}

func now(clock func() time.Time) time.Time {
	if clock == nil {
		return time.Now()
	}
	return clock()
}
