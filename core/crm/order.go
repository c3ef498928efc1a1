package crm

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"crmhub/core/money"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Order is a sale. Its status is moved by people and the ERP; delivery, billing and payment are states of their own.
type Order struct {
	Head
	Number         string            `json:"number" db:"number" max:"64"` // unique in the organization; given by the store when empty
	CustomerID     uuid.UUID         `json:"customer_id" db:"customer_id" refers:"customer" required:"true"`
	ContactID      *uuid.UUID        `json:"contact_id,omitempty" db:"contact_id" refers:"contact"`
	OpportunityID  *uuid.UUID        `json:"opportunity_id,omitempty" db:"opportunity_id" refers:"opportunity"` // it came from
	ClientRef      string            `json:"client_ref,omitempty" db:"client_ref"`                              // the customer's own order number
	Date           Date              `json:"date" db:"date" required:"true"`
	PromisedDate   *Date             `json:"promised_date,omitempty" db:"promised_date"`
	Currency       string            `json:"currency" db:"currency" required:"true" format:"currency"`
	RateToBase     decimal.Decimal   `json:"rate_to_base" db:"rate_to_base" numeric:"20,10"`
	PaymentTerm    string            `json:"payment_term,omitempty" db:"payment_term"`
	Status         string            `json:"status" db:"status" enum:"draft submitted confirmed in_progress on_hold completed closed_short cancelled"` // see orderTransitions
	HeldStatus     string            `json:"held_status,omitempty" db:"held_status" enum:"confirmed in_progress"`                                      // where on_hold goes back to
	DeliveryStatus string            `json:"delivery_status" db:"delivery_status" enum:"none partial full"`                                            // none, partial, full
	BillingStatus  string            `json:"billing_status" db:"billing_status" enum:"none partial full"`                                              // none, partial, full
	PaymentStatus  string            `json:"payment_status" db:"payment_status" enum:"none partial full"`                                              // none, partial, full
	Untaxed        decimal.Decimal   `json:"untaxed" db:"untaxed"`                                                                                     // computed from the lines
	Tax            decimal.Decimal   `json:"tax" db:"tax"`
	Total          decimal.Decimal   `json:"total" db:"total"`
	BillAddress    *Address          `json:"bill_address,omitempty" db:"bill_address" personal:"true"`
	ShipAddress    *Address          `json:"ship_address,omitempty" db:"ship_address" personal:"true"`
	OwnerID        *uuid.UUID        `json:"owner_id,omitempty" db:"owner_id" refers:"user"`
	Remark         string            `json:"remark,omitempty" db:"remark" max:"10000" personal:"true"`
	Tags           []string          `json:"tags" db:"tags" max:"64" personal:"true"`
	Lines          []OrderLine       `json:"lines" db:"-"`
	Instalments    []OrderInstalment `json:"instalments" db:"-"` // when what is to be paid (回款计划)
	Ext            Ext               `json:"ext" db:"ext"`
}

// OrderLine is a position of an order; its place in the list is its identity.
type OrderLine struct {
	ProductID    *uuid.UUID      `json:"product_id,omitempty" db:"product_id" refers:"product"`
	Description  string          `json:"description" db:"description" max:"10000"`
	Unit         string          `json:"unit,omitempty" db:"unit" max:"64"`
	Qty          decimal.Decimal `json:"qty" db:"qty" required:"true" numeric:"20,6"`
	Price        decimal.Decimal `json:"price" db:"price" numeric:"20,6"` // per unit, untaxed
	DiscountPct  decimal.Decimal `json:"discount_pct" db:"discount_pct" numeric:"7,4"`
	TaxRate      decimal.Decimal `json:"tax_rate" db:"tax_rate" numeric:"7,4"` // percent
	Untaxed      decimal.Decimal `json:"untaxed" db:"untaxed"`                 // computed, rounded to the currency
	Tax          decimal.Decimal `json:"tax" db:"tax"`                         // computed; the lines' taxes add up to the order's
	QtyDelivered decimal.Decimal `json:"qty_delivered" db:"qty_delivered" numeric:"20,6"`
	QtyBilled    decimal.Decimal `json:"qty_billed" db:"qty_billed" numeric:"20,6"`
}

// OrderInstalment is a part of what is to be paid, and until when.
type OrderInstalment struct {
	DueDate Date            `json:"due_date" db:"due_date" required:"true"`
	Amount  decimal.Decimal `json:"amount" db:"amount" required:"true"`
	Paid    decimal.Decimal `json:"paid" db:"paid"`                                // computed: what came in pays the first ones first
	Status  string          `json:"status" db:"status" enum:"unpaid partial paid"` // computed
}

// Kind is KindOrder.
func (*Order) Kind() Kind { return KindOrder }

// Normalize brings fields to their canonical form and computes the amounts, and the delivery and billing status
// from the lines' quantities where nobody gave them.
func (o *Order) Normalize() {
	canonical(o)
	o.Status = cmp.Or(o.Status, "draft")
	if o.Status != "on_hold" {
		o.HeldStatus = ""
	}
	o.Currency = strings.ToUpper(o.Currency)
	if o.RateToBase.IsZero() {
		o.RateToBase = decimal.NewFromInt(1)
	}
	for _, a := range []*Address{o.BillAddress, o.ShipAddress} {
		if a != nil {
			a.Country = strings.ToUpper(a.Country)
		}
	}
	if o.BillAddress != nil && *o.BillAddress == (Address{}) {
		o.BillAddress = nil
	}
	if o.ShipAddress != nil && *o.ShipAddress == (Address{}) {
		o.ShipAddress = nil
	}
	o.setAmounts()
	o.DeliveryStatus = cmp.Or(o.DeliveryStatus, o.progress(func(l OrderLine) decimal.Decimal { return l.QtyDelivered }))
	o.BillingStatus = cmp.Or(o.BillingStatus, o.progress(func(l OrderLine) decimal.Decimal { return l.QtyBilled }))
	o.PaymentStatus = cmp.Or(o.PaymentStatus, "none")
	for i := range o.Instalments {
		o.Instalments[i].Status = cmp.Or(o.Instalments[i].Status, "unpaid")
	}
}

func (o *Order) setAmounts() {
	digits, err := money.Digits(o.Currency)
	if err != nil {
		return // Validate tells
	}
	lines := make([]taxable, len(o.Lines))
	for i := range o.Lines {
		l := &o.Lines[i]
		lines[i] = taxable{l.Qty, l.Price, l.DiscountPct, l.TaxRate, &l.Untaxed, &l.Tax}
		if !lines[i].fits() {
			return // Validate tells
		}
		lines[i].setUntaxed(digits)
	}
	o.Untaxed, o.Tax = setTaxes(lines, digits)
	o.Total = o.Untaxed.Add(o.Tax)
}

// payInstalments spreads what came in over the instalments, in their order.
func (o *Order) payInstalments(paid decimal.Decimal) {
	for i := range o.Instalments {
		n := &o.Instalments[i]
		n.Paid = decimal.Max(decimal.Zero, decimal.Min(n.Amount, paid))
		paid = paid.Sub(n.Paid)
		switch {
		case n.Paid.IsZero():
			n.Status = "unpaid"
		case n.Paid.LessThan(n.Amount):
			n.Status = "partial"
		default:
			n.Status = "paid"
		}
	}
}

// overplanned refuses a payment plan beyond the total of an order, of the person who makes either so. An ERP's word on
// the lines is not refused for a plan made here.
func overplanned(actor postgres.Actor, stored, o *Order) schema.Violations {
	if isConnection(actor) || stored != nil && differing(stored, o, []string{"instalments", "total"}, "") == nil {
		return nil
	}
	var f faults
	var sum decimal.Decimal
	for _, n := range o.Instalments {
		if !fits(n.Amount) {
			return nil // Validate tells
		}
		sum = sum.Add(n.Amount)
	}
	if sum.GreaterThan(o.Total) {
		f.tell("/instalments", "sum", "field_instalments", "must not add up to more than %s, the order's total", o.Total)
	}
	return f.violations
}

// over are the statuses of an order that nothing more happens to.
var over = []string{"completed", "closed_short", "cancelled"} //nolint:gochecknoglobals // a table

// closed refuses a person's other amounts, day or customer for an order that is over: it would no longer be what was delivered, billed and
// paid. A completed one is taken up again first. An ERP's word counts.
func closed(actor postgres.Actor, stored, o *Order) schema.Violations {
	if isConnection(actor) || stored == nil || !slices.Contains(over, stored.Status) || !slices.Contains(over, o.Status) {
		return nil
	}
	vs := differing(stored, o, []string{"customer_id", "date"}, "once the order is "+stored.Status)
	if differing(stored, o, []string{"currency", "untaxed", "tax", "total"}, "") == nil {
		return vs
	}
	return append(vs, schema.Violation{Pointer: "/lines", Rule: "immutable", Message: "cannot come to another amount once the order is " + stored.Status})
}

// progress is none, partial or full: how much of the quantities ordered is done.
func (o *Order) progress(done func(OrderLine) decimal.Decimal) string {
	begun, complete := false, len(o.Lines) > 0
	for _, l := range o.Lines {
		d := done(l)
		begun = begun || d.IsPositive()
		complete = complete && d.GreaterThanOrEqual(l.Qty)
	}
	switch {
	case complete && begun:
		return "full"
	case begun:
		return "partial"
	default:
		return "none"
	}
}

// Validate returns everything that breaks a rule of the type. How a status may move is checked by the store, which knows the last one.
func (o *Order) Validate() schema.Violations {
	f := checkFields(o)
	if !o.RateToBase.IsPositive() {
		f.tell("/rate_to_base", "minimum", "field_positive", "must be positive")
	}
	if o.Status == "on_hold" && o.HeldStatus == "" {
		f.add("/held_status", "required", "must say where on_hold goes back to")
	}
	for i, l := range o.Lines {
		at := "/lines/" + strconv.Itoa(i)
		if l.Qty.IsNegative() {
			f.tell(at+"/qty", "minimum", "field_positive", "must be positive")
		}
		f.atLeastZero(at+"/price", &l.Price)
		f.percent(at+"/discount_pct", &l.DiscountPct)
		f.percent(at+"/tax_rate", &l.TaxRate)
	}
	for i, n := range o.Instalments {
		if n.Amount.IsNegative() {
			f.tell("/instalments/"+strconv.Itoa(i)+"/amount", "minimum", "field_positive", "must be positive")
		}
	}
	return f.violations
}

// NeedsApproval reports whether who makes o of the stored order (nil for a new one) needs to be one who approves orders: to
// confirm it, or to make it come to something else once it is confirmed. Else whoever may change an order could have little
// approved and sell much.
func (o *Order) NeedsApproval(stored *Order) bool {
	if stored == nil || stored.Status == "draft" || stored.Status == "submitted" {
		return o.Status == "confirmed"
	}
	return !slices.Contains(over, stored.Status) && (o.Currency != stored.Currency || !slices.EqualFunc(o.Lines, stored.Lines, func(a, b OrderLine) bool {
		return a.Qty.Equal(b.Qty) && a.Price.Equal(b.Price) && a.DiscountPct.Equal(b.DiscountPct) && a.TaxRate.Equal(b.TaxRate) &&
			(a.ProductID == nil) == (b.ProductID == nil) && (a.ProductID == nil || *a.ProductID == *b.ProductID)
	}))
}
