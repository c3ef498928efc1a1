package crm

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"crmhub/core/money"
	"crmhub/core/schema"
)

// Opportunity is a chance to sell. It stands at a stage of its pipeline, which says whether it is open, won or lost.
type Opportunity struct {
	Head
	Number           string            `json:"number" db:"number" max:"64"` // unique in the organization; given by the store when empty
	Name             string            `json:"name" db:"name" required:"true" personal:"true"`
	CustomerID       uuid.UUID         `json:"customer_id" db:"customer_id" refers:"customer" required:"true"`
	PrimaryContactID *uuid.UUID        `json:"primary_contact_id,omitempty" db:"primary_contact_id" refers:"contact"`
	PipelineID       *uuid.UUID        `json:"pipeline_id,omitempty" db:"pipeline_id" refers:"pipeline"` // the default one when empty; never null in the store
	Stage            string            `json:"stage" db:"stage" max:"64"`                                // the pipeline's first when empty
	StageEnteredAt   *time.Time        `json:"stage_entered_at,omitempty" db:"stage_entered_at"`         // set by the store
	Status           string            `json:"status" db:"status" enum:"open won lost"`                  // the stage's kind, set by the store
	Amount           decimal.Decimal   `json:"amount" db:"amount"`                                       // untaxed; what the lines add up to if there are any
	Currency         string            `json:"currency" db:"currency" required:"true" format:"currency"`
	RateToBase       decimal.Decimal   `json:"rate_to_base" db:"rate_to_base" numeric:"20,10"`
	Probability      *int32            `json:"probability,omitempty" db:"probability"` // percent; the stage's at entry unless given
	ForecastCategory string            `json:"forecast_category" db:"forecast_category" enum:"pipeline best_case commit closed omitted"`
	ExpectedClose    *Date             `json:"expected_close,omitempty" db:"expected_close"`
	ClosedAt         *time.Time        `json:"closed_at,omitempty" db:"closed_at"` // when it was won or lost
	LostReason       string            `json:"lost_reason,omitempty" db:"lost_reason"`
	LostNotes        string            `json:"lost_notes,omitempty" db:"lost_notes" max:"10000" personal:"true"`
	NextStep         string            `json:"next_step,omitempty" db:"next_step" personal:"true"`
	CampaignID       *uuid.UUID        `json:"campaign_id,omitempty" db:"campaign_id" refers:"campaign"`
	Source           string            `json:"source,omitempty" db:"source"`
	OwnerID          *uuid.UUID        `json:"owner_id,omitempty" db:"owner_id" refers:"user"`
	Remark           string            `json:"remark,omitempty" db:"remark" max:"10000" personal:"true"`
	Tags             []string          `json:"tags" db:"tags" max:"64" personal:"true"`
	Lines            []OpportunityLine `json:"lines" db:"-"`
	Ext              Ext               `json:"ext" db:"ext"`
}

// OpportunityLine is what the customer may buy; its place in the list is its identity.
type OpportunityLine struct {
	ProductID   *uuid.UUID      `json:"product_id,omitempty" db:"product_id" refers:"product"`
	Description string          `json:"description" db:"description" max:"10000"`
	Unit        string          `json:"unit,omitempty" db:"unit" max:"64"`
	Qty         decimal.Decimal `json:"qty" db:"qty" required:"true" numeric:"20,6"`
	Price       decimal.Decimal `json:"price" db:"price" numeric:"20,6"` // per unit, untaxed
	DiscountPct decimal.Decimal `json:"discount_pct" db:"discount_pct" numeric:"7,4"`
	Untaxed     decimal.Decimal `json:"untaxed" db:"untaxed"` // computed, rounded to the currency
}

// Kind is KindOpportunity.
func (*Opportunity) Kind() Kind { return KindOpportunity }

// Normalize brings fields to their canonical form and computes the amount from the lines. What follows from the stage is for the store, which knows the pipeline.
func (o *Opportunity) Normalize() {
	canonical(o)
	o.Status = cmp.Or(o.Status, "open")
	o.ForecastCategory = cmp.Or(o.ForecastCategory, "pipeline")
	o.Currency = strings.ToUpper(o.Currency)
	if o.RateToBase.IsZero() {
		o.RateToBase = decimal.NewFromInt(1)
	}
	digits, err := money.Digits(o.Currency)
	if err != nil || len(o.Lines) == 0 {
		return // Validate tells
	}
	var sum, none decimal.Decimal
	for i := range o.Lines {
		l := &o.Lines[i]
		line := taxable{l.Qty, l.Price, l.DiscountPct, none, &l.Untaxed, &none}
		if !line.fits() {
			return // Validate tells
		}
		line.setUntaxed(digits)
		sum = sum.Add(l.Untaxed)
	}
	o.Amount = sum
}

// Validate returns everything that breaks a rule of the type.
func (o *Opportunity) Validate() schema.Violations {
	f := checkFields(o)
	f.atLeastZero("/amount", &o.Amount)
	f.between("/probability", o.Probability, 0, 100)
	if !o.RateToBase.IsPositive() {
		f.tell("/rate_to_base", "minimum", "field_positive", "must be positive")
	}
	if o.Status == "lost" && o.LostReason == "" {
		f.add("/lost_reason", "required", "must say why it was lost")
	}
	for i, l := range o.Lines {
		at := "/lines/" + strconv.Itoa(i)
		if l.Qty.IsNegative() {
			f.tell(at+"/qty", "minimum", "field_positive", "must be positive")
		}
		f.atLeastZero(at+"/price", &l.Price)
		f.percent(at+"/discount_pct", &l.DiscountPct)
	}
	return f.violations
}
