package crm

import (
	"cmp"
	"strings"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"crmhub/core/schema"
)

// StandardList is the price list of prices that name none.
const StandardList = "standard"

// Price is what a product costs on a price list, from a quantity on and for some time. No two of the same product,
// list, currency and quantity overlap.
type Price struct {
	Head
	ProductID uuid.UUID       `json:"product_id" db:"product_id" refers:"product" required:"true"`
	PriceList string          `json:"price_list" db:"price_list" max:"64"` // by its code
	Currency  string          `json:"currency" db:"currency" required:"true" format:"currency"`
	Amount    decimal.Decimal `json:"amount" db:"amount" numeric:"20,6"` // per unit, untaxed
	MinQty    decimal.Decimal `json:"min_qty" db:"min_qty" numeric:"20,6"`
	ValidFrom Date            `json:"valid_from" db:"valid_from" required:"true"`
	ValidTo   *Date           `json:"valid_to,omitempty" db:"valid_to"` // the last day; open if empty
	Ext       Ext             `json:"ext" db:"ext"`
}

// Kind is KindPrice.
func (*Price) Kind() Kind { return KindPrice }

// Normalize brings fields to their canonical form.
func (p *Price) Normalize() {
	canonical(p)
	p.PriceList = cmp.Or(p.PriceList, StandardList)
	p.Currency = strings.ToUpper(p.Currency)
}

// Validate returns everything that breaks a rule of the type. That none overlap, the database checks.
func (p *Price) Validate() schema.Violations {
	f := checkFields(p)
	f.atLeastZero("/amount", &p.Amount)
	f.atLeastZero("/min_qty", &p.MinQty)
	f.ordered("/valid_to", &p.ValidFrom, p.ValidTo)
	return f.violations
}
