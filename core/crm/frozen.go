package crm

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"

	"crmhub/core/schema"
)

// lively are the fields of an issued invoice that may still change: what happens to it, not what it says.
var lively = []string{"residual", "status", "payment_status", "owner_id", "remark", "ext"} //nolint:gochecknoglobals // a table

// frozen returns the fields in which v differs from the stored invoice although that is issued.
func frozen(stored, v *Invoice) schema.Violations {
	if stored == nil || stored.Status == "draft" {
		return nil
	}
	var f faults
	old, now := reflect.ValueOf(stored).Elem(), reflect.ValueOf(v).Elem()
	for _, field := range shapes()[KindInvoice][headFields:] {
		if slices.Contains(lively, field.name) {
			continue
		}
		a, errA := json.Marshal(old.FieldByIndex(field.index).Interface())
		b, errB := json.Marshal(now.FieldByIndex(field.index).Interface())
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			f.add("/"+field.name, "immutable", "cannot be changed once the invoice is issued")
		}
	}
	return f.violations
}
