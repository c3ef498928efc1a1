package crm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// Document returns the entity as its JSON says it, decoded with UseNumber: what mappings and merges work on.
func Document(e Entity) (map[string]any, error) {
	return documentOf(shapes()[e.Kind()], reflect.ValueOf(e).Elem(), nil)
}

// Part is Document with some of its fields only.
func Part(e Entity, fields map[string]bool) (map[string]any, error) {
	return documentOf(shapes()[e.Kind()], reflect.ValueOf(e).Elem(), fields)
}

// documentOf makes a document of the fields of only, or of all if that is nil.
func documentOf(s shape, v reflect.Value, only map[string]bool) (map[string]any, error) {
	doc := make(map[string]any, len(s))
	for i := range s {
		f := &s[i]
		if only != nil && !only[f.name] {
			continue
		}
		raw := v.FieldByIndex(f.index)
		if f.optional && raw.IsZero() {
			continue
		}
		value := f.value(v)
		if !value.IsValid() {
			doc[f.name] = nil
			continue
		}
		out, err := plain(*f, value)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", f.name, err)
		}
		doc[f.name] = out
	}
	return doc, nil
}

func plain(f field, v reflect.Value) (any, error) {
	switch f.typ {
	case boolean:
		return v.Bool(), nil
	case integer:
		return json.Number(strconv.FormatInt(v.Int(), 10)), nil
	case object:
		return documentOf(f.elem, v, nil)
	case list:
		if v.IsNil() {
			return nil, nil
		}
		items := make([]any, v.Len())
		for i := range items {
			item, err := documentOf(f.elem, v.Index(i), nil)
			if err != nil {
				return nil, err
			}
			items[i] = item
		}
		return items, nil
	case texts:
		if v.IsNil() {
			return nil, nil
		}
		items := make([]any, v.Len())
		for i := range items {
			items[i] = v.Index(i).String()
		}
		return items, nil
	case document:
		if v.IsNil() {
			return nil, nil
		}
		dec := json.NewDecoder(bytes.NewReader(v.Bytes()))
		dec.UseNumber()
		var out any
		err := dec.Decode(&out)
		return out, err
	default:
		return textOf(v.Interface()), nil
	}
}

// textOf is how JSON writes a value that is a string there.
func textOf(v any) string {
	switch v := v.(type) {
	case decimal.Decimal:
		return v.String()
	case uuid.UUID:
		return v.String()
	case Date:
		return v.String()
	case time.Time:
		return v.Format(time.RFC3339Nano)
	default:
		return reflect.ValueOf(v).String()
	}
}
