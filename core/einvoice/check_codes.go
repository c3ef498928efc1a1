package einvoice

import "strings"

// amountNames are the elements with a currency.
var amountNames = []string{ //nolint:gochecknoglobals // a table
	"cbc:Amount", "cbc:BaseAmount", "cbc:PriceAmount", "cbc:TaxAmount", "cbc:TaxableAmount", "cbc:LineExtensionAmount", "cbc:TaxExclusiveAmount",
	"cbc:TaxInclusiveAmount", "cbc:AllowanceTotalAmount", "cbc:ChargeTotalAmount", "cbc:PrepaidAmount", "cbc:PayableRoundingAmount", "cbc:PayableAmount",
}

// codeRule is that the text of an element, or an attribute where there is one, is a code of a list.
type codeRule struct {
	rule, list string
	parent     string // of the element, "" for any
	element    string
	attribute  string // "" for the element's text
}

var codeRules = []codeRule{ //nolint:gochecknoglobals // a table
	{"BR-CL-01", "untdid1001-invoice", "", "cbc:InvoiceTypeCode", ""},
	{"BR-CL-01", "untdid1001-creditnote", "", "cbc:CreditNoteTypeCode", ""},
	{"BR-CL-04", "iso4217", "", "cbc:DocumentCurrencyCode", ""},
	{"BR-CL-05", "iso4217", "", "cbc:TaxCurrencyCode", ""},
	{"BR-CL-06", "untdid2005", "cac:InvoicePeriod", "cbc:DescriptionCode", ""},
	{"BR-CL-11", "iso6523", "cac:PartyLegalEntity", "cbc:CompanyID", "schemeID"},
	{"BR-CL-13", "untdid7143", "cac:CommodityClassification", "cbc:ItemClassificationCode", "listID"},
	{"BR-CL-14", "iso3166", "cac:Country", "cbc:IdentificationCode", ""},
	{"BR-CL-15", "iso3166", "cac:OriginCountry", "cbc:IdentificationCode", ""},
	{"BR-CL-16", "untdid4461", "cac:PaymentMeans", "cbc:PaymentMeansCode", ""},
	{"BR-CL-17", "untdid5305", "cac:TaxCategory", "cbc:ID", ""},
	{"BR-CL-18", "untdid5305", "cac:ClassifiedTaxCategory", "cbc:ID", ""},
	{"BR-CL-21", "iso6523", "cac:StandardItemIdentification", "cbc:ID", "schemeID"},
	{"BR-CL-23", "rec20", "", "cbc:InvoicedQuantity", "unitCode"},
	{"BR-CL-23", "rec20", "", "cbc:CreditedQuantity", "unitCode"},
	{"BR-CL-23", "rec20", "", "cbc:BaseQuantity", "unitCode"},
	{"BR-CL-24", "mime", "", "cbc:EmbeddedDocumentBinaryObject", "mimeCode"},
	{"BR-CL-25", "eas", "", "cbc:EndpointID", "schemeID"},
	{"BR-CL-26", "iso6523", "cac:DeliveryLocation", "cbc:ID", "schemeID"},
}

// codes judges what must be of a code list (BR-CL-…).
func (c *check) codes() {
	lists := codeLists()
	for _, r := range codeRules {
		list := lists[r.list]
		for _, e := range c.named[r.element] {
			if r.parent != "" && e.parent.name != r.parent {
				continue
			}
			code := e.value()
			if r.attribute != "" {
				value, ok := e.attr(r.attribute)
				if !ok {
					continue
				}
				code = collapse(value)
			}
			c.must(list[code], r.rule, e)
		}
	}
	for _, name := range amountNames {
		for _, e := range c.named[name] {
			currency, _ := e.attr("currencyID")
			c.must(lists["iso4217"][collapse(currency)], "BR-CL-03", e)
		}
	}
	for _, e := range c.named["cbc:TaxExemptionReasonCode"] {
		c.must(lists["vatex"][strings.ToUpper(e.value())], "BR-CL-22", e)
	}
	for _, e := range c.named["cbc:AllowanceChargeReasonCode"] {
		switch i := e.parent.first("cbc:ChargeIndicator"); {
		case e.parent.name != "cac:AllowanceCharge" || i == nil:
		case isTrue(i):
			c.must(lists["untdid7161"][e.value()], "BR-CL-20", e)
		default:
			c.must(lists["untdid5189"][e.value()], "BR-CL-19", e)
		}
	}
	for _, e := range c.named["cbc:ID"] {
		scheme, ok := e.attr("schemeID")
		if scheme = collapse(scheme); !ok {
			continue
		}
		switch e.parent.name {
		case "cac:PartyIdentification":
			creditor := scheme == "SEPA" && (e.inside("cac:AccountingSupplierParty") || e.inside("cac:PayeeParty"))
			c.must(lists["iso6523"][scheme] || creditor, "BR-CL-10", e)
		case "cac:AdditionalDocumentReference", "cac:DocumentReference":
			c.must(e.parent.value("cbc:DocumentTypeCode") != typeObject || lists["untdid1153"][scheme], "BR-CL-07", e)
		}
	}
}
