package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/connection"
	"crmhub/core/job"
	"crmhub/core/schema"
)

// jobPage is a job's settings, as they are or as somebody entered them, and what can be asked of it.
type jobPage struct {
	Job      jobRow
	Others   []jobChoice // what it may run after
	Coming   []time.Time // when it is due next, by its schedule
	Overlaps []job.Overlap
	Misfires []job.Misfire
	From, To string            // of a backfill, as entered
	Faults   map[string]string // by input
}

// jobChoice is a job that another may run after.
type jobChoice struct {
	jobRow
	Chosen bool
}

// Pulls reports whether a range can be asked for.
func (p jobPage) Pulls() bool { return p.Job.Kind == job.Pull }

func (c *Console) showJob(ctx context.Context, v *visit) error {
	p, err := c.jobPage(ctx, v)
	if err != nil {
		return err
	}
	return v.show("job", p)
}

func (c *Console) jobPage(ctx context.Context, v *visit) (p jobPage, err error) {
	p = jobPage{
		Overlaps: []job.Overlap{job.Skip, job.Queue, job.CancelOld}, Misfires: []job.Misfire{job.MisfireNone, job.MisfireOnce, job.MisfireAll},
	}
	id, err := v.id(job.ErrNotFound)
	if err != nil {
		return p, err
	}
	var rows []jobRow
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		rows, err = c.jobRows(ctx, tx, uuid.Nil)
		return err
	})
	if err != nil {
		return p, err
	}
	at := slices.IndexFunc(rows, func(j jobRow) bool { return j.ID == id })
	if at < 0 {
		return p, job.ErrNotFound
	}
	p.Job = rows[at]
	if p.Job.Schedule != "" && p.Job.Status == job.Active {
		p.Coming = comingTimes(p.Job.Schedule, p.Job.TimeZone, time.Now())
	}
	for _, j := range slices.Delete(rows, at, at+1) {
		p.Others = append(p.Others, jobChoice{j, slices.Contains(p.Job.After, j.ID)})
	}
	return p, nil
}

// updateJob saves a job's settings, or shows them again with what is wrong.
func (c *Console) updateJob(ctx context.Context, v *visit) error {
	p, err := c.jobPage(ctx, v)
	if err != nil {
		return err
	}
	in := job.Change{Name: v.r.PostFormValue("name"), Timing: job.Timing{
		Schedule: strings.TrimSpace(v.r.PostFormValue("schedule")), TimeZone: strings.TrimSpace(v.r.PostFormValue("time_zone")),
		Overlap: job.Overlap(v.r.PostFormValue("overlap")), Misfire: job.Misfire(v.r.PostFormValue("misfire")),
	}}
	if text := v.r.PostFormValue("jitter_seconds"); text != "" {
		if in.JitterSeconds, err = strconv.Atoi(text); err != nil {
			in.JitterSeconds = -1 // out of range, as the store says
		}
	}
	for i, o := range p.Others {
		if p.Others[i].Chosen = slices.Contains(v.r.Form["after"], o.ID.String()); p.Others[i].Chosen {
			in.After = append(in.After, o.ID)
		}
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		_, err := c.Jobs.Update(ctx, tx, p.Job.ID, in)
		return err
	})
	if vs := schema.Violations(nil); errors.As(err, &vs) {
		p.Job.Name, p.Job.Timing = in.Name, in.Timing
		return v.refuseJob(p, vs)
	}
	if err != nil {
		return err
	}
	return v.done("/sync/jobs/"+p.Job.ID.String(), "saved")
}

// backfillJob asks for a range to be pulled once more, or shows what is wrong with it.
func (c *Console) backfillJob(ctx context.Context, v *visit) error {
	p, err := c.jobPage(ctx, v)
	if err != nil {
		return err
	}
	p.From, p.To = v.r.PostFormValue("from"), v.r.PostFormValue("to")
	var in job.Range
	if in.From, err = v.bound(p.From); err != nil {
		return err
	}
	if in.To, err = v.bound(p.To); err != nil {
		return err
	}
	var r job.Run
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		r, err = c.Jobs.Backfill(ctx, tx, p.Job.ID, in)
		return err
	})
	if vs := schema.Violations(nil); errors.As(err, &vs) {
		for i := range vs {
			vs[i].Pointer = "/backfill"
		}
		return v.refuseJob(p, vs)
	}
	if err != nil {
		return err
	}
	return v.done("/sync/runs/"+r.ID.String(), "queued")
}

// bound is when a day begins for the reader; nil for none.
func (v *visit) bound(text string) (*time.Time, error) {
	at, err := v.day(text, 0)
	if err != nil || at.IsZero() {
		return nil, err
	}
	return &at, nil
}

func (v *visit) refuseJob(p jobPage, vs schema.Violations) error {
	p.Faults = map[string]string{}
	for _, broken := range vs {
		input, _, _ := strings.Cut(strings.TrimPrefix(broken.Pointer, "/"), "/")
		p.Faults[input] = v.violation(broken, nil)
	}
	return v.write(http.StatusUnprocessableEntity, "job", p)
}

// runConnection asks for a run of each pull of a connection, in their order.
func (c *Console) runConnection(ctx context.Context, v *visit) error {
	id, err := v.id(connection.ErrNotFound)
	if err != nil {
		return err
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		if _, err := c.Connections.Get(ctx, tx, id); err != nil {
			return err
		}
		_, err := c.Jobs.EnqueueAll(ctx, tx, id, job.Pull)
		return err
	})
	if err != nil {
		return err
	}
	return v.done("/sync/runs", "queued_all")
}

// jobRoutes are the pages of one job.
func (c *Console) jobRoutes() map[string]page {
	return map[string]page{
		"GET /sync/jobs/{id}":             {needs(access.Jobs, access.Read), c.showJob},
		"POST /sync/jobs/{id}":            {needs(access.Jobs, access.Update), c.updateJob},
		"GET /sync/jobs/{id}/dry-run":     {needs(access.Jobs, access.Run), c.dryRunJob},
		"POST /sync/jobs/{id}/backfill":   {needs(access.Jobs, access.Run), c.backfillJob},
		"POST /sync/connections/{id}/run": {needs(access.Jobs, access.Run), c.runConnection},
	}
}
