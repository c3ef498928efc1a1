package crm

import (
	"cmp"
	"strings"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"crmhub/core/schema"
)

// Product is something sold.
type Product struct {
	Head
	SKU         string           `json:"sku" db:"sku" required:"true" max:"64"` // unique in the organization
	Name        string           `json:"name" db:"name" required:"true"`
	Category    string           `json:"category,omitempty" db:"category"` // as whoever keeps the product calls it
	CategoryID  *uuid.UUID       `json:"product_category_id,omitempty" db:"product_category_id" refers:"product_category"`
	Description string           `json:"description,omitempty" db:"description" max:"10000"`
	Unit        string           `json:"unit" db:"unit" max:"64"`
	Currency    string           `json:"currency,omitempty" db:"currency" format:"currency"`
	ListPrice   *decimal.Decimal `json:"list_price,omitempty" db:"list_price"`
	Cost        *decimal.Decimal `json:"cost,omitempty" db:"cost"`
	TaxRate     *decimal.Decimal `json:"tax_rate,omitempty" db:"tax_rate" numeric:"7,4"` // percent
	IsActive    bool             `json:"is_active" db:"is_active" default:"true"`
	Tags        []string         `json:"tags" db:"tags" max:"64"`
	Ext         Ext              `json:"ext" db:"ext"`
}

// Kind is KindProduct.
func (*Product) Kind() Kind { return KindProduct }

// Normalize brings fields to their canonical form; a product is counted in units unless said otherwise.
func (p *Product) Normalize() {
	canonical(p)
	p.Unit = cmp.Or(p.Unit, "unit")
	p.Currency = strings.ToUpper(p.Currency)
}

// Validate returns everything that breaks a rule of the type.
func (p *Product) Validate() schema.Violations {
	f := checkFields(p)
	f.atLeastZero("/list_price", p.ListPrice)
	f.atLeastZero("/cost", p.Cost)
	f.percent("/tax_rate", p.TaxRate)
	return f.violations
}
