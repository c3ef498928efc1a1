package crm

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/outbox"
	"crmhub/core/schema"
)

// Delete marks an entity as deleted, with a version and a change like any other, and returns it. Its code or number is
// free again. A document that counts (an issued invoice, a posted payment, an order under way) cannot be deleted:
// [schema.Violations]; [StaleError] and [ErrNotFound] as for Save.
func (s *Store) Delete(ctx context.Context, tx pgx.Tx, by By, k Kind, id uuid.UUID, version int64) (Entity, error) {
	found, err := s.GetForUpdate(ctx, tx, k, []uuid.UUID{id})
	if err != nil {
		return nil, fmt.Errorf("delete %s %s: %w", k, id, err)
	}
	e := found[id]
	if e == nil || e.head().DeletedAt != nil {
		return nil, fmt.Errorf("delete %s %s: %w", k, id, ErrNotFound)
	}
	h := e.head()
	if h.Version != version {
		return nil, &StaleError{ID: id, Seen: version, Stored: h.Version}
	}
	if vs := deletable(e); vs != nil {
		return nil, vs
	}
	before, at := shallow(e), s.now()
	h.Version++
	h.Origin, h.UpdatedAt, h.UpdatedBy, h.DeletedAt = by.Origin, at, string(by.Actor), &at
	_, err = tx.Exec(ctx, "update "+tableNames(k).name+" set version = $2, origin = $3, updated_at = $4, updated_by = $5, deleted_at = $4 where id = $1",
		id, h.Version, h.Origin, at, h.UpdatedBy)
	if err != nil {
		return nil, fmt.Errorf("delete %s %s: %w", k, id, err)
	}
	data, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("write %s as JSON: %w", k, err)
	}
	changed, err := diff(before, e)
	if err != nil {
		return nil, err
	}
	return e, outbox.Append(ctx, tx, []outbox.Change{{
		Entity: string(k), EntityID: id, Version: h.Version, Type: "deleted", Origin: by.Origin, TraceParent: by.TraceParent,
		Data: data, Diff: changed,
	}})
}

func deletable(e Entity) schema.Violations {
	var allowed bool
	switch e := e.(type) {
	case *Order:
		allowed = e.Status == "draft" || e.Status == "cancelled"
	case *Invoice:
		allowed = e.Status == "draft"
	case *Payment:
		allowed = e.Status != "posted"
	default:
		allowed = true
	}
	if allowed {
		return nil
	}
	return schema.Violations{{Pointer: "/status", Rule: "immutable", Message: "forbids to delete it: cancel it instead"}}
}
