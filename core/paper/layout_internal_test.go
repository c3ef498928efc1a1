package paper

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"crmhub/core/crm"
	"crmhub/core/paper/pdf"
)

var update = flag.Bool("update", false, "write the golden files anew")

// notes are the texts of a page, one a line, with where they stand.
type notes struct{ b *strings.Builder }

func (p notes) Text(x, y, size float64, bold bool, s string) {
	style := " "
	if bold {
		style = "*"
	}
	fmt.Fprintf(p.b, "%6.1f %6.1f %4.1f%s %s\n", x, y, size, style, s)
}

func (p notes) Line(_, _, _, _, _ float64) {}
func (p notes) Fill(_, _, _, _, _ float64) {}

// drawn returns the texts of each page.
func drawn(t testing.TB, s sheet) []string {
	t.Helper()
	d, err := pdf.New()
	if err != nil {
		t.Fatal(err)
	}
	var pages []*strings.Builder
	s.draw(d.Measure, func() canvas {
		pages = append(pages, &strings.Builder{})
		return notes{pages[len(pages)-1]}
	})
	texts := make([]string, len(pages))
	for i, p := range pages {
		texts[i] = p.String()
	}
	return texts
}

func dec(s string) decimal.Decimal { return decimal.RequireFromString(s) }

func date(s string) crm.Date {
	d, err := crm.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

func customer() *crm.Customer {
	return &crm.Customer{
		Name: "北京示例科技有限公司", USCC: "91350100M000100Y43",
		Addresses:       []crm.CustomerAddress{{Kind: "bill", Address: crm.Address{Country: "CN", Province: "北京市", District: "海淀区", Street: "中关村大街1号", Postcode: "100080"}}},
		InvoiceProfiles: []crm.InvoiceProfile{{IsDefault: true, Title: "北京示例科技有限公司（总部）", TaxNo: "91350100M000100Y43"}},
	}
}

func order(lines int) *crm.Order {
	o := &crm.Order{
		Number: "SO-2026-000042", CustomerID: uuid.New(), ClientRef: "PO 77", Date: date("2026-03-15"), PromisedDate: new(date("2026-04-01")), Currency: "CNY", Status: "confirmed",
		PaymentTerm: "30 days net", ShipAddress: &crm.Address{Street: "Hafenstraße 7", City: "Łódź", Postcode: "90-001", Country: "PL"},
		Instalments: []crm.OrderInstalment{{DueDate: date("2026-04-01"), Amount: dec("1000")}, {DueDate: date("2026-05-01"), Amount: dec("234.5")}},
	}
	for i := range lines {
		l := crm.OrderLine{Description: fmt.Sprintf("Pump 水泵 %d", i+1), Unit: "台", Qty: dec("2"), Price: dec("1050.125"), TaxRate: dec("13")}
		if i%3 == 2 {
			l.TaxRate, l.DiscountPct, l.Description = dec("6"), dec("12.5"), "安装与调试服务，包括现场培训、备件清单以及为期十二个月的远程支持。\nInstallation and commissioning on site, with training of the operators"
		}
		o.Lines = append(o.Lines, l)
	}
	o.Normalize()
	return o
}

func creditNote() *crm.Invoice {
	return &crm.Invoice{
		Number: "RE-1", Type: "credit_note", FapiaoType: "数电专票", IssueDate: new(date("2026-03-01")), DueDate: new(date("2026-03-31")), Currency: "EUR", Status: "issued",
		Untaxed: dec("-100"), Tax: dec("-19"), Total: dec("-119"), Residual: dec("-19"), Lines: []crm.InvoiceLine{{Description: "Pump", Qty: dec("-1"), Price: dec("100"), Untaxed: dec("-100"), Tax: dec("-19"), TaxRate: dec("19")}},
	}
}

func TestDocumentsAreTheGoldenOnes(t *testing.T) {
	t.Parallel()
	parties := Parties{Organization: "Beispiel GmbH 示例公司", Customer: customer()}
	draft := order(1)
	draft.Status, draft.ShipAddress, draft.Instalments = "draft", nil, nil
	var got strings.Builder
	for _, lang := range Languages() {
		w := wordsOf(lang)
		for _, s := range []sheet{orderSheet(order(30), parties, w), orderSheet(draft, Parties{Organization: "Beispiel GmbH"}, w), invoiceSheet(creditNote(), "SO-1", parties, w)} {
			for i, page := range drawn(t, s) {
				fmt.Fprintf(&got, "--- %s: %s, page %d\n%s", lang, s.title, i+1, page)
			}
		}
	}
	const file = "testdata/documents.golden"
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("go test ./core/paper -update writes it anew:\n%s", diff)
	}
}

// TestEverythingIsOnThePages draws orders of any length and texts, and looks for each line on pages that none overflows.
func TestEverythingIsOnThePages(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		o := order(rapid.IntRange(0, 90).Draw(rt, "lines"))
		long := strings.Repeat("很长的说明。Words and 文字 ", rapid.IntRange(0, 300).Draw(rt, "long"))
		if len(o.Lines) > 0 {
			o.Lines[0].Description += long
		}
		pages := drawn(t, orderSheet(o, Parties{Organization: "Beispiel GmbH", Customer: customer()}, wordsOf(English)))
		all := strings.Join(pages, "")
		for i, page := range pages {
			if !strings.Contains(page, fmt.Sprintf("Page %d of %d\n", i+1, len(pages))) {
				rt.Fatalf("page %d does not say so", i+1)
			}
			if strings.Contains(page, " Pump 水泵") && !strings.Contains(page, "* Description\n") {
				rt.Fatalf("the table on page %d has no heading", i+1)
			}
			for row := range strings.SplitSeq(strings.TrimSpace(page), "\n") {
				var x, y float64
				if _, err := fmt.Sscan(row, &x, &y); err != nil || x < left-1 || x > right || y > pdf.Height-39 {
					rt.Fatalf("%q stands outside (%v)", row, err)
				}
			}
		}
		for i := range o.Lines {
			if want := fmt.Sprintf(" %d\n", i+1); !strings.Contains(all, want) {
				rt.Fatalf("line %d is missing", i+1)
			}
		}
		var described strings.Builder
		for row := range strings.SplitSeq(all, "\n") {
			if cell, ok := strings.CutPrefix(row, fmt.Sprintf("%6.1f ", left+26+gap)); ok && len(cell) > 13 && cell[11] != '*' {
				described.WriteString(cell[13:])
			}
		}
		if len(o.Lines) > 0 && !strings.Contains(spaceless(described.String()), spaceless(o.Lines[0].Description)) {
			rt.Fatalf("of a long text there is only %s", described.String())
		}
	})
}

func spaceless(s string) string { return strings.Join(strings.Fields(s), "") }

func TestWrapLosesNothingAndKeepsTheWidth(t *testing.T) {
	t.Parallel()
	measure := func(s string) float64 { return float64(len([]rune(s))) }
	rapid.Check(t, func(rt *rapid.T) {
		s := rapid.StringOf(rapid.SampledFrom([]rune("ab 中文，。\n.－é"))).Draw(rt, "text")
		width := rapid.IntRange(1, 12).Draw(rt, "width")
		lines := wrap(s, float64(width), measure)
		if got := spaceless(strings.Join(lines, " ")); got != spaceless(s) {
			rt.Fatalf("%q became %q", s, lines)
		}
		for _, l := range lines {
			if measure(l) > float64(width) {
				rt.Fatalf("%q is wider than %d", l, width)
			}
		}
	})
	for _, c := range []struct {
		text string
		want []string
	}{
		{"the quick brown fox", []string{"the quick", "brown fox"}},
		{"水泵安装服务，包括现场培训", []string{"水泵安装服务，包括现", "场培训"}},
		{"Donaudampfschiff", []string{"Donaudampf", "schiff"}},
		{"", []string{""}},
	} {
		if diff := cmp.Diff(c.want, wrap(c.text, 10, measure)); diff != "" {
			t.Error(diff)
		}
	}
}

// 北京、上海、天津、重庆 are province and city in one, which is written once.
func TestACityThatIsItsOwnProvinceIsWrittenOnce(t *testing.T) {
	t.Parallel()
	for _, a := range []crm.Address{
		{Province: "上海市", City: "上海市", District: "浦东新区", Street: "博云路2号", Postcode: "201203"},
		{Province: "上海", City: "上海市", District: "浦东新区", Street: "博云路2号", Postcode: "201203"},
	} {
		if got := writtenAddress(&a); !slices.Equal(got, []string{"上海市浦东新区博云路2号", "201203"}) {
			t.Errorf("%s and %s are written %q", a.Province, a.City, got)
		}
	}
}
