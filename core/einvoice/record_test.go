package einvoice

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"crmhub/core/schema"
	"crmhub/schemas"
)

func TestRecordIsTheGoldenOne(t *testing.T) {
	t.Parallel()
	v := complete(true)
	v.Lines[1].Price = Price{Net: amount("100"), Base: amount("3")}
	v.Payment[0].Code = "SEPA"
	record, err := v.Record(Check(v))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const file = "testdata/record.json"
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
		t.Errorf("go test ./core/einvoice -update writes it anew:\n%s", diff)
	}
	set, err := schema.Load(schemas.FS)
	if err != nil {
		t.Fatal(err)
	}
	described, ok := set.Get("file/ubl_invoice.json")
	if !ok {
		t.Fatal("there is no schema of the record")
	}
	if faults := described.Validate(record); len(faults) > 0 {
		t.Error(faults)
	}
}

// TestPositionsAddUp: the hub wants lines that come to the document's untaxed amount, in sign and sum.
func TestPositionsAddUp(t *testing.T) {
	t.Parallel()
	for _, creditNote := range []bool{false, true} {
		record, err := complete(creditNote).Record(nil)
		if err != nil {
			t.Fatal(err)
		}
		sum := decimal.Zero
		positions, _ := record["positions"].([]any)
		for _, p := range positions {
			position, _ := p.(map[string]any)
			untaxed, _ := position["untaxed"].(string)
			sum = sum.Add(decimal.RequireFromString(untaxed))
		}
		if want, _ := record["untaxed"].(string); !sum.Equal(decimal.RequireFromString(want)) || sum.IsNegative() != creditNote {
			t.Errorf("%s, want %s", sum, want)
		}
	}
}
