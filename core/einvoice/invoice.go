package einvoice

import "github.com/shopspring/decimal"

const (
	rootInvoice    = "Invoice"
	rootCreditNote = "CreditNote"
)

// Invoice is an invoice or a credit note in the business terms of EN 16931, whose numbers stand behind the fields.
// Dates are as in the file, YYYY-MM-DD. In a credit note amounts have the sign of an invoice: 100 is what is given back.
type Invoice struct {
	CreditNote bool `json:"credit_note,omitzero"` // the document is a CreditNote, not an Invoice

	Specification    string     `json:"specification,omitzero"`       // BT-24
	Process          string     `json:"process,omitzero"`             // BT-23
	Number           string     `json:"number,omitzero"`              // BT-1
	IssueDate        string     `json:"issue_date,omitzero"`          // BT-2
	TypeCode         string     `json:"type_code,omitzero"`           // BT-3: 380 invoice, 381 credit note, …
	DueDate          string     `json:"due_date,omitzero"`            // BT-9
	Notes            []string   `json:"notes,omitzero"`               // BG-1: BT-21 (between # in front) and BT-22
	TaxPointDate     string     `json:"tax_point_date,omitzero"`      // BT-7
	TaxPointDateCode string     `json:"tax_point_date_code,omitzero"` // BT-8
	Currency         string     `json:"currency,omitzero"`            // BT-5
	TaxCurrency      string     `json:"tax_currency,omitzero"`        // BT-6, where VAT is accounted for in another currency
	BuyerAccounting  string     `json:"buyer_accounting,omitzero"`    // BT-19
	BuyerReference   string     `json:"buyer_reference,omitzero"`     // BT-10
	Period           Period     `json:"period,omitzero"`              // BG-14: BT-73, BT-74
	Order            string     `json:"order,omitzero"`               // BT-13, the buyer's purchase order
	SalesOrder       string     `json:"sales_order,omitzero"`         // BT-14
	Despatch         string     `json:"despatch,omitzero"`            // BT-16
	Receipt          string     `json:"receipt,omitzero"`             // BT-15
	Tender           string     `json:"tender,omitzero"`              // BT-17
	Contract         string     `json:"contract,omitzero"`            // BT-12
	Project          string     `json:"project,omitzero"`             // BT-11
	Object           Identifier `json:"object,omitzero"`              // BT-18
	Terms            string     `json:"terms,omitzero"`               // BT-20

	Preceding   []Preceding  `json:"preceding,omitzero"`          // BG-3
	Documents   []Document   `json:"documents,omitzero"`          // BG-24
	Seller      Party        `json:"seller,omitzero"`             // BG-4
	Buyer       Party        `json:"buyer,omitzero"`              // BG-7
	Payee       Payee        `json:"payee,omitzero"`              // BG-10
	TaxAgent    TaxAgent     `json:"tax_representative,omitzero"` // BG-11
	Delivery    Delivery     `json:"delivery,omitzero"`           // BG-13
	Payment     []Payment    `json:"payment,omitzero"`            // BG-16
	Adjustments []Adjustment `json:"adjustments,omitzero"`        // BG-20 and BG-21
	Tax         Amount       `json:"tax,omitzero"`                // BT-110
	LocalTax    Amount       `json:"local_tax,omitzero"`          // BT-111, in TaxCurrency
	Taxes       []TaxShare   `json:"taxes,omitzero"`              // BG-23
	Totals      Totals       `json:"totals,omitzero"`             // BG-22
	Lines       []Line       `json:"lines,omitzero"`              // BG-25

	source *element // the file, nil if the invoice was made in Go
}

// Amount is an amount of money, or another decimal, that may be missing.
type Amount = decimal.NullDecimal

// Identifier is an identifier with the list that it is from.
type Identifier struct {
	ID     string `json:"id"`
	Scheme string `json:"scheme,omitzero"`
}

// Period is from when to when; either may be missing.
type Period struct {
	From string `json:"from,omitzero"`
	To   string `json:"to,omitzero"`
}

// Preceding is an earlier invoice that this one corrects or completes (BG-3).
type Preceding struct {
	Number string `json:"number"`              // BT-25
	Date   string `json:"issue_date,omitzero"` // BT-26
}

// Document is a supporting document (BG-24), inside of the file or elsewhere.
type Document struct {
	ID          string `json:"id"`                   // BT-122
	Description string `json:"description,omitzero"` // BT-123
	URI         string `json:"uri,omitzero"`         // BT-124
	Content     string `json:"-"`                    // BT-125, base64
	MediaType   string `json:"media_type,omitzero"`
	File        string `json:"file,omitzero"`
}

// Party is a seller (BG-4) or a buyer (BG-7); the first number is the seller's.
type Party struct {
	Name         string       `json:"name,omitzero"`         // BT-27, BT-44: as registered
	TradingName  string       `json:"trading_name,omitzero"` // BT-28, BT-45
	IDs          []Identifier `json:"ids,omitzero"`          // BT-29, BT-46; with scheme SEPA BT-90, the creditor of direct debits
	Registration Identifier   `json:"registration,omitzero"` // BT-30, BT-47
	TaxNumber    string       `json:"vat_number,omitzero"`   // BT-31, BT-48: the VAT identifier, with country code
	LocalNumber  string       `json:"tax_number,omitzero"`   // BT-32: at the local tax office, without VAT identifier
	LegalForm    string       `json:"legal_form,omitzero"`   // BT-33
	Endpoint     Identifier   `json:"endpoint,omitzero"`     // BT-34, BT-49: where electronic messages go
	Address      Address      `json:"address,omitzero"`      // BG-5, BG-8
	Contact      Contact      `json:"contact,omitzero"`      // BG-6, BG-9
}

// Address is of BG-5, BG-8, BG-12 or BG-15.
type Address struct {
	Street   string `json:"street,omitzero"`
	Addition string `json:"addition,omitzero"`
	Third    string `json:"third,omitzero"`
	City     string `json:"city,omitzero"`
	Postcode string `json:"postcode,omitzero"`
	Province string `json:"province,omitzero"`
	Country  string `json:"country,omitzero"` // ISO 3166-1 alpha-2
}

// Contact is of BG-6 or BG-9.
type Contact struct {
	Name  string `json:"name,omitzero"`
	Phone string `json:"phone,omitzero"`
	Email string `json:"email,omitzero"`
}

// Payee gets the money if it is not the seller (BG-10).
type Payee struct {
	Name         string       `json:"name,omitzero"`         // BT-59
	IDs          []Identifier `json:"ids,omitzero"`          // BT-60
	Registration Identifier   `json:"registration,omitzero"` // BT-61
}

// TaxAgent represents the seller before the tax authority (BG-11).
type TaxAgent struct {
	Name      string  `json:"name,omitzero"`       // BT-62
	TaxNumber string  `json:"vat_number,omitzero"` // BT-63
	Address   Address `json:"address,omitzero"`    // BG-12
}

// Delivery is where and when (BG-13).
type Delivery struct {
	Date     string     `json:"date,omitzero"`     // BT-72
	Location Identifier `json:"location,omitzero"` // BT-71
	Address  Address    `json:"address,omitzero"`  // BG-15
	Name     string     `json:"name,omitzero"`     // BT-70
}

// Payment is a way to pay (BG-16).
type Payment struct {
	Code           string `json:"code,omitzero"`            // BT-81: 30 and 58 are credit transfers, 49 and 59 direct debits
	Text           string `json:"text,omitzero"`            // BT-82
	Reference      string `json:"reference,omitzero"`       // BT-83
	Card           Card   `json:"card,omitzero"`            // BG-18
	Account        string `json:"account,omitzero"`         // BT-84, an IBAN
	AccountName    string `json:"account_name,omitzero"`    // BT-85
	Bank           string `json:"bank,omitzero"`            // BT-86, a BIC
	Mandate        string `json:"mandate,omitzero"`         // BT-89
	DebitedAccount string `json:"debited_account,omitzero"` // BT-91
}

// Card is a payment card (BG-18).
type Card struct {
	Number  string `json:"number,omitzero"`  // BT-87, of which at most the first six and last four digits may show
	Network string `json:"network,omitzero"` // asked for by UBL, without a term
	Holder  string `json:"holder,omitzero"`  // BT-88
}

// Adjustment is an allowance (BG-20, of a line BG-27) or, if Charge, a charge (BG-21, BG-28).
type Adjustment struct {
	Charge     bool   `json:"charge,omitzero"`
	ReasonCode string `json:"reason_code,omitzero"` // BT-98, BT-105; BT-140, BT-145
	Reason     string `json:"reason,omitzero"`      // BT-97, BT-104; BT-139, BT-144
	Percent    Amount `json:"percent,omitzero"`     // BT-94, BT-101; BT-138, BT-143
	Amount     Amount `json:"amount,omitzero"`      // BT-92, BT-99; BT-136, BT-141
	Base       Amount `json:"base,omitzero"`        // BT-93, BT-100; BT-137, BT-142
	Category   Tax    `json:"tax,omitzero"`         // BT-95 and BT-96, BT-102 and BT-103; not of a line's
}

// Tax is a category of VAT (UNCL 5305) with its rate in percent.
type Tax struct {
	Category string `json:"category,omitzero"`
	Rate     Amount `json:"rate,omitzero"`
}

// TaxShare is what an invoice comes to in one category and rate (BG-23).
type TaxShare struct {
	Taxable             Amount `json:"taxable,omitzero"`               // BT-116
	Amount              Amount `json:"amount,omitzero"`                // BT-117
	Category            Tax    `json:"tax,omitzero"`                   // BT-118, BT-119
	ExemptionReasonCode string `json:"exemption_reason_code,omitzero"` // BT-121
	ExemptionReason     string `json:"exemption_reason,omitzero"`      // BT-120
}

// Totals are the sums of a document (BG-22).
type Totals struct {
	Lines      Amount `json:"lines,omitzero"`      // BT-106
	Untaxed    Amount `json:"untaxed,omitzero"`    // BT-109
	Total      Amount `json:"total,omitzero"`      // BT-112
	Allowances Amount `json:"allowances,omitzero"` // BT-107
	Charges    Amount `json:"charges,omitzero"`    // BT-108
	Prepaid    Amount `json:"prepaid,omitzero"`    // BT-113
	Rounding   Amount `json:"rounding,omitzero"`   // BT-114
	Payable    Amount `json:"payable,omitzero"`    // BT-115
}

// Line is a position (BG-25).
type Line struct {
	ID          string       `json:"id,omitzero"`               // BT-126
	Note        string       `json:"note,omitzero"`             // BT-127
	Quantity    Amount       `json:"quantity,omitzero"`         // BT-129
	Unit        string       `json:"unit,omitzero"`             // BT-130, UN/ECE recommendations 20 and 21
	Untaxed     Amount       `json:"untaxed,omitzero"`          // BT-131
	Accounting  string       `json:"buyer_accounting,omitzero"` // BT-133
	Period      Period       `json:"period,omitzero"`           // BG-26: BT-134, BT-135
	OrderLine   string       `json:"order_line,omitzero"`       // BT-132
	Object      Identifier   `json:"object,omitzero"`           // BT-128
	Adjustments []Adjustment `json:"adjustments,omitzero"`      // BG-27, BG-28
	Description string       `json:"description,omitzero"`      // BT-154
	Name        string       `json:"name,omitzero"`             // BT-153
	BuyersID    string       `json:"buyers_id,omitzero"`        // BT-156
	SellersID   string       `json:"sellers_id,omitzero"`       // BT-155
	StandardID  Identifier   `json:"standard_id,omitzero"`      // BT-157
	Origin      string       `json:"origin,omitzero"`           // BT-159, a country
	Classes     []Identifier `json:"classes,omitzero"`          // BT-158
	Tax         Tax          `json:"tax,omitzero"`              // BG-30: BT-151, BT-152
	Attributes  []Attribute  `json:"attributes,omitzero"`       // BG-32
	Price       Price        `json:"price,omitzero"`            // BG-29
}

// Attribute is a property of an item (BG-32).
type Attribute struct {
	Name  string `json:"name"`  // BT-160
	Value string `json:"value"` // BT-161
}

// Price is what so many units cost without VAT (BG-29).
type Price struct {
	Net      Amount `json:"net,omitzero"`      // BT-146
	Base     Amount `json:"base,omitzero"`     // BT-149, how many; one if missing
	BaseUnit string `json:"unit,omitzero"`     // BT-150
	Discount Amount `json:"discount,omitzero"` // BT-147
	Gross    Amount `json:"gross,omitzero"`    // BT-148
}
