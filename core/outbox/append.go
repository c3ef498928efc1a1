package outbox

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// channel is what a commit with changes notifies, so that the relay wakes.
const channel = "crmhub_outbox"

const appendChanges = `
insert into outbox (event_id, entity, entity_id, version, type, origin, traceparent, data, diff)
select e, n, i, v, t, o, nullif(p, ''), d::json, nullif(b, '')::json
from unnest($1::uuid[], $2::text[], $3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
	as c(e, n, i, v, t, o, p, d, b)`

// Append writes changes in the caller's transaction, in their order, for its organization. They are published once it has committed.
func Append(ctx context.Context, tx pgx.Tx, changes []Change) error {
	var b pgx.Batch
	if err := Queue(&b, changes); err != nil {
		return err
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("append %d changes to outbox: %w", len(changes), err)
	}
	return nil
}

// Queue is Append as part of a batch, after what it changes.
func Queue(b *pgx.Batch, changes []Change) error {
	if len(changes) == 0 {
		return nil
	}
	var (
		events, ids              = make([][16]byte, len(changes)), make([][16]byte, len(changes)) // uuid.UUID takes the driver's slow way
		entities, types, origins = make([]string, len(changes)), make([]string, len(changes)), make([]string, len(changes))
		trace, data, diffs       = make([]string, len(changes)), make([]string, len(changes)), make([]string, len(changes))
		versions                 = make([]int64, len(changes))
	)
	for i, c := range changes {
		if c.EventID == uuid.Nil {
			var err error
			if c.EventID, err = uuid.NewV7(); err != nil {
				return fmt.Errorf("append to outbox: %w", err)
			}
		}
		events[i], ids[i], versions[i] = c.EventID, c.EntityID, c.Version
		entities[i], types[i], origins[i], trace[i] = c.Entity, c.Type, c.Origin, c.TraceParent
		data[i], diffs[i] = string(c.Data), string(c.Diff)
	}
	b.Queue(appendChanges, events, entities, ids, versions, types, origins, trace, data, diffs)
	b.Queue("select pg_notify('" + channel + "', '')")
	return nil
}
