package crm

import (
	"reflect"
	"slices"

	"crmhub/core/schema"
)

// lively are the fields of an issued invoice that may still change: what happens to it, not what it says.
var lively = []string{"residual", "status", "payment_status", "owner_id", "remark", "findings", "ext"} //nolint:gochecknoglobals // a table

// frozen returns the fields in which v differs from the stored invoice although that is issued.
func frozen(stored, v *Invoice) schema.Violations {
	if stored == nil || stored.Status == "draft" {
		return nil
	}
	var still []string
	for _, field := range shapes()[KindInvoice][headFields:] {
		if !slices.Contains(lively, field.name) {
			still = append(still, field.name)
		}
	}
	return differing(stored, v, still, "once the invoice is issued")
}

// differing returns those of the named fields in which e is not what is stored: they cannot be changed, since.
func differing(stored, e Entity, named []string, since string) schema.Violations {
	var f faults
	old, now := reflect.ValueOf(stored).Elem(), reflect.ValueOf(e).Elem()
	for _, field := range shapes()[e.Kind()][headFields:] {
		if !slices.Contains(named, field.name) {
			continue
		}
		same, err := sameJSON(old.FieldByIndex(field.index).Interface(), now.FieldByIndex(field.index).Interface())
		if err != nil || !same {
			f.add("/"+field.name, "immutable", "cannot be changed %s", since)
		}
	}
	return f.violations
}
