package crm

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"crmhub/core/schema"
)

// Customer is a company or person the organization deals with, from the first lead on: one record whose lifecycle changes.
type Customer struct {
	Head
	Code            string            `json:"code" db:"code" max:"64"` // unique in the organization; given by the store when empty
	Name            string            `json:"name" db:"name" required:"true" personal:"true"`
	Type            string            `json:"kind" db:"kind" enum:"company person"`                                                      // company, person
	Lifecycle       string            `json:"lifecycle" db:"lifecycle" enum:"lead potential customer dormant churned blacklisted other"` // lead, potential, customer, dormant, churned, blacklisted, other
	Level           string            `json:"level,omitempty" db:"level" enum:"A B C"`
	Industry        string            `json:"industry,omitempty" db:"industry"`
	Source          string            `json:"source,omitempty" db:"source"`
	ParentID        *uuid.UUID        `json:"parent_id,omitempty" db:"parent_id" refers:"customer"`
	OwnerID         *uuid.UUID        `json:"owner_id,omitempty" db:"owner_id" refers:"user"`
	USCC            string            `json:"uscc,omitempty" db:"uscc" format:"uscc" personal:"true"` // 统一社会信用代码, GB 32100-2015
	TaxID           string            `json:"tax_id,omitempty" db:"tax_id" max:"64" personal:"true"`
	Currency        string            `json:"currency,omitempty" db:"currency" format:"currency"`
	PaymentTerm     string            `json:"payment_term,omitempty" db:"payment_term"`
	CreditLimit     *decimal.Decimal  `json:"credit_limit,omitempty" db:"credit_limit"`
	IsFrozen        bool              `json:"is_frozen" db:"is_frozen"`
	Phone           string            `json:"phone,omitempty" db:"phone" format:"phone" personal:"true"`
	Email           string            `json:"email,omitempty" db:"email" format:"email" max:"254" personal:"true"`
	Website         string            `json:"website,omitempty" db:"website" format:"website" personal:"true"`
	Employees       *int32            `json:"employees,omitempty" db:"employees"`
	AnnualRevenue   *decimal.Decimal  `json:"annual_revenue,omitempty" db:"annual_revenue"`
	Remark          string            `json:"remark,omitempty" db:"remark" max:"10000" personal:"true"`
	LastContactAt   *time.Time        `json:"last_contact_at,omitempty" db:"last_contact_at"`
	NextContactAt   *time.Time        `json:"next_contact_at,omitempty" db:"next_contact_at"`
	Tags            []string          `json:"tags" db:"tags" max:"64" personal:"true"`
	Addresses       []CustomerAddress `json:"addresses" db:"-" personal:"true"`
	InvoiceProfiles []InvoiceProfile  `json:"invoice_profiles" db:"-" personal:"true"`
	Ext             Ext               `json:"ext" db:"ext"`
}

// CustomerAddress is one of a customer's addresses.
type CustomerAddress struct {
	Kind string `json:"kind" db:"kind" enum:"bill ship other"` // bill, ship, other
	Address
}

// InvoiceProfile is what an invoice to the customer may have to say (发票抬头).
type InvoiceProfile struct {
	IsDefault   bool   `json:"is_default" db:"is_default"` // one of several; the first unless said otherwise
	Title       string `json:"title" db:"title" required:"true"`
	TaxNo       string `json:"tax_no,omitempty" db:"tax_no"`
	Bank        string `json:"bank,omitempty" db:"bank"`
	BankAccount string `json:"bank_account,omitempty" db:"bank_account"`
	Address     string `json:"address,omitempty" db:"address"`
	Phone       string `json:"phone,omitempty" db:"phone"`
}

// Kind is KindCustomer.
func (*Customer) Kind() Kind { return KindCustomer }

// Normalize brings fields to their canonical form; a customer is a company and a lead unless said otherwise.
func (c *Customer) Normalize() {
	canonical(c)
	c.Type = cmp.Or(c.Type, "company")
	c.Lifecycle = cmp.Or(c.Lifecycle, "lead")
	c.USCC = strings.ToUpper(c.USCC)
	c.Currency = strings.ToUpper(c.Currency)
	if c.Website != "" && !strings.Contains(c.Website, "://") {
		c.Website = "https://" + c.Website
	}
	if !slices.ContainsFunc(c.InvoiceProfiles, isDefault) && len(c.InvoiceProfiles) > 0 {
		c.InvoiceProfiles[0].IsDefault = true
	}
	for i := range c.Addresses {
		a := &c.Addresses[i]
		a.Kind = cmp.Or(a.Kind, "other")
		a.Country = strings.ToUpper(a.Country)
	}
}

func isDefault(p InvoiceProfile) bool { return p.IsDefault }

func (c *Customer) above() uuid.UUID { return orNil(c.ParentID) }

// Validate returns everything that breaks a rule of the type. That groups are trees, the store checks.
func (c *Customer) Validate() schema.Violations {
	f := checkFields(c)
	f.atLeastZero("/credit_limit", c.CreditLimit)
	if c.Employees != nil && *c.Employees < 0 {
		f.tell("/employees", "minimum", "field_not_negative", "must not be negative")
	}
	if first := slices.IndexFunc(c.InvoiceProfiles, isDefault); first >= 0 {
		for i, p := range c.InvoiceProfiles[first+1:] {
			if p.IsDefault {
				f.add("/invoice_profiles/"+strconv.Itoa(first+1+i)+"/is_default", "unique", "must be true for one profile only")
			}
		}
	}
	return f.violations
}
