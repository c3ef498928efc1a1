package flow

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/job"
)

// State says how a flow stands: the first of these, from the bottom up, that holds.
type State string

// The states.
const (
	Flowing State = "flowing"
	Overdue State = "overdue" // a pull should have run by now
	Failing State = "failing" // there are open dead letters, or the last run ended badly
	Held    State = "held"    // its system fails as a whole: calls are held back until it works again
	Paused  State = "paused"  // by a person: the connection, or the job
)

// grace is how long after its time a pull may begin and end before it is overdue: as long as one that executes may rest
// before it counts as stuck.
const grace = 10 * time.Minute

// Flow is one entity in one direction over one connection.
type Flow struct {
	Entity    string   `json:"entity"`
	Direction job.Kind `json:"direction" enum:"push,pull"`
	State     State    `json:"state" enum:"flowing,overdue,failing,held,paused"`
	LastHour  int64    `json:"last_hour" doc:"Records that came over in the last hour; of a pull those that changed something."`
	LastDay   int64    `json:"last_day" doc:"The same of the last 24 hours."`
	Letters   int64    `json:"dead_letters" doc:"Open dead letters."`
	Push      *Push    `json:"push,omitempty" doc:"Of a push."`
	Pull      *Pull    `json:"pull,omitempty" doc:"Of a pull."`
}

// Push is how far a push is behind.
type Push struct {
	Waiting int64      `json:"waiting" doc:"Entities whose newest version is not over there yet, without those that failed for good. Counted up to 2,000 a connection."`
	More    bool       `json:"more,omitempty" doc:"There are more than were counted."`
	Since   *time.Time `json:"since,omitempty" doc:"When the oldest change was made that is not over there yet; absent where nothing waits."`
}

// Pull is how far a pull is behind.
type Pull struct {
	JobID    uuid.UUID     `json:"job_id"`
	Schedule string        `json:"schedule,omitempty" doc:"Absent: it runs when somebody asks."`
	GoodAt   *time.Time    `json:"good_at,omitempty" doc:"When the last run that went well ended; absent: none did."`
	DueAt    *time.Time    `json:"due_at,omitempty" doc:"The first time in the schedule since, or since job or connection were changed: that of the run that is to come, or is overdue."`
	Overdue  bool          `json:"overdue" doc:"That time has passed by more than ten minutes, and no run that moves executes."`
	RunID    *uuid.UUID    `json:"run_id,omitempty" doc:"The last run, whatever it is for."`
	Run      job.RunStatus `json:"run_status,omitempty" doc:"Where that run stands."`
}

// Flows are those of a connection.
type Flows struct {
	ID        uuid.UUID               `json:"id"`
	Code      string                  `json:"code"`
	Name      string                  `json:"name"`
	Connector string                  `json:"connector"`
	Status    connection.Status       `json:"status" enum:"active,paused"`
	Breaker   connection.BreakerState `json:"breaker" enum:"closed,open,probing,stopped" doc:"Calls go through while it is closed."`
	Hold      connection.Breaker      `json:"-"` // why they do not, in full
	Flows     []Flow                  `json:"flows" nullable:"false" doc:"Pushes, then pulls, by entity."`
}

// State is the worst of the connection's flows, and what is said of it as a whole.
func (c Flows) State() State {
	switch {
	case c.Status == connection.Paused:
		return Paused
	case c.Breaker != connection.Closed:
		return Held
	}
	for _, s := range []State{Failing, Overdue} {
		for _, f := range c.Flows {
			if f.State == s {
				return s
			}
		}
	}
	return Flowing
}

// Store reads flows. Its fields but Now must be set.
type Store struct {
	Connections *connection.Store
	Jobs        *job.Store
	Revisions   Revisions
	Now         func() time.Time // nil is the clock
}

// Revisions knows what has a mapping; a *revision.Store does.
type Revisions interface {
	// Mapped returns what tells whether an entity has a mapping on a connection.
	Mapped(ctx context.Context, tx pgx.Tx) (func(c connection.Connection, entity string) bool, error)
}

// Read returns every connection, by code, with its flows: a push for each entity that it is pushed and has a mapping for, a
// pull for each job that pulls.
func (s *Store) Read(ctx context.Context, tx pgx.Tx) ([]Flows, error) {
	connections, err := s.Connections.List(ctx, tx)
	if err != nil || len(connections) == 0 {
		return nil, err
	}
	mapped, err := s.Revisions.Mapped(ctx, tx)
	if err != nil {
		return nil, err
	}
	jobs, err := s.Jobs.List(ctx, tx, uuid.Nil)
	if err != nil {
		return nil, err
	}
	f, err := readFacts(ctx, tx)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if s.Now != nil {
		now = s.Now()
	}
	all := make([]Flows, len(connections))
	for i, c := range connections {
		all[i] = Flows{ID: c.ID, Code: c.Code, Name: c.Name, Connector: c.Connector, Status: c.Status, Breaker: c.Breaker.State, Hold: c.Breaker, Flows: []Flow{}}
		for _, stream := range s.Connections.Streams(c) {
			if stream.Push && mapped(c, stream.Entity) {
				all[i].Flows = append(all[i].Flows, f.push(c, stream))
			}
		}
		for _, j := range jobs {
			if j.ConnectionID == c.ID && j.Kind == job.Pull {
				all[i].Flows = append(all[i].Flows, f.pull(c, j, now))
			}
		}
	}
	return all, nil
}

func (f facts) push(c connection.Connection, s connector.Stream) Flow {
	at := place{c.ID, s.Entity, job.Push}
	flow := f.flow(at)
	waits := f.waiting[at]
	flow.Push = &waits
	flow.State = standing(c, false, flow.Letters > 0, false)
	return flow
}

func (f facts) pull(c connection.Connection, j job.Job, now time.Time) Flow {
	flow := f.flow(place{c.ID, j.Entity, job.Pull})
	last := f.runs[j.ID]
	p := Pull{JobID: j.ID, Schedule: j.Schedule, GoodAt: last.goodAt, RunID: last.id, Run: last.status}
	since := later(j.UpdatedAt, c.UpdatedAt) // what was paused or changed then could not run before
	if p.GoodAt != nil {
		since = later(since, *p.GoodAt)
	}
	if due := j.DueAfter(since); !due.IsZero() {
		p.DueAt = &due
		p.Overdue = due.Add(grace).Before(now) && (last.status != job.Running || last.stuck)
	}
	flow.Pull = &p
	badly := last.ended == job.Failed || last.ended == job.Suspect
	flow.State = standing(c, j.Status == job.Paused, flow.Letters > 0 || badly, p.Overdue)
	return flow
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (f facts) flow(at place) Flow {
	moved := f.moved[at]
	return Flow{Entity: at.entity, Direction: at.direction, LastHour: moved.hour, LastDay: moved.day, Letters: f.letters[at]}
}

func standing(c connection.Connection, paused, failing, overdue bool) State {
	switch {
	case c.Status == connection.Paused || paused:
		return Paused
	case c.Breaker.Held():
		return Held
	case failing:
		return Failing
	case overdue:
		return Overdue
	}
	return Flowing
}
