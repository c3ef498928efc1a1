package crm

import (
	"cmp"
	"time"

	"github.com/google/uuid"

	"crmhub/core/schema"
)

// CampaignMember is a contact or a customer that a campaign is meant for, and how far it got with them.
type CampaignMember struct {
	Head
	CampaignID  uuid.UUID  `json:"campaign_id" db:"campaign_id" refers:"campaign" required:"true"`
	ContactID   *uuid.UUID `json:"contact_id,omitempty" db:"contact_id" refers:"contact"`                                        // either this
	CustomerID  *uuid.UUID `json:"customer_id,omitempty" db:"customer_id" refers:"customer"`                                     // or this
	Status      string     `json:"status" db:"status" enum:"targeted sent opened clicked responded converted opted_out bounced"` // see lifecycles
	RespondedAt *time.Time `json:"responded_at,omitempty" db:"responded_at"`                                                     // set by the store with the first answer unless given
	Response    string     `json:"response,omitempty" db:"response" max:"10000" personal:"true"`
	Ext         Ext        `json:"ext" db:"ext"`
}

// Kind is KindCampaignMember.
func (*CampaignMember) Kind() Kind { return KindCampaignMember }

// Normalize brings fields to their canonical form.
func (m *CampaignMember) Normalize() {
	canonical(m)
	m.Status = cmp.Or(m.Status, "targeted")
}

// Validate returns everything that breaks a rule of the type.
func (m *CampaignMember) Validate() schema.Violations {
	f := checkFields(m)
	if (m.ContactID == nil) == (m.CustomerID == nil) {
		f.tell("", "oneOf", "field_member", "must name either a contact_id or a customer_id")
	}
	return f.violations
}
