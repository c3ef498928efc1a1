package crm_test

import (
	"context"
	"maps"
	"reflect"
	"strconv"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"crmhub/core/crm"
)

// below is e, below another entity; nil is none.
func below(e crm.Entity, parent *uuid.UUID) crm.Entity {
	v := reflect.New(reflect.TypeOf(e).Elem())
	v.Elem().Set(reflect.ValueOf(e).Elem())
	v.Elem().FieldByName("ParentID").Set(reflect.ValueOf(parent))
	moved, _ := reflect.TypeAssert[crm.Entity](v)
	return moved
}

var trees = map[string]func(i int) crm.Entity{
	"customer":         func(i int) crm.Entity { return &crm.Customer{Code: "T" + strconv.Itoa(i), Name: "x"} },
	"product_category": func(i int) crm.Entity { return &crm.ProductCategory{Code: "T" + strconv.Itoa(i), Name: "x"} },
}

// TestTreesStayTrees moves entities about, several at once, and compares with a walk up from each.
func TestTreesStayTrees(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for kind, node := range trees {
		t.Run(kind, func(t *testing.T) {
			all := make([]crm.Entity, 6)
			parents := map[uuid.UUID]uuid.UUID{}
			for i := range all {
				all[i] = node(i)
				s.save(t, all[i])
			}
			rapid.Check(t, func(rt *rapid.T) {
				next := maps.Clone(parents)
				var batch []crm.Entity
				for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(all)-1), 1, 3, rapid.ID).Draw(rt, "moved") {
					id := crm.HeadOf(all[i]).ID
					delete(next, id)
					var parent *uuid.UUID
					if p := rapid.IntRange(-1, len(all)-1).Draw(rt, "parent"); p >= 0 {
						parent = &crm.HeadOf(all[p]).ID
						next[id] = *parent
					}
					batch = append(batch, below(all[i], parent))
				}
				circular := false
				for _, e := range batch {
					seen := map[uuid.UUID]bool{}
					for at := next[crm.HeadOf(e).ID]; at != uuid.Nil && !seen[at]; at = next[at] {
						seen[at] = true
					}
					circular = circular || seen[crm.HeadOf(e).ID]
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
					for i := range all {
						if crm.HeadOf(all[i]).ID == crm.HeadOf(e).ID {
							all[i] = e
						}
					}
				}
			})
		})
	}
}

// TestTwoMakeNoCircleTogether has two people put each of two entities below the other at the same time.
func TestTwoMakeNoCircleTogether(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for kind, node := range trees {
		t.Run(kind, func(t *testing.T) {
			a, b := node(10), node(11)
			s.save(t, a, b)
			errs := make(chan error, 2)
			for _, e := range []crm.Entity{below(a, &crm.HeadOf(b).ID), below(b, &crm.HeadOf(a).ID)} {
				go func() { errs <- s.trySave(t, s.by(), e) }()
			}
			first, second := <-errs, <-errs
			if first == nil {
				first = second
			} else if second != nil {
				t.Fatalf("both were refused: %v, %v", first, second)
			}
			wantRules(t, first, "/parent_id tree")
		})
	}
}

// TestAMergeMakesNoCircle merges two customers of whom one is two steps above the other.
func TestAMergeMakesNoCircle(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	top, middle, bottom := trees["customer"](1), trees["customer"](2), trees["customer"](3)
	s.save(t, top, middle, bottom)
	middle, bottom = below(middle, &crm.HeadOf(top).ID), below(bottom, &crm.HeadOf(middle).ID)
	s.save(t, middle)
	s.save(t, bottom)
	wantRules(t, s.as(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := s.store.Repoint(ctx, tx, s.by(), crm.KindCustomer, crm.HeadOf(top).ID, crm.HeadOf(bottom).ID)
		return err
	}), "/parent_id tree")
}
