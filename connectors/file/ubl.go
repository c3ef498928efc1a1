package file

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"crmhub/core/einvoice"
)

// invoiceFile is a UBL file: one record.
type invoiceFile struct {
	in     io.Reader
	refuse bool // what breaks a fatal rule of EN 16931
	read   bool
}

func (u *invoiceFile) next() (item, error) {
	if u.read {
		return item{}, io.EOF
	}
	u.read = true
	v, err := einvoice.Parse(u.in)
	if bad, ok := errors.AsType[*einvoice.SyntaxError](err); ok {
		return item{}, fileFault{bad}
	}
	if err != nil {
		return item{}, err
	}
	findings := einvoice.Check(v)
	if u.refuse && einvoice.Broken(findings) {
		return item{}, fileFault{errors.New(told(findings))}
	}
	r, err := v.Record(findings)
	if err != nil {
		return item{}, err
	}
	return item{data: fromUBL(r), first: 1, last: 1}, nil
}

func (*invoiceFile) close() error { return nil }

// mostTold is how many findings a sentence names.
const mostTold = 10

// told names the fatal findings.
func told(findings []einvoice.Finding) string {
	var parts []string
	for _, f := range findings {
		if f.Severity == einvoice.Fatal {
			parts = append(parts, fmt.Sprintf("%s at %s (line %d)", f.Rule, f.Place, f.Line))
		}
	}
	if more := len(parts) - mostTold; more > 0 {
		parts = append(parts[:mostTold], fmt.Sprintf("and %d more", more))
	}
	return "it breaks rules of EN 16931: " + strings.Join(parts, ", ")
}

// fromUBL is an electronic invoice, as schemas/file/ubl_invoice.json describes it, as the record that rows make, too. The
// customer is the buyer, by the first that there is of his identifier, VAT number and electronic address.
func fromUBL(ubl map[string]any) map[string]any {
	data := map[string]any{}
	copied(data, ubl, "kind", "number", "issue_date", "due_date", "currency", "untaxed", "tax", "total", "payable=open")
	buyer := object(ubl["buyer"])
	copied(data, object(buyer["endpoint"]), "id=customer")
	copied(data, buyer, "vat_number=customer")
	if ids, _ := buyer["ids"].([]any); len(ids) > 0 {
		copied(data, object(ids[0]), "id=customer")
	}
	var notes []string
	list, _ := ubl["notes"].([]any)
	for _, n := range list {
		if s, ok := n.(string); ok {
			notes = append(notes, s)
		}
	}
	// Not as a link: what is corrected may be older than the hub, and the document would wait for it for ever.
	preceding, _ := ubl["preceding"].([]any)
	for _, p := range preceding {
		if number, ok := object(p)["number"].(string); ok {
			notes = append(notes, "→ "+number)
		}
	}
	if len(notes) > 0 {
		data["remark"] = strings.Join(notes, "\n")
	}
	positions, _ := ubl["positions"].([]any)
	lines := make([]any, len(positions))
	for i, p := range positions {
		l := map[string]any{}
		copied(l, object(p), "description", "unit", "qty", "price", "untaxed", "tax_rate")
		lines[i] = l
	}
	data["lines"] = lines
	found, _ := ubl["findings"].([]any)
	findings := make([]any, len(found))
	for i, f := range found {
		one := map[string]any{}
		copied(one, object(f), "rule", "severity", "place", "line", "message")
		findings[i] = one
	}
	data["findings"] = findings
	return data
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// copied takes fields over that are there and not empty, under a name of their own where one is given: theirs=ours.
func copied(to, from map[string]any, names ...string) {
	for _, name := range names {
		theirs, ours, renamed := strings.Cut(name, "=")
		if !renamed {
			ours = theirs
		}
		if v := from[theirs]; v != nil && v != "" {
			to[ours] = v
		}
	}
}
