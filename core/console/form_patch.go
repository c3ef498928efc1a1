package console

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// patch is how what was entered differs from what is stored: null for what was emptied.
func (f *form) patch(asked []field, stored map[string]any) map[string]any {
	patch := map[string]any{}
	for _, fd := range asked {
		value := tidy(fd.valueIn(f.doc))
		if same(fd, value, fd.valueIn(stored)) {
			continue
		}
		if name, custom := strings.CutPrefix(fd.Name, customPrefix); custom {
			ext, _ := patch["ext"].(map[string]any)
			if ext == nil {
				ext = map[string]any{}
			}
			ext[name] = value
			patch["ext"] = ext
			continue
		}
		if object, ok := value.(map[string]any); ok { // a merge patch would keep what is not named
			for _, inner := range fd.fields {
				if object[inner.Name] == nil {
					object[inner.Name] = nil
				}
			}
		}
		patch[fd.Name] = value
		if value == nil && (fd.Type == "list" || fd.Type == "texts") {
			patch[fd.Name] = []any{}
		}
	}
	return patch
}

// tidy drops what is empty: texts, lines in which nothing stands, objects without a value. What is left of nothing is nil.
func tidy(value any) any {
	switch x := value.(type) {
	case string:
		if x == "" {
			return nil
		}
	case map[string]any:
		kept := map[string]any{}
		stands := false
		for name, member := range x {
			if member = tidy(member); member != nil {
				kept[name] = member
				stands = stands || member != false && member != true
			}
		}
		if !stands {
			return nil
		}
		return kept
	case []any:
		var kept []any
		for _, item := range x {
			if item = tidy(item); item != nil {
				kept = append(kept, item)
			}
		}
		if kept == nil {
			return nil
		}
		return kept
	}
	return value
}

// same reports whether two values of a field are one, however they are written.
func same(fd field, a, b any) bool {
	a, b = tidy(a), tidy(b)
	if fd.Type == "boolean" {
		return (a == true) == (b == true)
	}
	switch x := a.(type) {
	case nil:
		s, _ := b.(string)
		return b == nil || fd.Type == "number" && !fd.Required && isZero(s)
	case map[string]any:
		y, ok := b.(map[string]any)
		return ok && sameMembers(fd.fields, x, y)
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			m, isMap := x[i].(map[string]any)
			n, _ := y[i].(map[string]any)
			if isMap && !sameMembers(fd.fields, m, n) || !isMap && x[i] != y[i] {
				return false
			}
		}
		return true
	case string:
		y, ok := b.(string)
		if !ok {
			return b == nil && fd.Type == "number" && isZero(x)
		}
		return x == y || fd.Type == "number" && sameNumber(x, y) || fd.Type == "instant" && sameMinute(x, y)
	case json.Number:
		y, ok := b.(json.Number)
		return ok && x == y
	}
	return a == b
}

func sameMembers(fields []field, a, b map[string]any) bool {
	return !slices.ContainsFunc(fields, func(fd field) bool { return !same(fd, a[fd.Name], b[fd.Name]) })
}

func isZero(s string) bool { return s == "" || sameNumber(s, "0") }

func sameNumber(a, b string) bool {
	x, errX := decimal.NewFromString(a)
	y, errY := decimal.NewFromString(b)
	return errX == nil && errY == nil && x.Equal(y)
}

// sameMinute compares instants as precisely as a form asks for them.
func sameMinute(a, b string) bool {
	x, errX := time.Parse(time.RFC3339, a)
	y, errY := time.Parse(time.RFC3339, b)
	return errX == nil && errY == nil && x.Truncate(time.Minute).Equal(y.Truncate(time.Minute))
}
