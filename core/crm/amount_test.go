package crm

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"crmhub/core/money"
)

func TestOrderAmountsAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o, _ := anyEntity(t, KindOrder).(*Order)
		digits, err := money.Digits(o.Currency)
		if err != nil {
			t.Fatal(err)
		}
		var untaxed, tax, want decimal.Decimal
		byRate := make(map[string]decimal.Decimal)
		for _, l := range o.Lines {
			exact := l.Qty.Mul(l.Price).Mul(decimal.NewFromInt(1).Sub(l.DiscountPct.Shift(-2)))
			if !l.Untaxed.Equal(exact.Round(digits)) {
				t.Fatalf("a line of %s is %s untaxed", exact, l.Untaxed)
			}
			untaxed, tax = untaxed.Add(l.Untaxed), tax.Add(l.Tax)
			byRate[l.TaxRate.String()] = byRate[l.TaxRate.String()].Add(l.Untaxed)
			if share := l.Untaxed.Mul(l.TaxRate).Shift(-2); l.Tax.Sub(share).Abs().GreaterThan(decimal.New(1, -digits)) {
				t.Fatalf("a line's tax is %s, more than a unit off %s", l.Tax, share)
			}
		}
		for rate, base := range byRate {
			want = want.Add(base.Mul(decimal.RequireFromString(rate)).Shift(-2).Round(digits))
		}
		if !o.Untaxed.Equal(untaxed) || !o.Tax.Equal(tax) || !o.Tax.Equal(want) || !o.Total.Equal(untaxed.Add(want)) {
			t.Fatalf("order %s + %s = %s, lines %s + %s, tax by rates %s", o.Untaxed, o.Tax, o.Total, untaxed, tax, want)
		}
	})
}

func TestSpreadTaxAddsUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v, _ := anyEntity(t, KindInvoice).(*Invoice)
		untaxed, bearing := decimal.Zero, false
		for i := range v.Lines {
			v.Lines[i].Tax = decimal.Zero
			untaxed = untaxed.Add(v.Lines[i].Untaxed)
			bearing = bearing || !v.Lines[i].TaxRate.IsZero() && !v.Lines[i].Untaxed.IsZero()
		}
		if !bearing {
			return
		}
		v.Tax = decimal.New(rapid.Int64Range(0, 1_000_000).Draw(t, "tax"), -2)
		if v.Type == "credit_note" {
			v.Tax = v.Tax.Neg()
		}
		v.Total = untaxed.Add(v.Tax)
		v.Normalize()
		if vs := v.Validate(); vs != nil {
			t.Fatalf("tax %s over %v: %v", v.Tax, v.Lines, vs)
		}
	})
}

func TestOrderAmountsByHand(t *testing.T) {
	t.Parallel()
	d := decimal.RequireFromString
	for name, tc := range map[string]struct {
		currency string
		lines    []OrderLine
		want     string // untaxed tax total, then each line's untaxed and tax
	}{
		"none":               {"EUR", nil, "0 0 0"},
		"half a cent rounds": {"EUR", []OrderLine{{Qty: d("1"), Price: d("0.005")}}, "0.01 0 0.01 0.01/0"},
		"tax of a rate is rounded once": {"EUR", []OrderLine{
			{Qty: d("1"), Price: d("0.33"), TaxRate: d("19")}, {Qty: d("1"), Price: d("0.33"), TaxRate: d("19")}, {Qty: d("1"), Price: d("0.33"), TaxRate: d("19")},
		}, "0.99 0.19 1.18 0.33/0.06 0.33/0.07 0.33/0.06"},
		"each rate on its own": {"EUR", []OrderLine{
			{Qty: d("1"), Price: d("10.05"), TaxRate: d("19")}, {Qty: d("1"), Price: d("10.05"), TaxRate: d("7.00")}, {Qty: d("1"), Price: d("1"), TaxRate: d("7")},
		}, "21.1 2.68 23.78 10.05/1.91 10.05/0.7 1/0.07"},
		"yen have no decimals":      {"JPY", []OrderLine{{Qty: d("3"), Price: d("33.5"), TaxRate: d("10")}}, "101 10 111 101/10"},
		"dinars have three":         {"KWD", []OrderLine{{Qty: d("1"), Price: d("1.2345"), TaxRate: d("5")}}, "1.235 0.062 1.297 1.235/0.062"},
		"discount to nothing":       {"EUR", []OrderLine{{Qty: d("5"), Price: d("9.99"), DiscountPct: d("100"), TaxRate: d("19")}}, "0 0 0 0/0"},
		"no currency, no amounts":   {"", []OrderLine{{Qty: d("5"), Price: d("9.99")}}, "0 0 0 0/0"},
		"a monster is not computed": {"EUR", []OrderLine{{Qty: decimal.New(1, -2_000_000), Price: decimal.New(1, 2_000_000_000)}}, "0 0 0 0/0"},
	} {
		o := &Order{Currency: tc.currency, Lines: tc.lines}
		o.Normalize()
		got := o.Untaxed.String() + " " + o.Tax.String() + " " + o.Total.String()
		for _, l := range o.Lines {
			got += " " + l.Untaxed.String() + "/" + l.Tax.String()
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
