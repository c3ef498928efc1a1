package crm

import (
	"cmp"
	"strings"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"crmhub/core/schema"
)

// Campaign is an effort to win or keep customers; its members are whom it is meant for.
type Campaign struct {
	Head
	Code            string           `json:"code" db:"code" max:"64"` // unique in the organization; given by the store when empty
	Name            string           `json:"name" db:"name" required:"true"`
	Type            string           `json:"kind" db:"kind" enum:"email sms call mail event advertisement social other"`
	Status          string           `json:"status" db:"status" enum:"planning active inactive complete"` // see lifecycles
	StartDate       *Date            `json:"start_date,omitempty" db:"start_date"`
	EndDate         *Date            `json:"end_date,omitempty" db:"end_date"` // the last day
	Currency        string           `json:"currency,omitempty" db:"currency" format:"currency"`
	Budget          *decimal.Decimal `json:"budget,omitempty" db:"budget"`
	ActualCost      *decimal.Decimal `json:"actual_cost,omitempty" db:"actual_cost"`
	ExpectedRevenue *decimal.Decimal `json:"expected_revenue,omitempty" db:"expected_revenue"`
	SegmentID       *uuid.UUID       `json:"segment_id,omitempty" db:"segment_id" refers:"segment"` // whom it was planned for
	OwnerID         *uuid.UUID       `json:"owner_id,omitempty" db:"owner_id" refers:"user"`
	Remark          string           `json:"remark,omitempty" db:"remark" max:"10000"`
	Tags            []string         `json:"tags" db:"tags" max:"64"`
	Ext             Ext              `json:"ext" db:"ext"`
}

// Kind is KindCampaign.
func (*Campaign) Kind() Kind { return KindCampaign }

// Normalize brings fields to their canonical form; a campaign is planned first.
func (c *Campaign) Normalize() {
	canonical(c)
	c.Type = cmp.Or(c.Type, "other")
	c.Status = cmp.Or(c.Status, "planning")
	c.Currency = strings.ToUpper(c.Currency)
}

// Validate returns everything that breaks a rule of the type.
func (c *Campaign) Validate() schema.Violations {
	f := checkFields(c)
	f.ordered("/end_date", c.StartDate, c.EndDate)
	f.atLeastZero("/budget", c.Budget)
	f.atLeastZero("/actual_cost", c.ActualCost)
	f.atLeastZero("/expected_revenue", c.ExpectedRevenue)
	if c.Currency == "" && (c.Budget != nil || c.ActualCost != nil || c.ExpectedRevenue != nil) {
		f.add("/currency", "required", "must be given with an amount")
	}
	return f.violations
}
