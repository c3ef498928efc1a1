package link

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
)

// ConflictStatus says how a conflict stands.
type ConflictStatus string

// The statuses.
const (
	ConflictOpen      ConflictStatus = "open"
	ConflictOurs      ConflictStatus = "ours"      // somebody said that ours counts
	ConflictTheirs    ConflictStatus = "theirs"    // somebody said that theirs counts
	ConflictValue     ConflictStatus = "value"     // somebody gave another value
	ConflictConverged ConflictStatus = "converged" // both sides came to say the same
	ConflictDeleted   ConflictStatus = "deleted"   // the entity was deleted
	ConflictMerged    ConflictStatus = "merged"    // the entity became part of another
	ConflictUnlinked  ConflictStatus = "unlinked"  // entity and record have nothing to do with each other any more
)

// ConflictStatuses are all statuses.
func ConflictStatuses() []ConflictStatus {
	return []ConflictStatus{ConflictOpen, ConflictOurs, ConflictTheirs, ConflictValue, ConflictConverged, ConflictDeleted, ConflictMerged, ConflictUnlinked}
}

// Kept is a [Conflict] that waits for a person, or did. As long as it is open, both sides keep their value: a push sends the
// remote's back, and every pull renews what is kept.
type Kept struct {
	ID           uuid.UUID      `json:"id"`
	ConnectionID uuid.UUID      `json:"connection_id"`
	Entity       string         `json:"entity"`
	EntityID     uuid.UUID      `json:"entity_id"`
	Field        string         `json:"field"`
	Base         any            `json:"base"` // what both sides agreed on last
	Ours         any            `json:"ours"`
	Theirs       any            `json:"theirs"`
	Status       ConflictStatus `json:"status" enum:"open,ours,theirs,value,converged,deleted,merged,unlinked"`
	CreatedAt    time.Time      `json:"created_at"`
	UpdatedAt    time.Time      `json:"updated_at"`
	SettledBy    string         `json:"settled_by,omitempty"`

	// Record is the record as it was read last: its id, version, time and data. Nil in conflicts of before it was kept.
	Record json.RawMessage `json:"-"`
}

// ErrNoConflict says that there is no such conflict.
var ErrNoConflict = postgres.NotFound("there is no such conflict")

const conflictColumns = `c.id, c.connection_id, c.entity, c.entity_id, c.field, c.base::text, c.ours::text, c.theirs::text, c.status, c.created_at, c.updated_at,
	coalesce(c.settled_by, ''), c.record::text`

func scanConflict(row pgx.CollectableRow) (k Kept, err error) {
	var base, ours, theirs, record *string
	err = row.Scan(&k.ID, &k.ConnectionID, &k.Entity, &k.EntityID, &k.Field, &base, &ours, &theirs, &k.Status, &k.CreatedAt, &k.UpdatedAt, &k.SettledBy, &record)
	if err != nil {
		return k, err
	}
	for to, from := range map[*any]*string{&k.Base: base, &k.Ours: ours, &k.Theirs: theirs} {
		if *to, err = valueOf(from); err != nil {
			return k, fmt.Errorf("conflict %s: %w", k.ID, err)
		}
	}
	if record != nil {
		k.Record = json.RawMessage(*record)
	}
	return k, nil
}

// valueOf is a JSON value with its numbers as they are written; nil without one.
func valueOf(text *string) (v any, err error) {
	if text == nil {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader([]byte(*text)))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

// ConflictFilter narrows a list of conflicts; zero fields do not.
type ConflictFilter struct {
	Connection uuid.UUID
	Entity     string
	EntityID   uuid.UUID
	Field      string
	Status     ConflictStatus
	After      string // Next of the page before
	Limit      int    // 0: 50; at most 500
}

const listConflicts = `
select ` + conflictColumns + `
from conflicts c
where ($1::uuid is null or c.connection_id = $1) and ($2 = '' or c.entity = $2) and ($3::uuid is null or c.entity_id = $3)
	and ($4 = '' or c.field = $4) and ($5 = '' or c.status = $5) and ($6::uuid is null or c.id < $6)
order by c.id desc
limit $7`

// ListConflicts returns conflicts, the newest first.
func ListConflicts(ctx context.Context, tx pgx.Tx, f ConflictFilter) (p postgres.Page[Kept], err error) {
	after, err := postgres.PlaceID(f.After)
	if err != nil {
		return p, err
	}
	return postgres.List(ctx, tx, "list conflicts", scanConflict, f.Limit, func(k Kept) string { return k.ID.String() },
		listConflicts, postgres.OrNull(f.Connection), f.Entity, postgres.OrNull(f.EntityID), f.Field, f.Status, after)
}

// GetConflict returns a conflict, or [ErrNoConflict].
func GetConflict(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Kept, error) {
	return oneConflict(ctx, tx, "select "+conflictColumns+" from conflicts c where c.id = $1", id)
}

// LockConflict is GetConflict, and keeps others from settling it until the transaction ends. Who brings in its record holds the stream
// ([LockStream]) and the entity before, in this order, as a pull does.
func LockConflict(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Kept, error) {
	return oneConflict(ctx, tx, "select "+conflictColumns+" from conflicts c where c.id = $1 for update", id)
}

func oneConflict(ctx context.Context, tx pgx.Tx, sql string, id uuid.UUID) (Kept, error) {
	return postgres.One(ctx, tx, "read a conflict", scanConflict, ErrNoConflict, sql, id)
}

const markSettled = `update conflicts set status = $2, settled_by = crmhub_actor(), updated_at = now() where id = $1 and status = 'open'`

// MarkSettled notes how somebody decided a conflict. Bringing its record in with the decision is for the caller, in the same
// transaction.
func MarkSettled(ctx context.Context, tx pgx.Tx, id uuid.UUID, as ConflictStatus) error {
	if _, err := tx.Exec(ctx, markSettled, id, as); err != nil {
		return fmt.Errorf("settle conflict %s: %w", id, err)
	}
	return nil
}

const closeConflicts = `
update conflicts set status = $4, settled_by = crmhub_actor(), updated_at = now()
where status = 'open' and entity = $1 and entity_id = $2 and connection_id = $3`

// closeConflictsOf closes what nobody has to decide any more on a connection: entity and record have nothing to do with each
// other now. The store does so with what it deletes.
func closeConflictsOf(ctx context.Context, tx pgx.Tx, l Link, entity uuid.UUID, as ConflictStatus) error {
	if _, err := tx.Exec(ctx, closeConflicts, l.Entity, entity, l.ConnectionID, as); err != nil {
		return fmt.Errorf("close the conflicts of %s %s: %w", l.Entity, entity, err)
	}
	return nil
}

const heldBack = `
select c.entity_id, c.field, c.theirs::text
from unnest((select $3::uuid[])) as i (id)
cross join lateral (
	select * from conflicts c where c.connection_id = $1 and c.entity = $2 and c.entity_id = i.id and c.status = 'open' offset 0
) c`

// QueueHeld asks, as part of a batch, for the fields of entities about which a person has to decide, with what the remote says
// of them: nothing else may be sent there till then. The map is filled when the batch was sent.
func QueueHeld(b *pgx.Batch, connection uuid.UUID, entity string, ids []uuid.UUID) map[uuid.UUID]map[string]any {
	held := map[uuid.UUID]map[string]any{}
	b.Queue(heldBack, connection, entity, ids).Query(func(rows pgx.Rows) error {
		var id uuid.UUID
		var field string
		var theirs *string
		_, err := pgx.ForEachRow(rows, []any{&id, &field, &theirs}, func() error {
			value, err := valueOf(theirs)
			if err != nil {
				return err
			}
			if held[id] == nil {
				held[id] = map[string]any{}
			}
			held[id][field] = value
			return nil
		})
		return err
	})
	return held
}

// Same reports whether two values of a field mean the same, as a merge compares them; of ours only the parts that theirs names.
func Same(ours, theirs any) bool { return equal(shapeOf(theirs).of(ours), theirs) }
