package paper

import (
	"cmp"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"

	"crmhub/core/crm"
	"crmhub/core/einvoice"
	"crmhub/core/schema"
)

// Seller is the organization as it stands on an electronic invoice.
type Seller struct {
	Name, VATNumber, TaxNumber, Registration  string
	Street, City, Postcode, Province, Country string
	Contact, Phone, Email                     string
	BankAccount, Bank                         string
	Endpoint, EndpointScheme                  string
}

// Billing is what an electronic invoice says besides the invoice itself.
type Billing struct {
	Seller       Seller
	Customer     *crm.Customer
	Order        *crm.Order   // it bills, nil if none
	Reversed     *crm.Invoice // it corrects, nil if none
	BaseCurrency string       // of the seller's books
}

// UBL writes an issued invoice or credit note as a UBL 2.1 document under EN 16931. Where the data are not enough for one,
// it writes nothing and returns [schema.Violations]: each names the field (/seller/country, /customer/addresses,
// /lines/0/description) and the rule (BR-09).
func UBL(w io.Writer, v *crm.Invoice, b Billing) error {
	if v.Status == "draft" || v.Status == "cancelled" {
		return schema.Violations{{Pointer: "/status", Rule: "issued", Message: "must be issued: a draft or a cancelled document is no invoice"}}
	}
	document := document(v, b)
	var missing schema.Violations
	for _, f := range einvoice.Check(document) {
		if f.Severity == einvoice.Fatal {
			missing = append(missing, schema.Violation{Pointer: fieldOf(f), Rule: f.Rule, Message: f.Message.English})
		}
	}
	if err := missing.Err(); err != nil {
		return err
	}
	return einvoice.Write(w, document)
}

// specification is EN 16931 without extensions.
const specification = "urn:cen.eu:en16931:2017"

// Types of documents, UNTDID 1001.
const (
	typeInvoice    = "380"
	typeCreditNote = "381"
)

func document(v *crm.Invoice, b Billing) *einvoice.Invoice {
	d := &einvoice.Invoice{
		Specification: specification, Number: v.Number, TypeCode: typeInvoice, IssueDate: day(v.IssueDate), DueDate: day(v.DueDate), Currency: v.Currency,
		Seller: b.Seller.party(), Buyer: buyer(b.Customer),
	}
	sign := decimal.NewFromInt(1)
	if v.Type == "credit_note" {
		d.CreditNote, d.TypeCode, sign = true, typeCreditNote, sign.Neg()
	} else if b.Seller.BankAccount != "" {
		d.Payment = []einvoice.Payment{b.Seller.payment(v)}
	}
	if b.Order != nil {
		d.Order, d.SalesOrder, d.Terms = b.Order.ClientRef, b.Order.Number, b.Order.PaymentTerm
	}
	if b.Reversed != nil {
		d.Preceding = []einvoice.Preceding{{Number: b.Reversed.Number, Date: day(b.Reversed.IssueDate)}}
	}
	free := untaxedCategory(d)
	for i, l := range v.Lines {
		d.Lines = append(d.Lines, ublLine(i, l, sign, free))
	}
	d.Taxes = ublTaxes(v, sign, free)
	d.Tax = cents(v.Tax.Mul(sign))
	if b.BaseCurrency != "" && v.Currency != b.BaseCurrency && !v.RateToBase.Equal(decimal.NewFromInt(1)) {
		d.TaxCurrency, d.LocalTax = b.BaseCurrency, cents(v.Tax.Mul(sign).Mul(v.RateToBase).Round(2))
	}
	untaxed, total := cents(v.Untaxed.Mul(sign)), cents(v.Total.Mul(sign))
	d.Totals = einvoice.Totals{Lines: untaxed, Untaxed: untaxed, Total: total, Payable: total}
	return d
}

func (s Seller) party() einvoice.Party {
	return einvoice.Party{
		Name: s.Name, TaxNumber: s.VATNumber, LocalNumber: s.TaxNumber, Registration: einvoice.Identifier{ID: s.Registration},
		Endpoint: einvoice.Identifier{ID: s.Endpoint, Scheme: s.EndpointScheme},
		Address:  einvoice.Address{Street: s.Street, City: s.City, Postcode: s.Postcode, Province: s.Province, Country: s.Country},
		Contact:  einvoice.Contact{Name: s.Contact, Phone: s.Phone, Email: s.Email},
	}
}

// payment is by transfer to the seller's account: SEPA's if it is an IBAN and the money is euros.
func (s Seller) payment(v *crm.Invoice) einvoice.Payment {
	const transfer, sepa = "30", "58"
	p := einvoice.Payment{Code: transfer, Reference: v.Number, Account: strings.ReplaceAll(s.BankAccount, " ", ""), AccountName: s.Name, Bank: s.Bank}
	if v.Currency == "EUR" && hasCountry(p.Account) {
		p.Code = sepa
	}
	return p
}

// buyer: what the invoice profile says comes before the customer's name and numbers, as on paper. A number with a country
// in front is one of VAT, any other one of a register.
func buyer(c *crm.Customer) einvoice.Party {
	if c == nil {
		return einvoice.Party{}
	}
	p := einvoice.Party{Name: c.Name}
	numbers := []string{c.TaxID, c.USCC}
	if i := slices.IndexFunc(c.InvoiceProfiles, func(p crm.InvoiceProfile) bool { return p.IsDefault }); i >= 0 {
		p.Name = cmp.Or(c.InvoiceProfiles[i].Title, c.Name)
		numbers = append([]string{c.InvoiceProfiles[i].TaxNo}, numbers...)
	}
	for _, n := range numbers {
		switch n = strings.ReplaceAll(n, " ", ""); {
		case hasCountry(n):
			p.TaxNumber = cmp.Or(p.TaxNumber, n)
		case n != "":
			p.Registration.ID = cmp.Or(p.Registration.ID, n)
		}
	}
	if a := addressOf(c, "bill"); a != nil {
		p.Address = einvoice.Address{Street: a.Street, Addition: a.District, City: a.City, Postcode: a.Postcode, Province: a.Province, Country: a.Country}
	} else if len(c.Addresses) > 0 {
		a := c.Addresses[0]
		p.Address = einvoice.Address{Street: a.Street, Addition: a.District, City: a.City, Postcode: a.Postcode, Province: a.Province, Country: a.Country}
	}
	return p
}

func hasCountry(number string) bool {
	return len(number) > 2 && isCapital(number[0]) && isCapital(number[1])
}

func isCapital(c byte) bool { return c >= 'A' && c <= 'Z' }

// untaxed is a category of VAT for what bears none, and why.
type untaxed struct{ category, reason, code string }

// union are the members of the European Union, as VAT numbers name them, Northern Ireland among them.
const union = " AT BE BG CY CZ DE DK EE EL GR ES FI FR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK XI "

// untaxedCategory is why a line with a rate of zero bears no VAT, as far as the parties tell: across a border within the
// Union the buyer owes it (reverse charge), beyond it is an export, and at home it is zero rated. A seller without any tax
// number is not subject to VAT. That goods, unlike services, are an intra-community supply, the data do not tell.
func untaxedCategory(d *einvoice.Invoice) untaxed {
	in := func(country string) bool { return country != "" && strings.Contains(union, " "+country+" ") }
	seller, buyer := d.Seller.Address.Country, d.Buyer.Address.Country
	switch {
	case d.Seller.TaxNumber == "" && d.Seller.LocalNumber == "":
		return untaxed{"O", "Not subject to VAT", "VATEX-EU-O"}
	case seller == buyer || buyer == "":
		return untaxed{category: "Z"}
	case in(seller) && in(buyer):
		return untaxed{"AE", "Reverse charge", "VATEX-EU-AE"}
	case d.Seller.TaxNumber == "":
		return untaxed{category: "Z"} // an export takes a VAT number
	default:
		return untaxed{"G", "Export outside the EU", "VATEX-EU-G"}
	}
}

func (u untaxed) tax(rate decimal.Decimal) einvoice.Tax {
	switch {
	case !rate.IsZero():
		return einvoice.Tax{Category: "S", Rate: known(trimmed(rate))}
	case u.category == "O":
		return einvoice.Tax{Category: u.category}
	default:
		return einvoice.Tax{Category: u.category, Rate: known(decimal.Zero)}
	}
}

// ublLine: a price is not negative, so the sign is the quantity's; what the line comes to less than quantity times price
// is an allowance.
func ublLine(i int, l crm.InvoiceLine, sign decimal.Decimal, free untaxed) einvoice.Line {
	name, description, _ := strings.Cut(l.Description, "\n")
	quantity, price, net := l.Qty.Mul(sign), l.Price, l.Untaxed.Mul(sign)
	if price.IsNegative() {
		quantity, price = quantity.Neg(), price.Neg()
	}
	unit, note := unitCode(l.Unit)
	line := einvoice.Line{
		ID: strconv.Itoa(i + 1), Name: strings.TrimSpace(name), Description: strings.TrimSpace(description), Note: note, Quantity: known(trimmed(quantity)), Unit: unit,
		Untaxed: cents(net), Tax: free.tax(l.TaxRate), Price: einvoice.Price{Net: known(trimmed(price))},
	}
	gross := quantity.Mul(price).Round(2)
	switch less := gross.Sub(net); {
	case less.IsZero():
	case !l.DiscountPct.IsZero():
		line.Adjustments = []einvoice.Adjustment{{Reason: "Discount", ReasonCode: "95", Percent: known(trimmed(l.DiscountPct)), Amount: cents(less), Base: cents(gross)}}
	case less.IsPositive():
		line.Adjustments = []einvoice.Adjustment{{Reason: "Rounding", Amount: cents(less)}}
	default:
		line.Adjustments = []einvoice.Adjustment{{Charge: true, Reason: "Rounding", Amount: cents(less.Neg())}}
	}
	return line
}

// ublTaxes sums the lines up by rate, the lowest first.
func ublTaxes(v *crm.Invoice, sign decimal.Decimal, free untaxed) []einvoice.TaxShare {
	type sum struct{ rate, untaxed, tax decimal.Decimal }
	var sums []sum
	for _, l := range v.Lines {
		i := slices.IndexFunc(sums, func(s sum) bool { return s.rate.Equal(l.TaxRate) })
		if i < 0 {
			i, sums = len(sums), append(sums, sum{rate: l.TaxRate})
		}
		sums[i].untaxed, sums[i].tax = sums[i].untaxed.Add(l.Untaxed.Mul(sign)), sums[i].tax.Add(l.Tax.Mul(sign))
	}
	slices.SortFunc(sums, func(a, b sum) int { return a.rate.Cmp(b.rate) })
	shares := make([]einvoice.TaxShare, len(sums))
	for i, s := range sums {
		shares[i] = einvoice.TaxShare{Taxable: cents(s.untaxed), Amount: cents(s.tax), Category: free.tax(s.rate)}
		if s.rate.IsZero() {
			shares[i].ExemptionReason, shares[i].ExemptionReasonCode = free.reason, free.code
		}
	}
	return shares
}

func known(d decimal.Decimal) einvoice.Amount { return einvoice.Amount{Decimal: d, Valid: true} }

// cents is an amount with two decimals, or more if it has more: then it is told.
func cents(d decimal.Decimal) einvoice.Amount {
	if fixed := d.Round(2); fixed.Equal(d) {
		d = decimal.RequireFromString(fixed.StringFixed(2))
	}
	return known(d)
}

// trimmed is a number without zeros at its end.
func trimmed(d decimal.Decimal) decimal.Decimal { return decimal.RequireFromString(d.String()) }
