package crm

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"crmhub/core/money"
	"crmhub/core/schema"
)

// Invoice mirrors a document of the finance system. Once issued its content never changes; a credit note corrects it.
type Invoice struct {
	Head
	Number        string          `json:"number" db:"number" max:"64"`
	Type          string          `json:"kind" db:"kind" enum:"invoice credit_note"` // invoice, credit_note (whose amounts are negative)
	FapiaoType    string          `json:"fapiao_type,omitempty" db:"fapiao_type"`
	CustomerID    uuid.UUID       `json:"customer_id" db:"customer_id" refers:"customer" required:"true"`
	OrderID       *uuid.UUID      `json:"order_id,omitempty" db:"order_id" refers:"order"`
	ReversesID    *uuid.UUID      `json:"reverses_id,omitempty" db:"reverses_id" refers:"invoice"`
	IssueDate     *Date           `json:"issue_date,omitempty" db:"issue_date"`
	DueDate       *Date           `json:"due_date,omitempty" db:"due_date"`
	Currency      string          `json:"currency" db:"currency" required:"true" format:"currency"`
	RateToBase    decimal.Decimal `json:"rate_to_base" db:"rate_to_base" numeric:"20,10"`
	Untaxed       decimal.Decimal `json:"untaxed" db:"untaxed"`
	Tax           decimal.Decimal `json:"tax" db:"tax"`
	Total         decimal.Decimal `json:"total" db:"total"`
	Residual      decimal.Decimal `json:"residual" db:"residual"`                                                            // still to be paid
	Status        string          `json:"status" db:"status" enum:"draft issued cancelled credited_partial credited_full"`   // draft, issued, cancelled, credited_partial, credited_full
	PaymentStatus string          `json:"payment_status" db:"payment_status" enum:"unpaid in_payment partial paid reversed"` // unpaid, in_payment, partial, paid, reversed
	OwnerID       *uuid.UUID      `json:"owner_id,omitempty" db:"owner_id" refers:"user"`
	Remark        string          `json:"remark,omitempty" db:"remark" max:"10000" personal:"true"`
	Lines         []InvoiceLine   `json:"lines" db:"-"`
	Findings      []Finding       `json:"findings" db:"-"` // what is wrong with the file it came from
	Ext           Ext             `json:"ext" db:"ext"`
}

// InvoiceLine is a position of an invoice; its place in the list is its identity.
type InvoiceLine struct {
	ProductID   *uuid.UUID      `json:"product_id,omitempty" db:"product_id" refers:"product"`
	Description string          `json:"description" db:"description" max:"10000"`
	Unit        string          `json:"unit,omitempty" db:"unit" max:"64"`
	Qty         decimal.Decimal `json:"qty" db:"qty" numeric:"20,6"`
	Price       decimal.Decimal `json:"price" db:"price" numeric:"20,6"`
	DiscountPct decimal.Decimal `json:"discount_pct" db:"discount_pct" numeric:"7,4"`
	TaxRate     decimal.Decimal `json:"tax_rate" db:"tax_rate" numeric:"7,4"`
	Untaxed     decimal.Decimal `json:"untaxed" db:"untaxed"`
	Tax         decimal.Decimal `json:"tax" db:"tax"`
}

// Finding is a rule of electronic invoices that the file of an invoice breaks. People do not write it.
type Finding struct {
	Rule     string `json:"rule" db:"rule" required:"true" max:"64"`                     // of EN 16931: BR-CO-10
	Severity string `json:"severity" db:"severity" required:"true" enum:"fatal warning"` // fatal, warning
	Place    string `json:"place,omitempty" db:"place" max:"1000"`                       // the element: /Invoice/cac:InvoiceLine[2]
	Message  string `json:"message,omitempty" db:"message" max:"1000"`                   // a sentence in English
}

// Kind is KindInvoice.
func (*Invoice) Kind() Kind { return KindInvoice }

// Normalize brings fields to their canonical form. Amounts are the finance system's and stay as given; the tax of the
// lines is spread over them when only the document's is known. A draft is unpaid.
func (v *Invoice) Normalize() {
	canonical(v)
	v.Type = cmp.Or(v.Type, "invoice")
	v.Status = cmp.Or(v.Status, "draft")
	v.Currency = strings.ToUpper(v.Currency)
	if v.RateToBase.IsZero() {
		v.RateToBase = decimal.NewFromInt(1)
	}
	if v.Status == "draft" {
		v.Residual = v.Total
	}
	v.setLineAmounts()
	v.PaymentStatus = cmp.Or(v.PaymentStatus, v.paid())
}

func (v *Invoice) paid() string {
	switch {
	case v.Residual.Equal(v.Total) && !v.Total.IsZero() || v.Status == "draft":
		return "unpaid"
	case v.Residual.IsZero():
		return "paid"
	default:
		return "partial"
	}
}

func (v *Invoice) setLineAmounts() {
	digits, err := money.Digits(v.Currency)
	if err != nil || !fits(v.Tax) {
		return // Validate tells
	}
	lines := make([]taxable, len(v.Lines))
	noUntaxed, noTax := true, true
	for i := range v.Lines {
		l := &v.Lines[i]
		lines[i] = taxable{l.Qty, l.Price, l.DiscountPct, l.TaxRate, &l.Untaxed, &l.Tax}
		if !lines[i].fits() {
			return // Validate tells
		}
		noUntaxed = noUntaxed && l.Untaxed.IsZero()
		noTax = noTax && l.Tax.IsZero()
	}
	if noUntaxed && !v.Untaxed.IsZero() {
		for _, l := range lines {
			l.setUntaxed(digits)
		}
	}
	if noTax && !v.Tax.IsZero() {
		spreadTax(lines, v.Tax, digits)
	}
}

// Validate returns everything that breaks a rule of the type. That an issued invoice stays as it is, the store checks.
func (v *Invoice) Validate() schema.Violations {
	f := checkFields(v)
	if v.Status != "draft" && v.Status != "cancelled" && v.IssueDate == nil {
		f.add("/issue_date", "required", "must be given once the invoice is issued")
	}
	if !v.RateToBase.IsPositive() {
		f.tell("/rate_to_base", "minimum", "field_positive", "must be positive")
	}
	if v.Type == "credit_note" && v.Total.IsPositive() {
		f.tell("/total", "maximum", "field_credit_positive", "must not be positive on a credit note")
	}
	if v.Type == "invoice" && v.Total.IsNegative() {
		f.tell("/total", "minimum", "field_invoice_negative", "must not be negative on an invoice")
	}
	if !fits(v.Untaxed) || !fits(v.Tax) || !fits(v.Total) {
		return f.violations
	}
	if !v.Untaxed.Add(v.Tax).Equal(v.Total) {
		f.tell("/total", "sum", "field_total_sum", "must be untaxed plus tax")
	}
	var untaxed, tax decimal.Decimal
	for i, l := range v.Lines {
		at := "/lines/" + strconv.Itoa(i)
		f.percent(at+"/discount_pct", &l.DiscountPct)
		f.percent(at+"/tax_rate", &l.TaxRate)
		if !fits(l.Untaxed) || !fits(l.Tax) {
			return f.violations
		}
		untaxed, tax = untaxed.Add(l.Untaxed), tax.Add(l.Tax)
	}
	if len(v.Lines) > 0 && !untaxed.Equal(v.Untaxed) {
		f.tell("/untaxed", "sum", "field_untaxed_sum", "must be what the lines' untaxed amounts add up to")
	}
	if len(v.Lines) > 0 && !tax.Equal(v.Tax) {
		f.tell("/tax", "sum", "field_tax_sum", "must be what the lines' taxes add up to")
	}
	return f.violations
}
