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
	if k == KindPipeline {
		if err := unusedPipeline(ctx, tx, id); err != nil {
			return nil, err
		}
	}
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

// unusedPipeline refuses to delete a pipeline that opportunities are in.
func unusedPipeline(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	var used bool
	if err := tx.QueryRow(ctx, "select exists (select from opportunities where pipeline_id = $1)", id).Scan(&used); err != nil {
		return fmt.Errorf("look up opportunities of pipeline %s: %w", id, err)
	}
	if used {
		return schema.Violations{{Pointer: "/stages", Rule: "restrict", Message: "cannot go: opportunities stand there; make the pipeline inactive instead"}}
	}
	return nil
}

// Restore takes an entity back that was deleted, with a version and a change like any other, and returns it. It is
// [schema.Violations] where its code or number is taken by another meanwhile; [StaleError] as for Save, and
// [ErrNotFound] for what is not there or not deleted.
func (s *Store) Restore(ctx context.Context, tx pgx.Tx, by By, k Kind, id uuid.UUID, version int64) (Entity, error) {
	found, err := s.GetForUpdate(ctx, tx, k, []uuid.UUID{id})
	if err != nil {
		return nil, fmt.Errorf("restore %s %s: %w", k, id, err)
	}
	e := found[id]
	if e == nil || e.head().DeletedAt == nil {
		return nil, fmt.Errorf("restore %s %s: %w", k, id, ErrNotFound)
	}
	if h := e.head(); h.Version != version {
		return nil, &StaleError{ID: id, Seen: version, Stored: h.Version}
	}
	w := writing{by: by, kind: k, table: tableOf(k), at: s.now(), batch: []Entity{e}, stored: found}
	if p, ok := e.(*Pipeline); ok {
		p.IsDefault = false // another may have become it
	}
	if err := w.setHead(e.head(), e); err != nil {
		return nil, err
	}
	if err := w.write(ctx, tx); err != nil {
		return nil, fmt.Errorf("restore %s %s: %w", k, id, w.atItem(translate(w.table, err)))
	}
	return e, nil
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
	case *Opportunity:
		allowed = e.Status != "won"
	case *Contract:
		allowed = e.Status == "draft" || e.Status == "in_review" || e.Status == "cancelled"
	default:
		allowed = true
	}
	if allowed {
		return nil
	}
	return schema.Violations{{Pointer: "/status", Rule: "immutable", Message: "forbids to delete it: cancel it instead"}}
}
