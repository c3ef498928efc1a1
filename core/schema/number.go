package schema

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// Numbers have at most so many characters, and exponents of at most that size: a few bytes such as 1e999999999 would
// otherwise be written out as gigabytes, or (beyond what math/big reads) bring the validating library down.
const (
	maxNumber   = 400
	maxExponent = 400
)

// unreadable adds the numbers of a document that cannot be checked.
func unreadable(vs Violations, at string, v any) Violations {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			// The pointer is made only where there is a fault.
			if found := unreadable(nil, "", member); len(found) > 0 {
				vs = append(vs, found.below(at+"/"+EscapePointer(name))...)
			}
		}
	case []any:
		for i, member := range v {
			if found := unreadable(nil, "", member); len(found) > 0 {
				vs = append(vs, found.below(at+"/"+strconv.Itoa(i))...)
			}
		}
	case json.Number:
		if !readable(string(v)) {
			vs = append(vs, Violation{at, "number", "is no number, or one of too many digits", nil})
		}
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			vs = append(vs, Violation{at, "number", "is no number", nil})
		}
	}
	return vs
}

func (vs Violations) below(at string) Violations {
	for i := range vs {
		vs[i].Pointer = at + vs[i].Pointer
	}
	return vs
}

func readable(s string) bool {
	if len(s) > maxNumber {
		return false
	}
	mantissa := s
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa = s[:i]
		n, err := strconv.Atoi(s[i+1:])
		if err != nil || n < -maxExponent || n > maxExponent {
			return false
		}
	}
	return IsDecimal(mantissa)
}

// IsDecimal reports whether s is a plain decimal number: an optional minus, digits, an optional fraction, no exponent.
func IsDecimal(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole, fraction, dot := strings.Cut(s, ".")
	return digits(whole) && (!dot || digits(fraction))
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
