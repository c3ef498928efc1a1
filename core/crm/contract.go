package crm

import (
	"cmp"
	"strings"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"crmhub/core/schema"
)

// Contract is what was agreed on with a customer. That it has run out is derived from its end, not a status.
type Contract struct {
	Head
	Number        string           `json:"number" db:"number" max:"64"` // unique in the organization; given by the store when empty
	Name          string           `json:"name" db:"name" required:"true" personal:"true"`
	CustomerID    uuid.UUID        `json:"customer_id" db:"customer_id" refers:"customer" required:"true"`
	OpportunityID *uuid.UUID       `json:"opportunity_id,omitempty" db:"opportunity_id" refers:"opportunity"`
	OrderID       *uuid.UUID       `json:"order_id,omitempty" db:"order_id" refers:"order"`
	StartDate     *Date            `json:"start_date,omitempty" db:"start_date"`
	EndDate       *Date            `json:"end_date,omitempty" db:"end_date"` // the last day; open if empty
	Currency      string           `json:"currency" db:"currency" required:"true" format:"currency"`
	Amount        decimal.Decimal  `json:"amount" db:"amount"`
	Status        string           `json:"status" db:"status" enum:"draft in_review signed fulfilled terminated cancelled"` // see lifecycles
	OwnerID       *uuid.UUID       `json:"owner_id,omitempty" db:"owner_id" refers:"user"`
	Remark        string           `json:"remark,omitempty" db:"remark" max:"10000" personal:"true"`
	Tags          []string         `json:"tags" db:"tags" max:"64" personal:"true"`
	Signers       []ContractSigner `json:"signers" db:"-" personal:"true"`
	Ext           Ext              `json:"ext" db:"ext"`
}

// ContractSigner is a person who signs for one of the parties.
type ContractSigner struct {
	Party    string `json:"party" db:"party" enum:"own customer other"` // own, customer, other
	Name     string `json:"name" db:"name" required:"true"`
	Title    string `json:"title,omitempty" db:"title"`
	SignedOn *Date  `json:"signed_on,omitempty" db:"signed_on"`
}

// Kind is KindContract.
func (*Contract) Kind() Kind { return KindContract }

// Normalize brings fields to their canonical form.
func (c *Contract) Normalize() {
	canonical(c)
	c.Status = cmp.Or(c.Status, "draft")
	c.Currency = strings.ToUpper(c.Currency)
	for i := range c.Signers {
		c.Signers[i].Party = cmp.Or(c.Signers[i].Party, "customer")
	}
}

// Validate returns everything that breaks a rule of the type.
func (c *Contract) Validate() schema.Violations {
	f := checkFields(c)
	f.atLeastZero("/amount", &c.Amount)
	f.ordered("/end_date", c.StartDate, c.EndDate)
	if c.StartDate == nil && (c.Status == "signed" || c.Status == "fulfilled") {
		f.add("/start_date", "required", "must be given once the contract is signed")
	}
	return f.violations
}
