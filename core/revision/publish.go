package revision

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/connection"
	"crmhub/core/mapping"
	"crmhub/core/schema"
)

const setTested = `
update mapping_versions set status = 'tested', tested_at = now() where id = $1 and status in ('draft', 'tested') returning ` + columns

// Test makes up entities, pushes and pulls them, and runs the version's examples. A draft that passes is tested from now on.
func (s *Store) Test(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Version, mapping.Report, error) {
	c, v, err := s.lock(ctx, tx, id)
	if err != nil {
		return v, mapping.Report{}, err
	}
	m, err := s.Compiled(c, v)
	if err != nil {
		return v, mapping.Report{}, err
	}
	report := m.Prove(v.Examples)
	if len(report.Faults) > 0 || v.Status != Draft && v.Status != Tested {
		return v, report, nil
	}
	v, err = one(ctx, tx, setTested, id)
	return v, report, err
}

// WorseError says that a version must not go live, since records that are well today would fail.
type WorseError struct{ Effect Effect }

func (e *WorseError) Error() string {
	return fmt.Sprintf("%d of %d records that are well with the live mapping would fail", e.Effect.Worse, e.Effect.Checked)
}

const (
	retireLive = `update mapping_versions set status = $3, retired_at = now() where connection_id = $1 and entity = $2 and status = 'live' returning ` + columns
	setLive    = `update mapping_versions set status = 'live', published_at = now(), published_by = crmhub_actor(), retired_at = null where id = $1 returning ` + columns
)

// Publish makes a version live, in place of what was. It fails with [schema.Violations] if the version does not pass its test,
// and with a [WorseError] if a record of the last ones fails with it and not without. It counts in every process within a
// second or two; a run that is under way ends with the mapping it began with.
func (s *Store) Publish(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Version, error) {
	v, report, err := s.Test(ctx, tx, id)
	if err != nil {
		return v, err
	}
	if v.Status == Live {
		return v, fmt.Errorf("it is live: %w", ErrStatus)
	}
	if len(report.Faults) > 0 {
		vs := make(schema.Violations, len(report.Faults))
		for i, f := range report.Faults {
			vs[i] = schema.Violation{Pointer: "/text", Rule: "test", Message: f}
		}
		return v, vs
	}
	effect, err := s.Effect(ctx, tx, v)
	if err != nil {
		return v, err
	}
	if effect.Worse > 0 {
		return v, &WorseError{effect}
	}
	if _, err := one(ctx, tx, retireLive, v.ConnectionID, v.Entity, Retired); err != nil && !errors.Is(err, ErrNotFound) {
		return v, err
	}
	if v, err = one(ctx, tx, setLive, id); err != nil {
		return v, err
	}
	return v, v.record(ctx, tx, "published")
}

const lastLive = `
select ` + columns + ` from mapping_versions where connection_id = $1 and entity = $2 and status = 'retired' and published_at is not null
order by published_at desc, number desc limit 1`

// RollBack takes the live version back, for a reason. What was live before is live again; if that was none of the
// organization's own, what is shipped is. [ErrStatus] if there is no live version.
func (s *Store) RollBack(ctx context.Context, tx pgx.Tx, connectionID uuid.UUID, entity, reason string) (taken Version, again *Version, err error) {
	if _, err := tx.Exec(ctx, lockConnection, connectionID); err != nil {
		return taken, nil, fmt.Errorf("roll a mapping back: %w", err)
	}
	if taken, err = one(ctx, tx, retireLive, connectionID, entity, RolledBack); err != nil {
		if errors.Is(err, ErrNotFound) {
			err = fmt.Errorf("what is shipped is live: %w", ErrStatus)
		}
		return taken, nil, err
	}
	before, err := one(ctx, tx, lastLive, connectionID, entity)
	switch {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return taken, nil, err
	default:
		if before, err = one(ctx, tx, setLive, before.ID); err != nil {
			return taken, nil, err
		}
		again = &before
	}
	number := 0
	if again != nil {
		number = again.Number
	}
	return taken, again, audit.Record(ctx, tx, audit.Act{Action: "rolled_back", Entity: "mapping_version", EntityID: taken.ID, Detail: map[string]any{
		"connection_id": connectionID, "entity": entity, "number": taken.Number, "to": number, "reason": reason,
	}})
}

// lock returns a version with its connection locked, so that one thing at a time is decided about the connection's mappings.
func (s *Store) lock(ctx context.Context, tx pgx.Tx, id uuid.UUID) (c connection.Connection, v Version, err error) {
	if v, err = s.Get(ctx, tx, id); err != nil {
		return c, v, err
	}
	if _, err := tx.Exec(ctx, lockConnection, v.ConnectionID); err != nil {
		return c, v, fmt.Errorf("lock a connection: %w", err)
	}
	if v, err = s.Get(ctx, tx, id); err != nil {
		return c, v, err
	}
	c, err = s.Connections.Get(ctx, tx, v.ConnectionID)
	return c, v, err
}
