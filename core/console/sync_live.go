package console

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/connection"
	"crmhub/core/flow"
	"crmhub/core/job"
)

// standing is how the sync stands, alike for all who may see it.
type standing struct {
	flows   []flow.Flows
	waiting int64           // open dead letters
	letters []deadLetterRow // the newest of them
	runs    []runRow        // the latest of each job
}

// nowStanding is what an overview of the sync shows: a standing, for one reader.
type nowStanding struct {
	Flows       []flowConnection
	Map         *flowMap         // nil where there is no connection
	Held        []flowConnection // over which no call goes, with why
	Troubled    int64            // flows that are held up
	Hour        string           // records of the last hour, over all connections
	Pending     string           // what waits to be pushed
	MayLetters  bool             // the reader sees dead letters and runs
	Waiting     int64
	DeadLetters []deadLetterRow
	Runs        []runRow
}

// readStanding reads how the sync stands; rows, but not who may see them.
func (c *Console) readStanding(ctx context.Context, tx pgx.Tx) (standing, error) {
	s, err := c.readHealth(ctx, tx)
	if err != nil {
		return s, err
	}
	if s.waiting > 0 {
		letters, err := c.deadLetterRows(ctx, tx, job.LetterFilter{Status: job.Open, Limit: 5})
		if err != nil {
			return s, err
		}
		s.letters = letters.Items
	}
	jobs, err := c.jobsNow(ctx, tx, uuid.Nil)
	for _, j := range jobs {
		if j.Last != nil {
			s.runs = append(s.runs, runRow{Run: j.Last.Run, Job: j})
		}
	}
	slices.SortFunc(s.runs, func(a, b runRow) int { return b.QueuedAt.Compare(a.QueuedAt) })
	return s, err
}

// readHealth reads no more of how the sync stands than a home shows.
func (c *Console) readHealth(ctx context.Context, tx pgx.Tx) (s standing, err error) {
	if s.flows, err = c.flows.Read(ctx, tx); err != nil {
		return s, err
	}
	s.waiting, err = job.CountOpen(ctx, tx)
	return s, err
}

// standing is how the sync stood a moment ago, read once for all who watch.
func (v *visit) standing(ctx context.Context) (standing, error) {
	return look(ctx, v, &v.console.watched.standing, v.who.Principal.Organization, v.console.readStanding)
}

// shown is the standing for the visitor: in his words, and without what he may not see.
func (v *visit) shown(ctx context.Context, s standing) (p nowStanding, err error) {
	p = nowStanding{Flows: v.flowRows(s.flows, time.Now()), MayLetters: v.who.May(access.DeadLetters, access.Read) != ""}
	p.Map = drawFlows(p.Flows)
	for _, c := range p.Flows {
		if c.Status == connection.Active && c.Hold.Held() {
			p.Held = append(p.Held, c)
		}
	}
	var hour int64
	var waits flow.Push
	for _, c := range s.flows {
		all := totalFlow(c)
		hour, waits.Waiting, waits.More = hour+all.LastHour, waits.Waiting+all.Push.Waiting, waits.More || all.Push.More
		for _, f := range c.Flows {
			if f.State != flow.Flowing && f.State != flow.Paused {
				p.Troubled++
			}
		}
	}
	p.Hour, p.Pending = group(strconv.FormatInt(hour, 10)), amountWaiting(waits)
	if p.MayLetters {
		p.Waiting, p.Runs = s.waiting, s.runs
		p.DeadLetters, err = v.nameLetters(ctx, s.letters)
	}
	return p, err
}

// totalFlow is all that flows over a connection as one.
func totalFlow(c flow.Flows) flow.Flow {
	all := flow.Flow{Push: &flow.Push{}, State: c.State()}
	for _, f := range c.Flows {
		all.LastHour += f.LastHour
		all.LastDay += f.LastDay
		all.Letters += f.Letters
		if f.Push != nil {
			all.Push.Waiting += f.Push.Waiting
			all.Push.More = all.Push.More || f.Push.More
		}
	}
	return all
}

// followSync streams how the sync stands.
func (c *Console) followSync(ctx context.Context, v *visit) error {
	return v.followStanding(ctx, "sync", "sync-now", func(ctx context.Context, s standing) (any, error) { return v.shown(ctx, s) })
}

// followHome streams how the sync stands at home.
func (c *Console) followHome(ctx context.Context, v *visit) error {
	return v.followStanding(ctx, "home", "home-sync", func(_ context.Context, s standing) (any, error) { return v.homeSync(s), nil })
}

// followStanding streams a part of a page that says how the sync stands, as long as somebody watches.
func (v *visit) followStanding(ctx context.Context, page, part string, shown func(context.Context, standing) (any, error)) error {
	return v.followPart(ctx, page, part, func(ctx context.Context) (any, error) {
		s, err := v.standing(ctx)
		if err != nil {
			return nil, err
		}
		return shown(ctx, s)
	})
}

// health is a connection at a glance.
type health struct {
	flow.Flow
	Name, To string
	Status   connection.Status
	Breaker  connection.BreakerState
	Hour     string
	Pending  string
}

// homeSync is the part of somebody's home that says how the sync stands.
type homeSync struct {
	Connections []health
	MayLetters  bool
	Waiting     int64
}

func (v *visit) homeSync(s standing) *homeSync {
	p := homeSync{MayLetters: v.who.May(access.DeadLetters, access.Read) != ""}
	if p.MayLetters {
		p.Waiting = s.waiting
	}
	for _, c := range s.flows {
		all := totalFlow(c)
		p.Connections = append(p.Connections, health{
			Flow: all, Name: c.Name, To: "/sync/connections/" + c.ID.String(), Status: c.Status, Breaker: c.Breaker,
			Hour: group(strconv.FormatInt(all.LastHour, 10)), Pending: amountWaiting(*all.Push),
		})
	}
	return &p
}
