package paper

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"crmhub/core/crm"
	"crmhub/core/money"
	"crmhub/core/paper/pdf"
)

// Language is one that documents can be in.
type Language string

// The languages.
const (
	English Language = "en"
	Chinese Language = "zh-CN"
)

// Languages returns the languages there are.
func Languages() []Language { return []Language{English, Chinese} }

// Parties are who a document is between.
type Parties struct {
	Organization string
	Customer     *crm.Customer // nil: not shown
}

// Order writes an order as PDF. A [Language] that there is not is English.
func Order(w io.Writer, o *crm.Order, p Parties, lang Language) error {
	return write(w, orderSheet(o, p, wordsOf(lang)), o.Head, lang)
}

// Invoice writes an invoice or credit note as PDF; order is the number of the order it is for, "" if none.
func Invoice(w io.Writer, v *crm.Invoice, order string, p Parties, lang Language) error {
	return write(w, invoiceSheet(v, order, p, wordsOf(lang)), v.Head, lang)
}

func write(w io.Writer, s sheet, h crm.Head, lang Language) error {
	d, err := pdf.New()
	if err != nil {
		return fmt.Errorf("print %s: %w", s.title, err)
	}
	d.Title, d.Language, d.Created = s.title, string(lang), h.UpdatedAt
	s.draw(d.Measure, func() canvas { return d.AddPage() })
	if _, err := d.WriteTo(w); err != nil {
		return fmt.Errorf("print %s: %w", s.title, err)
	}
	return nil
}

func orderSheet(o *crm.Order, p Parties, w words) sheet {
	s := sheet{words: w, organization: p.Organization, title: w.order + " " + o.Number, mark: w.marks[o.Status], currency: o.Currency}
	s.addCustomer(p.Customer, o.BillAddress, o.ShipAddress)
	s.fact(w.date, o.Date.String())
	s.fact(w.clientRef, o.ClientRef)
	s.fact(w.promised, day(o.PromisedDate))
	s.fact(w.paymentTerm, o.PaymentTerm)
	for _, l := range o.Lines {
		s.lines = append(s.lines, line{l.Description, l.Unit, l.Qty, l.Price, l.DiscountPct, l.TaxRate, l.Untaxed, l.Tax})
	}
	s.addTotals(o.Untaxed, o.Tax, o.Total)
	for _, i := range o.Instalments {
		s.instalments = append(s.instalments, amountOn{i.DueDate.String(), s.amount(i.Amount)})
	}
	return s
}

func invoiceSheet(v *crm.Invoice, order string, p Parties, w words) sheet {
	s := sheet{words: w, organization: p.Organization, title: w.kinds[v.Type] + " " + v.Number, mark: w.marks[v.Status], currency: v.Currency, note: w.copied}
	s.addCustomer(p.Customer, nil, nil)
	s.fact(w.issued, day(v.IssueDate))
	s.fact(w.due, day(v.DueDate))
	s.fact(w.fapiaoType, v.FapiaoType)
	s.fact(w.order, order)
	for _, l := range v.Lines {
		s.lines = append(s.lines, line{l.Description, l.Unit, l.Qty, l.Price, l.DiscountPct, l.TaxRate, l.Untaxed, l.Tax})
	}
	s.addTotals(v.Untaxed, v.Tax, v.Total)
	if v.Status != "draft" && v.Status != "cancelled" && !v.Residual.Equal(v.Total) {
		s.totals = append(s.totals, total{label: w.residual, amount: s.amount(v.Residual)})
	}
	return s
}

// addCustomer says who the customer is and where: the document's own addresses before those of the customer.
func (s *sheet) addCustomer(c *crm.Customer, bill, ship *crm.Address) {
	to := block{title: s.words.customer}
	if c != nil {
		to.add(c.Name)
		if bill == nil {
			bill = addressOf(c, "bill")
		}
	}
	to.add(writtenAddress(bill)...)
	if c != nil {
		taxNo := cmp.Or(c.USCC, c.TaxID)
		if i := slices.IndexFunc(c.InvoiceProfiles, func(p crm.InvoiceProfile) bool { return p.IsDefault }); i >= 0 {
			profile := c.InvoiceProfiles[i]
			taxNo = cmp.Or(profile.TaxNo, taxNo)
			if profile.Title != c.Name {
				to.add(s.words.invoiceTitle + ": " + profile.Title)
			}
		}
		if taxNo != "" {
			to.add(s.words.taxNo + ": " + taxNo)
		}
	}
	s.blocks = append(s.blocks, to)
	if ship != nil && (bill == nil || *ship != *bill) {
		s.blocks = append(s.blocks, block{s.words.shipTo, writtenAddress(ship)})
	}
}

func addressOf(c *crm.Customer, kind string) *crm.Address {
	for i := range c.Addresses {
		if c.Addresses[i].Kind == kind {
			return &c.Addresses[i].Address
		}
	}
	return nil
}

// addTotals sums up, with the tax of each rate where the lines tell it.
func (s *sheet) addTotals(untaxed, tax, sum decimal.Decimal) {
	s.totals = append(s.totals, total{label: s.words.untaxed, amount: s.amount(untaxed)})
	rates, explained := s.taxes()
	if !explained.Equal(tax) || len(rates) == 0 {
		rates = []total{{label: s.words.tax, amount: s.amount(tax)}}
	}
	s.totals = append(s.totals, rates...)
	s.totals = append(s.totals, total{label: s.words.total, amount: s.amount(sum) + " " + s.currency, bold: true})
}

// taxes are the taxes of the lines by rate, the lowest first, and what they come to.
func (s *sheet) taxes() (rates []total, sum decimal.Decimal) {
	type part struct{ rate, untaxed, tax decimal.Decimal }
	var parts []part
	for _, l := range s.lines {
		i := slices.IndexFunc(parts, func(p part) bool { return p.rate.Equal(l.taxRate) })
		if i < 0 {
			i, parts = len(parts), append(parts, part{rate: l.taxRate})
		}
		parts[i].untaxed, parts[i].tax, sum = parts[i].untaxed.Add(l.untaxed), parts[i].tax.Add(l.tax), sum.Add(l.tax)
	}
	slices.SortFunc(parts, func(a, b part) int { return a.rate.Cmp(b.rate) })
	for _, p := range parts {
		rates = append(rates, total{label: fmt.Sprintf(s.words.taxOn, p.rate, s.amount(p.untaxed)), amount: s.amount(p.tax)})
	}
	return rates, sum
}

// amount writes an amount in the document's currency, without its name.
func (s *sheet) amount(d decimal.Decimal) string {
	digits, err := money.Digits(s.currency)
	if err != nil {
		digits = -d.Exponent()
	}
	return money.Format(d, digits)
}

// price writes a price per unit, which may be finer than the currency.
func (s *sheet) price(d decimal.Decimal) string {
	if digits, err := money.Digits(s.currency); err == nil && d.Equal(d.Round(digits)) {
		return money.Format(d, digits)
	}
	return plain(d)
}

// plain writes a number with the decimals it has.
func plain(d decimal.Decimal) string {
	_, fraction, _ := strings.Cut(d.String(), ".")
	return money.Format(d, int32(len(fraction))) //nolint:gosec // some digits
}

func day(d *crm.Date) string {
	if d == nil {
		return ""
	}
	return d.Time().Format(time.DateOnly)
}
