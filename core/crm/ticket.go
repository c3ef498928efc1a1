package crm

import (
	"cmp"
	"time"

	"github.com/google/uuid"

	"crmhub/core/schema"
)

// Ticket is something a customer wants to have settled, by a time that its priority gives.
type Ticket struct {
	Head
	Number           string     `json:"number" db:"number" max:"64"` // unique in the organization; given by the store when empty
	Subject          string     `json:"subject" db:"subject" required:"true" personal:"true"`
	Description      string     `json:"description,omitempty" db:"description" max:"10000" personal:"true"`
	CustomerID       uuid.UUID  `json:"customer_id" db:"customer_id" refers:"customer" required:"true"`
	ContactID        *uuid.UUID `json:"contact_id,omitempty" db:"contact_id" refers:"contact"`
	OrderID          *uuid.UUID `json:"order_id,omitempty" db:"order_id" refers:"order"`
	ProductID        *uuid.UUID `json:"product_id,omitempty" db:"product_id" refers:"product"`
	Type             string     `json:"kind" db:"kind" enum:"question problem complaint request other"`
	Priority         string     `json:"priority" db:"priority" enum:"low normal high urgent"`
	Status           string     `json:"status" db:"status" enum:"new assigned pending resolved closed rejected duplicate"` // see lifecycles
	FirstResponseDue *time.Time `json:"first_response_due,omitempty" db:"first_response_due"`                              // from the priority unless given
	ResolveDue       *time.Time `json:"resolve_due,omitempty" db:"resolve_due"`                                            // from the priority unless given
	FirstRespondedAt *time.Time `json:"first_responded_at,omitempty" db:"first_responded_at"`
	ResolvedAt       *time.Time `json:"resolved_at,omitempty" db:"resolved_at"` // set and cleared with the status
	ClosedAt         *time.Time `json:"closed_at,omitempty" db:"closed_at"`     // set and cleared with the status
	Reopened         int32      `json:"reopened" db:"reopened"`                 // how often it was taken up again after it had been settled, counted by the store
	OwnerID          *uuid.UUID `json:"owner_id,omitempty" db:"owner_id" refers:"user"`
	Tags             []string   `json:"tags" db:"tags" max:"64" personal:"true"`
	Ext              Ext        `json:"ext" db:"ext"`
}

// dueTimes is how long a first response and a solution may take, by priority, in hours of the clock.
var dueTimes = map[string]struct{ response, solution time.Duration }{ //nolint:gochecknoglobals // a table
	"low":    {24 * time.Hour, 7 * 24 * time.Hour},
	"normal": {8 * time.Hour, 3 * 24 * time.Hour},
	"high":   {4 * time.Hour, 24 * time.Hour},
	"urgent": {time.Hour, 8 * time.Hour},
}

// Kind is KindTicket.
func (*Ticket) Kind() Kind { return KindTicket }

// Normalize brings fields to their canonical form. Due times and what follows from the status are for the store, which knows when it began.
func (t *Ticket) Normalize() {
	canonical(t)
	t.Type = cmp.Or(t.Type, "question")
	t.Priority = cmp.Or(t.Priority, "normal")
	t.Status = cmp.Or(t.Status, "new")
}

// setTimes gives due times by the priority, unless the writer chose them, and notes what the status says has happened.
func (t *Ticket) setTimes(at time.Time, stored *Ticket) {
	begun := at
	if stored != nil {
		begun = stored.CreatedAt
	} else {
		stored = &Ticket{}
	}
	now, before := dueTimes[t.Priority], dueTimes[stored.Priority]
	due := func(given **time.Time, was *time.Time, rule, ruleBefore time.Duration) {
		byRule := was != nil && was.Equal(begun.Add(ruleBefore))
		if *given == nil || byRule && (*given).Equal(*was) {
			end := begun.Add(rule)
			*given = &end
		}
	}
	due(&t.FirstResponseDue, stored.FirstResponseDue, now.response, before.response)
	due(&t.ResolveDue, stored.ResolveDue, now.solution, before.solution)
	t.Reopened = stored.Reopened
	if stored.settled() && !t.settled() {
		t.Reopened++
	}
	if t.Status == "pending" || t.settled() { // it was answered
		setOnce(&t.FirstRespondedAt, at)
	}
	setWhen(&t.ResolvedAt, t.settled(), at)
	setWhen(&t.ClosedAt, t.Status == "closed" || t.Status == "rejected" || t.Status == "duplicate", at)
}

func (t *Ticket) settled() bool { return t.Status == "resolved" || t.Status == "closed" }

// Validate returns everything that breaks a rule of the type.
func (t *Ticket) Validate() schema.Violations {
	f := checkFields(t)
	if t.Status == "assigned" && t.OwnerID == nil {
		f.add("/owner_id", "required", "must say to whom the ticket is assigned")
	}
	return f.violations
}
