package job

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"crmhub/core/connector"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Kind says which way a job moves.
type Kind string

// The kinds.
const (
	Pull Kind = "pull" // read what changed on the other side since the last run
	Push Kind = "push" // compare every entity's version with its link and send what is behind

	Reconcile Kind = "reconcile" // read all of the other side, compare it with ours, and keep what differs
	Match     Kind = "match"     // read all of the other side, and propose which record that nobody linked is which entity
)

// Kinds are all there are.
func Kinds() []Kind { return []Kind{Pull, Push, Reconcile, Match} }

// Status says whether a job's schedule counts.
type Status string

// The statuses. A paused job still runs when a person asks.
const (
	Active Status = "active"
	Paused Status = "paused"
)

// Overlap says what a due time does while the job's last run has not ended.
type Overlap string

// The overlap policies. Runs of one job never execute side by side.
const (
	Skip      Overlap = "skip"       // the time passes: the next run does its work, too
	Queue     Overlap = "queue"      // one run waits for the end of the other
	CancelOld Overlap = "cancel_old" // the other is cancelled after its page, and a new one begins
)

// Misfire says what becomes of times that passed while nobody looked: the hub was down, or the connection paused.
type Misfire string

// The misfire policies. A time that is noticed within a minute was not missed.
const (
	MisfireNone Misfire = "none" // they are forgotten
	MisfireOnce Misfire = "once" // one run for all of them
	MisfireAll  Misfire = "all"  // a run for each of the last MostMissed, one after the other
)

// MostMissed is how many missed times are made up for at most.
const MostMissed = 100

// MostJitter is the longest delay of a job against its schedule, in seconds.
const MostJitter = 3600

// Timing is when a job runs.
type Timing struct {
	Schedule string  `json:"schedule,omitempty"` // see ParseSchedule; "" runs only when a person asks
	TimeZone string  `json:"time_zone"`          // IANA name the schedule is meant in
	Overlap  Overlap `json:"overlap"`
	Misfire  Misfire `json:"misfire"`
	// JitterSeconds spreads jobs that are due together: each has a delay of its own below it, always the same.
	JitterSeconds int `json:"jitter_seconds"`
	// After are the jobs that come first: a run waits while one of them is queued or executes.
	After []uuid.UUID `json:"after,omitempty"`
}

// Job is a piece of work on one connection and entity.
type Job struct {
	Organization uuid.UUID `json:"-"`
	ID           uuid.UUID `json:"id"`
	ConnectionID uuid.UUID `json:"connection_id"`
	Name         string    `json:"name"`
	Kind         Kind      `json:"kind"`
	Entity       string    `json:"entity"`
	Timing
	Status    Status     `json:"status"`
	NextRunAt *time.Time `json:"next_run_at,omitempty"` // nil: not scheduled
	CreatedAt time.Time  `json:"created_at"`
	CreatedBy string     `json:"created_by"`
	UpdatedAt time.Time  `json:"updated_at"`
}

// New is a job to be created. A connection has one job of a kind and entity. Of its timing everything may be left out:
// UTC, skip, once, no jitter, after nothing.
type New struct {
	ConnectionID uuid.UUID `json:"connection_id"`
	Name         string    `json:"name"` // "" becomes "pull order" or alike
	Kind         Kind      `json:"kind"`
	Entity       string    `json:"entity"`
	Timing
}

// Change replaces what can change of a job; see [New] for what may be left out.
type Change struct {
	Name string `json:"name"`
	Timing
}

// The errors that callers branch on.
var (
	ErrNotFound  = postgres.NotFound("the job, run or dead letter does not exist")
	ErrCancelled = errors.New("the run was cancelled")
	ErrPaused    = errors.New("the run was paused")
	// ErrRunState means that a run does not stand where what was asked for makes sense.
	ErrRunState = errors.New("the run does not stand there")
	// ErrRunning means that a run of the job executes.
	ErrRunning = errors.New("a run of the job executes: cancel it first")
	// ErrLost means that the run is no longer this worker's: another has taken it over, or it was ended.
	ErrLost = errors.New("the run is no longer this worker's")
)

// withDefaults fills in what was left out.
func (t Timing) withDefaults() Timing {
	t.TimeZone = cmp.Or(t.TimeZone, "UTC")
	t.Overlap = cmp.Or(t.Overlap, Skip)
	t.Misfire = cmp.Or(t.Misfire, MisfireOnce)
	return t
}

// check names what is wrong with a timing, but for what only the store knows.
func (t Timing) check() (vs schema.Violations) {
	if t.Overlap != Skip && t.Overlap != Queue && t.Overlap != CancelOld {
		vs = append(vs, schema.Violation{Pointer: "/overlap", Rule: "enum", Message: "must be skip, queue or cancel_old"})
	}
	if t.Misfire != MisfireNone && t.Misfire != MisfireOnce && t.Misfire != MisfireAll {
		vs = append(vs, schema.Violation{Pointer: "/misfire", Rule: "enum", Message: "must be none, once or all"})
	}
	if t.JitterSeconds < 0 || t.JitterSeconds > MostJitter {
		vs = append(vs, schema.Violation{
			Pointer: "/jitter_seconds", Rule: "range", Message: fmt.Sprintf("must be between 0 and %d seconds", MostJitter),
		})
	}
	return vs
}

func checkName(name string) schema.Violations {
	if strings.TrimSpace(name) != "" {
		return nil
	}
	return schema.Violations{{Pointer: "/name", Rule: "required", Message: "a name is required"}}
}

// checkStream reports whether the connector can do what the job asks for.
func checkStream(c connector.Connector, kind Kind, entity string) schema.Violations {
	if !slices.Contains(Kinds(), kind) {
		return schema.Violations{{Pointer: "/kind", Rule: "enum", Message: "a job pulls, pushes, reconciles or matches"}}
	}
	if Can(c.Streams, kind, entity) {
		return nil
	}
	return schema.Violations{{
		Pointer: "/entity", Rule: "stream",
		Message: "the connector " + c.Name + " cannot " + string(kind) + " this entity",
	}}
}

// Can reports whether streams can do what a job of a kind does with an entity: a push needs a stream that is pushed,
// everything else one that is pulled.
func Can(streams []connector.Stream, kind Kind, entity string) bool {
	_, ok := stream(streams, kind, entity)
	return ok
}

func stream(all []connector.Stream, kind Kind, entity string) (connector.Stream, bool) {
	for _, s := range all {
		if s.Entity == entity && (kind != Push && s.Pull || kind == Push && s.Push) {
			return s, true
		}
	}
	return connector.Stream{}, false
}
