package paper

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"crmhub/core/crm"
	"crmhub/core/einvoice"
	"crmhub/core/schema"
)

func seller() Seller {
	return Seller{
		Name: "Beispiel GmbH", VATNumber: "DE123456789", Registration: "HRB 12345", Street: "Hafenstraße 7", City: "Hamburg", Postcode: "20457", Country: "DE",
		Contact: "Kim Example", Phone: "+49 40 123456", Email: "billing@example.com", BankAccount: "DE02 1203 0000 0000 2020 51", Bank: "BYLADEM1001",
		Endpoint: "billing@example.com", EndpointScheme: "EM",
	}
}

func buyerIn(country, taxID string) *crm.Customer {
	return &crm.Customer{
		Name: "Example", TaxID: taxID,
		Addresses:       []crm.CustomerAddress{{Kind: "ship", Address: crm.Address{Country: "XX"}}, {Kind: "bill", Address: crm.Address{Street: "Main Street 1", City: "Town", Postcode: "1000", Country: country}}},
		InvoiceProfiles: []crm.InvoiceProfile{{IsDefault: true, Title: "Example Holding Ltd"}},
	}
}

// billed is an issued invoice of lines (description, unit, qty, price, discount, rate), as the store would have it.
func billed(t testing.TB, kind, currency string, lines ...[6]string) *crm.Invoice {
	t.Helper()
	v := &crm.Invoice{Number: "INV-2026-000017", Type: kind, CustomerID: uuid.New(), Currency: currency, Status: "issued", IssueDate: new(date("2026-03-01")), DueDate: new(date("2026-03-31"))}
	for _, l := range lines {
		line := crm.InvoiceLine{Description: l[0], Unit: l[1], Qty: dec(l[2]), Price: dec(l[3]), DiscountPct: dec(l[4]), TaxRate: dec(l[5])}
		line.Untaxed = line.Qty.Mul(line.Price).Mul(dec("100").Sub(line.DiscountPct)).Shift(-2).Round(2)
		line.Tax = line.Untaxed.Mul(line.TaxRate).Shift(-2).Round(2)
		v.Untaxed, v.Tax = v.Untaxed.Add(line.Untaxed), v.Tax.Add(line.Tax)
		v.Lines = append(v.Lines, line)
	}
	v.Total = v.Untaxed.Add(v.Tax)
	v.Residual = v.Total
	v.Normalize()
	if faults := v.Validate(); len(faults) > 0 {
		t.Fatal(faults)
	}
	return v
}

func exported(t testing.TB, v *crm.Invoice, b Billing) []byte {
	t.Helper()
	var w bytes.Buffer
	if err := UBL(&w, v, b); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

// TestElectronicInvoicesAreTheGoldenOnes: deploy/validate-ubl.sh shows the golden files to the official validator.
func TestElectronicInvoicesAreTheGoldenOnes(t *testing.T) {
	t.Parallel()
	home := Billing{Seller: seller(), Customer: buyerIn("DE", "DE987654321"), Order: &crm.Order{Number: "SO-2026-000042", ClientRef: "PO 77", PaymentTerm: "30 days net"}, BaseCurrency: "EUR"}
	abroad := func(country, taxID string) Billing {
		b := home
		b.Customer = buyerIn(country, taxID)
		return b
	}
	dollars := billed(t, "invoice", "USD", [6]string{"Pump", "pcs", "3", "1050.125", "0", "19"})
	dollars.RateToBase = dec("0.9215")
	small := abroad("DE", "")
	small.Seller.VATNumber, small.Seller.Endpoint, small.Seller.EndpointScheme = "", "", ""
	corrected := home
	corrected.Reversed = &crm.Invoice{Number: "INV-2026-000016", IssueDate: new(date("2026-02-01"))}
	chinese := Billing{Seller: Seller{Name: "示例科技有限公司", TaxNumber: "91350100M000100Y43", Registration: "91350100M000100Y43", City: "福州", Country: "CN"}, Customer: customer(), BaseCurrency: "CNY"}
	for name, c := range map[string]struct {
		invoice *crm.Invoice
		billing Billing
	}{
		"standard":       {billed(t, "invoice", "EUR", [6]string{"Pump\nStainless steel, 2 bar", "台", "2", "1050.5", "0", "19"}), home},
		"mixed":          {billed(t, "invoice", "EUR", [6]string{"Coffee", "kg", "1.5", "19.99", "0", "7"}, [6]string{"Grinder", "H87", "1", "199", "0", "19"}, [6]string{"Stamps", "块", "10", "0.95", "0", "0"}), home},
		"allowances":     {billed(t, "invoice", "EUR", [6]string{"Pump", "pcs", "3", "333.335", "12.5", "19"}, [6]string{"Rebate", "", "-1", "50", "0", "19"}, [6]string{"Less", "", "1", "-10", "0", "19"}), home},
		"credit-note":    {billed(t, "credit_note", "EUR", [6]string{"Pump", "pcs", "-1", "100", "10", "19"}), corrected},
		"reverse-charge": {billed(t, "invoice", "EUR", [6]string{"Consulting", "h", "8", "120", "0", "0"}), abroad("FR", "FR12345678901")},
		"export":         {billed(t, "invoice", "EUR", [6]string{"Pump", "Palette", "2", "900", "0", "0"}), abroad("CH", "")},
		"foreign-money":  {dollars, abroad("US", "")},
		"without-vat":    {billed(t, "invoice", "EUR", [6]string{"Lesson", "hour", "1", "40", "0", "0"}), small},
		"chinese":        {billed(t, "invoice", "CNY", [6]string{"水泵", "台", "2", "1050.13", "0", "13"}), chinese},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := exported(t, c.invoice, c.billing)
			file := filepath.Join("testdata", "ubl", name+".xml")
			if *update {
				if err := os.WriteFile(file, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("go test ./core/paper -update writes it anew:\n%s", diff)
			}
			read, err := einvoice.Parse(bytes.NewReader(got))
			if err != nil {
				t.Fatal(err)
			}
			if findings := einvoice.Check(read); len(findings) > 0 {
				t.Errorf("%+v", findings)
			}
			sign := decimal.NewFromInt(1)
			if read.CreditNote {
				sign = sign.Neg()
			}
			if !read.Totals.Total.Decimal.Mul(sign).Equal(c.invoice.Total) || !read.Tax.Decimal.Mul(sign).Equal(c.invoice.Tax) || len(read.Lines) != len(c.invoice.Lines) {
				t.Errorf("it says %+v", read.Totals)
			}
		})
	}
}

func TestElectronicInvoicesSayWhatIsMissing(t *testing.T) {
	t.Parallel()
	line := [6]string{"Pump", "pcs", "1", "100", "0", "19"}
	sound := Billing{Seller: seller(), Customer: buyerIn("DE", ""), BaseCurrency: "EUR"}
	for name, c := range map[string]struct {
		spoil func(v *crm.Invoice, b *Billing)
		want  string // pointers and rules
	}{
		"a draft":                          {func(v *crm.Invoice, _ *Billing) { v.Status = "draft" }, "/status issued"},
		"nothing of the seller":            {func(_ *crm.Invoice, b *Billing) { b.Seller = Seller{} }, "/seller/name BR-06, /seller/country BR-08, /seller/vat_number BR-S-02"},
		"no country of the seller":         {func(_ *crm.Invoice, b *Billing) { b.Seller.Country = "" }, "/seller/country BR-09"},
		"a VAT number without a country":   {func(_ *crm.Invoice, b *Billing) { b.Seller.VATNumber = "123456789" }, "/seller/vat_number BR-CO-09"},
		"a country that is none":           {func(_ *crm.Invoice, b *Billing) { b.Seller.Country = "XX" }, "/seller/country BR-CL-14"},
		"a scheme that is none":            {func(_ *crm.Invoice, b *Billing) { b.Seller.EndpointScheme = "mail" }, "/seller/endpoint_scheme BR-CL-25"},
		"no customer":                      {func(_ *crm.Invoice, b *Billing) { b.Customer = nil }, "/customer/name BR-07, /customer/addresses BR-10"},
		"no address of the customer":       {func(_ *crm.Invoice, b *Billing) { b.Customer.Addresses = nil }, "/customer/addresses BR-10"},
		"no country of the customer":       {func(_ *crm.Invoice, b *Billing) { b.Customer.Addresses[1].Country = "" }, "/customer/addresses BR-11"},
		"no VAT number for reverse charge": {func(v *crm.Invoice, b *Billing) { reverse(v, b) }, "/customer/tax_id BR-AE-02"},
		"no lines":                         {func(v *crm.Invoice, _ *Billing) { v.Lines = nil }, "/lines BR-16, /lines BR-CO-18, /untaxed BR-CO-10"},
		"a line of nothing":                {func(v *crm.Invoice, _ *Billing) { v.Lines[0].Description = "" }, "/lines/0/description BR-25"},
		"a third decimal":                  {func(v *crm.Invoice, _ *Billing) { v.Lines[0].Untaxed = dec("100.001") }, "/tax BR-DEC-19, /tax UBL-DT-01, /lines/0/untaxed BR-DEC-23"},
		"no way to tell the seller": {func(_ *crm.Invoice, b *Billing) {
			b.Seller.VATNumber, b.Seller.Registration, b.Seller.TaxNumber = "", "", "1/2"
		}, "/seller/vat_number BR-CO-26"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, b := billed(t, "invoice", "EUR", line), sound
			b.Customer = buyerIn("DE", "")
			c.spoil(v, &b)
			var w bytes.Buffer
			err := UBL(&w, v, b)
			missing, ok := errors.AsType[schema.Violations](err)
			if !ok || w.Len() > 0 {
				t.Fatalf("%v, and %d bytes", err, w.Len())
			}
			var got []string
			for _, m := range missing {
				got = append(got, m.Pointer+" "+m.Rule)
			}
			if all := strings.Join(got, ", "); !strings.HasPrefix(all, c.want) && all != c.want {
				t.Errorf("%s, want %s", all, c.want)
			}
		})
	}
}

func reverse(v *crm.Invoice, b *Billing) {
	b.Customer = buyerIn("FR", "")
	v.Lines[0].TaxRate, v.Lines[0].Tax, v.Tax, v.Total = decimal.Zero, decimal.Zero, decimal.Zero, v.Untaxed
}

// TestAnyInvoiceCanLeave: what the store accepts, with a complete seller and customer, is an invoice under EN 16931.
func TestAnyInvoiceCanLeave(t *testing.T) {
	t.Parallel()
	b := Billing{Seller: seller(), Customer: buyerIn("DE", "DE987654321"), BaseCurrency: "EUR"}
	rapid.Check(t, func(rt *rapid.T) {
		var lines [][6]string
		for range rapid.IntRange(1, 12).Draw(rt, "lines") {
			number := func(low, high int, digits int32) string {
				return decimal.New(int64(rapid.IntRange(low, high).Draw(rt, "number")), -digits).String()
			}
			lines = append(lines, [6]string{
				rapid.StringMatching(`[A-Za-z水泵&<>"]{1,30}`).Draw(rt, "text"), rapid.SampledFrom([]string{"", "pcs", "KGM", "什么", "<&>"}).Draw(rt, "unit"),
				number(1, 1_000_000, 3), number(0, 100_000_000, 4), number(0, 10_000, 2), rapid.SampledFrom([]string{"0", "7", "19", "5.5"}).Draw(rt, "rate"),
			})
		}
		exported(t, billed(t, "invoice", "EUR", lines...), b)
	})
}
