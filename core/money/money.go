// Package money knows how currencies count. An amount is a decimal.Decimal together with a currency code beside it;
// floats never occur. In JSON an amount is a string without exponent or trailing zeros ("12.5").
package money

import (
	"fmt"
	"strings"

	"github.com/shopspring/decimal"
	"golang.org/x/text/currency"
)

// Digits returns how many decimals the currency (ISO 4217, such as EUR) counts in: 2 for most, 0 for JPY, 3 for KWD.
// Amounts are rounded to them half away from zero, as invoices are (EN 16931, BR-CO-17 and others).
func Digits(code string) (int32, error) {
	unit, err := currency.ParseISO(code)
	if err != nil {
		return 0, fmt.Errorf("%q is no ISO 4217 currency", code)
	}
	scale, _ := currency.Standard.Rounding(unit)
	return int32(scale), nil //nolint:gosec // a scale is below 5
}

// Format returns an amount as people write it in English and Chinese alike: 1,234.50, with as many decimals as given.
func Format(amount decimal.Decimal, digits int32) string {
	sign, s := "", amount.StringFixed(digits)
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	whole, fraction, dotted := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if dotted {
		whole += "." + fraction
	}
	return sign + whole
}
