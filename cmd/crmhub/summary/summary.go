// Package summary compares what two sides have of the same documents, to the cent. It is pure: the demo gives it what
// the hub and the simulated systems hold, and prints what it says.
package summary

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/shopspring/decimal"
)

// Document is an order, invoice or payment as one side knows it.
type Document struct {
	Number   string // the same on both sides
	Currency string
	Total    decimal.Decimal
}

// Side is what one side has: how many, and their sum for each currency.
type Side struct {
	Count int                        `json:"count"`
	Sums  map[string]decimal.Decimal `json:"sums"`
}

// Comparison is what both sides have of one kind of document. The lists hold numbers, sorted.
type Comparison struct {
	Entity     string   `json:"entity"`
	System     string   `json:"system"` // the other side's name
	CRM        Side     `json:"crm"`
	Remote     Side     `json:"remote"`
	Missing    []string `json:"missing"`    // one side has them, the other has not
	Duplicates []string `json:"duplicates"` // a side has them more than once
	Different  []string `json:"different"`  // currency or total differ
}

// Compare holds the documents of one kind against each other. The system is the other side's name.
func Compare(entity, system string, crm, remote []Document) Comparison {
	c := Comparison{Entity: entity, System: system, CRM: sideOf(crm), Remote: sideOf(remote)}
	ours, theirs := byNumber(crm), byNumber(remote)
	c.Missing, c.Duplicates, c.Different = []string{}, []string{}, []string{} // lists in JSON, never null
	for _, number := range slices.Sorted(maps.Keys(ours)) {
		switch o, t := ours[number], theirs[number]; {
		case len(t) == 0:
			c.Missing = append(c.Missing, number)
		case len(o) > 1 || len(t) > 1:
			c.Duplicates = append(c.Duplicates, number)
		case o[0].Currency != t[0].Currency || !o[0].Total.Equal(t[0].Total):
			c.Different = append(c.Different, number)
		}
	}
	for number, t := range theirs {
		if len(ours[number]) == 0 {
			c.Missing = append(c.Missing, number)
		}
		if len(t) > 1 && len(ours[number]) == 0 {
			c.Duplicates = append(c.Duplicates, number)
		}
	}
	slices.Sort(c.Missing)
	slices.Sort(c.Duplicates)
	return c
}

// Agrees reports whether both sides have the same documents with the same totals, each once.
func (c Comparison) Agrees() bool { return len(c.Missing)+len(c.Duplicates)+len(c.Different) == 0 }

func byNumber(documents []Document) map[string][]Document {
	m := make(map[string][]Document, len(documents))
	for _, d := range documents {
		m[d.Number] = append(m[d.Number], d)
	}
	return m
}

func sideOf(documents []Document) Side {
	s := Side{Count: len(documents), Sums: make(map[string]decimal.Decimal)}
	for _, d := range documents {
		s.Sums[d.Currency] = s.Sums[d.Currency].Add(d.Total)
	}
	return s
}

// Summary is what the demo ends with.
type Summary struct {
	Comparisons []Comparison
	Seconds     float64
}

// Agree reports whether there is something to compare, and everything agrees.
func (s Summary) Agree() bool {
	for _, c := range s.Comparisons {
		if c.CRM.Count == 0 || !c.Agrees() {
			return false
		}
	}
	return len(s.Comparisons) > 0
}

// MarshalJSON gives the comparisons by entity.
func (s Summary) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Agree       bool         `json:"agree"`
		Seconds     float64      `json:"seconds"`
		Comparisons []Comparison `json:"comparisons"`
	}{s.Agree(), s.Seconds, s.Comparisons})
}

// WriteText prints the summary for people, on one screen.
func (s Summary) WriteText(w io.Writer) error {
	tab := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprint(tab, "\tCRM\tother side\t\n") // the writer keeps everything until Flush, which tells what went wrong
	for _, c := range s.Comparisons {
		fmt.Fprintf(tab, "%ss\t%d\t%d\t  %s: %s\n", c.Entity, c.CRM.Count, c.Remote.Count, c.System, c.verdict())
		sums := maps.Clone(c.Remote.Sums)
		maps.Copy(sums, c.CRM.Sums)
		for _, currency := range slices.Sorted(maps.Keys(sums)) {
			fmt.Fprintf(tab, "%s\t%s\t%s\t\n", currency, grouped(c.CRM.Sums[currency]), grouped(c.Remote.Sums[currency]))
		}
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	verdict := "Both sides agree to the cent"
	if !s.Agree() {
		verdict = "The sides DIFFER"
	}
	_, err := fmt.Fprintf(w, "%s, after %.1f s.\n", verdict, s.Seconds)
	return err
}

func (c Comparison) verdict() string {
	if c.Agrees() {
		return "the same"
	}
	return fmt.Sprintf("%d missing, %d duplicate, %d different", len(c.Missing), len(c.Duplicates), len(c.Different))
}

// grouped prints 1330735.98 as 1,330,735.98: at least two decimals, and no zeros after them.
func grouped(d decimal.Decimal) string {
	whole, fraction, _ := strings.Cut(d.Abs().String(), ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if d.IsNegative() {
		whole = "-" + whole
	}
	return whole + "." + fraction + strings.Repeat("0", max(0, 2-len(fraction)))
}
