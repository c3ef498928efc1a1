package crm

import (
	"cmp"
	"strings"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"crmhub/core/schema"
)

// Payment mirrors money that came in (or, negative, went out), and which invoices it pays.
type Payment struct {
	Head
	Number      string              `json:"number" db:"number" max:"64"`
	CustomerID  uuid.UUID           `json:"customer_id" db:"customer_id" refers:"customer" required:"true"`
	Date        Date                `json:"date" db:"date" required:"true"`
	Method      string              `json:"method,omitempty" db:"method"`
	Reference   string              `json:"reference,omitempty" db:"reference"`
	Currency    string              `json:"currency" db:"currency" required:"true" format:"currency"`
	Amount      decimal.Decimal     `json:"amount" db:"amount" required:"true"`
	Status      string              `json:"status" db:"status" enum:"draft posted cancelled"` // draft, posted, cancelled
	OwnerID     *uuid.UUID          `json:"owner_id,omitempty" db:"owner_id" refers:"user"`
	Remark      string              `json:"remark,omitempty" db:"remark" max:"10000" personal:"true"`
	Allocations []PaymentAllocation `json:"allocations" db:"-"`
	Ext         Ext                 `json:"ext" db:"ext"`
}

// PaymentAllocation is the part of a payment that pays an invoice.
type PaymentAllocation struct {
	InvoiceID uuid.UUID       `json:"invoice_id" db:"invoice_id" refers:"invoice" required:"true"`
	Amount    decimal.Decimal `json:"amount" db:"amount" required:"true"`
}

// Kind is KindPayment.
func (*Payment) Kind() Kind { return KindPayment }

// Normalize brings fields to their canonical form; a payment is posted unless said otherwise, as it is known from the bank.
func (p *Payment) Normalize() {
	canonical(p)
	p.Status = cmp.Or(p.Status, "posted")
	p.Currency = strings.ToUpper(p.Currency)
}

// Validate returns everything that breaks a rule of the type. The invoices' currency is checked by the store.
func (p *Payment) Validate() schema.Violations {
	f := checkFields(p)
	if !fits(p.Amount) {
		return f.violations
	}
	var sum decimal.Decimal
	for _, a := range p.Allocations {
		if !fits(a.Amount) {
			return f.violations
		}
		sum = sum.Add(a.Amount)
	}
	// Of money that went out no more can be allocated than went out.
	if p.Amount.IsPositive() && sum.GreaterThan(p.Amount) || p.Amount.IsNegative() && sum.LessThan(p.Amount) {
		f.tell("/allocations", "sum", "field_allocations", "must not add up to more than the payment")
	}
	return f.violations
}
