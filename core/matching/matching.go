package matching

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/postgres"
	"crmhub/core/pull"
	"crmhub/core/schema"
)

// Status says how far a matching is.
type Status string

// The statuses.
const (
	Queued    Status = "queued"
	Running   Status = "running"
	Finished  Status = "finished"  // all records were read: its proposals can be settled
	Failed    Status = "failed"    // it read a part only; what it proposes of that part can be settled
	Cancelled Status = "cancelled" // as failed
)

// Statuses are all statuses.
func Statuses() []Status { return []Status{Queued, Running, Finished, Failed, Cancelled} }

// Matching is one reading of the records of an entity on a connection.
type Matching struct {
	ID            uuid.UUID  `json:"id"`
	ConnectionID  uuid.UUID  `json:"connection_id"`
	RunID         uuid.UUID  `json:"run_id"`
	Entity        string     `json:"entity"`
	Status        Status     `json:"status" enum:"queued,running,finished,failed,cancelled"`
	AcceptCertain bool       `json:"accept_certain"` // what is certain is linked at its end
	Message       string     `json:"message,omitempty"`
	Counts        Counts     `json:"counts"`
	StartedAt     time.Time  `json:"started_at"`
	StartedBy     string     `json:"started_by"`
	FinishedAt    *time.Time `json:"finished_at,omitempty"`

	Said *schema.Saying `json:"-"` // the message, where it is the hub's
}

// Counts is what a matching found, in records. Its proposals are counted as they stand now.
type Counts struct {
	Read       int64 `json:"read"`
	Known      int64 `json:"known"`      // linked already
	Certain    int64 `json:"certain"`    // open, with one candidate that is surely the same
	Review     int64 `json:"review"`     // open, for somebody to look at
	None       int64 `json:"none"`       // open, without a counterpart here
	Unreadable int64 `json:"unreadable"` // open, and the mapping cannot read them
	Linked     int64 `json:"linked"`
	Created    int64 `json:"created"`
}

// Open is how many proposals wait for somebody.
func (c Counts) Open() int64 { return c.Certain + c.Review + c.None + c.Unreadable }

// The errors that callers branch on.
var (
	ErrNotFound = postgres.NotFound("there is no such matching")
	ErrRunning  = errors.New("the matching has not ended")
)

// Config is what a Matcher works with.
type Config struct {
	DB          *postgres.DB
	Connections *connection.Store
	Entities    *crm.Store
	Puller      *pull.Puller // reads records as a pull does, and brings them in
	Logger      *slog.Logger
}

// Matcher executes the runs of matching jobs, and does what people decide about proposals.
type Matcher struct{ Config }

// New returns a Matcher.
func New(c Config) *Matcher { return &Matcher{c} }

const columns = `
select m.id, m.connection_id, m.run_id, m.entity, m.status, m.accept_certain, coalesce(m.message, ''), m.started_at, m.started_by, m.finished_at, m.said, m.read, m.known,
	n.certain, n.review, n.none, n.unreadable, n.linked, n.created
from matchings m
cross join lateral (
	select count(*) filter (where p.state = 'open' and p.class = 'certain') as certain, count(*) filter (where p.state = 'open' and p.class = 'review') as review,
		count(*) filter (where p.state = 'open' and p.class = 'none') as none,
		count(*) filter (where p.state = 'open' and p.class = 'unreadable') as unreadable,
		count(*) filter (where p.state = 'linked') as linked, count(*) filter (where p.state = 'created') as created
	from proposals p where p.matching_id = m.id
) n`

func scan(row pgx.CollectableRow) (m Matching, err error) {
	n := &m.Counts
	err = row.Scan(&m.ID, &m.ConnectionID, &m.RunID, &m.Entity, &m.Status, &m.AcceptCertain, &m.Message, &m.StartedAt, &m.StartedBy, &m.FinishedAt, &m.Said,
		&n.Read, &n.Known, &n.Certain, &n.Review, &n.None, &n.Unreadable, &n.Linked, &n.Created)
	return m, err
}

// Get returns a matching, or [ErrNotFound].
func Get(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Matching, error) {
	return one(ctx, tx, columns+` where m.id = $1`, id)
}

func one(ctx context.Context, tx pgx.Tx, sql string, args ...any) (Matching, error) {
	return postgres.One(ctx, tx, "read a matching", scan, ErrNotFound, sql, args...)
}

// Filter narrows a list of matchings; zero fields do not.
type Filter struct {
	Connection uuid.UUID
	Entity     string
	Status     Status
	After      string // Next of the page before
	Limit      int    // 0: 50; at most 500
}

const list = columns + `
where ($1::uuid is null or m.connection_id = $1) and ($2 = '' or m.entity = $2) and ($3 = '' or m.status = $3) and ($4::uuid is null or m.id < $4)
order by m.id desc
limit $5`

// List returns matchings, the newest first.
func List(ctx context.Context, tx pgx.Tx, f Filter) (p postgres.Page[Matching], err error) {
	after, err := postgres.PlaceID(f.After)
	if err != nil {
		return p, err
	}
	return postgres.List(ctx, tx, "list matchings", scan, f.Limit, func(m Matching) string { return m.ID.String() },
		list, postgres.OrNull(f.Connection), f.Entity, f.Status, after)
}

// One that is asked for while its run waits is that one; that it accepts what is certain holds if one of the two said so.
const insertMatching = `
insert into matchings as m (id, connection_id, run_id, entity, accept_certain)
values ($1, $2, $3, $4, $5)
on conflict (organization_id, run_id) do update set accept_certain = m.accept_certain or excluded.accept_certain
returning m.id`

// Start queues a matching of a kind of entity on a connection, as somebody asks. The job is made if there is none, without a
// schedule. With accept what is certain is linked at the end. Errors: [schema.Violations].
func Start(ctx context.Context, tx pgx.Tx, jobs *job.Store, connection uuid.UUID, entity string, accept bool) (Matching, error) {
	run, err := jobs.EnqueueKind(ctx, tx, connection, job.Match, entity)
	if err != nil {
		return Matching{}, err
	}
	id, err := keep(ctx, tx, connection, run.ID, entity, accept)
	if err != nil {
		return Matching{}, err
	}
	return Get(ctx, tx, id)
}

func keep(ctx context.Context, tx pgx.Tx, connection, run uuid.UUID, entity string, accept bool) (id uuid.UUID, err error) {
	if id, err = uuid.NewV7(); err == nil {
		err = tx.QueryRow(ctx, insertMatching, id, connection, run, entity, accept).Scan(&id)
	}
	if err != nil {
		return id, fmt.Errorf("keep a matching of %s: %w", entity, err)
	}
	return id, nil
}
