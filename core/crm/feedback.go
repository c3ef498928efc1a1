package crm

import (
	"time"

	"github.com/google/uuid"

	"crmhub/core/schema"
)

// Feedback is what a customer said about us, in words or as a score.
type Feedback struct {
	Head
	CustomerID uuid.UUID  `json:"customer_id" db:"customer_id" refers:"customer" required:"true"`
	ContactID  *uuid.UUID `json:"contact_id,omitempty" db:"contact_id" refers:"contact"`
	TicketID   *uuid.UUID `json:"ticket_id,omitempty" db:"ticket_id" refers:"ticket"`
	At         time.Time  `json:"at" db:"at" required:"true"`
	Score      *int32     `json:"score,omitempty" db:"score"` // satisfaction, 1 to 5
	NPS        *int32     `json:"nps,omitempty" db:"nps"`     // would recommend us, 0 to 10
	Text       string     `json:"text,omitempty" db:"text" max:"10000" personal:"true"`
	OwnerID    *uuid.UUID `json:"owner_id,omitempty" db:"owner_id" refers:"user"`
	Tags       []string   `json:"tags" db:"tags" max:"64" personal:"true"`
	Ext        Ext        `json:"ext" db:"ext"`
}

// Kind is KindFeedback.
func (*Feedback) Kind() Kind { return KindFeedback }

// Normalize brings fields to their canonical form.
func (b *Feedback) Normalize() { canonical(b) }

// Validate returns everything that breaks a rule of the type.
func (b *Feedback) Validate() schema.Violations {
	f := checkFields(b)
	f.between("/score", b.Score, 1, 5)
	f.between("/nps", b.NPS, 0, 10)
	if b.Score == nil && b.NPS == nil && b.Text == "" {
		f.tell("", "anyOf", "field_feedback", "must have a score, an nps or a text")
	}
	return f.violations
}
