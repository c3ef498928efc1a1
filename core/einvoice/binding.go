package einvoice

import (
	"slices"
	"strings"

	"github.com/shopspring/decimal"
)

// binding is a place in a document where fields are read from or written to: reading fills fields from the element at,
// writing appends to it. What is empty is neither.
type binding struct {
	at       *element
	write    bool
	currency string // of the amounts written
	marked   int    // of the elements written, those that are there whatever the data
}

func (b *binding) writing() bool { return b.write }

// text binds an element's text to a field.
func (b *binding) text(name string, field *string) {
	if b.write {
		if *field != "" {
			b.append(name, *field)
		}
		return
	}
	*field = trimmed(b.at.first(name))
}

// own binds the text of the place itself.
func (b *binding) own(field *string) {
	if b.write {
		b.at.text = *field
	} else {
		*field = trimmed(b.at)
	}
}

// attr binds an attribute of the place itself.
func (b *binding) attr(name string, field *string) {
	if !b.write {
		*field, _ = b.at.attr(name)
	} else if *field != "" {
		b.at.attrs = append(b.at.attrs, attribute{name, *field})
	}
}

// mark writes an element that is always the same; alone it is nothing.
func (b *binding) mark(name, text string) {
	if b.write {
		b.append(name, text)
		b.marked++
	}
}

// scheme writes the tax scheme, a mark.
func (b *binding) scheme(id string) {
	if b.write {
		e := &element{name: "cac:TaxScheme", parent: b.at}
		(&binding{at: e, write: true}).append("cbc:ID", id)
		b.take(e)
		b.marked++
	}
}

func (b *binding) flag(name string, field *bool) {
	if !b.write {
		*field = isTrue(b.at.first(name))
		return
	}
	text := "false"
	if *field {
		text = "true"
	}
	b.mark(name, text)
}

// number binds a decimal. What is written has no exponent, and as many decimals as the field.
func (b *binding) number(name string, field *Amount) {
	if !b.write {
		*field = b.at.number(name)
	} else if field.Valid {
		b.append(name, plain(field.Decimal))
	}
}

// amount binds a number of the currency.
func (b *binding) amount(name string, field *Amount) {
	b.number(name, field)
	if b.write && field.Valid {
		b.newest().attrs = []attribute{{"currencyID", b.currency}}
	}
}

// quantity binds a number with its unit.
func (b *binding) quantity(name string, field *Amount, unit *string) {
	b.number(name, field)
	switch {
	case !b.write:
		*unit, _ = b.at.first(name).attr("unitCode")
	case field.Valid && *unit != "":
		b.newest().attrs = []attribute{{"unitCode", *unit}}
	}
}

// identifier binds an element's text and the attribute that names its list.
func (b *binding) identifier(name, list string, field *Identifier) {
	b.text(name, &field.ID)
	switch {
	case !b.write:
		field.Scheme, _ = b.at.first(name).attr(list)
	case field.ID != "" && field.Scheme != "":
		b.newest().attrs = []attribute{{list, field.Scheme}}
	}
}

// group binds what is inside of an element; it is written if anything inside is.
func (b *binding) group(name string, inside func(*binding)) {
	b.groupIf(name, func(*element) bool { return true }, inside)
}

// groupIf is group for the first element that is wanted.
func (b *binding) groupIf(name string, wanted func(*element) bool, inside func(*binding)) {
	if !b.write {
		for _, e := range b.at.all(name) {
			if wanted(e) {
				inside(&binding{at: e})
				return
			}
		}
		return
	}
	e := &element{name: name, parent: b.at}
	below := &binding{at: e, write: true, currency: b.currency}
	inside(below)
	if len(e.children) > below.marked || e.text != "" || len(e.attrs) > 0 {
		b.take(e)
	}
}

// each binds a list to the elements of a name.
func each[T any](b *binding, name string, list *[]T, inside func(*binding, *T)) {
	eachIf(b, name, func(*element) bool { return true }, list, inside)
}

// eachIf is each for the elements that are wanted.
func eachIf[T any](b *binding, name string, wanted func(*element) bool, list *[]T, inside func(*binding, *T)) {
	if b.write {
		for i := range *list {
			b.group(name, func(b *binding) { inside(b, &(*list)[i]) })
		}
		return
	}
	for _, e := range b.at.all(name) {
		if wanted(e) {
			var item T
			inside(&binding{at: e}, &item)
			*list = append(*list, item)
		}
	}
}

func (b *binding) append(name, text string) {
	b.take(&element{name: name, text: text, parent: b.at})
}

// take appends a child, with its number among those of its name.
func (b *binding) take(e *element) {
	e.nth = 1
	for _, before := range slices.Backward(b.at.children) {
		if before.name == e.name {
			e.nth, e.several, before.several = before.nth+1, true, true
			break
		}
	}
	b.at.children = append(b.at.children, e)
}

func (b *binding) newest() *element { return b.at.children[len(b.at.children)-1] }

// plain writes a decimal as xs:decimal, with the decimals that it has.
func plain(d decimal.Decimal) string { return d.StringFixed(max(0, -d.Exponent())) }

// trimmed is an element's text without the space around it; lines within stay.
func trimmed(e *element) string {
	if e == nil {
		return ""
	}
	return strings.Trim(e.text, space)
}

// isVAT says whether an element with a tax scheme is about VAT.
func isVAT(e *element) bool {
	for _, scheme := range e.all("cac:TaxScheme") {
		if strings.EqualFold(scheme.value("cbc:ID"), vat) {
			return true
		}
	}
	return false
}

// isTrue reads an xs:boolean.
func isTrue(e *element) bool {
	text := e.value()
	return text == "true" || text == "1"
}
