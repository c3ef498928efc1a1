package crm

import (
	"strings"

	"github.com/shopspring/decimal"

	"crmhub/core/schema"
)

// CurrencyRate says what one unit of a currency is worth in the organization's own, from a date until the next rate's.
type CurrencyRate struct {
	Head
	Currency string          `json:"currency" db:"currency" required:"true" format:"currency"`
	Base     string          `json:"base" db:"base" format:"currency"` // the organization's currency, set by the store
	Date     Date            `json:"date" db:"date" required:"true"`
	Rate     decimal.Decimal `json:"rate" db:"rate" required:"true" numeric:"20,10"`
	Ext      Ext             `json:"ext" db:"ext"`
}

// Kind is KindCurrencyRate.
func (*CurrencyRate) Kind() Kind { return KindCurrencyRate }

// Normalize brings fields to their canonical form.
func (r *CurrencyRate) Normalize() {
	canonical(r)
	r.Currency = strings.ToUpper(r.Currency)
}

// Validate returns everything that breaks a rule of the type.
func (r *CurrencyRate) Validate() schema.Violations {
	f := checkFields(r)
	if r.Rate.IsNegative() {
		f.tell("/rate", "minimum", "field_positive", "must be positive")
	}
	if r.Base != "" && r.Base == r.Currency {
		f.tell("/currency", "const", "field_other_currency", "must be another currency than %s, the organization's own", r.Base)
	}
	return f.violations
}
