package job

import (
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// Kind says which way a job moves.
type Kind string

// The kinds.
const (
	Pull Kind = "pull" // read what changed on the other side since the last run
	Push Kind = "push" // compare every entity's version with its link and send what is behind

	Reconcile Kind = "reconcile" // read all of the other side, compare it with ours, and keep what differs
)

// Status says whether a job's schedule counts.
type Status string

// The statuses. A paused job still runs when a person asks.
const (
	Active Status = "active"
	Paused Status = "paused"
)

// Job is a piece of work on one connection and entity.
type Job struct {
	Organization uuid.UUID  `json:"-"`
	ID           uuid.UUID  `json:"id"`
	ConnectionID uuid.UUID  `json:"connection_id"`
	Name         string     `json:"name"`
	Kind         Kind       `json:"kind"`
	Entity       string     `json:"entity"`
	Schedule     string     `json:"schedule,omitempty"` // see ParseSchedule; "" runs only when a person asks
	TimeZone     string     `json:"time_zone"`          // IANA name the schedule is meant in
	Status       Status     `json:"status"`
	NextRunAt    *time.Time `json:"next_run_at,omitempty"` // nil: not scheduled
	CreatedAt    time.Time  `json:"created_at"`
	CreatedBy    string     `json:"created_by"`
	UpdatedAt    time.Time  `json:"updated_at"`
}

// New is a job to be created. A connection has one job of a kind and entity.
type New struct {
	ConnectionID uuid.UUID `json:"connection_id"`
	Name         string    `json:"name"` // "" becomes "pull order" or alike
	Kind         Kind      `json:"kind"`
	Entity       string    `json:"entity"`
	Schedule     string    `json:"schedule,omitempty"`
	TimeZone     string    `json:"time_zone,omitempty"` // "" is UTC
}

// Change replaces what can change of a job.
type Change struct {
	Name     string `json:"name"`
	Schedule string `json:"schedule,omitempty"`
	TimeZone string `json:"time_zone,omitempty"`
}

// The errors that callers branch on.
var (
	ErrNotFound  = errors.New("the job, run or dead letter does not exist")
	ErrCursor    = errors.New("this is no place in the list to go on from")
	ErrCancelled = errors.New("the run was cancelled")
	// ErrLost means that the run is no longer this worker's: another has taken it over, or it was ended.
	ErrLost = errors.New("the run is no longer this worker's")
)

func checkName(name string) schema.Violations {
	if strings.TrimSpace(name) != "" {
		return nil
	}
	return schema.Violations{{Pointer: "/name", Rule: "required", Message: "a name is required"}}
}

// checkStream reports whether the connector can do what the job asks for.
func checkStream(c connector.Connector, kind Kind, entity string) schema.Violations {
	if kind != Pull && kind != Push && kind != Reconcile {
		return schema.Violations{{Pointer: "/kind", Rule: "enum", Message: "a job pulls, pushes or reconciles"}}
	}
	for _, s := range c.Streams {
		if s.Entity == entity && (kind != Push && s.Pull || kind == Push && s.Push) {
			return nil
		}
	}
	return schema.Violations{{
		Pointer: "/entity", Rule: "stream",
		Message: "the connector " + c.Name + " cannot " + string(kind) + " this entity",
	}}
}
