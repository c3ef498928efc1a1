package einvoice

import (
	"strings"
	"sync"
	"time"
)

// once is that something stands at most once below an element.
type once struct {
	rule    string
	context string // the element's name
	path    []string
}

var onceRules = []once{ //nolint:gochecknoglobals // a table
	{"UBL-SR-01", "", []string{"cac:ContractDocumentReference", "cbc:ID"}},
	{"UBL-SR-02", "", []string{"cac:ReceiptDocumentReference", "cbc:ID"}},
	{"UBL-SR-03", "", []string{"cac:DespatchDocumentReference", "cbc:ID"}},
	{"UBL-SR-05", "", []string{"cac:PaymentTerms", "cbc:Note"}},
	{"UBL-SR-06", "cac:BillingReference", []string{"cac:InvoiceDocumentReference"}},
	{"UBL-SR-08", "", []string{"cac:InvoicePeriod"}},
	{"UBL-SR-09", "", []string{"cac:AccountingSupplierParty", "cac:Party", "cac:PartyLegalEntity", "cbc:RegistrationName"}},
	{"UBL-SR-10", "", []string{"cac:AccountingSupplierParty", "cac:Party", "cac:PartyName", "cbc:Name"}},
	{"UBL-SR-11", "", []string{"cac:AccountingSupplierParty", "cac:Party", "cac:PartyLegalEntity", "cbc:CompanyID"}},
	{"UBL-SR-14", "", []string{"cac:AccountingSupplierParty", "cac:Party", "cac:PartyLegalEntity", "cbc:CompanyLegalForm"}},
	{"UBL-SR-15", "", []string{"cac:AccountingCustomerParty", "cac:Party", "cac:PartyLegalEntity", "cbc:RegistrationName"}},
	{"UBL-SR-16", "", []string{"cac:AccountingCustomerParty", "cac:Party", "cac:PartyIdentification", "cbc:ID"}},
	{"UBL-SR-17", "", []string{"cac:AccountingCustomerParty", "cac:Party", "cac:PartyLegalEntity", "cbc:CompanyID"}},
	{"UBL-SR-22", "cac:TaxRepresentativeParty", []string{"cac:PartyName", "cbc:Name"}},
	{"UBL-SR-23", "cac:TaxRepresentativeParty", []string{"cac:PartyTaxScheme", "cbc:CompanyID"}},
	{"UBL-SR-24", "", []string{"cac:Delivery"}},
	{"UBL-SR-25", "cac:Delivery", []string{"cac:DeliveryParty", "cac:PartyName", "cbc:Name"}},
	{"UBL-SR-26", "cac:PaymentMeans", []string{"cbc:PaymentID"}},
	{"UBL-SR-27", "cac:PaymentMeans", []string{"cbc:PaymentMeansCode"}},
	{"UBL-SR-28", "cac:PaymentMeans", []string{"cac:PaymentMandate", "cbc:ID"}},
	{"UBL-SR-32", "cac:TaxSubtotal", []string{"cac:TaxCategory", "cbc:TaxExemptionReason"}},
	{"UBL-SR-33", "cac:AdditionalDocumentReference", []string{"cbc:DocumentDescription"}},
	{"UBL-SR-34", "line", []string{"cbc:Note"}},
	{"UBL-SR-35", "line", []string{"cac:OrderLineReference", "cbc:LineID"}},
	{"UBL-SR-36", "line", []string{"cac:InvoicePeriod"}},
	{"UBL-SR-37", "line", []string{"cac:Price", "cac:AllowanceCharge", "cbc:Amount"}},
	{"UBL-SR-39", "", []string{"cac:ProjectReference", "cbc:ID"}},
	{"UBL-SR-40", "", []string{"cac:AccountingCustomerParty", "cac:Party", "cac:PartyName", "cbc:Name"}},
	{"UBL-SR-45", "", []string{"cac:PaymentMeans", "cbc:PaymentDueDate"}},
	{"UBL-SR-49", "", []string{"cac:InvoicePeriod", "cbc:DescriptionCode"}},
	{"UBL-SR-50", "line", []string{"cac:Item", "cbc:Description"}},
	{"UBL-SR-51", "cac:PostalAddress", []string{"cac:AddressLine"}},
	{"UBL-SR-51", "cac:Address", []string{"cac:AddressLine"}},
	{"UBL-SR-52", "line", []string{"cac:DocumentReference"}},
	{"UBL-SR-54", "", []string{"cac:PaymentMeans", "cac:CardAccount"}},
	{"UBL-SR-55", "", []string{"cac:PaymentMeans", "cac:PaymentMandate"}},
	{"UBL-SR-56", "", []string{"cac:OriginatorDocumentReference", "cbc:ID"}},
}

// syntax judges how UBL may be used for EN 16931 (UBL-SR-…, UBL-DT-…, UBL-CR-…), and the types of its values.
func (c *check) syntax() {
	for _, o := range onceRules {
		at := c.named[o.context]
		switch o.context {
		case "":
			at = []*element{c.root}
		case "line":
			at = c.lines
		}
		for _, e := range at {
			c.atMostOne(o.rule, e.all(o.path...))
		}
	}
	c.onceSelected()
	c.taxSchemes()
	c.payee()
	c.documents()
	for _, version := range c.root.all("cbc:UBLVersionID") {
		c.must(version.value() == "2.1", "UBL-CR-002", version)
	}
	for _, due := range c.root.all("cac:PaymentMeans", "cbc:PaymentDueDate") {
		c.must(c.root.name == rootCreditNote, "UBL-CR-412", due)
	}
	for _, l := range c.lines {
		c.must(len(l.all("cac:Item", "cac:ClassifiedTaxCategory")) == 1, "UBL-SR-48", l)
	}
	m := misplacements()
	c.misplaced(c.root, []*misplacement{m.anywhere, m.fromRoot}, m)
}

// atMostOne reports the second of several.
func (c *check) atMostOne(rule string, found []*element) {
	if len(found) > 1 {
		c.must(false, rule, found[1])
	}
}

// onceSelected are those that stand at most once where not each of their name counts.
func (c *check) onceSelected() {
	var creditors, names []*element
	for _, id := range c.named["cbc:ID"] {
		if scheme, _ := id.attr("schemeID"); id.parent.name == "cac:PartyIdentification" && strings.EqualFold(scheme, "SEPA") {
			creditors = append(creditors, id)
		}
	}
	c.atMostOne("UBL-SR-29", creditors)
	for _, code := range c.root.all("cac:PaymentMeans", "cbc:PaymentMeansCode") {
		if code.hasAttr("name") {
			names = append(names, code)
		}
	}
	c.atMostOne("UBL-SR-46", names)
	c.alike("UBL-SR-44", c.named["cbc:PaymentID"])
	c.alike("UBL-SR-47", c.named["cbc:PaymentMeansCode"])
	for _, a := range c.named["cac:AllowanceCharge"] {
		rule := "UBL-SR-30"
		switch i := a.first("cbc:ChargeIndicator"); {
		case i == nil:
			continue
		case isTrue(i):
			rule = "UBL-SR-31"
		}
		c.atMostOne(rule, a.all("cbc:AllowanceChargeReason"))
	}
}

// alike: all have the same text.
func (c *check) alike(rule string, found []*element) {
	for _, e := range found {
		if e.text != found[0].text {
			c.must(false, rule, e)
			return
		}
	}
}

func (c *check) taxSchemes() {
	numbers := func(party string, ofVAT bool) (found []*element) {
		for _, s := range c.root.all(party, "cac:Party", "cac:PartyTaxScheme") {
			if s.has("cac:TaxScheme", "cbc:ID") && isVAT(s) == ofVAT {
				found = append(found, s.all("cbc:CompanyID")...)
			}
		}
		return found
	}
	c.atMostOne("UBL-SR-12", numbers("cac:AccountingSupplierParty", true))
	c.atMostOne("UBL-SR-13", numbers("cac:AccountingSupplierParty", false))
	c.atMostOne("UBL-SR-18", numbers("cac:AccountingCustomerParty", true))
	for _, p := range c.root.all("cac:AccountingSupplierParty", "cac:Party") {
		c.must(len(p.all("cac:PartyTaxScheme")) <= 2, "UBL-SR-42", p)
	}
	for _, s := range c.named["cac:PartyTaxScheme"] {
		c.must(s.has("cac:TaxScheme", "cbc:ID") && s.has("cbc:CompanyID"), "UBL-SR-53", s)
	}
}

func (c *check) payee() {
	registered := c.root.all("cac:AccountingSupplierParty", "cac:Party", "cac:PartyLegalEntity", "cbc:RegistrationName")
	for _, p := range c.root.all("cac:PayeeParty") {
		names := p.all("cac:PartyName", "cbc:Name")
		another := false
		for _, n := range names {
			for _, r := range registered {
				another = another || n.text != r.text
			}
		}
		ids := 0
		for _, id := range p.all("cac:PartyIdentification", "cbc:ID") {
			if scheme, ok := id.attr("schemeID"); ok && !strings.EqualFold(scheme, "SEPA") {
				ids++
			}
		}
		c.must(len(names) <= 1 && another, "UBL-SR-19", p)
		c.must(ids <= 1 && another, "UBL-SR-20", p)
		c.must(len(p.all("cac:PartyLegalEntity", "cbc:CompanyID")) <= 1 && another, "UBL-SR-21", p)
	}
}

func (c *check) documents() {
	var objects []*element
	for _, d := range c.named["cac:AdditionalDocumentReference"] {
		code, id := d.value("cbc:DocumentTypeCode"), d.first("cbc:ID")
		object := code == typeObject
		c.must(object || c.root.name == rootCreditNote && code == typeProject || !id.hasAttr("schemeID") && !d.has("cbc:DocumentTypeCode"), "UBL-SR-43", d)
		if object {
			c.must(!d.has("cac:Attachment"), "UBL-CR-666", d)
			c.must(!d.has("cbc:DocumentDescription"), "UBL-CR-673", d)
			if d.parent == c.root && id != nil {
				objects = append(objects, id)
			}
		} else {
			c.must(!id.hasAttr("schemeID"), "UBL-CR-665", d)
		}
	}
	c.atMostOne("UBL-SR-04", objects)
	for _, b := range c.named["cac:BillingReference"] {
		c.must(b.has("cac:InvoiceDocumentReference", "cbc:ID"), "UBL-SR-07", b)
	}
}

// misplacement is a step on the way to an element or attribute that should not be there.
type misplacement struct {
	next map[string]*misplacement
	rule string
}

type misplacementTable struct {
	fromRoot *misplacement
	anywhere *misplacement   // where a way may begin at every element
	start    []*misplacement // anywhere, alone
}

// misplacements are the ways of syntax.tsv: cac:A/cbc:B from the root, //cac:A/@b from anywhere; LINE is a line of either
// kind of document.
var misplacements = sync.OnceValue(func() misplacementTable { //nolint:gochecknoglobals // a table, made once
	anywhere := &misplacement{}
	table := misplacementTable{&misplacement{}, anywhere, []*misplacement{anywhere}}
	for row := range rows("syntax.tsv") {
		way, free := strings.CutPrefix(row[1], "//")
		at := table.fromRoot
		if free {
			at = table.anywhere
		}
		for step := range strings.SplitSeq(way, "/") {
			if at.next == nil {
				at.next = map[string]*misplacement{}
			}
			if at.next[step] == nil {
				at.next[step] = &misplacement{}
			}
			at = at.next[step]
		}
		at.rule = row[0]
	}
	return table
})

// misplaced follows the ways through the document: ways are those that have led to e.
func (c *check) misplaced(e *element, ways []*misplacement, m misplacementTable) {
	for _, a := range e.attrs {
		for _, w := range ways {
			if found := w.next["@"+a.name]; found != nil {
				c.must(false, found.rule, e)
			}
		}
		c.must(a.name != "name" || e.name == "cbc:PaymentMeansCode", "UBL-DT-18", e)
	}
	c.typed(e)
	for _, child := range e.children {
		further := m.start
		for _, w := range ways {
			name := child.name
			if isLine(child) && w == m.fromRoot {
				name = "LINE"
			}
			if found := w.next[name]; found != nil {
				further = append(further, found)
				if found.rule != "" {
					c.must(false, found.rule, child)
				}
			}
		}
		c.misplaced(child, further, m)
	}
}

// typed judges the value of an element by the type that its name ends with.
func (c *check) typed(e *element) {
	switch {
	case len(e.children) > 0:
	case strings.HasSuffix(e.name, "Amount"):
		c.must(number(e.text).Valid, "XSD-DECIMAL", e)
		price := strings.HasSuffix(e.name, "PriceAmount") || e.parent.name == "cac:AllowanceCharge" && e.parent.parent.name == "cac:Price"
		c.must(price || twoDecimals(e), "UBL-DT-01", e)
	case strings.HasSuffix(e.name, "Quantity"), strings.HasSuffix(e.name, "Percent"), strings.HasSuffix(e.name, "Numeric"):
		c.must(number(e.text).Valid, "XSD-DECIMAL", e)
	case strings.HasSuffix(e.name, "Date"):
		c.must(isDate(e.value()), "XSD-DATE", e)
	case strings.HasSuffix(e.name, "Indicator"):
		c.must(isTrue(e) || e.value() == "false" || e.value() == "0", "XSD-BOOLEAN", e)
	case strings.HasSuffix(e.name, "BinaryObject"):
		c.must(e.hasAttr("mimeCode"), "UBL-DT-06", e)
		c.must(e.hasAttr("filename"), "UBL-DT-07", e)
	}
}

// isDate reads an xs:date, which may have a zone.
func isDate(s string) bool {
	if len(s) > len(time.DateOnly) {
		if _, err := time.Parse("Z07:00", s[len(time.DateOnly):]); err != nil {
			return false
		}
		s = s[:len(time.DateOnly)]
	}
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}
