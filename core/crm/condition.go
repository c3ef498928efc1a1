package crm

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

var comparisons = map[Op]string{ //nolint:gochecknoglobals // a table
	OpEqual: "=", OpNotEqual: "is distinct from", OpLess: "<", OpLessEqual: "<=", OpGreater: ">", OpGreaterEqual: ">=",
}

// condition adds a condition to the statement, or what is wrong with it to the violations.
func (l *listing) condition(at string, c Condition) {
	f, ok := l.find(at+"/field", c.Field)
	if !ok {
		return
	}
	l.seeing = l.seeing || f.name == "deleted_at"
	if (f.typ == texts) != (c.Op == OpHas) {
		l.add(at+"/op", "operator", "has is for lists of texts, and they have no other")
		return
	}
	value, isText := c.Value.(string)
	switch {
	case c.Op == OpIn:
		l.in(at, f, c.Value)
	case c.Op == OpNull:
		l.null(at, f, c.Value)
	case !isText:
		l.add(at+"/value", "type", "must be a text")
	case c.Op == OpContains:
		l.contains(at, f, value)
	case c.Op == OpHas:
		l.check(at+"/value", f, value)
		l.where = append(l.where, f.sql()+" @> array["+l.arg(value)+"::text]")
	default:
		l.compare(at, f, c.Op, value)
	}
}

func (l *listing) in(at string, f field, value any) {
	values, ok := value.([]string)
	if !ok {
		l.add(at+"/value", "type", "must be a list of texts")
		return
	}
	values = slices.Clone(values)
	for i, v := range values {
		l.check(at+"/value/"+strconv.Itoa(i), f, v)
		values[i] = f.inUTC(v)
	}
	l.where = append(l.where, f.sql()+" = any("+l.arg(values)+"::text[]::"+f.sqlType()+"[])")
}

func (l *listing) null(at string, f field, value any) {
	switch value {
	case "true":
		l.where = append(l.where, f.sql()+" is null")
	case "false":
		l.where = append(l.where, f.sql()+" is not null")
	default:
		l.add(at+"/value", "type", `must be "true" or "false"`)
	}
}

func (l *listing) contains(at string, f field, part string) {
	if f.typ != text {
		l.add(at+"/op", "operator", "contains is for texts")
		return
	}
	f.enum = nil // a part of a value is none of them
	l.check(at+"/value", f, part)
	l.where = append(l.where, f.sql()+" ilike "+l.arg("%"+likeEscape(part)+"%")+"::text")
}

func (l *listing) compare(at string, f field, op Op, value string) {
	sign, ok := comparisons[op]
	if !ok {
		l.add(at+"/op", "operator", "must be one of eq, ne, lt, le, gt, ge, in, contains, null, has")
		return
	}
	if !l.check(at+"/value", f, value) {
		return
	}
	column, than := f.sql(), l.arg(f.inUTC(value))+"::text::"+f.sqlType()
	switch {
	case op == OpNotEqual:
	case ranked(l.table, f): // the amount's own comparison is looked up in no index
		l.where = append(l.where, rankOf(f)+" "+strings.TrimSuffix(sign, "=")+"= "+than+"::float8")
	case f.optional && f.typ != text && len(QuickSorts(l.kind)) > 0 && SortsQuickly(l.kind, f.name):
		sorted := sortField{field: f}
		column = sorted.expression()
		if op == OpLess || op == OpLessEqual { // of the values alone: the empty ones, which may be many, stand before them
			l.where = append(l.where, column+" > '"+sorted.lowest()+"'")
		}
	}
	l.where = append(l.where, column+" "+sign+" "+than)
}

// check reports whether s can be a value of the field.
func (l *listing) check(at string, f field, s string) bool {
	if err := f.parse(s); err != nil || strings.ContainsRune(s, 0) {
		l.add(at, "format", "must be %s", queriedForm(f.typ))
		return false
	}
	if len(f.enum) > 0 && !slices.Contains(f.enum, s) {
		l.add(at, "enum", "must be one of %s", strings.Join(f.enum, ", "))
		return false
	}
	return true
}

// queriedForm is formOf of a value that a query carries as text.
func queriedForm(t fieldType) string {
	switch t {
	case number:
		return "a decimal number like 12.5"
	case integer:
		return "a whole number"
	case boolean:
		return "true or false"
	default:
		return formOf(t)
	}
}

// parse reads a field's value from the text a query carries.
func (f field) parse(s string) (err error) {
	switch f.typ {
	case boolean:
		if s != "true" && s != "false" {
			err = errForm
		}
	case texts:
	case integer:
		_, err = strconv.ParseInt(s, 10, f.goType.Bits())
	default:
		v := reflect.New(f.goType).Elem()
		if err = setText(f.typ, s, v); err == nil && f.typ == instant {
			if at, _ := reflect.TypeAssert[time.Time](v); at.UTC().Year() < 1 || at.UTC().Year() > 9999 {
				err = errForm
			}
		}
	}
	return err
}

// inUTC is a value as PostgreSQL takes it: it knows no zone that is 16 hours or more away from UTC.
func (f field) inUTC(s string) string {
	if f.typ != instant {
		return s
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return s // check tells
	}
	return at.UTC().Format(time.RFC3339Nano)
}

// sqlType is the type a text is cast to for comparison with the field's column.
func (f field) sqlType() string {
	switch f.typ {
	case boolean:
		return "boolean"
	case integer:
		return "bigint"
	case number:
		return "numeric"
	case id:
		return "uuid"
	case day:
		return "date"
	case instant:
		return "timestamptz"
	default:
		return "text"
	}
}

func likeEscape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}
