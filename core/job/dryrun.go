package job

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"crmhub/core/mapping"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// DryRun tells what a job would do, and does nothing: nothing is written to the other system, nothing is stored, no cursor
// moves. It may read the other system.
type DryRun func(ctx context.Context, who postgres.Principal, j Job, o DryOptions) (DryReport, error)

// DryOptions say which part of the work is looked at.
type DryOptions struct {
	Beginning bool   // of a pull: from the beginning, as a backfill reads, instead of from where the job stands
	After     string // DryReport.Next of the part before; "" to begin with
	Limit     int    // how many entities or records are looked at, at most 500; 0 is as many
}

// ErrDryCursor says that DryOptions.After is not what a report gave as next.
var ErrDryCursor = errors.New("not a cursor of a dry run")

// mostDry is how many entities or records a dry run looks at, at most, before it answers.
const mostDry = 500

// DryReport is what a part of a job's work would come to.
type DryReport struct {
	Read      int       `json:"read" doc:"Entities or records that were looked at."`
	Created   int       `json:"created"`
	Updated   int       `json:"updated"`
	Deleted   int       `json:"deleted"`
	Unchanged int       `json:"unchanged"`
	Waiting   int       `json:"waiting" doc:"They refer to what is not linked yet, and would wait for it."`
	Failed    int       `json:"failed"`
	Items     []DryItem `json:"items" nullable:"false" doc:"What would be written, and what could not be."`
	Next      string    `json:"next,omitempty" doc:"Where the next part begins; absent when that was all."`
}

// DryItem is an entity or record that would be written, or could not be.
type DryItem struct {
	Action      string               `json:"action" enum:"create,update,delete,wait,fail" doc:"What would be done."`
	EntityID    *uuid.UUID           `json:"entity_id,omitempty" doc:"Absent for an entity that would be new."`
	RemoteID    string               `json:"remote_id,omitempty" doc:"Absent for a record that would be new."`
	Differences []mapping.Difference `json:"differences,omitempty" doc:"Field by field, what it is and what it would be; of a push in the record, of a pull in the entity."`
	Message     string               `json:"message,omitempty" doc:"Why it would wait or fail, or what could not be found out."`
	Faults      schema.Violations    `json:"faults,omitempty" doc:"Everything that keeps it from being mapped or stored."`

	Said *schema.Saying `json:"-"` // the message, where it is the hub's
}

// Add counts an item and, unless it changes nothing (action ""), lists it.
func (r *DryReport) Add(i DryItem) {
	switch i.Action {
	case "create":
		r.Created++
	case "update":
		r.Updated++
	case "delete":
		r.Deleted++
	case "wait":
		r.Waiting++
	case "fail":
		r.Failed++
	default:
		r.Unchanged++
		return
	}
	r.Items = append(r.Items, i)
}

// Size is how many entities or records are looked at.
func (o DryOptions) Size() int {
	if o.Limit <= 0 {
		return mostDry
	}
	return min(o.Limit, mostDry)
}
