package money_test

import (
	"testing"

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
