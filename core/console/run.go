package console

import (
	"context"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/job"
)

// runRow is a run with its job.
type runRow struct {
	job.Run
	Job jobRow
}

// Cause is why the run was started.
func (r runRow) Cause() string { return string(r.Trigger) }

// Took is how long the run executed, 0 unless it ended.
func (r runRow) Took() time.Duration {
	if r.StartedAt == nil || r.FinishedAt == nil {
		return 0
	}
	return r.FinishedAt.Sub(*r.StartedAt)
}

// Open reports whether the run has not ended.
func (r runRow) Open() bool { return r.Status == job.Queued || r.Status == job.Running }

type runsPage struct {
	Status   string
	Statuses []job.RunStatus
	Job      *jobRow // only runs of this job; nil for all
	Runs     []runRow
	First    string // URL of the first page, "" on it
	Next     string // URL of the next page, "" on the last
}

// Filtered reports whether the list shows less than all runs.
func (p runsPage) Filtered() bool { return p.Status != "" || p.Job != nil }

func (p runsPage) url(after string) string {
	q := url.Values{}
	if p.Job != nil {
		q.Set("job", p.Job.ID.String())
	}
	if p.Status != "" {
		q.Set("status", p.Status)
	}
	if after != "" {
		q.Set("after", after)
	}
	if len(q) == 0 {
		return "/sync/runs"
	}
	return "/sync/runs?" + q.Encode()
}

func (c *Console) runRows(ctx context.Context, tx pgx.Tx, f job.RunFilter) (runsPage, error) {
	page, err := job.ListRuns(ctx, tx, f)
	if err != nil {
		return runsPage{}, err
	}
	jobs, err := c.jobRows(ctx, tx, uuid.Nil)
	if err != nil {
		return runsPage{}, err
	}
	byID := make(map[uuid.UUID]jobRow, len(jobs))
	for _, j := range jobs {
		byID[j.ID] = j
	}
	p := runsPage{Runs: make([]runRow, len(page.Items)), Next: page.Next}
	for i, r := range page.Items {
		p.Runs[i] = runRow{r, byID[r.JobID]}
	}
	if j, ok := byID[f.Job]; ok {
		p.Job = &j
	}
	return p, nil
}

func (c *Console) listRuns(ctx context.Context, v *visit) error {
	q := v.r.URL.Query()
	f := job.RunFilter{Status: job.RunStatus(q.Get("status")), After: q.Get("after"), Limit: pageSize}
	statuses := []job.RunStatus{job.Queued, job.Running, job.Succeeded, job.Suspect, job.Failed, job.Cancelled}
	if f.Status != "" && !slices.Contains(statuses, f.Status) {
		return errAddress
	}
	if s := q.Get("job"); s != "" {
		var err error
		if f.Job, err = uuid.Parse(s); err != nil {
			return errAddress
		}
	}
	var p runsPage
	err := v.as(ctx, func(tx pgx.Tx) (err error) {
		p, err = c.runRows(ctx, tx, f)
		return err
	})
	if err != nil {
		return err
	}
	p.Status, p.Statuses = string(f.Status), statuses
	if p.Next != "" {
		p.Next = p.url(p.Next)
	}
	if f.After != "" {
		p.First = p.url("")
	}
	return v.show("runs", p)
}

type runPage struct {
	Run         runRow
	DeadLetters []deadLetterRow
}

func (c *Console) showRun(ctx context.Context, v *visit) error {
	id, err := v.id(job.ErrNotFound)
	if err != nil {
		return err
	}
	var p runPage
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		if p.Run.Run, err = job.GetRun(ctx, tx, id); err != nil {
			return err
		}
		if p.Run.Job.Job, err = c.Jobs.Get(ctx, tx, p.Run.JobID); err != nil {
			return err
		}
		names, err := c.connectionNames(ctx, tx)
		if err != nil {
			return err
		}
		p.Run.Job.ConnectionName = names[p.Run.Job.ConnectionID]
		page, err := c.deadLetterRows(ctx, tx, job.LetterFilter{Run: id, Limit: pageSize})
		p.DeadLetters = page.DeadLetters
		return err
	})
	if err != nil {
		return err
	}
	return v.show("run", p)
}

// cancelRun asks a run to end, and says whether it did.
func (c *Console) cancelRun(ctx context.Context, v *visit) error {
	id, err := v.id(job.ErrNotFound)
	if err != nil {
		return err
	}
	var r job.Run
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		r, err = job.RequestCancel(ctx, tx, id)
		return err
	})
	if err != nil {
		return err
	}
	notice := "run_ended"
	switch r.Status {
	case job.Cancelled:
		notice = "cancelled"
	case job.Running:
		notice = "cancelling"
	}
	return v.done("/sync/runs/"+id.String(), notice)
}
