package console

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/job"
)

// runRow is a run with its job.
type runRow struct {
	job.Run
	Job     jobRow
	Trouble *job.Line // what the log said last of a run that moves, if it is no good news
}

// readTrouble finds out what keeps a run that moves.
func (r *runRow) readTrouble(ctx context.Context, tx pgx.Tx) error {
	if !r.Moves() {
		return nil
	}
	last, err := job.LastLine(ctx, tx, r.ID)
	if last.Level == job.Warn || last.Level == job.Error {
		r.Trouble = &last
	}
	return err
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
func (r runRow) Open() bool { return r.Moves() || r.Status == job.Held }

// Moves reports whether the run goes on by itself.
func (r runRow) Moves() bool { return r.Status == job.Queued || r.Status == job.Running }

// Resumes reports whether somebody can let the run go on.
func (r runRow) Resumes() bool {
	return r.Status == job.Held || r.PauseRequested || r.Status == job.Failed && r.Purpose != job.Regular
}

// Doubted reports whether the run waits for somebody's word.
func (r runRow) Doubted() bool { return r.Status == job.Suspect && r.Verdict == "" }

// Special reports whether the run is not the job's regular one.
func (r runRow) Special() bool { return r.Purpose != job.Regular }

type runsPage struct {
	pager
	Status   string
	Statuses []job.RunStatus
	Job      *jobRow // only runs of this job; nil for all
	Runs     []runRow
}

// Filtered reports whether the list shows less than all runs.
func (p runsPage) Filtered() bool { return p.Status != "" || p.Job != nil }

func (p runsPage) url(after string) string {
	parameters := map[string]string{"status": p.Status, "after": after}
	if p.Job != nil {
		parameters["job"] = p.Job.ID.String()
	}
	return urlOf("/sync/runs", parameters)
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
	p := runsPage{Status: string(f.Status), Runs: make([]runRow, len(page.Items))}
	for i, r := range page.Items {
		p.Runs[i] = runRow{Run: r, Job: byID[r.JobID]}
	}
	if j, ok := byID[f.Job]; ok {
		p.Job = &j
	}
	p.pager = pagerOf(p.url, f.After, page.Next)
	return p, nil
}

func (c *Console) listRuns(ctx context.Context, v *visit) error {
	q := v.r.URL.Query()
	f := job.RunFilter{Status: job.RunStatus(q.Get("status")), After: q.Get("after"), Limit: pageSize}
	statuses := []job.RunStatus{job.Queued, job.Running, job.Held, job.Succeeded, job.Suspect, job.Failed, job.Cancelled}
	if f.Status != "" && !slices.Contains(statuses, f.Status) {
		return errAddress
	}
	if s := q.Get("job"); s != "" {
		var err error
		if f.Job, err = uuid.Parse(s); err != nil {
			return errAddress
		}
	}
	p, err := get(ctx, v, func(tx pgx.Tx) (runsPage, error) { return c.runRows(ctx, tx, f) })
	if err != nil {
		return err
	}
	p.Statuses = statuses
	return v.show("runs", p)
}

type runPage struct {
	Run         runRow
	DeadLetters []deadLetterRow
	Log         []job.Line // the first pages of it
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
		if err := p.Run.readTrouble(ctx, tx); err != nil {
			return err
		}
		letters, err := c.deadLetterRows(ctx, tx, job.LetterFilter{Run: id, Limit: pageSize})
		if err != nil {
			return err
		}
		if p.DeadLetters, err = v.titledLetters(ctx, tx, letters.Items); err != nil {
			return err
		}
		p.Log, err = job.Lines(ctx, tx, id, 0, "", 2*job.MostLines)
		return err
	})
	if err != nil {
		return err
	}
	return v.show("run", p)
}

// actOnRun does what a person may do with a run that stands where it makes sense, and leads to the run that came of it.
func (c *Console) actOnRun(act func(context.Context, pgx.Tx, uuid.UUID) (job.Run, error), notice string) func(context.Context, *visit) error {
	return func(ctx context.Context, v *visit) error {
		id, err := v.id(job.ErrNotFound)
		if err != nil {
			return err
		}
		r, err := get(ctx, v, func(tx pgx.Tx) (job.Run, error) { return act(ctx, tx, id) })
		if errors.Is(err, job.ErrRunState) {
			return v.done("/sync/runs/"+id.String(), "run_state")
		}
		if err != nil {
			return err
		}
		return v.done("/sync/runs/"+r.ID.String(), notice)
	}
}

// cancelRun asks a run to end, and says whether it did.
func (c *Console) cancelRun(ctx context.Context, v *visit) error {
	id, err := v.id(job.ErrNotFound)
	if err != nil {
		return err
	}
	r, err := get(ctx, v, func(tx pgx.Tx) (job.Run, error) { return job.RequestCancel(ctx, tx, id) })
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
