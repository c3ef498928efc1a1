package summary_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"crmhub/cmd/crmhub/summary"
)

func document(number, currency, total string) summary.Document {
	return summary.Document{Number: number, Currency: currency, Total: decimal.RequireFromString(total)}
}

func TestCompareFindsEveryDifference(t *testing.T) {
	t.Parallel()
	ours := []summary.Document{
		document("1", "USD", "10.00"), document("2", "USD", "0.10"), document("3", "USD", "5"), document("4", "EUR", "5"), document("5", "USD", "1"),
	}
	theirs := []summary.Document{
		document("1", "USD", "10"), document("2", "USD", "0.11"), document("4", "USD", "5"), document("5", "USD", "1"), document("5", "USD", "1"),
		document("6", "USD", "7"), document("6", "USD", "7"),
	}
	got := summary.Compare("order", "ERP", ours, theirs)
	want := summary.Comparison{
		Entity: "order", System: "ERP",
		CRM: summary.Side{Count: 5, Sums: map[string]decimal.Decimal{
			"USD": decimal.RequireFromString("16.10"), "EUR": decimal.RequireFromString("5"),
		}},
		Remote:     summary.Side{Count: 7, Sums: map[string]decimal.Decimal{"USD": decimal.RequireFromString("31.11")}},
		Missing:    []string{"3", "6"},
		Duplicates: []string{"5", "6"},
		Different:  []string{"2", "4"},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(decimal.Decimal.Equal)); diff != "" {
		t.Error(diff)
	}
	if got.Agrees() || (summary.Summary{Comparisons: []summary.Comparison{got}}).Agree() {
		t.Error("it agrees")
	}
}

func TestNothingToCompareIsNoAgreement(t *testing.T) {
	t.Parallel()
	if (summary.Summary{}).Agree() {
		t.Error("no comparison agrees")
	}
	if (summary.Summary{Comparisons: []summary.Comparison{summary.Compare("order", "ERP", nil, nil)}}).Agree() {
		t.Error("a comparison of nothing agrees")
	}
}

func TestASummaryThatAgrees(t *testing.T) {
	t.Parallel()
	documents := []summary.Document{document("1", "USD", "1234567.5000"), document("2", "USD", "0.01"), document("3", "EUR", "9")}
	s := summary.Summary{Comparisons: []summary.Comparison{summary.Compare("order", "ERP", documents, documents)}, Seconds: 12.34}
	var text strings.Builder
	if err := s.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	want := `                     CRM     other side
   orders              3              3  ERP: the same
      EUR           9.00           9.00
      USD   1,234,567.51   1,234,567.51
Both sides agree to the cent, after 12.3 s.
`
	if diff := cmp.Diff(want, text.String()); diff != "" {
		t.Error(diff)
	}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	wantJSON := `{"agree":true,"seconds":12.34,"comparisons":[{"entity":"order","system":"ERP",` +
		`"crm":{"count":3,"sums":{"EUR":"9","USD":"1234567.51"}},"remote":{"count":3,"sums":{"EUR":"9","USD":"1234567.51"}},` +
		`"missing":[],"duplicates":[],"different":[]}]}`
	if diff := cmp.Diff(wantJSON, string(b)); diff != "" {
		t.Error(diff)
	}
}
