package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/schema"
)

// newJobPage asks what a new job does and when, or first on which connection.
type newJobPage struct {
	jobPage
	Connections []connection.Connection // to choose from; none once one is chosen
	Work        []workGroup
	None        bool // there is no connection yet
}

// workGroup is what jobs of a kind could do on a connection, and do not yet.
type workGroup struct {
	Kind  job.Kind
	Works []work
}

// work is what a job could do.
type work struct {
	Value  string // as the form sends it
	Entity crm.Kind
	Chosen bool
}

// newJob offers the connections, or the form of a job on the one chosen.
func (c *Console) newJob(ctx context.Context, v *visit) error {
	q := v.r.URL.Query()
	p, err := c.newJobPage(ctx, v, q.Get("connection"), q.Get("work"))
	if err != nil {
		return err
	}
	p.Job.Timing = job.Timing{TimeZone: v.zone().String(), Overlap: job.Skip, Misfire: job.MisfireOnce}
	return v.show("job-new", p)
}

// newJobPage is the form of a job on a connection; where none is named and there are several, it asks for one.
func (c *Console) newJobPage(ctx context.Context, v *visit, on, chosen string) (p newJobPage, err error) {
	all, err := get(ctx, v, func(tx pgx.Tx) ([]connection.Connection, error) { return c.Connections.List(ctx, tx) })
	if err != nil {
		return p, err
	}
	if on == "" && len(all) != 1 {
		return newJobPage{Connections: all, None: len(all) == 0}, nil
	}
	at := slices.IndexFunc(all, func(conn connection.Connection) bool { return on == "" || conn.ID.String() == on })
	if at < 0 {
		return p, connection.ErrNotFound
	}
	others, err := c.allJobs(ctx, v)
	if err != nil {
		return p, err
	}
	p.jobPage = pageOf(jobRow{Job: job.Job{ConnectionID: all[at].ID}, ConnectionName: all[at].Name}, others)
	p.Work = workOf(c, all[at], others, chosen)
	return p, nil
}

// workOf is what a connection's connector can do, and no job of it does yet.
func workOf(c *Console, conn connection.Connection, jobs []jobRow, chosen string) (all []workGroup) {
	streams := c.Connections.Streams(conn)
	for _, kind := range job.Kinds() {
		g := workGroup{Kind: kind}
		for _, entity := range crm.Kinds() {
			taken := slices.ContainsFunc(jobs, func(j jobRow) bool {
				return j.ConnectionID == conn.ID && j.Kind == kind && j.Entity == string(entity)
			})
			if !taken && job.Can(streams, kind, string(entity)) {
				value := string(kind) + " " + string(entity)
				g.Works = append(g.Works, work{value, entity, value == chosen})
			}
		}
		if len(g.Works) > 0 {
			all = append(all, g)
		}
	}
	return all
}

// createJob makes a job, or shows what was entered again with what is wrong or when it would run.
func (c *Console) createJob(ctx context.Context, v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return errAddress
	}
	does := v.r.PostFormValue("work")
	p, err := c.newJobPage(ctx, v, v.r.PostFormValue("connection"), does)
	if err != nil {
		return err
	}
	if p.Job.ConnectionID == uuid.Nil {
		return errAddress
	}
	p.enter(v.r.Form)
	v.here = "/sync/jobs/new"
	if v.r.PostFormValue("do") == "foresee" {
		p.foresee(v)
		return v.show("job-new", p)
	}
	kind, entity, _ := strings.Cut(does, " ")
	var made job.Job
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		made, err = c.Jobs.Create(ctx, tx, job.New{
			ConnectionID: p.Job.ConnectionID, Name: strings.TrimSpace(p.Job.Name), Kind: job.Kind(kind), Entity: entity, Timing: p.Job.Timing,
		})
		return err
	})
	if vs, ok := errors.AsType[schema.Violations](err); ok {
		p.blame(v, vs)
		return v.write(http.StatusUnprocessableEntity, "job-new", p)
	}
	if err != nil {
		return err
	}
	return v.done("/sync/jobs/"+made.ID.String(), "job_created")
}

// proposedPulls and proposedReconciliations are when the jobs run that a new connection is offered.
const (
	proposedPulls           = "@every 5m"
	proposedReconciliations = "0 2 * * *"
)

// plan is what a new connection is offered: its nights are the reader's.
func (v *visit) plan() job.Plan {
	return job.Plan{Pull: proposedPulls, Reconcile: proposedReconciliations, TimeZone: v.zone().String()}
}

// acceptProposal makes all jobs that a connection is offered.
func (c *Console) acceptProposal(ctx context.Context, v *visit) error {
	id, err := v.id(connection.ErrNotFound)
	if err != nil {
		return err
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		if _, err := c.Connections.Get(ctx, tx, id); err != nil {
			return err
		}
		_, err := c.Jobs.CreateProposed(ctx, tx, id, v.plan())
		return err
	})
	if err != nil {
		return err
	}
	return v.done(connectionsPath+"/"+id.String(), "jobs_created")
}
