package einvoice

import (
	"strings"

	"github.com/shopspring/decimal"
)

// document judges what must be there (BR-…) and what must agree (BR-CO-…), part by part.
func (c *check) document() {
	r := c.root
	c.head(r)
	c.seller(r.all("cac:AccountingSupplierParty"))
	c.buyer()
	c.agents()
	c.periods()
	for _, p := range c.named["cac:PaymentMeans"] {
		c.payment(p)
	}
	for _, n := range r.all("cbc:Note") {
		c.must(noteSubject(n.text), "BR-CL-08", n)
	}
	c.references()
	for _, a := range c.named["cac:AllowanceCharge"] {
		c.adjustment(a)
	}
	for _, t := range c.named["cac:LegalMonetaryTotal"] {
		c.totals(t)
	}
	c.taxTotals()
	for _, l := range c.lines {
		c.line(l)
	}
}

func (c *check) head(r *element) {
	c.must(r.value("cbc:CustomizationID") != "", "BR-01", r)
	c.must(r.value("cbc:ID") != "", "BR-02", r)
	c.must(r.value("cbc:IssueDate") != "", "BR-03", r)
	c.must(r.value("cbc:InvoiceTypeCode") != "" || r.value("cbc:CreditNoteTypeCode") != "", "BR-04", r)
	c.must(r.value("cbc:DocumentCurrencyCode") != "", "BR-05", r)
	c.must(r.value("cac:AccountingSupplierParty", "cac:Party", "cac:PartyLegalEntity", "cbc:RegistrationName") != "", "BR-06", r)
	c.must(r.value("cac:AccountingCustomerParty", "cac:Party", "cac:PartyLegalEntity", "cbc:RegistrationName") != "", "BR-07", r)
	c.must(r.has("cac:AccountingSupplierParty", "cac:Party", "cac:PostalAddress"), "BR-08", r)
	c.must(r.has("cac:AccountingCustomerParty", "cac:Party", "cac:PostalAddress"), "BR-10", r)
	c.must(len(c.lines) > 0, "BR-16", r)
	for _, currency := range r.all("cbc:TaxCurrencyCode") {
		found := false
		for _, t := range c.named["cac:TaxTotal"] {
			found = found || taxIn(t, currency.text) != nil
		}
		c.must(found, "BR-53", currency)
	}
	c.must(!r.has("cbc:TaxPointDate") || !r.has("cac:InvoicePeriod", "cbc:DescriptionCode"), "BR-CO-03", r)
	c.must(r.has("cac:TaxTotal", "cac:TaxSubtotal"), "BR-CO-18", r)
}

// taxIn returns the tax of a total in a currency.
func taxIn(total *element, currency string) *element {
	for _, a := range total.all("cbc:TaxAmount") {
		if in, _ := a.attr("currencyID"); in == currency {
			return a
		}
	}
	return nil
}

func (c *check) country(rule string, path ...string) {
	for _, a := range c.root.all(path...) {
		c.must(a.value("cac:Country", "cbc:IdentificationCode") != "", rule, a)
	}
}

func (c *check) seller(sellers []*element) {
	c.country("BR-09", "cac:AccountingSupplierParty", "cac:Party", "cac:PostalAddress")
	for _, s := range sellers {
		known := s.has("cac:Party", "cac:PartyLegalEntity", "cbc:CompanyID")
		for _, id := range s.all("cac:Party", "cac:PartyIdentification", "cbc:ID") {
			scheme, _ := id.attr("schemeID")
			known = known || scheme != "SEPA"
		}
		for _, tax := range s.all("cac:Party", "cac:PartyTaxScheme") {
			known = known || isVAT(tax) && tax.has("cbc:CompanyID")
		}
		c.must(known, "BR-CO-26", s)
		for _, e := range s.all("cac:Party", "cbc:EndpointID") {
			c.must(e.hasAttr("schemeID"), "BR-62", e)
		}
	}
	for _, tax := range c.named["cac:PartyTaxScheme"] {
		if number := tax.value("cbc:CompanyID"); isVAT(tax) && number != "" {
			c.must(len(number) > 1 && (codeLists()["iso3166"][number[:2]] || number[:2] == "EL"), "BR-CO-09", tax)
		}
	}
}

func (c *check) buyer() {
	c.country("BR-11", "cac:AccountingCustomerParty", "cac:Party", "cac:PostalAddress")
	for _, e := range c.root.all("cac:AccountingCustomerParty", "cac:Party", "cbc:EndpointID") {
		c.must(e.hasAttr("schemeID"), "BR-63", e)
	}
	for _, d := range c.root.all("cac:Delivery", "cac:DeliveryLocation", "cac:Address") {
		c.must(d.has("cac:Country", "cbc:IdentificationCode"), "BR-57", d)
	}
}

// agents are those who act for the seller: who gets the money and who is responsible for the tax.
func (c *check) agents() {
	seller := c.root.first("cac:AccountingSupplierParty", "cac:Party")
	for _, p := range c.root.all("cac:PayeeParty") {
		same := shares(p.all("cac:PartyName", "cbc:Name"), seller.all("cac:PartyName", "cbc:Name")) ||
			shares(p.all("cac:PartyIdentification", "cbc:ID"), seller.all("cac:PartyIdentification", "cbc:ID"))
		c.must(p.has("cac:PartyName", "cbc:Name") && !same, "BR-17", p)
	}
	for _, a := range c.root.all("cac:TaxRepresentativeParty") {
		c.must(a.value("cac:PartyName", "cbc:Name") != "", "BR-18", a)
		c.must(a.has("cac:PostalAddress"), "BR-19", a)
		known := false
		for _, tax := range a.all("cac:PartyTaxScheme") {
			known = known || isVAT(tax) && tax.has("cbc:CompanyID")
		}
		c.must(known, "BR-56", a)
	}
	c.country("BR-20", "cac:TaxRepresentativeParty", "cac:PostalAddress")
}

// shares says whether a text is in both lists.
func shares(some, others []*element) bool {
	in := make(map[string]bool, len(some))
	for _, e := range some {
		in[e.text] = true
	}
	for _, e := range others {
		if in[e.text] {
			return true
		}
	}
	return false
}

func (c *check) periods() {
	for _, p := range c.named["cac:InvoicePeriod"] {
		from, to := p.value("cbc:StartDate"), p.value("cbc:EndDate")
		order, filled := "BR-29", "BR-CO-19"
		bounded := p.has("cbc:StartDate") || p.has("cbc:EndDate")
		if isLine(p.parent) {
			order, filled = "BR-30", "BR-CO-20"
		} else {
			bounded = bounded || p.has("cbc:DescriptionCode")
		}
		c.must(from == "" || to == "" || from[:min(10, len(from))] <= to[:min(10, len(to))], order, p)
		c.must(bounded, filled, p)
	}
}

func isLine(e *element) bool { return e.name == "cac:InvoiceLine" || e.name == "cac:CreditNoteLine" }

// maxCardDigits are the first six and the last four.
const maxCardDigits = 10

func (c *check) payment(p *element) {
	c.must(p.has("cbc:PaymentMeansCode"), "BR-49", p)
	code := p.value("cbc:PaymentMeansCode")
	transfer := code == "30" || code == "58"
	c.must(!transfer || p.has("cac:PayeeFinancialAccount", "cbc:ID"), "BR-61", p)
	if transfer {
		for _, a := range p.all("cac:PayeeFinancialAccount") {
			c.must(a.value("cbc:ID") != "", "BR-50", a)
		}
	}
	for _, card := range p.all("cac:CardAccount", "cbc:PrimaryAccountNumberID") {
		c.must(len([]rune(card.value())) <= maxCardDigits, "BR-51", card)
	}
}

// noteSubject: a subject stands before the note between two #, if it has three characters.
func noteSubject(note string) bool {
	_, rest, _ := strings.Cut(note, "#")
	subject, _, closed := strings.Cut(rest, "#")
	return !closed || len([]rune(subject)) != 3 || codeLists()["untdid4451"][subject]
}

func (c *check) references() {
	for _, d := range c.named["cac:AdditionalDocumentReference"] {
		c.must(d.value("cbc:ID") != "", "BR-52", d)
	}
	for _, p := range c.named["cac:BillingReference"] {
		c.must(p.has("cac:InvoiceDocumentReference", "cbc:ID"), "BR-55", p)
	}
}

// adjustmentRules are those of allowances and charges, of the document and of a line.
type adjustmentRules struct{ amount, category, reason, anyReason, amountDecimals, baseDecimals string }

func (c *check) adjustment(a *element) {
	charge := isTrue(a.first("cbc:ChargeIndicator"))
	var r adjustmentRules
	switch {
	case !a.has("cbc:ChargeIndicator"):
		return
	case a.parent == c.root && !charge:
		r = adjustmentRules{"BR-31", "BR-32", "BR-33", "BR-CO-21", "BR-DEC-01", "BR-DEC-02"}
	case a.parent == c.root:
		r = adjustmentRules{"BR-36", "BR-37", "BR-38", "BR-CO-22", "BR-DEC-05", "BR-DEC-06"}
	case isLine(a.parent) && !charge:
		r = adjustmentRules{"BR-41", "", "BR-42", "BR-CO-23", "BR-DEC-24", "BR-DEC-25"}
	case isLine(a.parent):
		r = adjustmentRules{"BR-43", "", "BR-44", "BR-CO-24", "BR-DEC-27", "BR-DEC-28"}
	default:
		return // of a price
	}
	c.must(a.has("cbc:Amount"), r.amount, a)
	if r.category != "" {
		known := false
		for _, t := range a.all("cac:TaxCategory") {
			known = known || isVAT(t) && t.has("cbc:ID")
		}
		c.must(known, r.category, a)
	}
	reason := a.has("cbc:AllowanceChargeReason") || a.has("cbc:AllowanceChargeReasonCode")
	c.must(reason, r.reason, a)
	c.must(reason, r.anyReason, a)
	c.decimals(r.amountDecimals, a.all("cbc:Amount"))
	c.decimals(r.baseDecimals, a.all("cbc:BaseAmount"))
}

// decimals: an amount has at most two.
func (c *check) decimals(rule string, amounts []*element) {
	for _, a := range amounts {
		c.must(twoDecimals(a), rule, a)
	}
}

func twoDecimals(e *element) bool {
	_, decimals, _ := strings.Cut(e.value(), ".")
	return len(decimals) <= 2
}

func (c *check) totals(t *element) {
	for _, part := range []struct{ name, missing, decimals string }{
		{"cbc:LineExtensionAmount", "BR-12", "BR-DEC-09"},
		{"cbc:TaxExclusiveAmount", "BR-13", "BR-DEC-12"},
		{"cbc:TaxInclusiveAmount", "BR-14", "BR-DEC-14"},
		{"cbc:PayableAmount", "BR-15", "BR-DEC-18"},
		{"cbc:AllowanceTotalAmount", "", "BR-DEC-10"},
		{"cbc:ChargeTotalAmount", "", "BR-DEC-11"},
		{"cbc:PrepaidAmount", "", "BR-DEC-16"},
		{"cbc:PayableRoundingAmount", "", "BR-DEC-17"},
	} {
		c.must(part.missing == "" || t.has(part.name), part.missing, t)
		c.decimals(part.decimals, t.all(part.name))
	}
	var sum decimal.Decimal
	for _, l := range c.lines {
		sum = sum.Add(l.number("cbc:LineExtensionAmount").Decimal)
	}
	lines := t.number("cbc:LineExtensionAmount")
	c.must(lines.Valid && lines.Decimal.Equal(round(sum, 2)), "BR-CO-10", or(t.first("cbc:LineExtensionAmount"), t))
	allowances := c.adjusted(t, "cbc:AllowanceTotalAmount", false, "BR-CO-11")
	charges := c.adjusted(t, "cbc:ChargeTotalAmount", true, "BR-CO-12")
	untaxed := t.number("cbc:TaxExclusiveAmount")
	due := lines.Decimal
	if allowances.Valid || charges.Valid {
		due = round(due.Add(charges.Decimal).Sub(allowances.Decimal), 2)
	}
	c.must(lines.Valid && untaxed.Valid && untaxed.Decimal.Equal(due), "BR-CO-13", or(t.first("cbc:TaxExclusiveAmount"), t))
	c.payable(t)
}

// or is the element, or where it ought to be.
func or(e, around *element) *element {
	if e == nil {
		return around
	}
	return e
}

// adjusted: a sum of allowances or charges is what they add up to, and there if any is.
func (c *check) adjusted(t *element, name string, charge bool, rule string) Amount {
	total := t.number(name)
	var sum decimal.Decimal
	count := 0
	for _, a := range t.parent.all("cac:AllowanceCharge") {
		if i := a.first("cbc:ChargeIndicator"); i != nil && isTrue(i) == charge {
			sum = sum.Add(a.number("cbc:Amount").Decimal)
			count++
		}
	}
	c.must(total.Valid && total.Decimal.Equal(round(sum, 2)) || count == 0 && !t.has(name), rule, or(t.first(name), t))
	return total
}

func (c *check) payable(t *element) {
	total, payable := t.number("cbc:TaxInclusiveAmount"), t.number("cbc:PayableAmount")
	prepaid, rounding := t.number("cbc:PrepaidAmount"), t.number("cbc:PayableRoundingAmount")
	left, right := payable.Decimal, total.Decimal
	if rounding.Valid {
		left = round(left.Sub(rounding.Decimal), 2)
	}
	if prepaid.Valid {
		right = round(right.Sub(prepaid.Decimal), 2)
	}
	c.must(total.Valid && payable.Valid && left.Equal(right), "BR-CO-16", or(t.first("cbc:PayableAmount"), t))
}

func (c *check) taxTotals() {
	for _, currency := range c.root.all("cbc:DocumentCurrencyCode") {
		var taxes []*element
		for _, t := range c.root.all("cac:TaxTotal") {
			if a := taxIn(t, currency.text); a != nil {
				taxes = append(taxes, a)
			}
		}
		totals := c.root.first("cac:LegalMonetaryTotal")
		total, untaxed := totals.number("cbc:TaxInclusiveAmount"), totals.number("cbc:TaxExclusiveAmount")
		fits := len(taxes) == 1 && total.Valid && untaxed.Valid && taxes[0].number().Valid &&
			total.Decimal.Equal(round(untaxed.Decimal.Add(taxes[0].number().Decimal), 2))
		c.must(fits, "BR-CO-15", or(totals.first("cbc:TaxInclusiveAmount"), c.root))
		c.decimals("BR-DEC-13", taxes)
	}
	if local := c.root.first("cbc:TaxCurrencyCode"); local != nil && local.value() != c.root.value("cbc:DocumentCurrencyCode") {
		for _, t := range c.root.all("cac:TaxTotal") {
			if a := taxIn(t, local.text); a != nil {
				c.must(twoDecimals(a), "BR-DEC-15", a)
			}
		}
	}
	for _, t := range c.root.all("cac:TaxTotal") {
		var sum decimal.Decimal
		parts := t.all("cac:TaxSubtotal")
		for _, s := range parts {
			sum = sum.Add(s.number("cbc:TaxAmount").Decimal)
			c.taxShare(s)
		}
		tax := t.number("cbc:TaxAmount")
		c.must(len(parts) == 0 || tax.Valid && tax.Decimal.Equal(round(sum, 2)), "BR-CO-14", or(t.first("cbc:TaxAmount"), t))
	}
}

func (c *check) taxShare(s *element) {
	c.must(s.has("cbc:TaxableAmount"), "BR-45", s)
	c.must(s.has("cbc:TaxAmount"), "BR-46", s)
	var categories []*element
	for _, t := range s.all("cac:TaxCategory") {
		if isVAT(t) {
			categories = append(categories, t)
		}
	}
	known, rated, outside := false, false, false
	var rate Amount
	for _, t := range categories {
		known = known || t.has("cbc:ID")
		outside = outside || t.value("cbc:ID") == "O"
		if t.has("cbc:Percent") && !rated {
			rated, rate = true, t.number("cbc:Percent")
		}
	}
	c.must(known, "BR-47", s)
	c.must(rated || outside, "BR-48", s)
	tax := s.number("cbc:TaxAmount")
	fits := tax.Valid && round(tax.Decimal, 0).IsZero()
	if rate.Valid && !round(rate.Decimal, 0).IsZero() {
		fits = taxFits(s.number("cbc:TaxableAmount"), tax, rate)
	}
	c.must(fits, "BR-CO-17", s)
	c.decimals("BR-DEC-19", s.all("cbc:TaxableAmount"))
	c.decimals("BR-DEC-20", s.all("cbc:TaxAmount"))
}

func (c *check) line(l *element) {
	quantity := or(l.first("cbc:InvoicedQuantity"), l.first("cbc:CreditedQuantity"))
	c.must(l.value("cbc:ID") != "", "BR-21", l)
	c.must(quantity != nil, "BR-22", l)
	c.must(quantity.hasAttr("unitCode"), "BR-23", or(quantity, l))
	c.must(l.has("cbc:LineExtensionAmount"), "BR-24", l)
	c.must(l.value("cac:Item", "cbc:Name") != "", "BR-25", l)
	price := l.first("cac:Price", "cbc:PriceAmount")
	c.must(price != nil, "BR-26", l)
	net := price.number()
	c.must(net.Valid && !net.Decimal.IsNegative(), "BR-27", or(price, l))
	if gross := l.first("cac:Price", "cac:AllowanceCharge", "cbc:BaseAmount"); gross != nil {
		c.must(!gross.number().Decimal.IsNegative(), "BR-28", gross)
	}
	known := false
	for _, t := range l.all("cac:Item", "cac:ClassifiedTaxCategory") {
		known = known || isVAT(t) && t.has("cbc:ID")
	}
	c.must(known, "BR-CO-04", l)
	c.decimals("BR-DEC-23", l.all("cbc:LineExtensionAmount"))
	for _, id := range l.all("cac:Item", "cac:StandardItemIdentification", "cbc:ID") {
		c.must(id.hasAttr("schemeID"), "BR-64", id)
	}
	for _, code := range l.all("cac:Item", "cac:CommodityClassification", "cbc:ItemClassificationCode") {
		c.must(code.hasAttr("listID"), "BR-65", code)
	}
	for _, a := range l.all("cac:Item", "cac:AdditionalItemProperty") {
		c.must(a.has("cbc:Name") && a.has("cbc:Value"), "BR-54", a)
	}
}
