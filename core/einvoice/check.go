package einvoice

import (
	"cmp"
	"slices"
)

// Severity is what a broken rule means.
type Severity string

// The severities: a fatal finding makes the document no invoice under EN 16931, a warning does not.
const (
	Fatal   Severity = "fatal"
	Warning Severity = "warning"
)

// Text is a sentence for people.
type Text struct {
	English string `json:"en"`
	Chinese string `json:"zh-CN"`
}

// Finding is a rule that an invoice breaks, at one place.
type Finding struct {
	Rule     string   `json:"rule"` // as EN 16931 and its UBL binding number it: BR-CO-10, UBL-SR-48; XSD-… are types of UBL's schema
	Severity Severity `json:"severity"`
	Term     string   `json:"term,omitempty"` // the business terms concerned: BT-106
	Place    string   `json:"place"`          // the element, or the one in which something is missing: /Invoice/cac:InvoiceLine[2]/cbc:ID
	Line     int      `json:"line,omitempty"` // of the file; 0 if the invoice was not read from one
	Message  Text     `json:"message"`
}

// maxPlaces is how often a rule is reported: a file of 10,000 lines with the same fault in each is told once and again.
const maxPlaces = 100

// Check returns every rule of EN 16931 that an invoice breaks, in the order of the document, and none if there is none.
// An invoice from [Parse] is judged by the file as it was, another by what [Write] would make of it.
func Check(v *Invoice) []Finding {
	root := v.source
	if root == nil {
		root = v.element()
	}
	c := newCheck(root)
	c.document()
	c.taxes()
	c.codes()
	c.syntax()
	return c.sorted()
}

// Broken says whether one of the findings is fatal.
func Broken(findings []Finding) bool {
	for _, f := range findings {
		if f.Severity == Fatal {
			return true
		}
	}
	return false
}

// check is one document under judgement.
type check struct {
	root     *element
	named    map[string][]*element // every element, by its name
	rules    map[string]rule
	lines    []*element
	findings []found
	told     map[string]int
}

func newCheck(root *element) *check {
	c := &check{root: root, rules: rulebook(), named: make(map[string][]*element, 128), told: map[string]int{}}
	root.walk(func(e *element) { c.named[e.name] = append(c.named[e.name], e) })
	c.lines = append(root.all("cac:InvoiceLine"), root.all("cac:CreditNoteLine")...)
	return c
}

// must reports a rule as broken at an element unless it holds.
func (c *check) must(holds bool, id string, at *element) {
	if holds || c.told[id] == maxPlaces {
		return
	}
	c.told[id]++
	c.findings = append(c.findings, found{id, at})
}

// found is a finding before it is told.
type found struct {
	rule string
	at   *element
}

func (c *check) sorted() []Finding {
	slices.SortStableFunc(c.findings, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.at.order, b.at.order), cmp.Compare(a.rule, b.rule))
	})
	var told []Finding
	for _, f := range c.findings {
		r, ok := c.rules[f.rule]
		if !ok {
			panic("einvoice: rule " + f.rule + " is in no table")
		}
		told = append(told, Finding{Rule: f.rule, Severity: r.severity, Term: r.term, Place: f.at.place(), Line: f.at.line, Message: r.message})
	}
	return told
}
