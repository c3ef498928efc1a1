package transfer

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// effect is what an import did to one entity.
type effect struct {
	ID      uuid.UUID
	Version int64
	Before  *string
	outcome string
}

// undoSize is how many effects are undone in one transaction: some hundred milliseconds.
const undoSize = 500

const nextEffects = `
select entity_id, version, before::text from import_effects where import_id = $1 and outcome is null order by entity_id limit $2`

// undo takes an import back, piece by piece.
func (r *Runner) undo(ctx context.Context, t *task) error {
	for {
		n, err := postgres.Get(ctx, r.DB, t.who(), func(tx pgx.Tx) (int, error) { return r.undoSome(ctx, tx, t) })
		if err != nil {
			return fmt.Errorf("undo import %s: %w", t.imported.ID, err)
		}
		if n < undoSize {
			return nil
		}
	}
}

func (r *Runner) undoSome(ctx context.Context, tx pgx.Tx, t *task) (int, error) {
	rows, err := tx.Query(ctx, nextEffects, t.imported.ID, undoSize)
	if err != nil {
		return 0, err
	}
	effects, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*effect, error) {
		e := new(effect)
		return e, row.Scan(&e.ID, &e.Version, &e.Before)
	})
	if err != nil || len(effects) == 0 {
		return 0, err
	}
	ids := make([]uuid.UUID, len(effects))
	for i, e := range effects {
		ids[i] = e.ID
	}
	stored, err := r.Entities.GetForUpdate(ctx, tx, t.imported.Entity, ids)
	if err != nil {
		return 0, err
	}
	for _, e := range effects {
		if err := r.undoOne(ctx, tx, t, e, stored[e.ID]); err != nil {
			return 0, err
		}
	}
	return len(effects), r.advanceUndo(ctx, tx, t, effects)
}

// undoOne takes one effect back, unless somebody has been there since or the entity may not go. Its outcome says which.
func (r *Runner) undoOne(ctx context.Context, tx pgx.Tx, t *task, e *effect, stored crm.Entity) error {
	switch {
	case stored == nil || crm.HeadOf(stored).DeletedAt != nil:
		e.outcome = "kept: deleted meanwhile"
		return nil
	case crm.HeadOf(stored).Version != e.Version:
		e.outcome = "kept: changed meanwhile"
		return nil
	}
	by := crm.By{Actor: t.actor, Origin: "crm"}
	err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error { // a savepoint
		if e.Before == nil {
			_, err := r.Entities.Delete(ctx, tx, by, t.imported.Entity, e.ID, e.Version)
			return err
		}
		old, err := crm.Decode(t.imported.Entity, []byte(*e.Before))
		if err != nil {
			return err
		}
		*crm.HeadOf(old) = crm.Head{ID: e.ID, Version: e.Version}
		return r.Entities.Save(ctx, tx, by, []crm.Entity{old})
	})
	if vs, ok := errors.AsType[schema.Violations](err); ok {
		e.outcome = "kept: " + vs.Error()
		return nil
	}
	if err != nil {
		return err
	}
	e.outcome = "restored"
	if e.Before == nil {
		e.outcome = "deleted"
	}
	return nil
}

const (
	noteUndone = `
update import_effects f set outcome = o.o from unnest($2::uuid[], $3::text[]) as o (e, o) where f.import_id = $1 and f.entity_id = o.e`
	advanceUndo = `
update imports set undone = undone + $3, kept = kept + $4, progress_at = now() where id = $1 and worker = $2 and status = 'undoing'`
)

func (*Runner) advanceUndo(ctx context.Context, tx pgx.Tx, t *task, effects []*effect) error {
	ids, outcomes := make([][16]byte, len(effects)), make([]string, len(effects))
	var undone, kept int
	for i, e := range effects {
		ids[i], outcomes[i] = e.ID, e.outcome
		if e.outcome == "deleted" || e.outcome == "restored" {
			undone++
		} else {
			kept++
		}
	}
	if _, err := tx.Exec(ctx, noteUndone, t.imported.ID, ids, outcomes); err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, advanceUndo, t.imported.ID, t.worker, undone, kept)
	if err == nil && tag.RowsAffected() == 0 {
		return errLost
	}
	return err
}
