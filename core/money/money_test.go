package money_test

import (
	"testing"

	"github.com/shopspring/decimal"

	"crmhub/core/money"
)

func TestCurrenciesCountInTheirOwnDecimals(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]int32{"EUR": 2, "CNY": 2, "USD": 2, "JPY": 0, "KRW": 0, "KWD": 3, "BHD": 3, "XAU": 2} {
		if got, err := money.Digits(code); err != nil || got != want {
			t.Errorf("%s counts in %d decimals (%v), want %d", code, got, err, want)
		}
	}
	for _, code := range []string{"", "EU", "EURO", "ZZZ", "12A"} {
		if _, err := money.Digits(code); err == nil {
			t.Errorf("%q is a currency", code)
		}
	}
}

func TestFormat(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		amount string
		digits int32
		want   string
	}{{"1234.5", 2, "1,234.50"}, {"-1234567", 0, "-1,234,567"}, {"999.999", 3, "999.999"}, {"-0.004", 2, "0.00"}, {"100", 0, "100"}, {"1000", 0, "1,000"}} {
		if got := money.Format(decimal.RequireFromString(c.amount), c.digits); got != c.want {
			t.Errorf("%s with %d decimals is %s, want %s", c.amount, c.digits, got, c.want)
		}
	}
}
