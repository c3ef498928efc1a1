package ledger

import (
	"fmt"
	"strings"
	"time"
)

// grammar writes a journal.
type grammar interface {
	suffix() string // of files, with its dot
	entry(b *strings.Builder, e entry)
	price(b *strings.Builder, p price)
	account(name string) string
	commodity(code string, digits int32) string
	main(base string) string // reads all files below the folder book
}

// beginning is the day from which accounts may be posted to.
const beginning = "1970-01-01"

// beancount is the syntax of beancount 3.
type beancount struct{}

func (beancount) suffix() string { return ".beancount" }

func (beancount) entry(b *strings.Builder, e entry) {
	fmt.Fprintf(b, "%s * %s %s", e.date.Format(time.DateOnly), quoted(e.payee), quoted(e.text))
	linked := map[string]bool{"": true}
	for _, p := range e.postings {
		if !linked[p.invoice] {
			b.WriteString(" ^" + p.invoice)
			linked[p.invoice] = true
		}
	}
	b.WriteByte('\n')
	for _, t := range e.tags {
		fmt.Fprintf(b, "  %s: %s\n", t.name, quoted(t.value))
	}
	for _, p := range e.postings {
		fmt.Fprintf(b, "  %s  %s %s\n", p.account, e.number(p.amount), e.currency)
		if p.invoice != "" {
			fmt.Fprintf(b, "    invoice: %s\n", quoted(p.invoice))
		}
	}
}

func (beancount) price(b *strings.Builder, p price) {
	fmt.Fprintf(b, "%s price %s %s %s\n", p.date.Format(time.DateOnly), p.currency, p.rate, p.base)
}

func (beancount) account(name string) string { return beginning + " open " + name + "\n" }

func (beancount) commodity(code string, _ int32) string {
	return beginning + " commodity " + code + "\n"
}

func (beancount) main(base string) string {
	s := "option \"title\" \"Invoices and payments\"\n"
	if base != "" {
		s += "option \"operating_currency\" " + quoted(base) + "\n"
	}
	return s + "include \"book/**/*.beancount\"\n"
}

// hledger is the syntax of hledger's journals.
type hledger struct{}

func (hledger) suffix() string { return ".journal" }

func (hledger) entry(b *strings.Builder, e entry) {
	fmt.Fprintf(b, "%s * (%s) %s | %s\n", e.date.Format(time.DateOnly), e.id, described(e.payee), described(e.text))
	for _, t := range e.tags {
		fmt.Fprintf(b, "    ; %s: %s\n", t.name, t.value)
	}
	for _, p := range e.postings {
		fmt.Fprintf(b, "    %s  %s %s", p.account, e.number(p.amount), e.currency)
		if p.invoice != "" {
			b.WriteString("  ; invoice: " + p.invoice)
		}
		b.WriteByte('\n')
	}
}

func (hledger) price(b *strings.Builder, p price) {
	fmt.Fprintf(b, "P %s %s %s %s\n", p.date.Format(time.DateOnly), p.currency, p.rate, p.base)
}

func (hledger) account(name string) string { return "account " + name + "\n" }

func (hledger) commodity(code string, digits int32) string {
	return "commodity 1000." + strings.Repeat("0", int(digits)) + " " + code + "\n"
}

func (hledger) main(string) string { return "include book/**/*.journal\n" }
