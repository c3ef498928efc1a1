package crm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/shopspring/decimal"

	"crmhub/core/schema"
)

// canonical brings every field but the head to the one form it is stored and published in: texts without blanks
// around them, instants in UTC with microseconds (PostgreSQL's precision), lists and custom fields never null.
func canonical(e Entity) {
	canonicalFields(shapes()[e.Kind()], reflect.ValueOf(e).Elem())
}

func canonicalFields(s shape, v reflect.Value) {
	for _, f := range s {
		value := f.value(v)
		if !value.IsValid() {
			continue
		}
		switch f.typ {
		case text:
			if trimmed := strings.TrimSpace(value.String()); len(trimmed) != value.Len() {
				value.SetString(trimmed)
			}
		case instant:
			at, _ := reflect.TypeAssert[time.Time](value)
			value.Set(reflect.ValueOf(microseconds(at)))
		case object:
			canonicalFields(f.elem, value)
		case list:
			if value.IsNil() {
				value.Set(reflect.MakeSlice(value.Type(), 0, 0))
			}
			for i := range value.Len() {
				canonicalFields(f.elem, value.Index(i))
			}
		case texts:
			value.Set(reflect.ValueOf(canonicalTexts(value)))
		case document:
			value.SetBytes(canonicalDocument(value.Bytes()))
		}
	}
}

// canonicalTexts are texts without blanks around them, each once, in the order given.
func canonicalTexts(v reflect.Value) []string {
	in, _ := reflect.TypeAssert[[]string](v)
	out := make([]string, 0, len(in))
	for _, s := range in {
		if s = strings.TrimSpace(s); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func microseconds(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// canonicalDocument sorts the keys, so that custom fields read back from jsonb equal those written.
func canonicalDocument(b []byte) []byte {
	if len(b) == 0 || string(b) == "{}" || string(b) == "null" {
		return []byte("{}")
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var doc any
	if dec.Decode(&doc) != nil {
		return b // Validate tells
	}
	out, err := json.Marshal(doc)
	if err != nil {
		return b
	}
	return out
}

// faults collects violations.
type faults struct{ violations schema.Violations }

func (c *faults) add(pointer, rule, format string, args ...any) {
	c.violations = append(c.violations, schema.Violation{Pointer: pointer, Rule: rule, Message: fmt.Sprintf(format, args...)})
}

// tell is add of a rule that says too little by its name: readers of other languages are told by the code.
func (c *faults) tell(pointer, rule, code, format string, args ...any) {
	c.violations = append(c.violations, schema.Violation{Pointer: pointer, Rule: rule, Message: fmt.Sprintf(format, args...), Said: schema.Say(code, args...)})
}

// checkFields checks what the tags of e's type say, for every field but the head's.
func checkFields(e Entity) *faults {
	c := new(faults)
	c.fields("", shapes()[e.Kind()][headFields:], reflect.ValueOf(e).Elem())
	return c
}

// headFields is how many fields the head has; they come first.
var headFields = reflect.TypeFor[Head]().NumField() //nolint:gochecknoglobals // a constant, derived

func (c *faults) fields(pointer string, s shape, v reflect.Value) {
	for _, f := range s {
		at := pointer + "/" + f.name
		value := f.value(v)
		if !value.IsValid() {
			continue
		}
		if f.required && (value.IsZero() || f.typ == number && decimalOf(value).IsZero()) {
			c.add(at, "required", "is required")
			continue
		}
		switch f.typ {
		case text:
			c.text(at, f, value.String())
		case number:
			c.number(at, f, decimalOf(value))
		case day, instant:
			c.year(at, value)
		case id:
			if value.IsZero() {
				c.add(at, "format", "must not be the nil UUID")
			}
		case object:
			c.fields(at, f.elem, value)
		case list:
			for i := range value.Len() {
				c.fields(at+"/"+strconv.Itoa(i), f.elem, value.Index(i))
			}
		case texts:
			c.texts(at, f, value)
		case document:
			var doc map[string]json.RawMessage
			if json.Unmarshal(value.Bytes(), &doc) != nil {
				c.add(at, "type", "must be an object")
			}
		}
	}
}

func (c *faults) text(at string, f field, s string) {
	switch {
	case s == "":
		if len(f.enum) > 0 && !f.optional {
			c.add(at, "enum", "must be one of %s", strings.Join(f.enum, ", "))
		}
	case !utf8.ValidString(s) || strings.ContainsRune(s, 0):
		c.add(at, "format", "must be text in UTF-8 without NUL characters")
	case len(s) > f.max && utf8.RuneCountInString(s) > f.max:
		c.add(at, "maxLength", "must have at most %d characters", f.max)
	case len(f.enum) > 0 && !slices.Contains(f.enum, s):
		c.add(at, "enum", "must be one of %s", strings.Join(f.enum, ", "))
	case f.format != "":
		if message := formats[f.format](s); message != "" {
			c.add(at, "format", "%s", message)
		}
	}
}

// maxTexts is how many texts one field holds at most.
const maxTexts = 100

func (c *faults) texts(at string, f field, v reflect.Value) {
	if v.Len() > maxTexts {
		c.add(at, "maxItems", "must have at most %d texts", maxTexts)
		return
	}
	for i := range v.Len() {
		if s := v.Index(i).String(); s == "" {
			c.add(at+"/"+strconv.Itoa(i), "minLength", "must not be empty")
		} else {
			c.text(at+"/"+strconv.Itoa(i), f, s)
		}
	}
}

func (c *faults) number(at string, f field, d decimal.Decimal) {
	switch {
	case !fits(d):
		c.tell(at, "maximum", "field_too_long", "has too many digits")
	case !d.Equal(d.Truncate(int32(f.scale))): //nolint:gosec // a column's scale
		c.tell(at, "scale", "field_decimals", "must have at most %d decimals", f.scale)
	case d.Abs().GreaterThanOrEqual(decimal.New(1, int32(f.precision-f.scale))): //nolint:gosec // as above
		c.tell(at, "maximum", "field_digits", "must have at most %d digits before the decimal point", f.precision-f.scale)
	}
}

// fits tells numbers that may be calculated with from those whose digits alone would fill the memory.
func fits(d decimal.Decimal) bool {
	return d.Exponent() >= -80 && d.Exponent() <= 40 && d.Coefficient().BitLen() <= 300
}

// year refuses what PostgreSQL or RFC 3339 cannot hold.
func (c *faults) year(at string, value reflect.Value) {
	var y int
	switch t := value.Interface().(type) {
	case Date:
		y = t.Time().Year()
	case time.Time:
		y = t.Year()
	}
	if y < 1 || y > 9999 {
		c.tell(at, "format", "field_years", "must be in the years 1 to 9999")
	}
}

// atLeastZero refuses a negative number.
func (c *faults) atLeastZero(at string, d *decimal.Decimal) {
	if d != nil && d.IsNegative() {
		c.tell(at, "minimum", "field_not_negative", "must not be negative")
	}
}

// between refuses a whole number out of a range.
func (c *faults) between(at string, n *int32, low, high int32) {
	if n != nil && (*n < low || *n > high) {
		c.tell(at, "maximum", "field_between", "must be between %d and %d", low, high)
	}
}

// ordered refuses an end before its start; either may be open.
func (c *faults) ordered(at string, start, end *Date) {
	if start != nil && end != nil && end.Before(*start) {
		c.tell(at, "minimum", "field_before_start", "must not be before %s, the start", start)
	}
}

// percent refuses what is not between 0 and 100.
func (c *faults) percent(at string, d *decimal.Decimal) {
	if d != nil && (d.IsNegative() || d.GreaterThan(hundred)) {
		c.tell(at, "maximum", "field_between", "must be between %d and %d", 0, 100)
	}
}

func decimalOf(v reflect.Value) decimal.Decimal {
	d, _ := reflect.TypeAssert[decimal.Decimal](v)
	return d
}

var hundred = decimal.NewFromInt(100) //nolint:gochecknoglobals // a constant
