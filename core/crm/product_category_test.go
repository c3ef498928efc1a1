package crm_test

import (
	"context"
	"maps"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"crmhub/core/crm"
)

// TestCategoriesStayATree moves categories about, several at once, and compares with a walk up from each.
func TestCategoriesStayATree(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	all := make([]*crm.ProductCategory, 6)
	parents := map[uuid.UUID]uuid.UUID{}
	for i := range all {
		all[i] = &crm.ProductCategory{Code: string(rune('a' + i)), Name: "x"}
		s.save(t, all[i])
	}
	rapid.Check(t, func(rt *rapid.T) {
		next := maps.Clone(parents)
		var batch []crm.Entity
		for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(all)-1), 1, 3, rapid.ID).Draw(rt, "moved") {
			moved := *all[i]
			moved.ParentID = nil
			delete(next, moved.ID)
			if p := rapid.IntRange(-1, len(all)-1).Draw(rt, "parent"); p >= 0 {
				moved.ParentID = &all[p].ID
				next[moved.ID] = all[p].ID
			}
			batch = append(batch, &moved)
		}
		circular := false
		for _, e := range batch {
			c, _ := e.(*crm.ProductCategory)
			seen := map[uuid.UUID]bool{}
			for at := next[c.ID]; at != uuid.Nil && !seen[at]; at = next[at] {
				seen[at] = true
			}
			circular = circular || seen[c.ID]
		}
		err := s.trySave(t, s.by(), batch...)
		if circular {
			wantRules(t, err, "/parent_id tree")
			return
		}
		if err != nil {
			rt.Fatal(err)
		}
		parents = next
		for _, e := range batch {
			c, _ := e.(*crm.ProductCategory)
			for i := range all {
				if all[i].ID == c.ID {
					all[i] = c
				}
			}
		}
	})
}

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
