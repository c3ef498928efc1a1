package crm

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/schema"
)

// ProductCategory is a place in the tree that an organization sorts its products into.
type ProductCategory struct {
	Head
	Code     string     `json:"code" db:"code" required:"true" max:"64"` // unique in the organization
	Name     string     `json:"name" db:"name" required:"true"`
	ParentID *uuid.UUID `json:"parent_id,omitempty" db:"parent_id" refers:"product_category"` // none: a root
	Ext      Ext        `json:"ext" db:"ext"`
}

// Kind is KindProductCategory.
func (*ProductCategory) Kind() Kind { return KindProductCategory }

// Normalize brings fields to their canonical form.
func (c *ProductCategory) Normalize() { canonical(c) }

// Validate returns everything that breaks a rule of the type. That it is a tree, the store checks.
func (c *ProductCategory) Validate() schema.Violations { return checkFields(c).violations }

// readTree reads what each category is below, as it will be when the batch is written. Two writers of the tree wait for each
// other: each alone may leave it a tree, and both together a circle.
func (w *writing) readTree(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended('product_categories ' || crmhub_organization(), 0))"); err != nil {
		return fmt.Errorf("lock the categories: %w", err)
	}
	rows, err := tx.Query(ctx, "select id, parent_id from product_categories where parent_id is not null")
	if err != nil {
		return fmt.Errorf("look up the categories: %w", err)
	}
	w.facts.above = make(map[uuid.UUID]uuid.UUID)
	var id, parent uuid.UUID
	if _, err := pgx.ForEachRow(rows, []any{&id, &parent}, func() error { w.facts.above[id] = parent; return nil }); err != nil {
		return fmt.Errorf("look up the categories: %w", err)
	}
	for _, e := range w.batch {
		c, _ := e.(*ProductCategory)
		delete(w.facts.above, c.ID)
		if c.ParentID != nil && c.ID != uuid.Nil {
			w.facts.above[c.ID] = *c.ParentID
		}
	}
	return nil
}

// circular refuses a category that is below itself.
func (c *ProductCategory) circular(above map[uuid.UUID]uuid.UUID) schema.Violations {
	at := above[c.ID]
	for range above { // or a circle further up, which this one is not in, would have no end
		if at == c.ID && at != uuid.Nil {
			return schema.Violations{{Pointer: "/parent_id", Rule: "tree", Message: "must not be the category itself, or one below it"}}
		}
		at = above[at]
	}
	return nil
}
