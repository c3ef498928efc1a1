package crm

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// node is an entity that may be below another of its kind: a customer of a group, a product category.
type node interface {
	Entity
	above() uuid.UUID // nil is a root
}

func orNil(id *uuid.UUID) uuid.UUID {
	if id == nil {
		return uuid.Nil
	}
	return *id
}

// replants says whether a batch puts an entity below another one than it is below already.
func (w *writing) replants(n node) bool {
	stored, _ := w.stored[n.head().ID].(node)
	return n.above() != uuid.Nil && (stored == nil || stored.above() != n.above())
}

// readTree reads what is above the places to which the batch moves entities, as it will be when the batch is written, whoever
// may see it. Two that move entities of a kind wait for each other: each alone may leave a tree, and both together a circle.
func (w *writing) readTree(ctx context.Context, tx pgx.Tx) error {
	var places []uuid.UUID
	moves := false
	for _, e := range w.batch {
		if n, ok := e.(node); ok && w.replants(n) {
			places = append(places, n.above())
			moves = moves || w.stored[n.head().ID] != nil
		}
	}
	if len(places) == 0 {
		return nil
	}
	if moves { // what is new has nothing below it that others see
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended($1 || ' ' || crmhub_organization(), 0))", w.table.name); err != nil {
			return fmt.Errorf("lock the tree of %s: %w", w.table.name, err)
		}
	}
	w.facts.above = make(map[uuid.UUID]uuid.UUID)
	err := postgres.AsHub(ctx, tx, func() error {
		rows, err := tx.Query(ctx, `
			with recursive up as (
				select id, parent_id from `+w.table.name+` where id = any($1)
				union
				select t.id, t.parent_id from up join `+w.table.name+` t on t.id = up.parent_id
			)
			select id, parent_id from up where parent_id is not null`, places)
		if err != nil {
			return err //nolint:wrapcheck // below
		}
		var id, above uuid.UUID
		_, err = pgx.ForEachRow(rows, []any{&id, &above}, func() error { w.facts.above[id] = above; return nil })
		return err //nolint:wrapcheck // below
	})
	if err != nil {
		return fmt.Errorf("look up the tree of %s: %w", w.table.name, err)
	}
	for _, e := range w.batch {
		n, _ := e.(node)
		if w.facts.above[n.head().ID] = n.above(); n.above() == uuid.Nil || n.head().ID == uuid.Nil {
			delete(w.facts.above, n.head().ID)
		}
	}
	return nil
}

// circular refuses an entity that the batch moves below itself. What was in a circle before is not its fault.
func (w *writing) circular(n node) schema.Violations {
	if !w.replants(n) {
		return nil
	}
	id := n.head().ID
	at := w.facts.above[id]
	for range w.facts.above { // or a circle further up, which this one is not in, would have no end
		if at == id && at != uuid.Nil {
			return schema.Violations{{Pointer: "/parent_id", Rule: "tree", Message: "must not be itself, or one below it"}}
		}
		at = w.facts.above[at]
	}
	return nil
}

// stayTree refuses a batch that would move an entity below itself, where nothing else of it is judged.
func (w *writing) stayTree(ctx context.Context, tx pgx.Tx) error {
	if err := w.readTree(ctx, tx); err != nil {
		return err
	}
	for _, e := range w.batch {
		if n, ok := e.(node); ok {
			if err := w.circular(n).Err(); err != nil {
				return err
			}
		}
	}
	return nil
}
