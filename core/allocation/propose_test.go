package allocation_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"crmhub/core/allocation"
	"crmhub/core/crm"
)

func id(n int) uuid.UUID { return uuid.UUID{0: 1, 15: byte(n)} }

func d(s string) decimal.Decimal { return decimal.RequireFromString(s) }

func on(s string) crm.Date {
	day, err := crm.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return day
}

func open(n int, number, amount string, references ...string) allocation.Invoice {
	due := on(fmt.Sprintf("2026-01-%02d", n))
	return allocation.Invoice{ID: id(n), Number: number, Currency: "EUR", Open: d(amount), Due: &due, References: references}
}

func TestProposals(t *testing.T) {
	t.Parallel()
	invoices := []allocation.Invoice{
		open(1, "RE-2026/0041", "119.00", "PO 7788"), open(2, "RE-2026/0042", "238.00", "+++090/9337/55493+++"), open(3, "RE-2026/0043", "500.00"),
		open(4, "GS-1", "-30.00"),
	}
	for _, c := range []struct {
		name, text, amount string
		want               string
	}{
		{"the number and the amount", "Rechnung RE-2026/0042 vom 3.1.", "238", "certain [number amount] 0: 2=238"},
		{"the number written otherwise", "re 2026 0042", "238.00", "certain [number amount] 0: 2=238"},
		{"the number within a longer one", "RE-2026/00425", "238.01", "differs [near same_payer] 0.01: 2=238"},
		{"two numbers", "RE20260041, RE20260042", "357", "certain [number sum] 0: 1=119 2=238"},
		{"the buyer's order", "PO7788", "119", "certain [reference amount] 0: 1=119"},
		{"a payment reference", "+++090/9337/55493+++", "238", "certain [reference amount] 0: 2=238"},
		{"the amount alone", "thank you", "500", "likely [amount same_payer] 0: 3=500"},
		{"a sum", "", "619", "likely [sum same_payer] 0: 1=119 3=500"},
		{"half a euro less", "RE-2026/0041", "118.50", "differs [number] -0.5: 1=118.5"},
		{"cash discount", "", "490", "differs [near same_payer] -10: 3=490"},
		{"too much", "RE-2026/0041", "120", "differs [number] 1: 1=119"},
		{"two numbers, not enough for both", "RE-2026/0041 RE-2026/0042", "200", "differs [number] -157: 1=119 2=81"},
		{"nothing known", "hello", "77.77", ""},
		{"money paid back", "GS-1", "-30", "certain [number amount] 0: 4=-30"},
		{"money paid back for no credit note", "RE-2026/0041", "-119", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := allocation.Payment{ID: id(9), Currency: "EUR", Date: on("2026-02-01"), Open: d(c.amount), Texts: []string{c.text}}
			got := ""
			for _, one := range allocation.Propose([]allocation.Payment{p}, invoices) {
				got = fmt.Sprintf("%s %v %s:", one.Certainty, one.Reasons, one.Difference)
				for _, a := range one.Allocations {
					got += fmt.Sprintf(" %d=%s", a.InvoiceID[15], a.Amount)
				}
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// What more than one invoice or combination comes to is no proposal.
func TestNothingIsProposedWhereItMayBeAnother(t *testing.T) {
	t.Parallel()
	for name, invoices := range map[string][]allocation.Invoice{
		"two of the amount":    {open(1, "A-1", "100"), open(2, "A-2", "100")},
		"two sums":             {open(1, "A-1", "60"), open(2, "A-2", "40"), open(3, "A-3", "70"), open(4, "A-4", "30")},
		"another currency":     {{ID: id(1), Number: "A-1", Currency: "USD", Open: d("100")}},
		"another customer":     {{ID: id(1), Number: "A-1", CustomerID: id(5), Currency: "EUR", Open: d("100")}},
		"a number that is day": {open(1, "12", "104"), open(2, "A-2", "105")},
	} {
		p := allocation.Payment{ID: id(9), Currency: "EUR", Date: on("2026-02-01"), Open: d("100"), Texts: []string{"A-9 12"}}
		if got := allocation.Propose([]allocation.Payment{p}, invoices); len(got) > 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestProposalsNeverExceedWhatIsOpen(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Map(rapid.OneOf(rapid.IntRange(1, 60), rapid.Just(50), rapid.IntRange(-40, -1)), func(n int) decimal.Decimal { return decimal.New(int64(n*25), -2) })
		currency := rapid.SampledFrom([]string{"EUR", "CNY"})
		customer := rapid.Map(rapid.IntRange(100, 101), id)
		var invoices []allocation.Invoice
		for n := range rapid.IntRange(0, 8).Draw(t, "invoices") {
			v := open(n+1, fmt.Sprintf("R-%d", n), "1")
			v.Open, v.Currency, v.CustomerID = amount.Draw(t, "open"), currency.Draw(t, "currency"), customer.Draw(t, "customer")
			invoices = append(invoices, v)
		}
		var payments []allocation.Payment
		for n := range rapid.IntRange(0, 6).Draw(t, "payments") {
			payments = append(payments, allocation.Payment{
				ID: id(50 + n), CustomerID: customer.Draw(t, "customer"), Currency: currency.Draw(t, "currency"), Open: amount.Draw(t, "amount"),
				Date: on("2026-02-01"), Texts: []string{rapid.SampledFrom([]string{"", "R-0", "R-1 R-2", "R-12", "R-3,R-4,R-5"}).Draw(t, "text")},
			})
		}
		got := allocation.Propose(payments, invoices)

		paid, left := map[uuid.UUID]decimal.Decimal{}, map[uuid.UUID]decimal.Decimal{}
		byID := map[uuid.UUID]allocation.Invoice{}
		for _, v := range invoices {
			byID[v.ID], left[v.ID] = v, v.Open
		}
		seen := map[uuid.UUID]bool{}
		for _, p := range got {
			var of allocation.Payment
			for _, one := range payments {
				if one.ID == p.PaymentID {
					of = one
				}
			}
			if seen[p.PaymentID] || len(p.Allocations) == 0 {
				t.Fatalf("twice, or for nothing: %+v", p)
			}
			seen[p.PaymentID] = true
			for _, a := range p.Allocations {
				v := byID[a.InvoiceID]
				if v.Currency != of.Currency || v.CustomerID != of.CustomerID || a.Amount.Sign() != of.Open.Sign() || a.Amount.Sign() != v.Open.Sign() {
					t.Fatalf("%+v pays %+v with %s", of, v, a.Amount)
				}
				paid[p.PaymentID], left[a.InvoiceID] = paid[p.PaymentID].Add(a.Amount), left[a.InvoiceID].Sub(a.Amount)
			}
			if paid[p.PaymentID].Abs().GreaterThan(of.Open.Abs()) {
				t.Fatalf("%+v pays more than there is: %+v", of, p)
			}
			if even := p.Difference.IsZero(); even != (p.Certainty != allocation.Differs) || even && !paid[p.PaymentID].Equal(of.Open) {
				t.Fatalf("%+v is %+v", of, p)
			}
		}
		for _, v := range invoices {
			if left[v.ID].Sign()*v.Open.Sign() < 0 {
				t.Fatalf("%s of %s are left: %+v", left[v.ID], v.Open, got)
			}
		}
		shuffle := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 1))
		shuffle.Shuffle(len(invoices), func(i, j int) { invoices[i], invoices[j] = invoices[j], invoices[i] })
		shuffle.Shuffle(len(payments), func(i, j int) { payments[i], payments[j] = payments[j], payments[i] })
		if diff := cmp.Diff(got, allocation.Propose(payments, invoices)); diff != "" {
			t.Fatalf("in another order it is another (-one +other):\n%s", diff)
		}
	})
}

func FuzzNamesInTexts(f *testing.F) {
	f.Add("RE-2026/0042 二月", "RE-2026/0042")
	f.Fuzz(func(t *testing.T, text, number string) {
		p := allocation.Payment{ID: id(9), Currency: "EUR", Open: d("10"), Texts: []string{text}}
		for _, one := range allocation.Propose([]allocation.Payment{p}, []allocation.Invoice{{ID: id(1), Number: number, Currency: "EUR", Open: d("10")}}) {
			if one.Certainty == allocation.Differs || len(one.Allocations) != 1 {
				t.Fatalf("%q of %q: %+v", text, number, one)
			}
		}
	})
}
