package crm

import (
	"cmp"
	"time"

	"github.com/google/uuid"

	"crmhub/core/schema"
)

// Activity is something done with or about a customer (跟进记录). Saving one moves the customer's last and next contact; see touch.
type Activity struct {
	Head
	Type          string     `json:"kind" db:"kind" enum:"call visit meeting email note"` // call, visit, meeting, email; a note is no contact
	Subject       string     `json:"subject" db:"subject" required:"true" personal:"true"`
	Content       string     `json:"content,omitempty" db:"content" max:"10000" personal:"true"`
	CustomerID    uuid.UUID  `json:"customer_id" db:"customer_id" refers:"customer" required:"true"`
	ContactID     *uuid.UUID `json:"contact_id,omitempty" db:"contact_id" refers:"contact"`
	OpportunityID *uuid.UUID `json:"opportunity_id,omitempty" db:"opportunity_id" refers:"opportunity"`
	TicketID      *uuid.UUID `json:"ticket_id,omitempty" db:"ticket_id" refers:"ticket"`
	At            time.Time  `json:"at" db:"at" required:"true"`
	Minutes       *int32     `json:"minutes,omitempty" db:"minutes"`                 // how long it took
	NextContactAt *time.Time `json:"next_contact_at,omitempty" db:"next_contact_at"` // when to speak with the customer again
	OwnerID       *uuid.UUID `json:"owner_id,omitempty" db:"owner_id" refers:"user"`
	Tags          []string   `json:"tags" db:"tags" max:"64" personal:"true"`
	Ext           Ext        `json:"ext" db:"ext"`
}

// Kind is KindActivity.
func (*Activity) Kind() Kind { return KindActivity }

// Normalize brings fields to their canonical form.
func (a *Activity) Normalize() {
	canonical(a)
	a.Type = cmp.Or(a.Type, "note")
}

// Validate returns everything that breaks a rule of the type.
func (a *Activity) Validate() schema.Violations {
	f := checkFields(a)
	f.between("/minutes", a.Minutes, 0, 100_000)
	if a.NextContactAt != nil && a.NextContactAt.Before(a.At) {
		f.tell("/next_contact_at", "minimum", "field_before_activity", "must not be before the activity itself")
	}
	return f.violations
}
