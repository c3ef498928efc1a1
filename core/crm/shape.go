package crm

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// A shape is what the tags of an entity's Go type say: its fields, in order, those of embedded types among them.
// Decoding, checking, columns and filters all read it, so a field is declared once. The tags are
//
//	json      the name in JSON; omitempty makes the field optional
//	db        the column; "-" for what is stored in a table of its own
//	required  "true": a text, id, date or number that must not be empty
//	max       the longest text, in characters; 300 if unsaid; of texts, the longest of them
//	enum      the texts allowed, separated by blanks
//	format    a key of formats
//	refers    the kind whose id the field holds, or "user"
//	numeric   precision and scale of a decimal's column; "20,4" if unsaid
//	default   "true": what a boolean is that a document leaves out
//	personal  "true": it says, or as free text may say, something of a person; see Personal
type shape []field

type field struct {
	name      string
	column    bool // stored in the entity's own table
	index     []int
	typ       fieldType
	goType    reflect.Type // without the pointer
	pointer   bool         // the Go field is a pointer
	optional  bool
	required  bool
	max       int
	enum      []string
	format    string
	refers    string
	precision int
	scale     int
	fallback  bool // what a boolean is when it is left out
	personal  bool
	elem      shape // of an object, or of each element of a list
}

type fieldType int

const (
	text fieldType = iota
	boolean
	integer
	number // decimal.Decimal, a string in JSON
	id
	day
	instant
	object
	list
	document // JSON of any shape
	texts    // []string
)

const defaultMax = 300

// shapes are the shapes of all kinds; reflection costs too much to repeat for every row.
var shapes = sync.OnceValue(func() map[Kind]shape { //nolint:gochecknoglobals // derived from types once, never written again
	m := make(map[Kind]shape)
	for _, k := range Kinds() {
		m[k] = shapeOf(reflect.TypeOf(empty(k)).Elem())
	}
	return m
})

func shapeOf(t reflect.Type) shape {
	var s shape
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			for _, e := range shapeOf(f.Type) {
				e.index = append([]int{i}, e.index...)
				s = append(s, e)
			}
			continue
		}
		s = append(s, fieldOf(f, i))
	}
	return s
}

func fieldOf(sf reflect.StructField, i int) field {
	f := field{index: []int{i}, max: defaultMax, format: sf.Tag.Get("format"), refers: sf.Tag.Get("refers"), required: sf.Tag.Get("required") == "true"}
	var options string
	f.name, options, _ = strings.Cut(sf.Tag.Get("json"), ",")
	f.optional = options == "omitempty"
	f.column = sf.Tag.Get("db") != "-"
	if v, ok := sf.Tag.Lookup("max"); ok {
		f.max, _ = strconv.Atoi(v)
	}
	f.enum = strings.Fields(sf.Tag.Get("enum"))
	f.fallback = sf.Tag.Get("default") == "true"
	f.personal = sf.Tag.Get("personal") == "true"
	t := sf.Type
	if t.Kind() == reflect.Pointer {
		f.pointer, t = true, t.Elem()
	}
	f.typ, f.goType = typeOf(t), t
	switch f.typ {
	case number:
		f.precision, f.scale = 20, 4
		if p, s, ok := strings.Cut(sf.Tag.Get("numeric"), ","); ok {
			f.precision, _ = strconv.Atoi(p)
			f.scale, _ = strconv.Atoi(s)
		}
	case object:
		f.elem = shapeOf(t)
	case list:
		f.elem = shapeOf(t.Elem())
	}
	return f
}

func typeOf(t reflect.Type) fieldType {
	switch t {
	case reflect.TypeFor[decimal.Decimal]():
		return number
	case reflect.TypeFor[uuid.UUID]():
		return id
	case reflect.TypeFor[Date]():
		return day
	case reflect.TypeFor[time.Time]():
		return instant
	case reflect.TypeFor[json.RawMessage]():
		return document
	case reflect.TypeFor[[]string]():
		return texts
	}
	switch t.Kind() {
	case reflect.String:
		return text
	case reflect.Bool:
		return boolean
	case reflect.Int32, reflect.Int64:
		return integer
	case reflect.Slice:
		return list
	case reflect.Struct:
		return object
	default:
		panic("crm: a field of type " + t.String())
	}
}

// setDefaults gives the booleans of v, a new struct, what they are when a document leaves them out.
func (s shape) setDefaults(v reflect.Value) {
	for _, f := range s {
		if f.fallback {
			v.FieldByIndex(f.index).SetBool(true)
		}
	}
}

// value is the field in v, a struct; what a pointer points to, or the zero Value if it points nowhere.
func (f field) value(v reflect.Value) reflect.Value {
	v = v.FieldByIndex(f.index)
	if f.pointer {
		return v.Elem()
	}
	return v
}
