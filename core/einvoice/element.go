package einvoice

import (
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

// element is a node of a UBL document. Its name carries the customary prefix of its namespace, whatever the file uses:
// cbc:ID, cac:Party, and bare Invoice or CreditNote for the root.
//
// The methods take paths of child names and may be called on nil, which has nothing.
type element struct {
	name     string
	text     string // "" if it has children: UBL mixes no text with elements
	attrs    []attribute
	children []*element
	parent   *element
	order    int  // in the document
	line     int  // in the file, from 1; 0 if it was not read from one
	nth      int  // among the siblings of its name, from 1
	several  bool // there are siblings of its name
}

type attribute struct{ name, value string }

// attr returns the value of an attribute and whether there is one.
func (e *element) attr(name string) (string, bool) {
	if e == nil {
		return "", false
	}
	for _, a := range e.attrs {
		if a.name == name {
			return a.value, true
		}
	}
	return "", false
}

func (e *element) hasAttr(name string) bool {
	_, ok := e.attr(name)
	return ok
}

// first returns the first element on a path, nil if there is none. All branches are tried.
func (e *element) first(path ...string) *element {
	if e == nil || len(path) == 0 {
		return e
	}
	for _, c := range e.children {
		if c.name == path[0] { //nolint:gosec // there is one
			if found := c.first(path[1:]...); found != nil { //nolint:gosec // as above
				return found
			}
		}
	}
	return nil
}

func (e *element) has(path ...string) bool { return e.first(path...) != nil }

// all returns the elements on a path, in the order of the document.
func (e *element) all(path ...string) []*element {
	if e == nil {
		return nil
	}
	if len(path) == 0 {
		return []*element{e}
	}
	var found []*element
	for _, c := range e.children {
		switch {
		case c.name != path[0]: //nolint:gosec // there is one
		case len(path) == 1:
			found = append(found, c)
		default:
			found = append(found, c.all(path[1:]...)...) //nolint:gosec // as above
		}
	}
	return found
}

// value returns the text of the first element on a path, its white space collapsed.
func (e *element) value(path ...string) string {
	if e = e.first(path...); e == nil {
		return ""
	}
	return collapse(e.text)
}

// number returns the decimal of the first element on a path; it is not valid if there is none or the text is no decimal.
func (e *element) number(path ...string) decimal.NullDecimal {
	if e = e.first(path...); e == nil {
		return decimal.NullDecimal{}
	}
	return number(e.text)
}

// place is the way to the element, such as /Invoice/cac:InvoiceLine[2]/cbc:ID, with numbers where a name is not alone.
func (e *element) place() string {
	if e == nil {
		return ""
	}
	step := e.parent.place() + "/" + e.name
	if e.several {
		step += "[" + strconv.Itoa(e.nth) + "]"
	}
	return step
}

// inside says whether one of the elements around it has a name.
func (e *element) inside(name string) bool {
	for e = e.parent; e != nil; e = e.parent {
		if e.name == name {
			return true
		}
	}
	return false
}

// walk calls f for the element and everything below, in the order of the document.
func (e *element) walk(f func(*element)) {
	f(e)
	for _, c := range e.children {
		c.walk(f)
	}
}

// space is what XML takes for white space.
const space = " \t\r\n"

// collapse makes one space of each run of white space, none at the ends: XPath's normalize-space.
func collapse(s string) string {
	if s = strings.Trim(s, space); !strings.ContainsAny(s, "\t\r\n") && !strings.Contains(s, "  ") {
		return s
	}
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(space, r) }), " ")
}

// longest is the number of characters an amount may have: more are nobody's money, and would only cost time.
const longest = 60

// number reads an xs:decimal: digits with an optional sign and point, no exponent.
func number(s string) decimal.NullDecimal {
	s = strings.Trim(s, space)
	if len(s) > longest || s == "" {
		return decimal.NullDecimal{}
	}
	digits := false
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits = true
		case c == '.' || (c == '-' || c == '+') && i == 0:
		default:
			return decimal.NullDecimal{}
		}
	}
	d, err := decimal.NewFromString(strings.TrimPrefix(s, "+"))
	return decimal.NullDecimal{Decimal: d, Valid: err == nil && digits}
}
