package privacy

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/postgres"
)

// Held is what is held of somebody, to be given to him (GDPR art. 15): what an erasure would empty, as it stands.
type Held struct {
	Entities map[string][]map[string]any `json:"entities" doc:"By kind: the customer or contact itself, and what belongs to it."`
	Files    []HeldFile                  `json:"files" nullable:"false" doc:"The files that belong to them; their content is at /attachments."`
	Records  []HeldRecord                `json:"records" nullable:"false" doc:"The records of other systems that correspond to them."`
}

// HeldFile is a file that belongs to one of the entities.
type HeldFile struct {
	ID       uuid.UUID `json:"id" format:"uuid"`
	Kind     string    `json:"entity"`
	EntityID uuid.UUID `json:"entity_id" format:"uuid"`
	Name     string    `json:"name"`
	AddedAt  time.Time `json:"added_at"`
}

// HeldRecord is where else one of the entities is held.
type HeldRecord struct {
	Connection string    `json:"connection" doc:"Its code."`
	Kind       string    `json:"entity"`
	EntityID   uuid.UUID `json:"entity_id" format:"uuid"`
	RemoteID   string    `json:"remote_id"`
}

const (
	selectHeldFiles = withEntities + `
select a.id, a.entity, a.entity_id, a.name, a.created_at from attachments a join e using (entity, entity_id) order by a.id`
	selectHeldRecords = withEntities + `
select c.code, l.entity, l.entity_id, l.remote_id from links l join e using (entity, entity_id) join connections c on c.id = l.connection_id
where l.remote_id is not null order by c.code, l.entity, l.remote_id`
)

// HeldOf returns what is held of a customer or contact. Like Erase it reaches all that belongs to the person; its errors are
// [crm.ErrNotFound] and [*MergedError].
func (s *Eraser) HeldOf(ctx context.Context, tx pgx.Tx, k crm.Kind, id uuid.UUID) (h Held, err error) {
	err = postgres.AsHub(ctx, tx, func() error {
		h, err = s.heldOf(ctx, tx, k, id)
		return err
	})
	if err != nil {
		return Held{}, fmt.Errorf("collect what is held of %s %s: %w", k, id, err)
	}
	return h, nil
}

func (s *Eraser) heldOf(ctx context.Context, tx pgx.Tx, k crm.Kind, id uuid.UUID) (Held, error) {
	h := Held{Entities: map[string][]map[string]any{}}
	p, err := s.personOf(ctx, tx, Request{Kind: k, ID: id})
	if err != nil {
		return h, err
	}
	for _, kind := range p.kinds() {
		found, err := s.Entities.Get(ctx, tx, kind, p.entities[kind])
		if err != nil {
			return h, err
		}
		for _, id := range p.entities[kind] {
			doc, err := crm.Document(found[id])
			if err != nil {
				return h, err
			}
			h.Entities[string(kind)] = append(h.Entities[string(kind)], doc)
		}
	}
	kinds, of := p.all()
	rows, err := tx.Query(ctx, selectHeldFiles, kinds, of)
	if err != nil {
		return h, err
	}
	if h.Files, err = pgx.CollectRows(rows, pgx.RowToStructByPos[HeldFile]); err != nil {
		return h, err
	}
	if rows, err = tx.Query(ctx, selectHeldRecords, kinds, of); err != nil {
		return h, err
	}
	h.Records, err = pgx.CollectRows(rows, pgx.RowToStructByPos[HeldRecord])
	return h, err
}
