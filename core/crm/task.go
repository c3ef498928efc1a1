package crm

import (
	"cmp"
	"time"

	"github.com/google/uuid"

	"crmhub/core/schema"
)

// Task is something its owner is to do, perhaps by a time.
type Task struct {
	Head
	Subject       string     `json:"subject" db:"subject" required:"true" personal:"true"`
	Description   string     `json:"description,omitempty" db:"description" max:"10000" personal:"true"`
	Status        string     `json:"status" db:"status" enum:"not_started started deferred completed cancelled"` // see lifecycles
	Priority      string     `json:"priority" db:"priority" enum:"low normal high urgent"`
	DueAt         *time.Time `json:"due_at,omitempty" db:"due_at"`
	RemindAt      *time.Time `json:"remind_at,omitempty" db:"remind_at"`
	DoneAt        *time.Time `json:"done_at,omitempty" db:"done_at"` // set and cleared with the status
	CustomerID    *uuid.UUID `json:"customer_id,omitempty" db:"customer_id" refers:"customer"`
	ContactID     *uuid.UUID `json:"contact_id,omitempty" db:"contact_id" refers:"contact"`
	OpportunityID *uuid.UUID `json:"opportunity_id,omitempty" db:"opportunity_id" refers:"opportunity"`
	OrderID       *uuid.UUID `json:"order_id,omitempty" db:"order_id" refers:"order"`
	TicketID      *uuid.UUID `json:"ticket_id,omitempty" db:"ticket_id" refers:"ticket"`
	OwnerID       *uuid.UUID `json:"owner_id,omitempty" db:"owner_id" refers:"user"` // who is to do it
	Tags          []string   `json:"tags" db:"tags" max:"64" personal:"true"`
	Ext           Ext        `json:"ext" db:"ext"`
}

// Kind is KindTask.
func (*Task) Kind() Kind { return KindTask }

// Normalize brings fields to their canonical form.
func (t *Task) Normalize() {
	canonical(t)
	t.Status = cmp.Or(t.Status, "not_started")
	t.Priority = cmp.Or(t.Priority, "normal")
}

// Validate returns everything that breaks a rule of the type.
func (t *Task) Validate() schema.Violations { return checkFields(t).violations }
