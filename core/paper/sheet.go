package paper

import "github.com/shopspring/decimal"

// sheet is what a document says.
type sheet struct {
	words        words
	organization string
	title        string // what it is, and its number
	mark         string // of a document that does not count as it looks: Draft
	currency     string
	blocks       []block
	facts        []fact
	lines        []line
	totals       []total
	instalments  []amountOn
	note         string
}

// block are lines of text below a title, without empty ones.
type block struct {
	title string
	lines []string
}

func (b *block) add(lines ...string) { b.lines = append(b.lines, lines...) }

type fact struct{ name, value string }

// fact adds one that there is something to say about.
func (s *sheet) fact(name, value string) {
	if value != "" {
		s.facts = append(s.facts, fact{name, value})
	}
}

type line struct {
	description, unit                              string
	qty, price, discountPct, taxRate, untaxed, tax decimal.Decimal
}

type total struct {
	label, amount string
	bold          bool
}

type amountOn struct{ day, amount string }
