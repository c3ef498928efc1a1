package link

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/mapping"
	"crmhub/core/postgres"
)

const columns = `l.id, l.connection_id, l.entity, l.entity_id, coalesce(l.remote_id, ''), coalesce(l.remote_version, ''),
	coalesce(l.reference, ''), l.state, l.wanted_version, l.synced_version, coalesce(l.waits_on_entity, ''), l.waits_on_id,
	l.attempts, l.sent_at, l.next_attempt_at, l.cause, l.created_at, l.updated_at`

func scan(row pgx.CollectableRow, more ...any) (Link, error) {
	var l Link
	var cause []byte
	err := row.Scan(append([]any{
		&l.ID, &l.ConnectionID, &l.Entity, &l.EntityID, &l.RemoteID, &l.RemoteVersion,
		&l.Reference, &l.State, &l.WantedVersion, &l.SyncedVersion, &l.WaitsOnEntity, &l.WaitsOnID,
		&l.Attempts, &l.SentAt, &l.NextAttemptAt, &cause, &l.CreatedAt, &l.UpdatedAt,
	}, more...)...)
	if err != nil {
		return Link{}, err
	}
	if len(cause) > 0 {
		if err := json.Unmarshal(cause, &l.Cause); err != nil {
			return Link{}, fmt.Errorf("link %s: its cause: %w", l.ID, err)
		}
	}
	return l, nil
}

func scanLink(row pgx.CollectableRow) (Link, error) { return scan(row) }

func scanWithSnapshot(row pgx.CollectableRow) (Link, error) {
	var snapshot []byte
	l, err := scan(row, &snapshot)
	l.Snapshot = snapshot
	return l, err
}

const byEntity = `
select ` + columns + `
from unnest((select $2::text[]), (select $3::uuid[])) as i (entity, id)
cross join lateral (select * from links l where l.connection_id = $1 and l.entity = i.entity and l.entity_id = i.id offset 0) l`

// ByEntity returns the links that entities have on a connection, by entity and entity id. Those without a link are
// absent, and so are ids that are no UUID.
func ByEntity(ctx context.Context, tx pgx.Tx, connection uuid.UUID, refs []mapping.Ref) (map[mapping.Ref]Link, error) {
	var b pgx.Batch
	found := QueueByEntity(&b, connection, refs)
	if b.Len() == 0 {
		return found, nil
	}
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return nil, fmt.Errorf("links by entity: %w", err)
	}
	return found, nil
}

// QueueByEntity is ByEntity as part of a batch: the map is filled when the batch was sent.
func QueueByEntity(b *pgx.Batch, connection uuid.UUID, refs []mapping.Ref) map[mapping.Ref]Link {
	entities, ids := make([]string, 0, len(refs)), make([]uuid.UUID, 0, len(refs))
	for _, r := range refs {
		if id, err := uuid.Parse(r.ID); err == nil {
			entities, ids = append(entities, r.Entity), append(ids, id)
		}
	}
	found := make(map[mapping.Ref]Link, len(ids))
	if len(ids) == 0 {
		return found
	}
	b.Queue(byEntity, connection, entities, ids).Query(func(rows pgx.Rows) error {
		links, err := pgx.CollectRows(rows, scanLink)
		for _, l := range links {
			found[mapping.Ref{Entity: l.Entity, ID: l.EntityID.String()}] = l
		}
		return err
	})
	return found
}

const byRemote = `
select ` + columns + `, l.snapshot
from unnest($2::text[], $3::text[]) as i (entity, id)
cross join lateral (select * from links l where l.connection_id = $1 and l.entity = i.entity and l.remote_id = i.id offset 0) l`

// ByRemote returns the links that records have on a connection, by entity and remote id, with their snapshots.
func ByRemote(ctx context.Context, tx pgx.Tx, connection uuid.UUID, refs []mapping.Ref) (map[mapping.Ref]Link, error) {
	found := make(map[mapping.Ref]Link, len(refs))
	if len(refs) == 0 {
		return found, nil
	}
	entities, ids := make([]string, len(refs)), make([]string, len(refs))
	for i, r := range refs {
		entities[i], ids[i] = r.Entity, r.ID
	}
	rows, _ := tx.Query(ctx, byRemote, connection, entities, ids)
	links, err := pgx.CollectRows(rows, scanWithSnapshot)
	if err != nil {
		return nil, fmt.Errorf("links by record: %w", err)
	}
	for _, l := range links {
		found[mapping.Ref{Entity: l.Entity, ID: l.RemoteID}] = l
	}
	return found, nil
}

const ofEntity = `
select ` + columns + ` from links l where l.entity = $1 and l.entity_id = $2 order by l.connection_id`

// OfEntity returns an entity's links on all connections.
func OfEntity(ctx context.Context, tx pgx.Tx, entity string, id uuid.UUID) ([]Link, error) {
	rows, err := tx.Query(ctx, ofEntity, entity, id)
	if err != nil {
		return nil, fmt.Errorf("links of %s %s: %w", entity, id, err)
	}
	links, err := pgx.CollectRows(rows, scanLink)
	if err != nil {
		return nil, fmt.Errorf("links of %s %s: %w", entity, id, err)
	}
	return links, nil
}

// OfEntities returns the links of several entities of a kind on all connections, by entity.
func OfEntities(ctx context.Context, tx pgx.Tx, entity string, ids []uuid.UUID) (map[uuid.UUID][]Link, error) {
	rows, err := tx.Query(ctx, "select "+columns+" from links l where l.entity = $1 and l.entity_id = any($2) order by l.connection_id", entity, ids)
	if err != nil {
		return nil, fmt.Errorf("links of %d %s: %w", len(ids), entity, err)
	}
	links, err := pgx.CollectRows(rows, scanLink)
	if err != nil {
		return nil, fmt.Errorf("links of %d %s: %w", len(ids), entity, err)
	}
	of := make(map[uuid.UUID][]Link, len(ids))
	for _, l := range links {
		of[l.EntityID] = append(of[l.EntityID], l)
	}
	return of, nil
}

// Filter narrows a list of links; zero fields do not.
type Filter struct {
	Connection uuid.UUID
	Entity     string
	EntityID   uuid.UUID
	RemoteID   string
	State      State
	Words      string      // what somebody calls it by: it finds records with this id,
	Named      []uuid.UUID // and these entities
	After      string      // Next of the page before
	Limit      int         // 0: 50; at most 500
}

const list = `
select ` + columns + `
from links l
where ($1::uuid is null or l.connection_id = $1) and ($2 = '' or l.entity = $2) and ($3::uuid is null or l.entity_id = $3)
	and ($4 = '' or l.state = $4) and ($5::uuid is null or l.id < $5) and ($6 = '' or l.remote_id = $6)
	and ($7 = '' or l.remote_id = $7 or l.entity_id = any($8))
order by l.id desc
limit $9`

// List returns links, newest first.
func List(ctx context.Context, tx pgx.Tx, f Filter) (p postgres.Page[Link], err error) {
	after, err := postgres.PlaceID(f.After)
	if err != nil {
		return p, err
	}
	return postgres.List(ctx, tx, "list links", scanLink, f.Limit, func(l Link) string { return l.ID.String() },
		list, postgres.OrNull(f.Connection), f.Entity, postgres.OrNull(f.EntityID), string(f.State), after, f.RemoteID, f.Words, f.Named)
}
