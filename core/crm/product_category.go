package crm

import (
	"github.com/google/uuid"

	"crmhub/core/schema"
)

// ProductCategory is a place in the tree that an organization sorts its products into.
type ProductCategory struct {
	Head
	Code     string     `json:"code" db:"code" required:"true" max:"64"` // unique in the organization
	Name     string     `json:"name" db:"name" required:"true"`
	ParentID *uuid.UUID `json:"parent_id,omitempty" db:"parent_id" refers:"product_category"` // none: a root
	Ext      Ext        `json:"ext" db:"ext"`
}

// Kind is KindProductCategory.
func (*ProductCategory) Kind() Kind { return KindProductCategory }

// Normalize brings fields to their canonical form.
func (c *ProductCategory) Normalize() { canonical(c) }

// Validate returns everything that breaks a rule of the type. That it is a tree, the store checks.
func (c *ProductCategory) Validate() schema.Violations { return checkFields(c).violations }

func (c *ProductCategory) above() uuid.UUID { return orNil(c.ParentID) }
