package einvoice

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/unicode"
)

const namespaces = `xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2" xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2" xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"`

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("<cac:Party>", maxDepth+1)
	for name, test := range map[string]struct{ file, reason string }{
		"nothing":                {"", "the file is empty"},
		"text":                   {"Number;Date", "text outside of the document's element"},
		"another document":       {`<Order/>`, "line 1: not a UBL 2.1 Invoice or CreditNote"},
		"an invoice of no UBL":   {`<Invoice/>`, "line 1: not a UBL 2.1 Invoice or CreditNote"},
		"a credit note mistaken": {`<CreditNote ` + namespaces + `/>`, "line 1: not a UBL 2.1 Invoice or CreditNote"},
		"an external entity":     {"<?xml version='1.0'?>\n<!DOCTYPE Invoice [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>\n<Invoice " + namespaces + ">&x;</Invoice>", "line 2: document type declarations and entities are refused"},
		"a laugh":                {`<!DOCTYPE Invoice [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><Invoice ` + namespaces + `>&b;</Invoice>`, "line 1: document type declarations and entities are refused"},
		"an unknown entity":      {`<Invoice ` + namespaces + `>&euro;</Invoice>`, "line 1: not well-formed XML: invalid character entity &euro;"},
		"a cut file":             {`<Invoice ` + namespaces + `><cbc:ID>1`, "line 1: not well-formed XML: unexpected EOF"},
		"two documents":          {`<Invoice ` + namespaces + `/><Invoice ` + namespaces + `/>`, "line 1: a second document after the first"},
		"text after the end":     {`<Invoice ` + namespaces + "/>\nbye", "line 1: text outside of the document's element"},
		"depth":                  {`<Invoice ` + namespaces + `>` + deep, "line 1: elements are nested deeper than 64"},
		"an unknown encoding":    {`<?xml version="1.0" encoding="klingon"?><Invoice/>`, `line 1: not well-formed XML: xml: opening charset "klingon": unknown encoding "klingon"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(strings.NewReader(test.file))
			syntax, ok := errors.AsType[*SyntaxError](err)
			if !ok || !strings.HasSuffix(syntax.Error(), test.reason) {
				t.Errorf("%v, want %s", err, test.reason)
			}
		})
	}
}

func TestParseIsBounded(t *testing.T) {
	t.Parallel()
	endless := io.MultiReader(strings.NewReader("<Invoice "+namespaces+"><cbc:Note>"), zeros{})
	if _, err := Parse(endless); err == nil || err.Error() != "the file has more than 32 MiB" {
		t.Error(err)
	}
	many := "<Invoice " + namespaces + ">" + strings.Repeat("<cbc:ID/>", maxElements) + "</Invoice>"
	if _, err := Parse(strings.NewReader(many)); err == nil || !strings.HasSuffix(err.Error(), "more than 1000000 elements") {
		t.Error(err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = '0'
	}
	return len(b), nil
}

func TestParseTellsTheReadersError(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is gone")
	_, err := Parse(io.MultiReader(strings.NewReader("<Invoice "), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Error(err)
	}
}

// Prefixes are the file's own, an encoding may be old, and white space around values has no meaning.
func TestParseReadsWhatTheFileMeans(t *testing.T) {
	t.Parallel()
	file := "\ufeff" + `<?xml version="1.0" encoding="UTF-8"?>
<!-- made by hand --><i:Invoice xmlns:i="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2" xmlns="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
  <ID>
    <![CDATA[RE <1>]]>
  </ID>
  <a:AccountingSupplierParty xmlns:a="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2">
    <a:Party><a:PartyName><Name>Meier &amp; <!-- and --> Söhne</Name></a:PartyName></a:Party>
  </a:AccountingSupplierParty>
  <x:ID xmlns:x="urn:example:other">not ours</x:ID>
</i:Invoice>`
	v := parsed(t, []byte(file))
	if v.Number != "RE <1>" || v.Seller.TradingName != "Meier &  Söhne" {
		t.Errorf("%+v", v)
	}
	latin := []byte("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><Invoice " + namespaces + "><cbc:Note>Gr\xfc\xdfe</cbc:Note></Invoice>")
	if v := parsed(t, latin); cmp.Diff([]string{"Grüße"}, v.Notes) != "" {
		t.Errorf("%q", v.Notes)
	}
}

// Every reader of XML has to know UTF-16; files say so themselves, or leave it to their mark.
func TestFilesInUTF16AreRead(t *testing.T) {
	t.Parallel()
	for _, declared := range []string{`<?xml version="1.0" encoding="UTF-16"?>`, `<?xml version="1.0"?>`, ""} {
		for _, order := range []unicode.Endianness{unicode.LittleEndian, unicode.BigEndian} {
			file, err := unicode.UTF16(order, unicode.UseBOM).NewEncoder().String(declared + "<Invoice " + namespaces + "><cbc:Note>Grüße 发票</cbc:Note></Invoice>")
			if err != nil {
				t.Fatal(err)
			}
			if v := parsed(t, []byte(file)); cmp.Diff([]string{"Grüße 发票"}, v.Notes) != "" {
				t.Errorf("%q", v.Notes)
			}
		}
	}
}

func TestFindingsSayWhere(t *testing.T) {
	t.Parallel()
	v := complete(false)
	v.Lines[1].Untaxed = Amount{}
	file := written(t, v)
	line := bytes.Count(file[:bytes.LastIndex(file, []byte("<cac:InvoiceLine>"))], []byte("\n")) + 1
	for _, f := range Check(parsed(t, file)) {
		if f.Rule == "BR-24" && f.Place == "/Invoice/cac:InvoiceLine[2]" && f.Line == line && f.Severity == Fatal && f.Term == "BT-131" {
			return
		}
	}
	t.Errorf("no such finding in line %d: %+v", line, Check(parsed(t, file)))
}

// TestManyFaultsAreToldOnceAndAgain: a file with the same fault in each of its lines is checked quickly.
func TestManyFaultsAreToldOnceAndAgain(t *testing.T) {
	t.Parallel()
	var file strings.Builder
	fmt.Fprintf(&file, "<Invoice %s>", namespaces)
	for range 50_000 {
		file.WriteString("<cac:TaxTotal><cac:TaxSubtotal/></cac:TaxTotal><cac:InvoiceLine/>")
	}
	file.WriteString("</Invoice>")
	count := map[string]int{}
	for _, f := range Check(parsed(t, []byte(file.String()))) {
		count[f.Rule]++
	}
	if count["BR-21"] != maxPlaces || count["BR-45"] != maxPlaces || count["BR-01"] != 1 {
		t.Error(count)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"testdata/invoice.xml", "testdata/creditnote.xml"} {
		file, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(file)
	}
	f.Add(written(f, sample("O")))
	f.Add([]byte(`<!DOCTYPE Invoice><Invoice/>`))
	f.Add([]byte("<Invoice " + namespaces + "><cbc:Note/><cac:TaxTotal><cbc:TaxAmount>-.5</cbc:TaxAmount></cac:TaxTotal><cac:AllowanceCharge/></Invoice>"))
	f.Fuzz(func(t *testing.T, file []byte) {
		v, err := Parse(bytes.NewReader(file))
		if err != nil {
			if _, ok := errors.AsType[*SyntaxError](err); !ok {
				t.Fatal(err)
			}
			return
		}
		for _, finding := range Check(v) {
			if !strings.HasPrefix(finding.Place, "/") || finding.Line < 1 {
				t.Errorf("%+v", finding)
			}
		}
		if _, err := v.Record(nil); err != nil {
			t.Error(err)
		}
		// What was read is written so that it reads the same again.
		again, err := Parse(bytes.NewReader(written(t, v)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(written(t, v), written(t, again)); diff != "" {
			t.Error(diff)
		}
	})
}
