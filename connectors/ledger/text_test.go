package ledger

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"
)

func TestReferencesHaveIDsOfTheirOwn(t *testing.T) {
	t.Parallel()
	for reference, want := range map[string]string{
		"C-000001": "C-000001",
		"4711":     "4711",
		"a/b":      "A-b-c14cddc033",
		"A-b":      "A-b",
		"客户":       "X-",
		"..":       "X-",
		"":         "X-",
		"A B":      "A-B-",
	} {
		if got := idOf(reference); !strings.HasPrefix(got, want) || !idForm.MatchString(got) {
			t.Errorf("%q became %q, want %q", reference, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		if !idForm.MatchString(idOf(a)) || a != b && idOf(a) == idOf(b) {
			t.Errorf("%q and %q became %q and %q", a, b, idOf(a), idOf(b))
		}
	})
}

// The shapes that the lines of a journal may have.
var (
	beancountLine = regexp.MustCompile(`^(2026-05-04 \* "([^"\\]|\\["\\])*" "([^"\\]|\\["\\])*"( \^[A-Z0-9-]+)*|  [A-Z][A-Za-z:]*  -?[0-9.]+ EUR|    invoice: "[A-Z0-9-]+")$`)
	hledgerLine   = regexp.MustCompile(`^(2026-05-04 \* \(INV-1\) [^;|]* \| [^;|]*|    [A-Z][A-Za-z:]*  -?[0-9.]+ EUR(  ; invoice: [A-Z0-9-]+)?)$`)
)

// FuzzTextIsNeverSyntax writes hostile payees and texts, and wants the lines of a harmless journal.
func FuzzTextIsNeverSyntax(f *testing.F) {
	for _, s := range []string{
		"Anna", `Quote" ; x`, "two\nlines", "2026-01-01 open Assets:X\n", `back\`, `\"`, "a  b|c;d:e", "\u0085\u2028\x00\xff", "客户 👍 \U000e0001", "[2020-01-01] date:1",
	} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, payee, text string) {
		e := entry{date: time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC), payee: payee, text: text, id: "INV-1", currency: "EUR", digits: 2}
		e.postings = []posting{{"Assets:Bank", decimal.RequireFromString("1.5"), ""}, {"Income:Sales", decimal.RequireFromString("-1.5"), "INV-1"}}
		for _, g := range []struct {
			grammar
			line  *regexp.Regexp
			lines int
		}{{beancount{}, beancountLine, 4}, {hledger{}, hledgerLine, 3}} {
			var b strings.Builder
			g.entry(&b, e)
			lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
			if len(lines) != g.lines {
				t.Errorf("%T: %d lines:\n%q", g.grammar, len(lines), b.String())
			}
			for _, l := range lines {
				if !g.line.MatchString(l) {
					t.Errorf("%T: %q", g.grammar, l)
				}
			}
		}
		line, err := commented(map[string]string{"payee": payee})
		if err != nil || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == '\u0085' || r == '\u2028' }) {
			t.Errorf("%q, %v", line, err)
		}
		var back map[string]string
		if err := json.Unmarshal([]byte(line), &back); err != nil || back["payee"] != strings.ToValidUTF8(payee, "\ufffd") {
			if fmt.Sprintf("%q", back["payee"]) != fmt.Sprintf("%q", string([]rune(payee))) {
				t.Errorf("%q came back as %q, %v", payee, back["payee"], err)
			}
		}
	})
}

// However an invoice is split, its entry adds up to zero, and the receivable is its total.
func TestEntriesBalance(t *testing.T) {
	t.Parallel()
	a, err := parseAccounts(map[string]any{"format": "beancount", "tax": []any{map[string]any{"rate": "20", "account": "Liabilities:VAT"}}})
	if err != nil {
		t.Fatal(err)
	}
	amounts := rapid.Custom(func(t *rapid.T) decimal.Decimal {
		return decimal.New(rapid.Int64Range(-1e9, 1e9).Draw(t, "cents"), -2)
	})
	rapid.Check(t, func(t *rapid.T) {
		d := document{Number: "1", Customer: "C", IssueDate: "2026-05-04", Currency: "EUR"}
		var untaxed, tax decimal.Decimal
		for range rapid.IntRange(0, 5).Draw(t, "lines") {
			u, x := amounts.Draw(t, "untaxed"), amounts.Draw(t, "tax")
			untaxed, tax = untaxed.Add(u), tax.Add(x)
			d.Lines = append(d.Lines, line{TaxRate: rapid.SampledFrom([]string{"0", "10", "20"}).Draw(t, "rate"), Untaxed: u.String(), Tax: x.String()})
		}
		if len(d.Lines) == 0 {
			untaxed, tax = amounts.Draw(t, "untaxed"), amounts.Draw(t, "tax")
		}
		total := untaxed.Add(tax).Add(decimal.New(rapid.Int64Range(-1, 1).Draw(t, "rounding"), -2))
		d.Untaxed, d.Tax, d.Total = untaxed.String(), tax.String(), total.String()
		e, _, err := a.invoiceEntry(&d, "1", nobody{})
		if err != nil {
			t.Fatal(err)
		}
		var sum decimal.Decimal
		for _, p := range e.postings {
			sum = sum.Add(p.amount)
		}
		if !sum.IsZero() || !e.postings[0].amount.Equal(total) || e.postings[0].account != "Assets:Receivable:C" {
			t.Errorf("%s is left: %v", sum, e.postings)
		}
	})
}

type nobody struct{}

func (nobody) card(string, string) (*document, error) { return &document{Name: "Nobody"}, nil }
