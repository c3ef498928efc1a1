package link

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// equal compares two JSON values by what they mean: decimals and numbers by value, times by instant, lists element by
// element, and nothing (null, absent, "", an empty list or object) equals nothing.
func equal(a, b any) bool {
	if empty(a) || empty(b) {
		return empty(a) && empty(b)
	}
	switch a := a.(type) {
	case string:
		b, ok := b.(string)
		return ok && (a == b || sameDecimal(a, b) || sameTime(a, b))
	case json.Number:
		b, ok := b.(json.Number)
		return ok && (a == b || sameNumber(a.String(), b.String()))
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok {
			return false
		}
		for k, v := range a {
			if !equal(v, b[k]) {
				return false
			}
		}
		for k, v := range b {
			if _, both := a[k]; !both && !empty(v) {
				return false
			}
		}
		return true
	}
	return a == b
}

// empty reports whether a value says nothing: to an entity's fields "", null and absent are the same.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		for _, part := range v {
			if !empty(part) {
				return false
			}
		}
		return true
	}
	return false
}

// sameDecimal is for strings in the form of decimals: "12.5" and "12.50" are the same amount, while "007" and "7",
// or "12" and "+12", are different codes.
func sameDecimal(a, b string) bool {
	return strings.ContainsRune(a+b, '.') && isDecimal(a) && isDecimal(b) && sameNumber(a, b)
}

func isDecimal(s string) bool {
	whole, fraction, point := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	if whole == "" || len(whole) > 1 && whole[0] == '0' || point && fraction == "" {
		return false
	}
	for _, c := range whole + fraction {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func sameNumber(a, b string) bool {
	x, errX := decimal.NewFromString(a)
	y, errY := decimal.NewFromString(b)
	// An exponent of a thousand digits is no amount, and comparing would write it out.
	return errX == nil && errY == nil && near(x) && near(y) && x.Equal(y)
}

func near(d decimal.Decimal) bool { return d.Exponent() > -400 && d.Exponent() < 400 }

func sameTime(a, b string) bool {
	if len(a) < len("2006-01-02T15:04:05Z") || len(b) < len("2006-01-02T15:04:05Z") || a[10] != 'T' || b[10] != 'T' {
		return false
	}
	x, errX := time.Parse(time.RFC3339Nano, a)
	y, errY := time.Parse(time.RFC3339Nano, b)
	return errX == nil && errY == nil && x.Equal(y)
}

// shape is which parts of a field the mapping carries, as seen on the record's value: the names in its objects, and
// those in the elements of its lists taken together. The zero shape carries all.
type shape struct {
	parts   map[string]shape
	element *shape
}

func shapeOf(v any) shape {
	var s shape
	s.add(v)
	return s
}

func (s *shape) add(v any) {
	switch v := v.(type) {
	case map[string]any:
		if s.parts == nil {
			s.parts = make(map[string]shape, len(v))
		}
		for k, part := range v {
			p := s.parts[k]
			p.add(part)
			s.parts[k] = p
		}
	case []any:
		if s.element == nil {
			s.element = new(shape)
		}
		for _, e := range v {
			s.element.add(e)
		}
	}
}

// of returns a value without the parts that the mapping does not carry.
func (s shape) of(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if s.parts == nil {
			return v
		}
		some := make(map[string]any, len(s.parts))
		for k, p := range s.parts {
			if part, ok := v[k]; ok {
				some[k] = p.of(part)
			}
		}
		return some
	case []any:
		if s.element == nil {
			return v
		}
		some := make([]any, len(v))
		for i, e := range v {
			some[i] = s.element.of(e)
		}
		return some
	}
	return v
}
