package crm_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
)

func TestCustomFieldsAreWhatTheyAreDeclared(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	owner := s.user(t)
	old := &crm.Customer{Name: "Old", Ext: crm.Ext(`{"region":7,"since":"long"}`)} // nothing is declared yet
	s.save(t, old)
	declare := func(name, kind string) *crm.CustomField {
		return &crm.CustomField{Entity: "customer", Name: name, Type: kind, IsActive: true}
	}
	region, keeper := declare("region", "choice"), declare("keeper", "reference")
	region.Choices, region.IsRequired, keeper.Refers = []string{"north", "south"}, true, "user"
	off := declare("off", "date")
	off.IsActive = false
	s.save(t, region, keeper, declare("weight", "number"), declare("met", "date"), declare("vip", "boolean"), declare("motto", "text"), off)

	for name, tc := range map[string]struct {
		ext  string
		want []string
	}{
		"all":           {`{"region":"north","keeper":"` + owner.String() + `","weight":"1.50","met":"2026-02-03","vip":true,"motto":"x"}`, []string{"<nil>"}},
		"all empty":     {`{"region":"south","keeper":null,"weight":null,"met":null,"vip":null,"motto":null}`, []string{"<nil>"}},
		"all wrong":     {`{"region":"west","keeper":"me","weight":1.5,"met":"2026-02-30","vip":"yes","motto":{}}`, []string{"/ext/keeper format", "/ext/met format", "/ext/motto type", "/ext/region format", "/ext/vip type", "/ext/weight type"}},
		"unknown":       {`{"region":"north","a/b":1,"off":"2026-01-01"}`, []string{"/ext/a~1b additionalProperties", "/ext/off additionalProperties"}},
		"no such user":  {`{"region":"north","keeper":"` + uuid.NewString() + `"}`, []string{"/ext/keeper exists"}},
		"none":          {`{}`, []string{"/ext/region required"}},
		"an empty text": {`{"region":""}`, []string{"/ext/region format", "/ext/region required"}},
	} {
		err := s.trySave(t, s.by(), &crm.Customer{Name: name, Ext: crm.Ext(tc.ext)})
		if diff := cmp.Diff(tc.want, rules(err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if err := s.trySave(t, s.connection(), &crm.Customer{Name: "from the ERP"}); err != nil {
		t.Errorf("another system must know the field: %v", err)
	}
	s.save(t, &crm.Product{SKU: "P", Name: "another kind", Ext: crm.Ext(`{"anything":1}`)})

	// What was there before is not held against an old entity, until it changes.
	old.Remark = "still here"
	s.save(t, old)
	old.Ext = crm.Ext(`{"region":8,"since":"long"}`)
	wantRules(t, s.trySave(t, s.by(), old), "/ext/region type")

	found := s.list(t, crm.KindCustomer, crm.Query{Filter: []crm.Condition{
		{Field: "ext.met", Op: crm.OpGreaterEqual, Value: "2026-01-01"}, {Field: "ext.region", Op: crm.OpIn, Value: []string{"north", "west"}}, {Field: "ext.off", Op: crm.OpNull, Value: "true"},
	}}).Items
	if len(found) != 1 || found[0].(*crm.Customer).Name != "all" {
		t.Errorf("found %d customers by custom fields", len(found))
	}
	_, err := s.tryList(t, crm.KindCustomer, crm.Query{
		Filter: []crm.Condition{{Field: "ext.'; drop", Op: crm.OpEqual, Value: "x"}}, Sort: []crm.Sort{{Field: "ext.region"}},
	})
	wantRules(t, err, "/filter/0/field field", "/sort/0 field")
}

func TestDeclarationOfACustomFieldIsChecked(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for name, tc := range map[string]struct {
		field crm.CustomField
		want  []string
	}{
		"unknown kind":        {crm.CustomField{Entity: "planet", Name: "x"}, []string{"/entity enum"}},
		"a name with a blank": {crm.CustomField{Entity: "order", Name: "a b"}, []string{"/name pattern"}},
		"no choices":          {crm.CustomField{Entity: "order", Name: "x", Type: "choice"}, []string{"/choices required"}},
		"choices of a text":   {crm.CustomField{Entity: "order", Name: "x", Choices: []string{"a"}}, []string{"/choices required"}},
		"reference to what":   {crm.CustomField{Entity: "order", Name: "x", Type: "reference", Refers: "planet"}, []string{"/refers enum"}},
		"a text that refers":  {crm.CustomField{Entity: "order", Name: "x", Refers: "user"}, []string{"/refers const"}},
	} {
		if diff := cmp.Diff(tc.want, rules(s.trySave(t, s.by(), &tc.field))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	f := &crm.CustomField{Entity: "order", Name: "x"}
	s.save(t, f)
	wantRules(t, s.trySave(t, s.by(), &crm.CustomField{Entity: "order", Name: "x"}), "/name unique")
	f.Entity, f.Name, f.Type = "invoice", "y", "date"
	wantRules(t, s.trySave(t, s.by(), f), "/entity immutable", "/name immutable", "/kind immutable")
}

func TestTagsAreFound(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a, b := &crm.Customer{Code: "A", Name: "A", Tags: []string{" vip ", "北京", "vip"}}, &crm.Customer{Code: "B", Name: "B", Tags: []string{"vip customer"}}
	s.save(t, a, b, &crm.Customer{Code: "C", Name: "C"})
	if diff := cmp.Diff([]string{"vip", "北京"}, s.get(t, a).(*crm.Customer).Tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	for tag, want := range map[string][]string{"vip": {"A"}, "北京": {"A"}, "vip customer": {"B"}, "none": nil} {
		page := s.list(t, crm.KindCustomer, crm.Query{Filter: []crm.Condition{{Field: "tags", Op: crm.OpHas, Value: tag}}})
		if diff := cmp.Diff(want, codes(page.Items)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tag, diff)
		}
	}
	_, err := s.tryList(t, crm.KindCustomer, crm.Query{
		Filter: []crm.Condition{{Field: "tags", Op: crm.OpEqual, Value: "x"}, {Field: "name", Op: crm.OpHas, Value: "x"}, {Field: "tags", Op: crm.OpHas, Value: "\x00"}},
		Sort:   []crm.Sort{{Field: "tags"}},
	})
	wantRules(t, err, "/filter/0/op operator", "/filter/1/op operator", "/filter/2/value format", "/sort/0 field")
	wantRules(t, s.trySave(t, s.by(), &crm.Customer{Name: "D", Tags: []string{"a", " "}}), "/tags/1 minLength")
}

func TestDeletedEntityIsRestored(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	c := &crm.Customer{Code: "A", Name: "A", Addresses: []crm.CustomerAddress{{Kind: "bill"}}}
	s.save(t, c)
	restore := func(version int64) error {
		return s.as(t, func(ctx context.Context, tx pgx.Tx) error {
			_, err := s.store.Restore(ctx, tx, s.by(), crm.KindCustomer, c.ID, version)
			return err
		})
	}
	if err := restore(1); !errors.Is(err, crm.ErrNotFound) {
		t.Errorf("what is not deleted: got %v, want ErrNotFound", err)
	}
	err := s.as(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := s.store.Delete(ctx, tx, s.by(), crm.KindCustomer, c.ID, 1)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := restore(1); !errors.Is(err, crm.ErrStale) {
		t.Errorf("a version before: got %v, want ErrStale", err)
	}
	other := &crm.Customer{Code: "A", Name: "has taken the code"}
	s.save(t, other)
	wantRules(t, restore(2), "/code unique")
	other.Code = "B"
	s.save(t, other)
	if err := restore(2); err != nil {
		t.Fatal(err)
	}
	got := s.get(t, c).(*crm.Customer)
	if got.DeletedAt != nil || got.Version != 3 || len(got.Addresses) != 1 {
		t.Errorf("restored: %s", asJSON(t, got))
	}
}

func TestOneInvoiceProfileIsTheDefault(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	c := &crm.Customer{Name: "A", InvoiceProfiles: []crm.InvoiceProfile{{Title: "x"}, {Title: "y"}}}
	s.save(t, c)
	if got := s.get(t, c).(*crm.Customer).InvoiceProfiles; !got[0].IsDefault || got[1].IsDefault {
		t.Errorf("profiles: %+v", got)
	}
	c.InvoiceProfiles[1].IsDefault = true
	wantRules(t, s.trySave(t, s.by(), c), "/invoice_profiles/1/is_default unique")
	c.InvoiceProfiles[0].IsDefault = false
	s.save(t, c)
}
