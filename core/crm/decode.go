package crm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"crmhub/core/schema"
)

// Decode reads an entity from JSON. Unknown fields and wrong types are [schema.Violations], all of them.
func Decode(k Kind, doc []byte) (Entity, error) {
	if !utf8.Valid(doc) {
		return nil, schema.Violations{{Rule: "json", Message: "is not UTF-8"}}
	}
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, schema.Violations{{Rule: "type", Message: "must be an object"}}
		}
		return nil, schema.Violations{{Rule: "json", Message: "is no well-formed JSON"}}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, schema.Violations{{Rule: "json", Message: "must be one JSON object and nothing after it"}}
	}
	return FromDocument(k, m)
}

// FromDocument reads an entity from its JSON decoded with UseNumber. Missing fields keep the defaults of [New].
// Unknown fields and wrong types are [schema.Violations], all of them.
func FromDocument(k Kind, doc map[string]any) (Entity, error) {
	e := New(k)
	var r reading
	r.object("", shapes()[k], doc, reflect.ValueOf(e).Elem())
	if err := r.violations.Err(); err != nil {
		return nil, err
	}
	return e, nil
}

// reading collects what is wrong while a document is turned into Go values.
type reading struct{ violations schema.Violations }

func (r *reading) fault(pointer, rule, format string, args ...any) {
	r.violations = append(r.violations, schema.Violation{Pointer: pointer, Rule: rule, Message: fmt.Sprintf(format, args...)})
}

func (r *reading) object(pointer string, s shape, doc map[string]any, v reflect.Value) {
	known := 0
	for _, f := range s {
		in, ok := doc[f.name]
		if !ok {
			continue
		}
		known++
		at := pointer + "/" + f.name
		target := v.FieldByIndex(f.index)
		if in == nil {
			if !f.optional && f.typ != list && f.typ != texts && f.typ != document {
				r.fault(at, "type", "must not be null")
			}
			target.SetZero()
			continue
		}
		if f.pointer {
			target.Set(reflect.New(target.Type().Elem()))
			target = target.Elem()
		}
		r.field(at, f, in, target)
	}
	if known == len(doc) {
		return
	}
	names := make(map[string]bool, len(s))
	for _, f := range s {
		names[f.name] = true
	}
	for name := range doc {
		if !names[name] {
			r.fault(pointer+"/"+schema.EscapePointer(name), "additionalProperties", "is no field known here")
		}
	}
}

// DecimalForm is a decimal as JSON carries it, a regular expression. Exponents are refused: few bytes could ask for a
// number of gigabytes.
const DecimalForm = `^-?[0-9]{1,40}(\.[0-9]{1,40})?$`

var decimalText = regexp.MustCompile(DecimalForm)

func (r *reading) field(at string, f field, in any, v reflect.Value) {
	switch f.typ {
	case boolean:
		if b, ok := in.(bool); ok {
			v.SetBool(b)
			return
		}
		r.fault(at, "type", "must be true or false")
	case integer:
		n, ok := in.(json.Number)
		if !ok {
			r.fault(at, "type", "must be a whole number")
			return
		}
		i, err := strconv.ParseInt(n.String(), 10, 64)
		if err != nil || v.OverflowInt(i) {
			r.violations = append(r.violations, schema.Violation{
				Pointer: at, Rule: "type", Message: fmt.Sprintf("must be a whole number of at most %d", maxInt(v)), Said: schema.Say("field_integer", maxInt(v)),
			})
			return
		}
		v.SetInt(i)
	case object:
		m, ok := in.(map[string]any)
		if !ok {
			r.fault(at, "type", "must be an object")
			return
		}
		r.object(at, f.elem, m, v)
	case list:
		r.list(at, f, in, v)
	case texts:
		r.texts(at, in, v)
	case document:
		if _, ok := in.(map[string]any); !ok {
			r.fault(at, "type", "must be an object")
			return
		}
		b, err := json.Marshal(in)
		if err != nil {
			r.fault(at, "type", "cannot be written as JSON")
			return
		}
		v.SetBytes(b)
	default:
		s, ok := in.(string)
		if !ok {
			r.fault(at, "type", "must be a string")
			return
		}
		if err := setText(f.typ, s, v); err != nil {
			r.fault(at, "format", "must be %s", formOf(f.typ))
		}
	}
}

func (r *reading) list(at string, f field, in any, v reflect.Value) {
	items, ok := in.([]any)
	if !ok {
		r.fault(at, "type", "must be a list")
		return
	}
	out := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		m, ok := item.(map[string]any)
		if !ok {
			r.fault(at+"/"+strconv.Itoa(i), "type", "must be an object")
			continue
		}
		f.elem.setDefaults(out.Index(i))
		r.object(at+"/"+strconv.Itoa(i), f.elem, m, out.Index(i))
	}
	v.Set(out)
}

func (r *reading) texts(at string, in any, v reflect.Value) {
	items, ok := in.([]any)
	if !ok {
		r.fault(at, "type", "must be a list of texts")
		return
	}
	out := make([]string, len(items))
	for i, item := range items {
		if out[i], ok = item.(string); !ok {
			r.fault(at+"/"+strconv.Itoa(i), "type", "must be a string")
		}
	}
	v.Set(reflect.ValueOf(out))
}

var errForm = errors.New("has another form")

// setText sets v, of a type that is a string in JSON, from s.
func setText(t fieldType, s string, v reflect.Value) error {
	switch t {
	case text:
		v.SetString(s)
		return nil
	case number:
		if !decimalText.MatchString(s) {
			return errForm
		}
		d, err := decimal.NewFromString(s)
		v.Set(reflect.ValueOf(d))
		return err
	case id:
		if len(s) != 36 {
			return errForm
		}
		u, err := uuid.Parse(s)
		v.Set(reflect.ValueOf(u))
		return err
	case day:
		d, err := ParseDate(s)
		v.Set(reflect.ValueOf(d))
		return err
	case instant:
		at, err := time.Parse(time.RFC3339, s)
		v.Set(reflect.ValueOf(at))
		return err
	default:
		panic("crm: not a text in JSON")
	}
}

func formOf(t fieldType) string {
	switch t {
	case number:
		return `a decimal number in quotes, like "12.5"`
	case id:
		return "a UUID"
	case day:
		return "a date like 2006-01-02"
	case instant:
		return "a time like 2006-01-02T15:04:05Z"
	default:
		return "a text"
	}
}

func maxInt(v reflect.Value) int64 {
	if v.Kind() == reflect.Int32 {
		return math.MaxInt32
	}
	return math.MaxInt64
}
