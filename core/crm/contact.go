package crm

import (
	"strconv"

	"github.com/google/uuid"

	"crmhub/core/schema"
)

// Contact is a person, known at one or several customers.
type Contact struct {
	Head
	Name       string            `json:"name" db:"name" required:"true" personal:"true"`
	Title      string            `json:"title,omitempty" db:"title" personal:"true"`
	Department string            `json:"department,omitempty" db:"department" personal:"true"`
	Mobile     string            `json:"mobile,omitempty" db:"mobile" format:"phone" personal:"true"`
	Phone      string            `json:"phone,omitempty" db:"phone" format:"phone" personal:"true"`
	Email      string            `json:"email,omitempty" db:"email" format:"email" max:"254" personal:"true"`
	OptOut     bool              `json:"opt_out" db:"opt_out"` // wants no marketing
	OwnerID    *uuid.UUID        `json:"owner_id,omitempty" db:"owner_id" refers:"user"`
	Remark     string            `json:"remark,omitempty" db:"remark" max:"10000" personal:"true"`
	Tags       []string          `json:"tags" db:"tags" max:"64" personal:"true"`
	Customers  []ContactCustomer `json:"customers" db:"-"`
	Ext        Ext               `json:"ext" db:"ext"`
}

// ContactCustomer says what a contact is at a customer.
type ContactCustomer struct {
	CustomerID uuid.UUID `json:"customer_id" db:"customer_id" refers:"customer" required:"true"`
	Role       string    `json:"role,omitempty" db:"role" enum:"decision_maker evaluator influencer user finance other"` // decision_maker, evaluator, influencer, user, finance, other
	IsPrimary  bool      `json:"is_primary" db:"is_primary"`
	IsActive   bool      `json:"is_active" db:"is_active" default:"true"`
}

// Kind is KindContact.
func (*Contact) Kind() Kind { return KindContact }

// Normalize brings fields to their canonical form.
func (c *Contact) Normalize() { canonical(c) }

// Validate returns everything that breaks a rule of the type.
func (c *Contact) Validate() schema.Violations {
	f := checkFields(c)
	seen := make(map[uuid.UUID]bool)
	for i, at := range c.Customers {
		if seen[at.CustomerID] {
			f.add("/customers/"+strconv.Itoa(i)+"/customer_id", "unique", "must be listed once")
		}
		seen[at.CustomerID] = true
	}
	return f.violations
}
