package link

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
)

const dueLinks = `
select ` + columns + `
from links l
where l.connection_id = $1 and l.entity = any($2) and l.next_attempt_at <= now()
	and (l.state <> 'sending' or not worker_alive(l.worker))
order by l.next_attempt_at
limit $3`

// Due returns links that are to be taken up now, the longest due first: new ones, parked and waiting ones whose time
// has come, outcomes to be looked into, and calls of workers that died. [Announce] decides who gets them.
func Due(ctx context.Context, tx pgx.Tx, connection uuid.UUID, entities []string, limit int) ([]Link, error) {
	return postgres.All(ctx, tx, "find due links", scanLink, dueLinks, connection, entities, limit)
}

const want = `
with input as (
	select * from unnest($3::uuid[], $4::uuid[], $5::bigint[], $6::boolean[]) as i (new_id, entity_id, version, deleted)
)
insert into links as l (id, connection_id, entity, entity_id, wanted_version, next_attempt_at)
select i.new_id, $1, $2, i.entity_id, i.version, now()
from input i
left join lateral (
	select w.wanted_version from links w where w.connection_id = $1 and w.entity = $2 and w.entity_id = i.entity_id offset 0
) w on true
where case when w.wanted_version is null then not i.deleted else w.wanted_version < i.version end
order by i.entity_id
on conflict (organization_id, connection_id, entity, entity_id) do update
	set wanted_version = excluded.wanted_version, next_attempt_at = coalesce(l.next_attempt_at, now()), updated_at = now()
	where l.wanted_version < excluded.wanted_version`

// Version is one of an entity.
type Version struct {
	EntityID uuid.UUID
	Version  int64
	Deleted  bool // it is the entity's end
}

// Want notes versions of entities as wanted on a connection and makes due what is not scheduled already. Nothing
// happens where that version or a newer one is wanted, nor with the end of what was never wanted. It returns how many
// were new. No entity may occur twice.
func Want(ctx context.Context, tx pgx.Tx, connection uuid.UUID, entity string, wanted []Version) (int, error) {
	n := len(wanted)
	if n == 0 {
		return 0, nil
	}
	newIDs, ids := make([]uuid.UUID, n), make([]uuid.UUID, n)
	versions, deleted := make([]int64, n), make([]bool, n)
	for i, v := range wanted {
		id, err := uuid.NewV7()
		if err != nil {
			return 0, fmt.Errorf("want %s: %w", entity, err)
		}
		newIDs[i], ids[i], versions[i], deleted[i] = id, v.EntityID, v.Version, v.Deleted
	}
	tag, err := tx.Exec(ctx, want, connection, entity, newIDs, ids, versions, deleted)
	if err != nil {
		return 0, fmt.Errorf("want %d of %s: %w", n, entity, err)
	}
	return int(tag.RowsAffected()), nil
}

const lockRecords = `
select l.entity_id, l.remote_id is not null
from (select id from unnest($3::uuid[]) as i (id) order by id) i
cross join lateral (select * from links l where l.connection_id = $1 and l.entity = $2 and l.entity_id = i.id for update) l`

// WantParents sees to it that entities others wait on are wanted, and returns those that have a record already.
// Their links stay locked, so that a child that is acknowledged as waiting in the same transaction is not overlooked
// when the parent gets its record.
func WantParents(ctx context.Context, tx pgx.Tx, connection uuid.UUID, entity string, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	first := make([]Version, len(ids))
	for i, id := range ids {
		first[i] = Version{EntityID: id, Version: 1} // the first version any entity has
	}
	if _, err := Want(ctx, tx, connection, entity, first); err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, lockRecords, connection, entity, ids)
	if err != nil {
		return nil, fmt.Errorf("lock parents: %w", err)
	}
	ready := make(map[uuid.UUID]bool, len(ids))
	var id uuid.UUID
	var has bool
	_, err = pgx.ForEachRow(rows, []any{&id, &has}, func() error {
		if has {
			ready[id] = true
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("lock parents: %w", err)
	}
	return ready, nil
}

const retry = `
update links l set next_attempt_at = now(), updated_at = now()
where l.connection_id = $1 and l.entity = $2 and l.entity_id = any($3) and l.state in ('pending', 'parked', 'waiting', 'failed')`

// Retry makes links due that are parked, waiting or failed, as a person asks after mending something. A link whose
// call is under way or whose outcome is unknown keeps its time. It returns how many are due now.
func Retry(ctx context.Context, tx pgx.Tx, connection uuid.UUID, entity string, ids []uuid.UUID) (int, error) {
	tag, err := tx.Exec(ctx, retry, connection, entity, ids)
	if err != nil {
		return 0, fmt.Errorf("retry %d of %s: %w", len(ids), entity, err)
	}
	return int(tag.RowsAffected()), nil
}
