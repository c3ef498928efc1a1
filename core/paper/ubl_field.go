package paper

import (
	"regexp"
	"strconv"
	"strings"

	"crmhub/core/einvoice"
)

// fields are the fields of an invoice and its parties that a broken rule is about, by the element in which it is broken.
// The first that fits counts.
var fields = []struct{ rules, place, field string }{ //nolint:gochecknoglobals // a table
	{"BR-06", "", "/seller/name"},
	{"BR-08 BR-09", "", "/seller/country"},
	{"BR-CO-26", "", "/seller/vat_number"},
	{"BR-CO-09", "cac:AccountingSupplierParty", "/seller/vat_number"},
	{"BR-CO-09", "cac:AccountingCustomerParty", "/customer/tax_id"},
	{"BR-07", "", "/customer/name"},
	{"BR-10 BR-11", "", "/customer/addresses"},
	{"BR-CL-14", "cac:AccountingSupplierParty", "/seller/country"},
	{"BR-CL-14", "cac:AccountingCustomerParty", "/customer/addresses"},
	{"BR-62 BR-CL-25", "", "/seller/endpoint_scheme"},
	{"BR-AE-02", "", "/customer/tax_id"},
	{"BR-S-02 BR-Z-02 BR-G-02 BR-O-02", "", "/seller/vat_number"},
	{"BR-16 BR-CO-18", "", "/lines"},
	{"BR-03", "", "/issue_date"},
	{"BR-CL-04", "", "/currency"},
	{"", "cac:LegalMonetaryTotal/cbc:LineExtensionAmount", "/untaxed"},
	{"", "cac:LegalMonetaryTotal/cbc:TaxExclusiveAmount", "/untaxed"},
	{"", "cac:LegalMonetaryTotal", "/total"},
	{"", "cac:TaxTotal", "/tax"},
}

var linePlace = regexp.MustCompile(`/cac:(?:Invoice|CreditNote)Line(?:\[(\d+)\])?(/.*)?$`)

// lineFields are those of a line, by what the place ends with.
var lineFields = []struct{ place, field string }{ //nolint:gochecknoglobals // a table
	{"Quantity", "/qty"}, {"cac:Price", "/price"}, {"TaxCategory", "/tax_rate"}, {"LineExtensionAmount", "/untaxed"}, {"cac:AllowanceCharge", "/discount_pct"},
}

// fieldOf is the pointer to the field that a finding is about; to the invoice as a whole if it is about none.
func fieldOf(f einvoice.Finding) string {
	for _, known := range fields {
		if (known.rules == "" || strings.Contains(" "+known.rules+" ", " "+f.Rule+" ")) && strings.Contains(f.Place, known.place) {
			return known.field
		}
	}
	m := linePlace.FindStringSubmatch(f.Place)
	if m == nil {
		return ""
	}
	no, err := strconv.Atoi(m[1])
	if err != nil {
		no = 1 // it is the only one
	}
	line := "/lines/" + strconv.Itoa(no-1)
	for _, known := range lineFields {
		if strings.Contains(m[2], known.place) {
			return line + known.field
		}
	}
	return line + "/description"
}
