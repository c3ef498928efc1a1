package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/shopspring/decimal"

	"crmhub/core/schema"
)

// Sample makes a stream of a file that says what to write: {"data": {…}, "change": {…}, "invalid": {…}}. {{reference}} within is
// each record's own. change and invalid replace fields of data; without invalid no refusal is checked.
func Sample(record string, source []byte) (Stream, error) {
	doc, err := schema.DecodeJSON(source)
	if err != nil {
		return Stream{}, err
	}
	parts, _ := doc.(map[string]any)
	for name, part := range parts {
		if _, ok := part.(map[string]any); !ok || name != "data" && name != "change" && name != "invalid" {
			return Stream{}, fmt.Errorf("%s: a sample has objects data, change and invalid", name)
		}
	}
	if parts["data"] == nil || parts["change"] == nil {
		return Stream{}, fmt.Errorf("a sample has data and change")
	}
	replace := func(part string) func(map[string]any) {
		return func(data map[string]any) { maps.Copy(data, parts[part].(map[string]any)) }
	}
	s := Stream{Record: record, Change: replace("change"), Same: func(data, record map[string]any) bool { return Contains(record, data) }}
	s.Data = func(reference string) map[string]any {
		return fill(parts["data"], reference).(map[string]any)
	}
	if parts["invalid"] != nil {
		s.Invalid = replace("invalid")
	}
	return s, nil
}

func fill(v any, reference string) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, "{{reference}}", reference)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = fill(v[i], reference)
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(v))
		for k := range v {
			object[k] = fill(v[k], reference)
		}
		return object
	default:
		return v
	}
}

// Contains reports whether everything in part is in whole, lists element by element, numbers by value even where one side
// writes them as text. What is null, empty or missing is the same.
func Contains(whole, part any) bool {
	switch p := part.(type) {
	case map[string]any:
		w, _ := whole.(map[string]any)
		for name, v := range p {
			if !Contains(w[name], v) {
				return false
			}
		}
		return true
	case []any:
		w, _ := whole.([]any)
		if len(w) != len(p) {
			return false
		}
		for i := range p {
			if !Contains(w[i], p[i]) {
				return false
			}
		}
		return true
	}
	a, b := plain(part), plain(whole)
	if a == b {
		return true
	}
	_, number := part.(json.Number)
	if _, other := whole.(json.Number); !number && !other {
		return false
	}
	x, errX := decimal.NewFromString(a)
	y, errY := decimal.NewFromString(b)
	return errX == nil && errY == nil && x.Equal(y)
}

func plain(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}
