package file

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// cells reads the texts of a table as values. What it cannot read stays as it is, for the record's schema to refuse with
// its place.
type cells struct {
	mark   string // the decimal mark, "." or ","
	layout string // of dates; "" takes the usual unambiguous ones
	excel  bool   // numbers have a point whatever the mark, and dates may be counts of days
}

// value reads a cell. It is no value if it stays as it is and would be taken for another amount than the mark says, such as 1.19
// where a comma is the mark.
func (c cells) value(k kind, cell string) (v string, ok bool) {
	cell = strings.TrimFunc(printable(cell), func(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' })
	switch k {
	case decimal:
		if c.excel && plainForm.MatchString(cell) {
			return cells{}.decimal(cell)
		}
		return c.decimal(cell)
	case date:
		return c.date(cell), true
	case text:
	}
	return cell, true
}

// plainForm is a number as schemas and workbooks have it.
var plainForm = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

var numberForm = regexp.MustCompile(`^[-+]?([0-9]+|[0-9]{1,3}(,[0-9]{3})+)?(\.[0-9]+)?$`)

func (c cells) decimal(cell string) (v string, ok bool) {
	s := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), r == '\'', r == '’':
			return -1
		case r == '−': // as typesetting programs write a minus
			return '-'
		case c.mark == "," && r == ',':
			return '.'
		case c.mark == "," && r == '.':
			return ','
		}
		return r
	}, cell)
	if after, ok := strings.CutSuffix(s, "-"); ok { // as some ERPs write it
		s = "-" + after
	}
	if !numberForm.MatchString(s) || !strings.ContainsFunc(s, unicode.IsDigit) {
		return cell, !plainForm.MatchString(cell)
	}
	s = strings.ReplaceAll(strings.TrimPrefix(s, "+"), ",", "")
	sign, whole := "", s
	if rest, ok := strings.CutPrefix(s, "-"); ok {
		sign, whole = "-", rest
	}
	if strings.HasPrefix(whole, ".") {
		whole = "0" + whole
	}
	if strings.Contains(whole, ".") {
		whole = strings.TrimRight(strings.TrimRight(whole, "0"), ".")
	}
	return sign + whole, true
}

var dayForm = regexp.MustCompile(`^[0-9]{2,6}(\.[0-9]+)?$`)

func (c cells) date(cell string) string {
	layouts := []string{time.DateOnly, "2006-1-2", "2006/1/2", "20060102", "2006年1月2日", "2006-01-02T15:04:05", "2006-01-02 15:04:05", time.RFC3339}
	if c.layout != "" {
		layouts = []string{c.layout, time.DateOnly}
	}
	for _, l := range layouts {
		if t, err := time.Parse(l, cell); err == nil {
			return t.Format(time.DateOnly) // as it is written there, whatever the zone
		}
	}
	if c.excel && dayForm.MatchString(cell) {
		whole, _, _ := strings.Cut(cell, ".")
		if n, err := strconv.Atoi(whole); err == nil {
			// Day 0 of a count that takes 1900 for a leap year: right from March 1900 on.
			return time.Date(1899, 12, 30+n, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		}
	}
	return cell
}

// printable is a text as the database can keep it: what is no UTF-8, and NUL, become the sign for that.
func printable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}
