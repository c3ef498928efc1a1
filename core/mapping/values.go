package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

// typeOf names the JSON type of a decoded value.
func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case json.Number:
		if d, ok := decimalOf(v); ok && d.IsInteger() {
			return "integer"
		}
		return "number"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return "unknown"
}

var errFloat = errors.New("a float, which is not exact: write decimals in quotes and calculate with dec_ functions")

// own makes what an expression gives a document of its own: numbers as JSON has them, and nothing shared.
func own(v any) (any, error) {
	switch v := v.(type) {
	case nil, bool, string, json.Number:
		return v, nil
	case int:
		return json.Number(strconv.Itoa(v)), nil
	case []string:
		list := make([]any, len(v))
		for i, s := range v {
			list[i] = s
		}
		return list, nil
	case []int:
		list := make([]any, len(v))
		for i, n := range v {
			list[i] = json.Number(strconv.Itoa(n))
		}
		return list, nil
	case []any:
		list := make([]any, len(v))
		for i := range v {
			var err error
			if list[i], err = own(v[i]); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		object := make(map[string]any, len(v))
		for name, member := range v {
			var err error
			if object[name], err = own(member); err != nil {
				return nil, err
			}
		}
		return object, nil
	case float64:
		return nil, errFloat
	}
	return nil, fmt.Errorf("%T is no value of JSON", v)
}

// clone copies a decoded document, so that changing one side's does not change the other's.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		c := maps.Clone(v)
		for name, member := range c {
			c[name] = clone(member)
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i := range v {
			c[i] = clone(v[i])
		}
		return c
	}
	return v
}

// code is a scalar as the key of a table: its type and its text. Numbers are the same whatever way they are written.
func code(v any) string {
	switch v := v.(type) {
	case string:
		return "s" + v
	case json.Number:
		if d, ok := decimalOf(v); ok {
			return "n" + d.String()
		}
		return "n" + string(v)
	}
	return fmt.Sprintf("o%v", v)
}

// codes is one direction of a table.
type codes map[string]any

func (c codes) look(v any) (any, error) {
	found, ok := c[code(v)]
	if !ok {
		return nil, errNoCode
	}
	return found, nil
}

// lacks names the values of a list that the table does not have. Null needs no code: it is never looked up.
func (c codes) lacks(list []any) []string {
	var names []string
	for _, v := range list {
		if _, ok := c[code(v)]; !ok && v != nil {
			names = append(names, fmt.Sprint(v))
		}
	}
	return names
}

// compile makes both directions: what is sent for our code, and what is meant by theirs.
func (t *table) compile() (push, pull codes) {
	push, pull = codes{}, codes{}
	for _, p := range t.pairs {
		if _, ok := push[code(p.crm)]; !ok && len(p.remote) > 0 {
			push[code(p.crm)] = p.remote[0]
		}
		for _, r := range p.remote {
			if _, ok := pull[code(r)]; !ok {
				pull[code(r)] = p.crm
			}
		}
	}
	return push, pull
}

// decimalOf reads a decimal from a text or a number. One that would be written out with hundreds of digits is none.
func decimalOf(v any) (decimal.Decimal, bool) {
	var text string
	switch v := v.(type) {
	case string:
		text = v
	case json.Number:
		text = string(v)
	case int:
		return decimal.NewFromInt(int64(v)), true
	}
	if len(text) == 0 || len(text) > 100 || strings.ContainsAny(text, "_xX") {
		return decimal.Zero, false
	}
	d, err := decimal.NewFromString(text)
	return d, err == nil && d.Exponent() >= -60 && d.Exponent() <= 60
}
