package link

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ErrBusy says that a call for a link is under way, so that it cannot be another entity's now.
var ErrBusy = errors.New("a call for it is under way: try again in a moment")

// A link keeps its record and what was agreed on it, and is due: the other entity has other values.
const move = `
with held as materialized (
	select l.id, l.state = 'sending' and worker_alive(l.worker) as busy, exists (
		select from links o where o.connection_id = l.connection_id and o.entity = l.entity and o.entity_id = $3
	) as taken
	from (select id, connection_id, entity, entity_id, state, worker from links l
		where l.entity = $1 and l.entity_id = $2 and ($5::uuid[] is null or l.id = any($5)) order by l.id for update) l
), moved as (
	update links l set entity_id = $3, wanted_version = $4, synced_version = 0, record_digest = null,
		next_attempt_at = coalesce(l.next_attempt_at, now()), updated_at = now()
	from held h
	where l.id = h.id and not h.taken and not exists (select from held where busy)
)
select ` + columns + `, h.busy, h.taken from held h join links l on l.id = h.id`

// A link that has no record and no call out is a wish only, and makes room for one that has: no second record is made.
const makeRoom = `
delete from links o using links l
where l.entity = $1 and l.entity_id = $2 and ($4::uuid[] is null or l.id = any($4)) and l.remote_id is not null
	and o.connection_id = l.connection_id and o.entity = $1 and o.entity_id = $3
	and o.remote_id is null and o.state not in ('sending', 'unknown')`

// Move makes the links of one entity those of another of its kind, whose version is wanted from now on, and returns
// them. Where the other has a record on that connection already the link stays: kept. only narrows to these links; nil
// is all. [ErrBusy] says that nothing was moved.
func Move(ctx context.Context, tx pgx.Tx, entity string, from, to uuid.UUID, version int64, only []uuid.UUID) (moved, kept []Link, err error) {
	if _, err := tx.Exec(ctx, makeRoom, entity, from, to, only); err != nil {
		return nil, nil, fmt.Errorf("move links of %s %s: %w", entity, from, err)
	}
	rows, err := tx.Query(ctx, move, entity, from, to, version, only)
	if err != nil {
		return nil, nil, fmt.Errorf("move links of %s %s: %w", entity, from, err)
	}
	defer rows.Close()
	for rows.Next() {
		var busy, taken bool
		l, err := scan(rows, &busy, &taken)
		if err != nil {
			return nil, nil, fmt.Errorf("move links of %s %s: %w", entity, from, err)
		}
		switch {
		case busy:
			return nil, nil, fmt.Errorf("move links of %s %s: %w", entity, from, ErrBusy)
		case taken:
			kept = append(kept, l)
		default:
			moved = append(moved, l)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, nil, fmt.Errorf("move links of %s %s: %w", entity, from, err)
	}
	for _, l := range moved {
		if err := closeConflictsOf(ctx, tx, l, from, ConflictMerged); err != nil {
			return nil, nil, err
		}
	}
	if only != nil {
		return moved, kept, nil // who waits on the rest goes on waiting
	}
	_, err = tx.Exec(ctx, `update links set waits_on_id = $3, next_attempt_at = now(), updated_at = now()
		where waits_on_entity = $1 and waits_on_id = $2 and state = 'waiting'`, entity, from, to)
	if err != nil {
		return nil, nil, fmt.Errorf("move what waits on %s %s: %w", entity, from, err)
	}
	return moved, kept, nil
}
