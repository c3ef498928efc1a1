package link

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/postgres"
)

// ErrNotFound says that there is no such link.
var ErrNotFound = postgres.NotFound("there is no such link")

// TakenError says that what is to be linked is linked already: its entity with another record, or its record with another
// entity.
type TakenError struct{ By Link }

func (e *TakenError) Error() string {
	return fmt.Sprintf("%s %s is linked with record %s already", e.By.Entity, e.By.EntityID, e.By.RemoteID)
}

// Get returns a link, or [ErrNotFound].
func Get(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Link, error) {
	return one(ctx, tx, "select "+columns+" from links l where l.id = $1", id)
}

func one(ctx context.Context, tx pgx.Tx, sql string, id uuid.UUID) (Link, error) {
	return postgres.One(ctx, tx, "read a link", scanLink, ErrNotFound, sql, id)
}

const taken = `
select ` + columns + `
from links l
where l.connection_id = $1 and l.entity = $2 and (l.entity_id = any($3) or l.remote_id = any($4))
order by l.id
for update`

// A link made by hand agrees on nothing yet: the next time the record comes it is merged with no base.
const connect = `
insert into links as l (id, connection_id, entity, entity_id, remote_id, state)
select i.id, $1, $2, i.entity_id, i.remote_id, 'linked' from unnest($3::uuid[], $4::uuid[], $5::text[]) as i (id, entity_id, remote_id)
on conflict (organization_id, connection_id, entity, entity_id) do update set
	remote_id = excluded.remote_id, remote_version = null, state = 'linked', synced_version = 0, snapshot = null, record_digest = null,
	waits_on_entity = null, waits_on_id = null, attempts = 0, cause = null, next_attempt_at = null, updated_at = now()
returning ` + columns

// Connect links an entity with a record, as somebody says. Nothing is agreed on: the record has to be brought in
// afterwards, and what differs is decided as on a first match. Errors: [TakenError], [ErrBusy].
func Connect(ctx context.Context, tx pgx.Tx, connection uuid.UUID, entity string, id uuid.UUID, remoteID string) (Link, error) {
	p := Pair{EntityID: id, RemoteID: remoteID}
	made, refused, err := ConnectAll(ctx, tx, connection, entity, []Pair{p})
	if err == nil {
		err = refused[p]
	}
	if err != nil {
		return Link{}, fmt.Errorf("link %s %s: %w", entity, id, err)
	}
	return made[p], nil
}

// ConnectAll is [Connect] of many pairs. What is refused leaves the others as they are.
func ConnectAll(ctx context.Context, tx pgx.Tx, connection uuid.UUID, entity string, pairs []Pair) (made map[Pair]Link, refused map[Pair]error, err error) {
	free, refused, err := freeOnes(ctx, tx, connection, entity, pairs)
	if err != nil || len(free) == 0 {
		return nil, refused, err
	}
	ids := make([]uuid.UUID, len(free))
	for i := range ids {
		if ids[i], err = uuid.NewV7(); err != nil {
			return nil, nil, err
		}
	}
	entityIDs, remoteIDs := split(free)
	rows, _ := tx.Query(ctx, connect, connection, entity, ids, entityIDs, remoteIDs)
	links, err := pgx.CollectRows(rows, scanLink)
	if err != nil {
		return nil, nil, fmt.Errorf("link %d of %s: %w", len(free), entity, err)
	}
	made = make(map[Pair]Link, len(links))
	acts := make([]audit.Act, len(links))
	connections, entities := make([]uuid.UUID, len(links)), make([]string, len(links))
	for i, l := range links {
		made[Pair{l.EntityID, l.RemoteID}], acts[i] = l, act("linked", l)
		connections[i], entities[i] = connection, entity
	}
	if _, err := release(ctx, tx, connections, entities, entityIDs); err != nil {
		return nil, nil, err
	}
	if _, err := tx.Exec(ctx, deleteRejected, connection, entity, entityIDs, remoteIDs); err != nil {
		return nil, nil, fmt.Errorf("forget rejections of %d pairs: %w", len(free), err)
	}
	if err := CloseProposals(ctx, tx, connection, entity, ProposalLinked, free); err != nil {
		return nil, nil, err
	}
	return made, refused, audit.Record(ctx, tx, acts...)
}

// freeOnes are the pairs neither of whose two is linked, nor in another of the pairs; and why the others are not.
func freeOnes(ctx context.Context, tx pgx.Tx, connection uuid.UUID, entity string, pairs []Pair) (free []Pair, refused map[Pair]error, err error) {
	entityIDs, remoteIDs := split(pairs)
	rows, _ := tx.Query(ctx, taken, connection, entity, entityIDs, remoteIDs)
	others, err := pgx.CollectRows(rows, scanLink)
	if err != nil {
		return nil, nil, fmt.Errorf("links of %d pairs of %s: %w", len(pairs), entity, err)
	}
	byEntity, byRemote := make(map[uuid.UUID]Link, len(others)), make(map[string]Link, len(others))
	for _, o := range others {
		byEntity[o.EntityID] = o
		if o.RemoteID != "" {
			byRemote[o.RemoteID] = o
		}
	}
	refused = map[Pair]error{}
	for _, p := range pairs {
		record, there := byRemote[p.RemoteID]
		known := byEntity[p.EntityID]
		switch {
		case there:
			refused[p] = &TakenError{By: record}
		case known.RemoteID != "":
			refused[p] = &TakenError{By: known}
		case known.State == Sending || known.State == Unknown:
			refused[p] = ErrBusy
		default:
			free = append(free, p)
			l := Link{ConnectionID: connection, Entity: entity, EntityID: p.EntityID, RemoteID: p.RemoteID}
			byEntity[p.EntityID], byRemote[p.RemoteID] = l, l
		}
	}
	return free, refused, nil
}

const disconnect = `
update links l set state = 'unlinked', remote_id = null, remote_version = null, reference = null, snapshot = null, record_digest = null, synced_version = 0,
	waits_on_entity = null, waits_on_id = null, attempts = 0, cause = null, next_attempt_at = null, updated_at = now()
where l.id = $1
returning ` + columns

// Disconnect takes a link apart, as somebody says: entity and record live on and have nothing to do with each other. Until
// somebody links the entity again it is not sent there, and no record is taken for it. Errors: [ErrNotFound], [ErrBusy].
func Disconnect(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Link, error) {
	old, err := one(ctx, tx, "select "+columns+" from links l where l.id = $1", id)
	if err != nil {
		return Link{}, err
	}
	if err := LockStream(ctx, tx, old.ConnectionID, old.Entity); err != nil { // before the rows, as a pull does
		return Link{}, err
	}
	if old, err = one(ctx, tx, "select "+columns+" from links l where l.id = $1 for update", id); err != nil {
		return Link{}, err
	}
	if old.State == Sending || old.State == Unknown {
		return Link{}, fmt.Errorf("unlink %s %s: %w", old.Entity, old.EntityID, ErrBusy)
	}
	l, err := one(ctx, tx, disconnect, id)
	if err != nil {
		return Link{}, err
	}
	if err := closeConflictsOf(ctx, tx, l, l.EntityID, ConflictUnlinked); err != nil {
		return Link{}, err
	}
	return l, audit.Record(ctx, tx, act("unlinked", old))
}

// act is what the audit trail says of a link: with the entity, in whose history it belongs.
func act(action string, l Link) audit.Act {
	return audit.Act{Action: action, Entity: "link", EntityID: l.ID, Detail: map[string]any{
		"connection_id": l.ConnectionID, "entity": l.Entity, "entity_id": l.EntityID, "remote_id": l.RemoteID,
	}}
}

const again = `
with input as (
	select * from unnest($3::uuid[], $4::uuid[], $5::bigint[]) as i (new_id, entity_id, version) order by entity_id
)
insert into links as l (id, connection_id, entity, entity_id, wanted_version, next_attempt_at)
select i.new_id, $1, $2, i.entity_id, i.version, now() from input i
on conflict (organization_id, connection_id, entity, entity_id) do update set
	state = case when $6 or l.remote_id is null then 'pending' else 'linked' end,
	remote_id = case when $6 then null else l.remote_id end,
	remote_version = case when $6 then null else l.remote_version end,
	snapshot = case when $6 then null else l.snapshot end,
	wanted_version = greatest(l.wanted_version, excluded.wanted_version),
	synced_version = 0, record_digest = null, waits_on_entity = null, waits_on_id = null, attempts = 0, cause = null,
	next_attempt_at = now(), updated_at = now()
	where l.state not in ('sending', 'unknown')
returning l.entity_id`

// Again makes entities due whatever was agreed on before, as somebody says who saw that the record lacks something. It
// returns the entities that are due; a link whose call is under way, or whose outcome is unknown, is left alone.
func Again(ctx context.Context, tx pgx.Tx, connection uuid.UUID, entity string, wanted []Version) (map[uuid.UUID]bool, error) {
	return sendAgain(ctx, tx, connection, entity, wanted, false)
}

// Anew is [Again] of entities whose records are gone: they are created once more.
func Anew(ctx context.Context, tx pgx.Tx, connection uuid.UUID, entity string, wanted []Version) (map[uuid.UUID]bool, error) {
	return sendAgain(ctx, tx, connection, entity, wanted, true)
}

func sendAgain(ctx context.Context, tx pgx.Tx, connection uuid.UUID, entity string, wanted []Version, anew bool) (map[uuid.UUID]bool, error) {
	n := len(wanted)
	newIDs, ids, versions := make([]uuid.UUID, n), make([]uuid.UUID, n), make([]int64, n)
	for i, v := range wanted {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("send %s again: %w", entity, err)
		}
		newIDs[i], ids[i], versions[i] = id, v.EntityID, v.Version
	}
	rows, _ := tx.Query(ctx, again, connection, entity, newIDs, ids, versions, anew)
	due, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("send %d of %s again: %w", n, entity, err)
	}
	is := make(map[uuid.UUID]bool, len(due))
	for _, id := range due {
		is[id] = true
	}
	return is, nil
}
