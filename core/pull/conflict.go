package pull

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const closeConflicts = `
update conflicts c set status = 'converged', updated_at = now()
where c.status = 'open' and c.connection_id = $1 and c.entity = $2 and c.entity_id = any($3)
	and not exists (select from json_to_recordset($4) as i (entity_id uuid, field text) where i.entity_id = c.entity_id and i.field = c.field)`

const upsertConflicts = `
insert into conflicts (id, connection_id, entity, entity_id, field, base, ours, theirs, record)
select i.id, $1, $2, i.entity_id, i.field, i.base, i.ours, i.theirs, i.record
from json_to_recordset($3) as i (id uuid, entity_id uuid, field text, base jsonb, ours jsonb, theirs jsonb, record jsonb)
on conflict (organization_id, connection_id, entity, entity_id, field) where status = 'open' do update set
	base = excluded.base, ours = excluded.ours, theirs = excluded.theirs, record = excluded.record, updated_at = now()`

// conflict is a row of conflicts.
type conflict struct {
	ID       uuid.UUID       `json:"id"`
	EntityID uuid.UUID       `json:"entity_id"`
	Field    string          `json:"field"`
	Base     any             `json:"base"`
	Ours     any             `json:"ours"`
	Theirs   any             `json:"theirs"`
	Record   json.RawMessage `json:"record"` // as [connector.Kept] reads it
}

// noteConflicts keeps both values of the fields that a person has to decide about, and closes open conflicts of the
// same entities that are none any more.
func (s *stream) noteConflicts(ctx context.Context, tx pgx.Tx, items []*item) error {
	var known []uuid.UUID
	conflicts := []conflict{}
	for _, it := range items {
		if it.link == nil {
			continue // new: there is nothing to disagree about
		}
		known = append(known, it.link.EntityID)
		for _, c := range it.merged.Conflicts {
			id, err := uuid.NewV7()
			if err != nil {
				return fmt.Errorf("note conflicts: %w", err)
			}
			record, err := it.record.Keep()
			if err != nil {
				return fmt.Errorf("note conflicts: %w", err)
			}
			conflicts = append(conflicts, conflict{id, it.link.EntityID, c.Field, c.Base, c.Ours, c.Theirs, record})
		}
	}
	if len(known) == 0 {
		return nil
	}
	rows, err := json.Marshal(conflicts)
	if err != nil {
		return fmt.Errorf("note conflicts: %w", err)
	}
	if _, err := tx.Exec(ctx, closeConflicts, s.connection.ID, s.kind, known, string(rows)); err != nil {
		return fmt.Errorf("close conflicts: %w", err)
	}
	if len(conflicts) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, upsertConflicts, s.connection.ID, s.kind, string(rows)); err != nil {
		return fmt.Errorf("note conflicts: %w", err)
	}
	return nil
}
