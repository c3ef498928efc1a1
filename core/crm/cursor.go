package crm

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// sortBy sets what to sort by; the id comes last, in the direction of the field before it, so that one index serves both.
func (l *listing) sortBy(sorts []Sort) {
	if len(sorts) == 0 {
		sorts = []Sort{{Field: "updated_at", Desc: true}}
	}
	for i, s := range sorts {
		f, ok := l.find("/sort/"+strconv.Itoa(i), s.Field)
		if !ok {
			return
		}
		if f.typ == texts || strings.HasPrefix(f.name, extPrefix) {
			l.add("/sort/"+strconv.Itoa(i), "field", "must be a field with one value")
			return
		}
		l.sort = append(l.sort, sortField{f, s.Desc})
	}
	if last := l.sort[len(l.sort)-1]; last.name != "id" {
		id, _ := l.find("", "id")
		l.sort = append(l.sort, sortField{id, last.desc})
	}
}

// expression is what is sorted by: the column, and where that can be null the lowest value in its place. It is a case and no coalesce,
// which row level security lets no index answer for.
func (s sortField) expression() string {
	if !s.optional {
		return s.name
	}
	return "(case when " + s.name + " is null then '" + s.lowest() + "' else " + s.name + " end)"
}

// order is the field's part of an order.
func (s sortField) order(ranked bool) string {
	direction := ""
	if s.desc {
		direction = " desc"
	}
	if ranked {
		return rankOf(s.field) + direction + ", " + s.name + direction
	}
	return s.expression() + direction
}

func (s sortField) lowest() string {
	switch s.typ {
	case number:
		return "-Infinity"
	case day, instant:
		return "-infinity"
	case id:
		return "00000000-0000-0000-0000-000000000000"
	case integer:
		return strconv.Itoa(-1 << 31)
	default:
		return ""
	}
}

// mark is a place in a list: the sort it belongs to and the values of the row before it.
type mark struct {
	Sort   string   `json:"s"`
	Values []string `json:"v"`
}

// order names the sort, so that a cursor of another one is recognized.
func (l *listing) order() string {
	var b strings.Builder
	for _, s := range l.sort {
		if s.desc {
			b.WriteByte('-')
		}
		b.WriteString(s.name + " ")
	}
	return l.table.name + " " + b.String()
}

// cursor is the place behind an entity.
func (l *listing) cursor(e Entity) (string, error) {
	m := mark{Sort: l.order()}
	v := reflect.ValueOf(e).Elem()
	for _, s := range l.sort {
		value := s.value(v)
		switch {
		case !value.IsValid(), s.optional && value.IsZero() && s.typ == text:
			m.Values = append(m.Values, s.lowest())
		case s.typ == boolean, s.typ == integer:
			m.Values = append(m.Values, fmt.Sprint(value.Interface()))
		default:
			m.Values = append(m.Values, textOf(value.Interface()))
		}
	}
	b, err := json.Marshal(m)
	return base64.RawURLEncoding.EncodeToString(b), err
}

// after adds the condition that a row comes behind the cursor.
func (l *listing) after(cursor string) {
	if cursor == "" || len(l.violations) > 0 {
		return
	}
	m, ok := l.read(cursor)
	if !ok {
		l.add("/after", "cursor", "must be the cursor of a page with the same sort")
		return
	}
	var columns, values []string
	for i, s := range l.sort {
		columns = append(columns, s.expression())
		values = append(values, l.arg(m.Values[i])+"::text::"+s.sqlType())
	}
	if !slices.ContainsFunc(l.sort, func(s sortField) bool { return s.desc != l.sort[0].desc }) {
		// One direction: a comparison of rows, which an index answers.
		l.where = append(l.where, "("+strings.Join(columns, ", ")+") "+sign(l.sort[0].desc)+" ("+strings.Join(values, ", ")+")")
		if ranked(l.table, l.sort[0].field) { // where the index begins
			l.where = append(l.where, rankOf(l.sort[0].field)+" "+sign(l.sort[0].desc)+"= "+values[0]+"::float8")
		}
		return
	}
	behind := ""
	for i, v := range slices.Backward(l.sort) {
		step := columns[i] + " " + sign(v.desc) + " " + values[i]
		if behind != "" {
			step += " or " + columns[i] + " = " + values[i] + " and (" + behind + ")"
		}
		behind = step
	}
	l.where = append(l.where, "("+behind+")")
}

// read opens a cursor. It is opaque, not secret: whoever makes one up gets rows he may see anyway, or none.
func (l *listing) read(cursor string) (mark, bool) {
	var m mark
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || json.NewDecoder(bytes.NewReader(b)).Decode(&m) != nil || m.Sort != l.order() || len(m.Values) != len(l.sort) {
		return m, false
	}
	for i, s := range l.sort {
		if v := m.Values[i]; (v != s.lowest() || !s.optional) && (s.parse(v) != nil || strings.ContainsRune(v, 0)) {
			return m, false
		}
	}
	return m, true
}

func sign(desc bool) string {
	if desc {
		return "<"
	}
	return ">"
}
