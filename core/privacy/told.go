package privacy

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
)

// Telling says how far a connection has been told that something is erased.
type Telling string

// How far it can be.
const (
	Delivered Telling = "delivered" // the record has the version without the data
	Pending   Telling = "pending"   // it will be sent
	Failed    Telling = "failed"    // it was refused: there is a dead letter
	ByHand    Telling = "by_hand"   // the hub does not write there: somebody has to, in the other system
)

// Tellings are all there are.
func Tellings() []Telling { return []Telling{Delivered, Pending, Failed, ByHand} }

// Told is a record of another system that holds what was erased here, or did.
type Told struct {
	Connection   string    `json:"connection" doc:"Its code."`
	ConnectionID uuid.UUID `json:"connection_id" format:"uuid"`
	LinkID       uuid.UUID `json:"link_id" format:"uuid"`
	Kind         string    `json:"entity"`
	EntityID     uuid.UUID `json:"entity_id" format:"uuid"`
	RemoteID     string    `json:"remote_id,omitempty" doc:"The record."`
	State        Telling   `json:"state" enum:"delivered,pending,failed,by_hand" doc:"by_hand: the hub does not write there, so somebody has to erase the record in the other system."`
}

const selectTold = `
select c.code, c.id, l.id, l.entity, l.entity_id, coalesce(l.remote_id, ''),
	case when l.state = 'unlinked' then 'by_hand'
		when l.synced_version >= x.version then 'delivered'
		when not exists (select from jobs j where j.connection_id = l.connection_id and j.entity = l.entity and j.kind = 'push') then 'by_hand'
		when l.state = 'failed' then 'failed'
		else 'pending' end
from erased x
join links l on l.entity_id = x.entity_id and l.entity = x.entity
join connections c on c.id = l.connection_id
where x.erasure_id = $1 and (l.remote_id is not null or l.state in ('sending', 'unknown'))
order by c.code, l.entity, l.id`

// ToldOf says how far the connections know of an erasure.
func ToldOf(ctx context.Context, tx pgx.Tx, erasure uuid.UUID) ([]Told, error) {
	rows, err := tx.Query(ctx, selectTold, erasure)
	if err != nil {
		return nil, fmt.Errorf("say who was told of erasure %s: %w", erasure, err)
	}
	told, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Told])
	if err != nil {
		return nil, fmt.Errorf("say who was told of erasure %s: %w", erasure, err)
	}
	return told, nil
}

// ErrNotFound says that there is no such erasure.
var ErrNotFound = postgres.NotFound("there is no such erasure")

const selectErasures = `select id, entity, entity_id, reason, counts, kept, created_at, created_by from erasures `

// List returns erasures, the newest first, after a cursor, "" to begin with; limit 0 is 50.
func List(ctx context.Context, tx pgx.Tx, after string, limit int) (p postgres.Page[Erasure], err error) {
	before, err := postgres.PlaceID(after)
	if err != nil {
		return p, err
	}
	return postgres.List(ctx, tx, "list erasures", pgx.RowToStructByPos[Erasure], limit, func(e Erasure) string { return e.ID.String() },
		selectErasures+`where $1::uuid is null or id < $1 order by id desc limit $2`, before)
}

// Get returns an erasure, or [ErrNotFound].
func Get(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Erasure, error) {
	return postgres.One(ctx, tx, "read an erasure", pgx.RowToStructByPos[Erasure], ErrNotFound, selectErasures+`where id = $1`, id)
}
