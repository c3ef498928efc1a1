package einvoice

import (
	"strings"

	"github.com/shopspring/decimal"
)

func amount(s string) Amount {
	return Amount{Decimal: decimal.RequireFromString(s), Valid: true}
}

// sample is a sound invoice whose line, allowance and charge are all in one category of VAT.
func sample(code string) *Invoice {
	tax := Tax{Category: code, Rate: amount("0")}
	share := TaxShare{Taxable: amount("995.00"), Amount: amount("0.00"), Category: tax, ExemptionReason: "No VAT is due, for a reason"}
	total := "995.00"
	switch code {
	case "S", "L", "M", "B":
		tax.Rate = amount("20")
		share.Amount, share.ExemptionReason, total = amount("199.00"), "", "1194.00"
	case "Z":
		share.ExemptionReason = ""
	case "O":
		tax.Rate = Amount{}
	}
	share.Category = tax
	v := &Invoice{
		Specification: "urn:cen.eu:en16931:2017", Number: "RE-2026-17", IssueDate: "2026-03-01", TypeCode: "380", DueDate: "2026-03-31", Currency: "EUR", Order: "PO 77",
		Seller: Party{
			Name: "Beispiel GmbH", TaxNumber: "DE123456789", IDs: []Identifier{{ID: "4000001000005", Scheme: "0088"}},
			Address: Address{Street: "Hafenstraße 7", City: "Hamburg", Postcode: "20457", Country: "DE"},
		},
		Buyer: Party{
			Name: "Example SARL", TaxNumber: "FR12345678901", Address: Address{City: "Lyon", Postcode: "69001", Country: "FR"},
		},
		Delivery:    Delivery{Date: "2026-02-27", Address: Address{City: "Lyon", Country: "FR"}},
		Payment:     []Payment{{Code: "58", Reference: "RE-2026-17", Account: "DE02120300000000202051"}},
		Adjustments: []Adjustment{{Reason: "Loyal customer", Amount: amount("10.00"), Category: tax}, {Charge: true, Reason: "Freight", Amount: amount("5.00"), Category: tax}},
		Tax:         share.Amount, Taxes: []TaxShare{share},
		Totals: Totals{
			Lines: amount("1000.00"), Untaxed: amount("995.00"), Total: amount(total), Allowances: amount("10.00"), Charges: amount("5.00"), Payable: amount(total),
		},
		Lines: []Line{{ID: "1", Quantity: amount("2"), Unit: "H87", Untaxed: amount("1000.00"), Name: "Pump", Tax: tax, Price: Price{Net: amount("500")}}},
	}
	switch code {
	case "O":
		v.Seller.TaxNumber, v.Buyer.TaxNumber, v.Buyer.Registration = "", "", Identifier{ID: "552100554"}
	case "B":
		v.Seller.Address.Country, v.Buyer.Address.Country, v.Delivery.Address.Country = "IT", "IT", "IT"
	}
	return v
}

// complete is an invoice with every term that an invoice can have, or a credit note with every one of a credit note.
func complete(creditNote bool) *Invoice {
	standard, reduced := Tax{"S", amount("19")}, Tax{"S", amount("7.0")}
	v := &Invoice{
		CreditNote: creditNote, Specification: "urn:cen.eu:en16931:2017", Process: "urn:example:billing:1", Number: "2026/000042", IssueDate: "2026-03-01", TypeCode: "380",
		DueDate: "2026-03-31", Notes: []string{"#AAI#Thank you & come again", "Größe < 3 µm"}, TaxPointDate: "2026-02-28", Currency: "EUR", TaxCurrency: "SEK",
		BuyerAccounting: "4711", BuyerReference: "Dept. 7", Period: Period{"2026-02-01", "2026-02-28"}, Order: "PO 77", SalesOrder: "SO-2026-000042",
		Despatch: "D-1", Receipt: "W-1", Tender: "T-1", Contract: "C-1", Project: "P-1", Object: Identifier{"AB-123", "ABT"}, Terms: "30 days net\n2 % within 10 days",
		Preceding: []Preceding{{"2026/000001", "2026-01-31"}, {Number: "2026/000002"}},
		Documents: []Document{
			{ID: "TS-1", Description: "Time sheet", Content: "SGVsbG8=", MediaType: "application/pdf", File: "hours.pdf"},
			{ID: "TS-2", URI: "https://example.com/hours"},
		},
		Seller: Party{
			Name: "Beispiel GmbH", TradingName: "Beispiel", IDs: []Identifier{{"4000001000005", "0088"}, {"DE98ZZZ09999999999", "SEPA"}}, Registration: Identifier{"HRB 1", "0002"},
			TaxNumber: "DE123456789", LocalNumber: "22/815/08150", LegalForm: "Amtsgericht Hamburg", Endpoint: Identifier{"billing@example.com", "EM"},
			Address: Address{"Hafenstraße 7", "Hinterhof", "Aufgang B", "Hamburg", "20457", "HH", "DE"}, Contact: Contact{"Kim Example", "+49 40 1", "kim@example.com"},
		},
		Buyer: Party{
			Name: "Example AB", TradingName: "Example", IDs: []Identifier{{"7300010000001", "0088"}}, Registration: Identifier{"5567321707", "0007"}, TaxNumber: "SE556732170701",
			Endpoint: Identifier{"7300010000001", "0088"}, Address: Address{"Storgatan 1", "Box 2", "c/o Example", "Stockholm", "111 22", "Stockholms län", "SE"},
			Contact: Contact{"Robin", "+46 8 1", "robin@example.com"},
		},
		Payee:    Payee{"Factor AG", []Identifier{{ID: "F-1"}}, Identifier{ID: "HRB 2"}},
		TaxAgent: TaxAgent{"Agent AB", "SE556732170801", Address{City: "Malmö", Country: "SE"}},
		Delivery: Delivery{"2026-02-27", Identifier{"7300010000002", "0088"}, Address{City: "Uppsala", Country: "SE"}, "Example Lager"},
		Payment: []Payment{{
			Code: "59", Text: "SEPA direct debit", Reference: "RF18539007547034", Account: "DE02120300000000202051", AccountName: "Beispiel GmbH", Bank: "BYLADEM1001",
			Mandate: "M-1", DebitedAccount: "SE4550000000058398257466", Card: Card{"1234", "VISA", "R. Example"},
		}},
		Adjustments: []Adjustment{
			{ReasonCode: "95", Reason: "Discount", Percent: amount("10"), Amount: amount("20.00"), Base: amount("200.00"), Category: standard},
			{Charge: true, ReasonCode: "FC", Reason: "Freight", Amount: amount("10.00"), Category: standard},
		},
		Tax: amount("187.40"), LocalTax: amount("2061.40"),
		Taxes:  []TaxShare{{Taxable: amount("950.00"), Amount: amount("180.50"), Category: standard}, {Taxable: amount("98.50"), Amount: amount("6.90"), Category: reduced}},
		Totals: Totals{amount("1058.50"), amount("1048.50"), amount("1235.90"), amount("20.00"), amount("10.00"), amount("200.00"), amount("0.10"), amount("1036.00")},
		Lines: []Line{{
			ID: "1", Note: "As discussed", Quantity: amount("2"), Unit: "H87", Untaxed: amount("960.00"), Accounting: "4712", Period: Period{"2026-02-01", "2026-02-14"}, OrderLine: "10",
			Object:      Identifier{"AB-124", "ABT"},
			Adjustments: []Adjustment{{ReasonCode: "95", Reason: "Discount", Percent: amount("5"), Amount: amount("50.00"), Base: amount("1000.00")}, {Charge: true, ReasonCode: "FC", Reason: "Freight", Amount: amount("10.00")}},
			Description: "A pump of stainless steel", Name: "Pump", BuyersID: "B-1", SellersID: "S-1", StandardID: Identifier{"4000001000012", "0160"}, Origin: "DE",
			Classes: []Identifier{{"43210000", "TST"}}, Tax: standard, Attributes: []Attribute{{"Colour", "blue"}},
			Price: Price{amount("500.00"), amount("1"), "H87", amount("20.00"), amount("520.00")},
		}, {
			ID: "2", Quantity: amount("0.5"), Unit: "KGM", Untaxed: amount("98.50"), Name: "Coffee", Tax: reduced, Price: Price{Net: amount("197.0000")},
		}},
	}
	if creditNote {
		v.TypeCode = "381"
	}
	return v
}

// ruleIDs are the rules of findings, in their order.
func ruleIDs(findings []Finding) string {
	var ids []string
	for _, f := range findings {
		ids = append(ids, f.Rule)
	}
	return strings.Join(ids, " ")
}
