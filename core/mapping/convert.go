package mapping

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/shopspring/decimal"
)

// conversion turns a value that is neither absent nor null into the other side's form. The errors say what is wrong
// without the value. A nil function is identity.
type conversion struct {
	push func(any) (any, error)
	pull func(any) (any, error)
}

// returns reports whether a value comes back as it went.
func (c conversion) returns(v any) bool {
	there, err := c.push(v)
	if err != nil {
		return false
	}
	back, err := c.pull(there)
	return err == nil && back == v
}

// What a value is not. The texts are shown to people.
var (
	errNoText    = because("map_must_text", "must be a text")
	errNoDecimal = because("map_must_decimal", "must be a decimal number")
	errNoInteger = because("map_must_integer", "must be a whole number")
	errNoNumber  = because("map_must_number", "must be a number as the other system writes it: digits without leading zeros or blanks")
	errNoBoolean = because("map_must_boolean", "must be true or false")
	errNoDate    = because("map_must_date", "must be a date in the form the mapping says")
	errNoCode    = because("map_must_code", "is a code the mapping's values do not have")
)

// natural converts between two places where there is one obvious way. The error says what would make it clear.
func natural(crm, remote node, w ways) (conversion, error) {
	ours, theirs := crm.format(), remote.format()
	switch {
	case crm.isDecimal():
		if remote.is("string") && !slices.Contains([]string{"", "decimal"}, theirs) || !remote.is("string") && !remote.is("integer") {
			return conversion{}, because("map_decimal_fits", "a decimal fits a number or a text")
		}
		return decimals(remote, decimal.NewFromInt(1)), nil
	case crm.open() || remote.open():
		return conversion{}, nil
	case crm.only("integer") && remote.is("integer"):
		return conversion{pull: toInteger}, nil
	case crm.only("integer") && remote.is("string"):
		return conversion{push: toIntegerText, pull: toInteger}, nil
	case crm.is("string") && remote.is("string"):
		if isTime(ours) && isTime(theirs) && ours != theirs {
			return conversion{}, because("map_say_format", "say format: "+ours+" with a layout")
		}
		if err := sameCodes(crm, remote, w); err != nil {
			return conversion{}, err
		}
		if remote.is("integer") || remote.is("boolean") { // a text there is one way to put it
			return conversion{pull: toText}, nil
		}
		return conversion{}, nil
	case crm.is("array") && remote.is("array"):
		return conversion{}, sameLists(crm, remote, w)
	case crm.is("object") && remote.is("object"):
		if crm.has("properties") && remote.has("properties") {
			return conversion{}, because("map_one_by_one", "map the properties one by one, with dots in the paths")
		}
		return conversion{}, nil
	case crm.is("boolean") && remote.is("boolean"):
		return conversion{}, nil
	case crm.is("string") && remote.is("integer"):
		return conversion{}, because("map_say_text", "say format: text if it is a number written as text")
	}
	return conversion{}, because("map_say_how", "say a format, values or a link")
}

func isTime(format string) bool {
	return slices.Contains([]string{"date", "date-time", "time"}, format)
}

// sameCodes reports codes of one side that the other does not have.
func sameCodes(crm, remote node, w ways) error {
	lacking := func(from, to node) []string {
		var names []string
		for _, v := range from.enum() {
			if v != nil && len(to.enum()) > 0 && !contains(to.enum(), v) {
				names = append(names, strings.TrimPrefix(code(v), "s"))
			}
		}
		return names
	}
	if names := lacking(crm, remote); w.push && len(names) > 0 {
		return because("map_values_theirs", "say values: they do not have our "+strings.Join(names, ", "))
	}
	if names := lacking(remote, crm); w.pull && len(names) > 0 {
		return because("map_values_ours", "say values: we do not have their "+strings.Join(names, ", "))
	}
	return nil
}

// sameLists checks lists that are taken as they are.
func sameLists(crm, remote node, w ways) error {
	ours, ok := crm.items()
	theirs, ok2 := remote.items()
	if !ok || !ok2 {
		return nil
	}
	c, err := natural(ours, theirs, w)
	if err == nil && (w.push && c.push != nil || w.pull && c.pull != nil) {
		err = errors.New("their elements differ")
	}
	if err != nil {
		return because("map_say_each", "map the elements: say each")
	}
	return nil
}

// decimals converts our decimal texts to what the remote has, times a factor. What cannot be divided evenly keeps 12
// decimals, more than any amount of ours has.
func decimals(remote node, unit decimal.Decimal) conversion {
	asText := remote.is("string") && !remote.is("number")
	same := unit.Equal(decimal.NewFromInt(1))
	return conversion{
		push: func(v any) (any, error) {
			if s, ok := v.(string); ok && same && canonical(s) {
				if asText || remote.open() {
					return v, nil
				}
				return json.Number(s), nil
			}
			d, ok := decimalOf(v)
			if !ok {
				return nil, errNoDecimal
			}
			if !same {
				d = d.Mul(unit)
			}
			if asText || remote.open() {
				return d.String(), nil
			}
			return json.Number(d.String()), nil
		},
		pull: func(v any) (any, error) {
			if n, ok := v.(json.Number); ok && same && canonical(string(n)) {
				return string(n), nil
			}
			d, ok := decimalOf(v)
			switch {
			case !ok:
				return nil, errNoDecimal
			case !same:
				d = d.DivRound(unit, 12)
			}
			return d.String(), nil
		},
	}
}

// canonical reports whether a text is a decimal as decimal.Decimal writes it: then it need not be read and written.
func canonical(s string) bool {
	if len(s) > 1 && s[0] == '-' {
		if s = s[1:]; s == "0" {
			return false
		}
	}
	if len(s) > 40 || len(s) > 1 && s[0] == '0' && s[1] != '.' {
		return false
	}
	dot := strings.IndexByte(s, '.')
	if dot >= 0 && s[len(s)-1] == '0' {
		return false
	}
	for i := range len(s) {
		if i != dot && (s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return s != "" && dot != 0 && dot != len(s)-1
}

func toText(v any) (any, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		return string(v), nil
	case bool:
		if v {
			return "true", nil
		}
		return "false", nil
	}
	return nil, errNoText
}

// fromText turns our text into the number or truth value that the other side writes for it.
func fromText(remote node) func(any) (any, error) {
	return func(v any) (any, error) {
		s, ok := v.(string)
		switch {
		case !ok:
			return nil, errNoText
		case remote.is("string"):
			return s, nil
		case remote.is("boolean"):
			if s != "true" && s != "false" {
				return nil, errNoBoolean
			}
			return s == "true", nil
		case !canonical(s): // it would not come back as it is
			return nil, errNoNumber
		}
		return json.Number(s), nil
	}
}

func toInteger(v any) (any, error) {
	d, ok := decimalOf(v)
	if !ok || !d.IsInteger() {
		return nil, errNoInteger
	}
	return json.Number(d.String()), nil
}

func toIntegerText(v any) (any, error) {
	n, err := toInteger(v)
	if err != nil {
		return nil, err
	}
	return toText(n)
}
