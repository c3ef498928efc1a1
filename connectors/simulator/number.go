package simulator

import (
	"bytes"
	"fmt"

	"github.com/shopspring/decimal"

	"crmhub/core/money"
)

// number is a decimal that JSON shows as a number, not as a text: 12.5.
type number struct{ decimal.Decimal }

func integer(n int64) number { return number{decimal.NewFromInt(n)} }

// MarshalJSON writes all digits and no exponent.
func (n number) MarshalJSON() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalJSON reads a number; a text is refused.
func (n *number) UnmarshalJSON(b []byte) (err error) {
	if bytes.HasPrefix(b, []byte(`"`)) {
		return fmt.Errorf("%s is a text, not a number", b)
	}
	n.Decimal, err = decimal.NewFromString(string(b))
	return err
}

// taxed is a line of a document, as far as its amounts go.
type taxed struct{ net, rate, tax decimal.Decimal }

// addTaxes sets each line's tax so that those of one rate add up to the rounded tax on the sum of their nets, as
// EN 16931 wants it, and returns the document's sums.
func addTaxes(lines []taxed, digits int32) (net, tax decimal.Decimal) {
	type sum struct{ exact, rounded decimal.Decimal }
	sums := make(map[string]sum)
	for i := range lines {
		l := &lines[i]
		s := sums[l.rate.String()]
		s.exact = s.exact.Add(l.net.Mul(l.rate))
		l.tax = s.exact.Round(digits).Sub(s.rounded)
		s.rounded = s.rounded.Add(l.tax)
		sums[l.rate.String()] = s
		net, tax = net.Add(l.net), tax.Add(l.tax)
	}
	return net, tax
}

func digitsOf(currency string) int32 {
	digits, err := money.Digits(currency)
	if err != nil {
		return 2
	}
	return digits
}
