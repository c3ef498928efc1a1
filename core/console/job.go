package console

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/job"
)

// jobRow is a job with the name of its connection.
type jobRow struct {
	job.Job
	ConnectionName string
}

// Named reports whether somebody gave the job a name of its own; else it is called by what it does.
func (j jobRow) Named() bool { return j.Name != "" && j.Name != j.unnamed() }

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
		rows[i] = jobRow{j, names[j.ConnectionID]}
	}
	return rows, nil
}

func (c *Console) listJobs(ctx context.Context, v *visit) error {
	var rows []jobRow
	err := v.as(ctx, func(tx pgx.Tx) (err error) {
		rows, err = c.jobRows(ctx, tx, uuid.Nil)
		return err
	})
	if err != nil {
		return err
	}
	return v.show("jobs", rows)
}

func (c *Console) runJob(ctx context.Context, v *visit) error {
	id, err := v.id(job.ErrNotFound)
	if err != nil {
		return err
	}
	var r job.Run
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		r, err = job.Enqueue(ctx, tx, id, job.ByHand)
		return err
	})
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
