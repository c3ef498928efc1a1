package crm_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
)

func TestACategoryInUseCannotGo(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	root := &crm.ProductCategory{Code: "r", Name: "Root"}
	s.save(t, root)
	leaf := &crm.ProductCategory{Code: "l", Name: "Leaf", ParentID: &root.ID}
	s.save(t, leaf)
	product := &crm.Product{SKU: "P", Name: "Pump", CategoryID: &leaf.ID}
	s.save(t, product)
	remove := func(e crm.Entity) error {
		h := headOf(t, e)
		return s.as(t, func(ctx context.Context, tx pgx.Tx) error {
			_, err := s.store.Delete(ctx, tx, s.by(), e.Kind(), h.ID, h.Version)
			return err
		})
	}
	wantRules(t, remove(root), " restrict")
	wantRules(t, remove(leaf), " restrict")
	for _, e := range []crm.Entity{product, leaf, root} {
		if err := remove(e); err != nil {
			t.Error(err)
		}
	}
	wantRules(t, s.trySave(t, s.by(), &crm.Product{SKU: "Q", Name: "Valve", CategoryID: new(uuid.New())}), "/product_category_id exists")
}
