package console

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/job"
)

// jobRow is a job with the name of its connection.
type jobRow struct {
	job.Job
	ConnectionName string
	Last           *runRow // the run that executes, else the latest; nil if none was, or where it was not asked for
}

// jobsPart is a table of jobs, and what its reader may do with them.
type jobsPart struct {
	Jobs    []jobRow
	MayRuns bool // see what came of them
	MayRun  bool
	MaySet  bool
}

// Named reports whether somebody gave the job a name of its own; else it is called by what it does.
func (j jobRow) Named() bool { return j.Name != "" && j.Name != j.unnamed() }

// jobTitle is what a job of a connection is called.
func (v *visit) jobTitle(j jobRow) string {
	if j.Named() {
		return j.ConnectionName + " · " + j.Name
	}
	return j.ConnectionName + " · " + v.say("state.direction."+string(j.Kind)) + " · " + v.say("state.entity."+j.Entity)
}

// unnamed is what the store calls a job that nobody gave a name.
func (j jobRow) unnamed() string { return string(j.Kind) + " " + j.Entity }

// jobRows lists the jobs of a connection, or of all if it is nil.
func (c *Console) jobRows(ctx context.Context, tx pgx.Tx, connection uuid.UUID) ([]jobRow, error) {
	jobs, err := c.Jobs.List(ctx, tx, connection)
	if err != nil {
		return nil, err
	}
	names, err := c.connectionNames(ctx, tx)
	if err != nil {
		return nil, err
	}
	rows := make([]jobRow, len(jobs))
	for i, j := range jobs {
		rows[i] = jobRow{Job: j, ConnectionName: names[j.ConnectionID]}
	}
	return rows, nil
}

// jobsNow lists jobs with their latest runs.
func (c *Console) jobsNow(ctx context.Context, tx pgx.Tx, connection uuid.UUID) ([]jobRow, error) {
	rows, err := c.jobRows(ctx, tx, connection)
	if err != nil {
		return nil, err
	}
	latest, err := job.LatestRuns(ctx, tx, connection)
	for i := range rows {
		if r, ok := latest[rows[i].ID]; ok {
			rows[i].Last = &runRow{Run: r}
		}
	}
	return rows, err
}

// jobsPart is a table of jobs as the visitor may see it.
func (v *visit) jobsPart(rows []jobRow) jobsPart {
	return jobsPart{
		Jobs: rows, MayRuns: v.who.May(access.DeadLetters, access.Read) != "", MayRun: v.who.May(access.Jobs, access.Run) != "",
		MaySet: v.who.May(access.Jobs, access.Update) != "",
	}
}

func (c *Console) listJobs(ctx context.Context, v *visit) error {
	rows, err := get(ctx, v, func(tx pgx.Tx) ([]jobRow, error) { return c.jobsNow(ctx, tx, uuid.Nil) })
	if err != nil {
		return err
	}
	return v.show("jobs", v.jobsPart(rows))
}

// followJobs streams the jobs and what they do.
func (c *Console) followJobs(ctx context.Context, v *visit) error {
	return v.followPart(ctx, "jobs", "job-rows", func(ctx context.Context) (any, error) {
		rows, err := look(ctx, v, &c.watched.jobs, v.who.Principal.Organization, func(ctx context.Context, tx pgx.Tx) ([]jobRow, error) {
			return c.jobsNow(ctx, tx, uuid.Nil)
		})
		return v.jobsPart(rows), err
	})
}

func (c *Console) runJob(ctx context.Context, v *visit) error {
	id, err := v.id(job.ErrNotFound)
	if err != nil {
		return err
	}
	r, err := get(ctx, v, func(tx pgx.Tx) (job.Run, error) { return job.Enqueue(ctx, tx, id, job.ByHand) })
	if err != nil {
		return err
	}
	return v.done("/sync/runs/"+r.ID.String(), "queued")
}

func (c *Console) setJobStatus(ctx context.Context, v *visit) error {
	id, err := v.id(job.ErrNotFound)
	if err != nil {
		return err
	}
	status, err := v.choice("status", string(job.Active), string(job.Paused))
	if err != nil {
		return err
	}
	set, notice := c.Jobs.Resume, "job_resumed"
	if status == string(job.Paused) {
		set, notice = c.Jobs.Pause, "job_paused"
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		_, err := set(ctx, tx, id)
		return err
	})
	if err != nil {
		return err
	}
	return v.done("/sync/jobs", notice)
}
