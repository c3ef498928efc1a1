package crm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// diff says for the audit trail what became of stored: {"field": [before, after]} for each field that changed. Version,
// time and author are left out: the entry says them itself.
func diff(stored, e Entity) (json.RawMessage, error) {
	var b bytes.Buffer
	old, now := reflect.ValueOf(stored).Elem(), reflect.ValueOf(e).Elem()
	for _, f := range shapes()[e.Kind()] {
		switch f.name {
		case "version", "updated_at", "updated_by":
			continue
		}
		if f.same(old, now) {
			continue
		}
		before, errBefore := f.json(old)
		after, errAfter := f.json(now)
		if errBefore != nil || errAfter != nil {
			return nil, fmt.Errorf("write %s of %s as JSON: %w", f.name, e.Kind(), errors.Join(errBefore, errAfter))
		}
		if bytes.Equal(before, after) {
			continue
		}
		fmt.Fprintf(&b, `,%q:[%s,%s]`, f.name, before, after)
	}
	if b.Len() == 0 {
		return json.RawMessage("{}"), nil
	}
	b.Bytes()[0] = '{'
	b.WriteByte('}')
	return b.Bytes(), nil
}

// same reports whether the field is certainly equal in two structs, without writing it as JSON: most fields are.
func (f field) same(old, now reflect.Value) bool {
	a, b := f.value(old), f.value(now)
	switch {
	case !a.IsValid() || !b.IsValid():
		return a.IsValid() == b.IsValid()
	case f.typ == text || f.typ == boolean || f.typ == integer || f.typ == id:
		return a.Equal(b)
	default:
		return a.IsZero() && b.IsZero()
	}
}

// json is the field as the entity's JSON has it; null where that leaves it out.
func (f field) json(v reflect.Value) ([]byte, error) {
	v = v.FieldByIndex(f.index)
	if f.optional && v.IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(v.Interface())
}

// shallow is another entity with the same fields, to compare with once they have been set anew.
func shallow(e Entity) Entity {
	v := reflect.New(reflect.TypeOf(e).Elem())
	v.Elem().Set(reflect.ValueOf(e).Elem())
	return v.Interface().(Entity) //nolint:forcetypeassert // it has e's type
}
