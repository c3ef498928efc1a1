package console

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
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
	Dry      bool              // what it would do can be shown
}

// jobChoice is a job that another may run after.
type jobChoice struct {
	jobRow
	Chosen bool
}

// Pulls reports whether a range can be asked for.
func (p jobPage) Pulls() bool { return p.Job.Kind == job.Pull }

// Usual are schedules that a form offers.
func (jobPage) Usual() []string {
	return []string{"@every 1m", "@every 5m", "*/15 * * * *", "@hourly", "0 2 * * *", "0 6 * * 1-5", "0 2 * * 0"}
}

// Zones are time zones that a form offers; every IANA name will do.
func (jobPage) Zones() []string {
	return []string{
		"UTC", "America/Chicago", "America/Los_Angeles", "America/New_York", "America/Sao_Paulo", "Asia/Hong_Kong", "Asia/Kolkata", "Asia/Shanghai",
		"Asia/Singapore", "Asia/Tokyo", "Australia/Sydney", "Europe/Berlin", "Europe/London", "Europe/Paris", "Europe/Vienna", "Europe/Zurich",
	}
}

func (c *Console) showJob(ctx context.Context, v *visit) error {
	p, err := c.jobPage(ctx, v)
	if err != nil {
		return err
	}
	return v.show("job", p)
}

func (c *Console) jobPage(ctx context.Context, v *visit) (p jobPage, err error) {
	id, err := v.id(job.ErrNotFound)
	if err != nil {
		return p, err
	}
	rows, err := c.allJobs(ctx, v)
	if err != nil {
		return p, err
	}
	at := slices.IndexFunc(rows, func(j jobRow) bool { return j.ID == id })
	if at < 0 {
		return p, job.ErrNotFound
	}
	j := rows[at]
	p = pageOf(j, slices.Delete(rows, at, at+1))
	p.Dry = c.DryRuns[p.Job.Kind] != nil
	if p.Job.Status == job.Active {
		p.Coming = comingTimes(p.Job.Schedule, p.Job.TimeZone, time.Now())
		if next := p.Job.NextRunAt; next != nil && next.After(time.Now()) { // @every counts from the last run
			p.Coming = append([]time.Time{*next}, comingTimes(p.Job.Schedule, p.Job.TimeZone, *next)[:nextTimes-1]...)
		}
	}
	return p, nil
}

func (c *Console) allJobs(ctx context.Context, v *visit) (rows []jobRow, err error) {
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		rows, err = c.jobRows(ctx, tx, uuid.Nil)
		return err
	})
	return rows, err
}

// pageOf is the form of a job, with those that it may run after.
func pageOf(j jobRow, others []jobRow) jobPage {
	p := jobPage{
		Job: j, Faults: map[string]string{},
		Overlaps: []job.Overlap{job.Skip, job.Queue, job.CancelOld}, Misfires: []job.Misfire{job.MisfireNone, job.MisfireOnce, job.MisfireAll},
	}
	for _, o := range others {
		p.Others = append(p.Others, jobChoice{o, slices.Contains(j.After, o.ID)})
	}
	return p
}

// enter takes over the name and timing that somebody entered.
func (p *jobPage) enter(form url.Values) {
	p.Job.Name = form.Get("name")
	p.Job.Timing = job.Timing{
		Schedule: strings.TrimSpace(form.Get("schedule")), TimeZone: strings.TrimSpace(form.Get("time_zone")),
		Overlap: job.Overlap(form.Get("overlap")), Misfire: job.Misfire(form.Get("misfire")),
	}
	if text := form.Get("jitter_seconds"); text != "" {
		var err error
		if p.Job.JitterSeconds, err = strconv.Atoi(text); err != nil {
			p.Job.JitterSeconds = -1 // out of range, as the store says
		}
	}
	for i, o := range p.Others {
		if p.Others[i].Chosen = slices.Contains(form["after"], o.ID.String()); p.Others[i].Chosen {
			p.Job.After = append(p.Job.After, o.ID)
		}
	}
	p.Coming = nil
}

// foresee says when a schedule that was entered comes next, or what is wrong with it.
func (p *jobPage) foresee(v *visit) {
	if p.Job.Schedule == "" {
		return
	}
	if _, vs := job.ParseSchedule(p.Job.Schedule, p.Job.TimeZone); len(vs) > 0 {
		p.blame(v, vs)
		return
	}
	p.Coming = comingTimes(p.Job.Schedule, p.Job.TimeZone, time.Now())
}

// blame sets what is wrong beside the inputs that it is about.
func (p *jobPage) blame(v *visit, vs schema.Violations) {
	for _, broken := range vs {
		input, _, _ := strings.Cut(strings.TrimPrefix(broken.Pointer, "/"), "/")
		p.Faults[input] = v.violation(broken, nil)
	}
}

// updateJob saves a job's settings, or shows them again with what is wrong or when they let it run.
func (c *Console) updateJob(ctx context.Context, v *visit) error {
	p, err := c.jobPage(ctx, v)
	if err != nil {
		return err
	}
	if err := v.r.ParseForm(); err != nil {
		return errAddress
	}
	p.enter(v.r.Form)
	v.here = "/sync/jobs/" + p.Job.ID.String()
	if v.r.PostFormValue("do") == "foresee" {
		p.foresee(v)
		return v.show("job", p)
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		_, err := c.Jobs.Update(ctx, tx, p.Job.ID, job.Change{Name: cmp.Or(p.Job.Name, p.Job.unnamed()), Timing: p.Job.Timing})
		return err
	})
	if err != nil {
		return v.refuseJob(p, err)
	}
	return v.done(v.here, "saved")
}

// deleteJob takes a job away, unless a run of it executes.
func (c *Console) deleteJob(ctx context.Context, v *visit) error {
	id, err := v.id(job.ErrNotFound)
	if err != nil {
		return err
	}
	err = v.as(ctx, func(tx pgx.Tx) error { return c.Jobs.Delete(ctx, tx, id) })
	if errors.Is(err, job.ErrRunning) {
		return v.done("/sync/jobs/"+id.String(), "job_runs")
	}
	if err != nil {
		return err
	}
	return v.done("/sync/jobs", "deleted_for_good")
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
	r, err := get(ctx, v, func(tx pgx.Tx) (job.Run, error) { return c.Jobs.Backfill(ctx, tx, p.Job.ID, in) })
	if err != nil {
		vs, _ := errors.AsType[schema.Violations](err)
		for i := range vs {
			vs[i].Pointer = "/backfill"
		}
		return v.refuseJob(p, err)
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

func (v *visit) refuseJob(p jobPage, wrong error) error {
	vs, other := wrongIn(wrong)
	if other != nil {
		return other
	}
	p.blame(v, vs)
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
		"GET /sync/jobs/{id}":              {needs(access.Jobs, access.Read), c.showJob},
		"POST /sync/jobs/{id}":             {needs(access.Jobs, access.Update), c.updateJob},
		"POST /sync/jobs/{id}/delete":      {needs(access.Jobs, access.Delete), c.deleteJob},
		"GET /sync/jobs/new":               {needs(access.Jobs, access.Create), c.newJob},
		"POST /sync/jobs":                  {needs(access.Jobs, access.Create), c.createJob},
		"POST /sync/connections/{id}/jobs": {needs(access.Jobs, access.Create), c.acceptProposal},
		"GET /sync/jobs/{id}/dry-run":      {needs(access.Jobs, access.Run), c.dryRunJob},
		"POST /sync/jobs/{id}/backfill":    {needs(access.Jobs, access.Run), c.backfillJob},
		"POST /sync/connections/{id}/run":  {needs(access.Jobs, access.Run), c.runConnection},
	}
}
