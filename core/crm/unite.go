package crm

import (
	"context"
	"fmt"
	"reflect"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Reconcile prepares an entity, made of two, to replace the other: lists have no item twice, and what referred to the
// other or to itself refers to nothing.
func Reconcile(e Entity, other uuid.UUID) {
	v := reflect.ValueOf(e).Elem()
	for _, f := range shapes()[e.Kind()] {
		switch {
		case f.refers == string(e.Kind()):
			if value := f.value(v); value.IsValid() && (value.Interface() == other || value.Interface() == e.head().ID) {
				v.FieldByIndex(f.index).SetZero()
			}
		case f.typ == list:
			items := f.value(v)
			kept, seen := reflect.MakeSlice(items.Type(), 0, items.Len()), make(map[string]bool, items.Len())
			for i := range items.Len() {
				if is := f.elem.identity(items.Index(i)); !seen[is] {
					seen[is] = true
					kept = reflect.Append(kept, items.Index(i))
				}
			}
			items.Set(kept)
		}
	}
}

// identity tells an item of a list from the others: what it is about, else all of it.
func (s shape) identity(item reflect.Value) string {
	for _, f := range s {
		if f.refers != "" && f.required {
			return fmt.Sprint(f.value(item).Interface())
		}
	}
	return string(marshaled(item))
}

// Revive stores a deleted entity again as it is given, with a version and a change. Its code or number must still be
// free: what is taken meanwhile is [schema.Violations]. [ErrNotFound] says that it is not there, or not deleted.
func (s *Store) Revive(ctx context.Context, tx pgx.Tx, by By, e Entity) error {
	w := writing{by: by, kind: e.Kind(), table: tableOf(e.Kind()), at: s.now(), batch: []Entity{e}}
	var err error
	if w.stored, err = get(ctx, tx, w.kind, idsOf(w.batch), forUpdate); err != nil {
		return err
	}
	stored := w.stored[e.head().ID]
	if stored == nil || stored.head().DeletedAt == nil {
		return fmt.Errorf("revive %s %s: %w", w.kind, e.head().ID, ErrNotFound)
	}
	e.head().Version = stored.head().Version
	if err := w.stayTree(ctx, tx); err != nil {
		return err
	}
	if err := w.setHead(e.head(), stored); err != nil {
		return err
	}
	if err := w.write(ctx, tx); err != nil {
		return fmt.Errorf("revive %s %s: %w", w.kind, e.head().ID, translate(w.table, err))
	}
	return nil
}
