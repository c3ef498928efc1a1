package einvoice

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestEachRule breaks each rule, one at a time, on a document that breaks none: testdata/rules.txt says how, the rules of
// a category of VAT are broken alike, and what should not be there is put there.
func TestEachRule(t *testing.T) {
	t.Parallel()
	table, err := os.ReadFile("testdata/rules.txt")
	if err != nil {
		t.Fatal(err)
	}
	broken, sane := map[string]bool{}, map[string]bool{}
	fires := func(rule, base string, steps ...string) {
		t.Helper()
		broken[rule] = true
		sound := document(t, base)
		if before := judgedOnce(t, sane, base, sound); len(before) > 0 {
			t.Fatalf("%s: the document breaks %s before anything is done to it", base, ruleIDs(before))
		}
		for _, step := range steps {
			edit(t, sound, step)
		}
		after := judged(t, sound)
		i := slices.IndexFunc(after, func(f Finding) bool { return f.Rule == rule })
		if i < 0 {
			t.Errorf("%s does not fire on %s after %s; these do: %s", rule, base, strings.Join(steps, " ; "), ruleIDs(after))
			return
		}
		if f := after[i]; f.Place == "" || f.Line == 0 || f.Message.English == "" || f.Message.Chinese == "" || strings.Contains(f.Message.English, "{") {
			t.Errorf("%s is told badly: %+v", rule, f)
		}
	}
	for line := range strings.Lines(string(table)) {
		if !strings.HasPrefix(line, "#") {
			parts := strings.Split(strings.TrimSpace(line), " | ")
			fires(parts[0], parts[1], strings.Split(parts[2], " ; ")...)
		}
	}
	for _, k := range categories {
		breakCategory(&k, fires)
	}
	for row := range rows("syntax.tsv") {
		fires(row[0], "invoice", "put "+row[1])
	}
	for id := range rulebook() {
		if !broken[id] {
			t.Errorf("%s is broken by nothing here", id)
		}
	}
}

func breakCategory(k *category, fires func(rule, base string, steps ...string)) {
	const (
		lineTax  = "cac:InvoiceLine/cac:Item/cac:ClassifiedTaxCategory"
		otherTax = "cac:AllowanceCharge/cac:TaxCategory"
		share    = "cac:TaxTotal/cac:TaxSubtotal"
		seller   = "cac:AccountingSupplierParty/cac:Party"
	)
	first := "dup " + share
	if k.byRate {
		first = "drop " + share
	}
	fires(k.rules+"01", k.code, first)
	numbers := "drop " + seller + "/cac:PartyTaxScheme"
	if k.rate == none {
		numbers = "add " + seller + " <cac:PartyTaxScheme><cbc:CompanyID>DE123456789</cbc:CompanyID><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:PartyTaxScheme>"
	}
	rate := map[rateRule]string{above: "set %s/cbc:Percent 0", zero: "set %s/cbc:Percent 5", notBelow: "set %s/cbc:Percent -1", none: "add %s <cbc:Percent>0</cbc:Percent>"}[k.rate]
	for i, at := range []string{lineTax, "cac:AllowanceCharge[1]/cac:TaxCategory", "cac:AllowanceCharge[2]/cac:TaxCategory"} {
		fires(fmt.Sprintf("%s%02d", k.rules, 2+i), k.code, numbers)
		fires(fmt.Sprintf("%s%02d", k.rules, 5+i), k.code, fmt.Sprintf(rate, at))
	}
	fires(k.rules+"08", k.code, "set "+share+"/cbc:TaxableAmount 1")
	fires(k.rules+"09", k.code, "set "+share+"/cbc:TaxAmount 77")
	if k.exemption {
		fires(k.rules+"10", k.code, "drop "+share+"/cac:TaxCategory/cbc:TaxExemptionReason")
	} else {
		fires(k.rules+"10", k.code, "add "+share+"/cac:TaxCategory <cbc:TaxExemptionReason>Why</cbc:TaxExemptionReason>")
	}
}

// document is the tree of a sound document.
func document(t *testing.T, base string) *element {
	t.Helper()
	switch base {
	case "invoice":
		return complete(false).element()
	case "creditnote":
		return complete(true).element()
	default:
		return sample(base).element()
	}
}

// judgedOnce spares a document that was found sound.
func judgedOnce(t *testing.T, sane map[string]bool, base string, root *element) []Finding {
	t.Helper()
	if sane[base] {
		return nil
	}
	sane[base] = true
	return judged(t, root)
}

// judged writes a tree, reads it and checks it.
func judged(t *testing.T, root *element) []Finding {
	t.Helper()
	var b bytes.Buffer
	root.write(&b, "")
	return Check(parsed(t, []byte(strings.Replace(b.String(), "<"+root.name, opening(root.name), 1))))
}

func opening(name string) string {
	return fmt.Sprintf("<%s xmlns=%q xmlns:cac=%q xmlns:cbc=%q xmlns:ext=%q", name, "urn:oasis:names:specification:ubl:schema:xsd:"+name+"-2", spaceCAC, spaceCBC, spaceEXT)
}

// edit does one step: drop PATH, set PATH TEXT, dup PATH, attr PATH NAME VALUE, noattr PATH NAME, add PATH XML, put PATH.
// A path is of names from the root, each with [number] where one of several is meant.
func edit(t *testing.T, root *element, step string) {
	t.Helper()
	what, rest, _ := strings.Cut(step, " ")
	path, text, _ := strings.Cut(rest, " ")
	if what == "put" {
		put(root, path)
		return
	}
	at := choose(root, path)
	if len(at) == 0 {
		t.Fatalf("%s: no such element", step)
	}
	name, value, _ := strings.Cut(text, " ")
	for _, e := range at {
		switch what {
		case "drop":
			e.parent.children = slices.DeleteFunc(e.parent.children, func(c *element) bool { return c == e })
		case "set":
			e.text = text
		case "dup":
			i := slices.Index(e.parent.children, e)
			e.parent.children = slices.Insert(e.parent.children, i+1, duplicate(e, e.parent))
		case "attr", "noattr":
			e.attrs = slices.DeleteFunc(e.attrs, func(a attribute) bool { return a.name == name })
			if what == "attr" {
				e.attrs = append(e.attrs, attribute{name, value})
			}
		case "add":
			added, err := parse(strings.NewReader(opening(rootInvoice) + ">" + text + "</" + rootInvoice + ">"))
			if err != nil {
				t.Fatal(err)
			}
			e.children = append(e.children, added.children...)
		default:
			t.Fatalf("%s: no such step", step)
		}
	}
}

func choose(root *element, path string) []*element {
	if path == "." {
		return []*element{root}
	}
	at := []*element{root}
	for step := range strings.SplitSeq(path, "/") {
		name, number, one := strings.Cut(strings.TrimSuffix(step, "]"), "[")
		var next []*element
		for _, e := range at {
			found := e.all(name)
			if i, _ := strconv.Atoi(number); one && i <= len(found) {
				found = found[i-1 : i]
			}
			next = append(next, found...)
		}
		at = next
	}
	return at
}

// duplicate copies what is below too, since steps to come change one of them.
func duplicate(e, parent *element) *element {
	c := &element{name: e.name, text: e.text, attrs: slices.Clone(e.attrs), parent: parent}
	for _, child := range e.children {
		c.children = append(c.children, duplicate(child, c))
	}
	return c
}

// put makes an element or attribute at a path of syntax.tsv.
func put(root *element, path string) {
	at := root
	for step := range strings.SplitSeq(strings.TrimPrefix(path, "//"), "/") {
		if name, ok := strings.CutPrefix(step, "@"); ok {
			at.attrs = append(at.attrs, attribute{name, "x"})
			return
		}
		if step == "LINE" {
			step = "cac:InvoiceLine"
		}
		next := at.first(step)
		if next == nil {
			next = &element{name: step, parent: at}
			at.children = append(at.children, next)
		}
		at = next
	}
	if len(at.children) == 0 {
		at.text = "x"
	}
}
