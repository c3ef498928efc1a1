package einvoice

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/shopspring/decimal"
)

var update = flag.Bool("update", false, "write the golden files anew")

func written(t testing.TB, v *Invoice) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func parsed(t testing.TB, file []byte) *Invoice {
	t.Helper()
	v, err := Parse(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// same compares decimals as they are written, 7.0 is not 7.
var same = cmp.Options{
	cmpopts.IgnoreUnexported(Invoice{}),
	cmp.Comparer(func(a, b decimal.Decimal) bool { return plain(a) == plain(b) }),
}

// TestEveryTermGoesThereAndBack: deploy/validate-ubl.sh shows the golden files to the official validator.
func TestEveryTermGoesThereAndBack(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		file       string
		creditNote bool
	}{{"testdata/invoice.xml", false}, {"testdata/creditnote.xml", true}} {
		v := complete(test.creditNote)
		got := written(t, v)
		if *update {
			if err := os.WriteFile(test.file, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(test.file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("go test ./core/einvoice -update writes %s anew:\n%s", test.file, diff)
		}
		back := parsed(t, want)
		if diff := cmp.Diff(v, back, same); diff != "" {
			t.Errorf("%s reads otherwise than it was written:\n%s", test.file, diff)
		}
		for _, findings := range [][]Finding{Check(complete(test.creditNote)), Check(back)} {
			if len(findings) > 0 {
				t.Errorf("%s: %+v", test.file, findings)
			}
		}
	}
}

func TestEmptyInvoiceIsWrittenAndNothingMore(t *testing.T) {
	t.Parallel()
	const want = `<?xml version="1.0" encoding="UTF-8"?>
<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2" xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2" xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
</Invoice>
`
	if diff := cmp.Diff(want, string(written(t, &Invoice{}))); diff != "" {
		t.Error(diff)
	}
}
