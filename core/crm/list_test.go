package crm_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/postgres"
)

func (s *shop) tryList(t testing.TB, k crm.Kind, q crm.Query) (page postgres.Page[crm.Entity], err error) {
	t.Helper()
	err = s.as(t, func(ctx context.Context, tx pgx.Tx) (err error) {
		page, err = s.store.List(ctx, tx, k, q)
		return err
	})
	return page, err
}

func (s *shop) list(t testing.TB, k crm.Kind, q crm.Query) postgres.Page[crm.Entity] {
	t.Helper()
	page, err := s.tryList(t, k, q)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func TestPagingVisitsEachRowOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var batch []crm.Entity
	for i := range 30 {
		c := &crm.Customer{Name: fmt.Sprint("name ", i%3), Level: []string{"", "A", "B"}[i%3], IsFrozen: i%4 == 0}
		if i%5 > 0 {
			c.CreditLimit, c.Employees, c.NextContactAt = new(dec(fmt.Sprint(i%5))), new(int32(i%2)), new(date(t, "2026-01-01").Time())
		}
		batch = append(batch, c)
	}
	s.save(t, batch...) // all in one instant: a tie by updated_at
	for _, sorts := range [][]crm.Sort{
		nil,
		{{Field: "name"}},
		{{Field: "id", Desc: true}},
		{{Field: "level", Desc: true}, {Field: "credit_limit"}},
		{{Field: "employees"}, {Field: "name", Desc: true}, {Field: "is_frozen"}},
		{{Field: "next_contact_at", Desc: true}, {Field: "parent_id", Desc: true}},
		{{Field: "deleted_at"}, {Field: "version", Desc: true}, {Field: "currency"}},
	} {
		t.Run(fmt.Sprint(sorts), func(t *testing.T) {
			whole := ids(s.list(t, crm.KindCustomer, crm.Query{Sort: sorts, Limit: 100}).Items)
			var paged []uuid.UUID
			pages := 0
			for q := (crm.Query{Sort: sorts, Limit: 7}); pages < 10; pages++ {
				page := s.list(t, crm.KindCustomer, q)
				paged = append(paged, ids(page.Items)...)
				if q.After = page.Next; q.After == "" {
					break
				}
			}
			if diff := cmp.Diff(whole, paged); diff != "" || len(whole) != len(batch) || pages != 4 {
				t.Errorf("%d of %d rows on %d pages (-at once +paged):\n%s", len(whole), len(batch), pages+1, diff)
			}
		})
	}
}

func ids(entities []crm.Entity) []uuid.UUID {
	var out []uuid.UUID
	for _, e := range entities {
		switch e := e.(type) {
		case *crm.Customer:
			out = append(out, e.ID)
		case *crm.Order:
			out = append(out, e.ID)
		}
	}
	return out
}

func TestFiltersPickRows(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a := &crm.Customer{Code: "A", Name: "100% Alpha_", Level: "A", CreditLimit: new(dec("10.50")), IsFrozen: true, Employees: new(int32(3)), LastContactAt: new(date(t, "2026-01-02").Time())}
	b := &crm.Customer{Code: "B", Name: "1000 alphas", CreditLimit: new(dec("9.5"))}
	c := &crm.Customer{Code: "C", Name: "福建示例", ParentID: nil}
	s.save(t, a, b, c)
	gone := &crm.Customer{Code: "D", Name: "gone alpha"}
	s.save(t, gone)
	err := s.as(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := s.store.Delete(ctx, tx, s.by(), crm.KindCustomer, gone.ID, 1)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		field string
		op    crm.Op
		value any
		want  []string
	}{
		{"code", crm.OpEqual, "A", []string{"A"}},
		{"code", crm.OpNotEqual, "A", []string{"B", "C"}},
		{"level", crm.OpNotEqual, "A", []string{"B", "C"}},
		{"code", crm.OpIn, []string{"A", "C", "x"}, []string{"A", "C"}},
		{"code", crm.OpIn, []string{}, nil},
		{"id", crm.OpIn, []string{a.ID.String()}, []string{"A"}},
		{"credit_limit", crm.OpEqual, "10.5", []string{"A"}},
		{"credit_limit", crm.OpLess, "10", []string{"B"}},
		{"credit_limit", crm.OpGreaterEqual, "9.5", []string{"A", "B"}},
		{"credit_limit", crm.OpLessEqual, "9.5", []string{"B"}},
		{"credit_limit", crm.OpGreater, "9.5", []string{"A"}},
		{"credit_limit", crm.OpNull, "true", []string{"C"}},
		{"credit_limit", crm.OpNull, "false", []string{"A", "B"}},
		{"is_frozen", crm.OpEqual, "true", []string{"A"}},
		{"employees", crm.OpEqual, "3", []string{"A"}},
		{"last_contact_at", crm.OpLess, "2026-01-02T00:00:01+00:00", []string{"A"}},
		{"name", crm.OpContains, "100%", []string{"A"}},
		{"name", crm.OpContains, "ALPHA", []string{"A", "B"}},
		{"name", crm.OpContains, "a_", []string{"A"}},
		{"deleted_at", crm.OpNull, "false", []string{"D"}},
		{"updated_by", crm.OpEqual, string(s.who.Actor), []string{"A", "B", "C"}},
	} {
		page := s.list(t, crm.KindCustomer, crm.Query{Filter: []crm.Condition{{Field: tc.field, Op: tc.op, Value: tc.value}}, Sort: []crm.Sort{{Field: "code"}}})
		if diff := cmp.Diff(tc.want, codes(page.Items)); diff != "" {
			t.Errorf("%s %s %v (-want +got):\n%s", tc.field, tc.op, tc.value, diff)
		}
	}
	for text, want := range map[string][]string{"ALPHA": {"A", "B"}, " 建示 ": {"C"}, "%": {"A"}, "b": {"B"}, "nothing": nil} {
		page := s.list(t, crm.KindCustomer, crm.Query{Text: text, Sort: []crm.Sort{{Field: "code"}}})
		if diff := cmp.Diff(want, codes(page.Items)); diff != "" {
			t.Errorf("text %q (-want +got):\n%s", text, diff)
		}
	}
}

func codes(entities []crm.Entity) []string {
	var out []string
	for _, e := range entities {
		out = append(out, e.(*crm.Customer).Code)
	}
	return out
}

func TestBadQueryIsRefusedWhole(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.save(t, &crm.Customer{Name: "A"}, &crm.Customer{Name: "B"})
	_, err := s.tryList(t, crm.KindCustomer, crm.Query{
		Filter: []crm.Condition{
			{Field: "organization_id", Op: crm.OpEqual, Value: "x"},
			{Field: "id; drop table users", Op: crm.OpEqual, Value: "x"},
			{Field: "ext", Op: crm.OpEqual, Value: "x"},
			{Field: "addresses", Op: crm.OpNull, Value: "true"},
			{Field: "id", Op: crm.OpEqual, Value: "x"},
			{Field: "created_at", Op: crm.OpLess, Value: "yesterday"},
			{Field: "employees", Op: crm.OpIn, Value: []string{"1", "2147483648"}},
			{Field: "name", Op: "like", Value: "x"},
			{Field: "id", Op: crm.OpContains, Value: "x"},
			{Field: "name", Op: crm.OpNull, Value: "maybe"},
			{Field: "name", Op: crm.OpEqual, Value: 7},
			{Field: "name", Op: crm.OpIn, Value: "x"},
			{Field: "name", Op: crm.OpEqual, Value: "\x00"},
		},
		Sort: []crm.Sort{{Field: "invoice_profiles"}},
	})
	wantRules(t, err, "/filter/0/field field", "/filter/1/field field", "/filter/2/field field", "/filter/3/field field", "/filter/4/value format",
		"/filter/5/value format", "/filter/6/value/1 format", "/filter/7/op operator", "/filter/8/op operator", "/filter/9/value type",
		"/filter/10/value type", "/filter/11/value type", "/filter/12/value format", "/sort/0 field")

	byName := s.list(t, crm.KindCustomer, crm.Query{Sort: []crm.Sort{{Field: "name"}}, Limit: 1}).Next
	for name, q := range map[string]crm.Query{
		"of another sort":      {After: byName},
		"of another direction": {After: byName, Sort: []crm.Sort{{Field: "name", Desc: true}}},
		"no base64":            {After: "%"},
		"no JSON":              {After: base64.RawURLEncoding.EncodeToString([]byte("x"))},
		"wrong values":         {After: base64.RawURLEncoding.EncodeToString([]byte(`{"s":"customers -updated_at -id ","v":["x","y"]}`))},
	} {
		if _, err := s.tryList(t, crm.KindCustomer, q); !slices.Equal(rules(err), []string{"/after cursor"}) {
			t.Errorf("a cursor %s: %v", name, err)
		}
	}
}

func TestListGivesOrdersWithTheirLines(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	order := s.examples(t)[3]
	page := s.list(t, crm.KindOrder, crm.Query{Filter: []crm.Condition{{Field: "status", Op: crm.OpEqual, Value: "confirmed"}}})
	if diff := cmp.Diff(asJSON(t, []crm.Entity{order}), asJSON(t, page.Items)); diff != "" {
		t.Errorf("(-saved +listed):\n%s", diff)
	}
}

func TestVersionsAreListedInOrderWithDeletedOnes(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a, b, c, d := &crm.Customer{Name: "a"}, &crm.Customer{Name: "b"}, &crm.Customer{Name: "c"}, &crm.Customer{Name: "d"}
	s.save(t, a, b, c, d)
	s.save(t, d)
	var got [][]crm.VersionRef
	err := s.as(t, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := s.store.Delete(ctx, tx, s.by(), crm.KindCustomer, b.ID, 1); err != nil {
			return err
		}
		after := uuid.Nil
		for range 3 {
			refs, err := s.store.IDsAfter(ctx, tx, crm.KindCustomer, after, 2)
			if err != nil {
				return err
			}
			if len(refs) > 0 {
				after = refs[len(refs)-1].ID
			}
			got = append(got, refs)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := [][]crm.VersionRef{{{ID: a.ID, Version: 1}, {ID: b.ID, Version: 2, Deleted: true}}, {{ID: c.ID, Version: 1}, {ID: d.ID, Version: 2}}, {}}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
}
