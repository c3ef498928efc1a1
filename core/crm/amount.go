package crm

import (
	"github.com/shopspring/decimal"
)

// taxable is a line of a document, as far as its amounts go.
type taxable struct {
	qty, price, discountPct, taxRate decimal.Decimal
	untaxed, tax                     *decimal.Decimal
}

func (l taxable) fits() bool {
	return fits(l.qty) && fits(l.price) && fits(l.discountPct) && fits(l.taxRate) && fits(*l.untaxed) && fits(*l.tax)
}

// setUntaxed computes what a line costs, rounded to the currency.
func (l taxable) setUntaxed(digits int32) {
	share := hundred.Sub(l.discountPct)
	*l.untaxed = l.qty.Mul(l.price).Mul(share).Shift(-2).Round(digits)
}

// setTaxes computes each line's tax so that the taxes of one rate add up to round(Σ untaxed × rate): a line gets what
// the rounded running sum grows by. It returns the sums of all lines.
func setTaxes(lines []taxable, digits int32) (untaxed, tax decimal.Decimal) {
	type running struct{ exact, rounded decimal.Decimal }
	byRate := make(map[string]running)
	for _, l := range lines {
		rate := l.taxRate.String()
		sum := byRate[rate]
		sum.exact = sum.exact.Add(l.untaxed.Mul(l.taxRate).Shift(-2))
		*l.tax = sum.exact.Round(digits).Sub(sum.rounded)
		sum.rounded = sum.rounded.Add(*l.tax)
		byRate[rate] = sum
		untaxed, tax = untaxed.Add(*l.untaxed), tax.Add(*l.tax)
	}
	return untaxed, tax
}

// spreadTax gives each line its part of a tax known for the whole document only, weighed by untaxed × rate;
// the parts add up to it exactly. Lines that bear no tax at all get nothing.
func spreadTax(lines []taxable, tax decimal.Decimal, digits int32) {
	var whole decimal.Decimal
	for _, l := range lines {
		whole = whole.Add(l.untaxed.Mul(l.taxRate))
	}
	if whole.IsZero() {
		return
	}
	var weight, given decimal.Decimal
	for i, l := range lines {
		weight = weight.Add(l.untaxed.Mul(l.taxRate))
		part := tax.Mul(weight).DivRound(whole, digits).Sub(given)
		if i == len(lines)-1 {
			part = tax.Sub(given)
		}
		*l.tax = part
		given = given.Add(part)
	}
}
