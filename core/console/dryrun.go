package console

import (
	"context"
	"errors"
	"fmt"
	"time"

	"crmhub/core/access"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/job"
)

const (
	// drySize is how many entities or records one page of a dry run looks at.
	drySize = 50
	// dryPatience is the longest that somebody waits for another system to be read.
	dryPatience = time.Minute
)

// dryPage is the data of the page that shows what a job would do.
type dryPage struct {
	pager
	Job       jobRow
	Report    job.DryReport
	Items     []dryItem
	Beginning bool // of a pull: it is read from the beginning
	Failed    *connector.Error
}

// dryItem is an entity or record that would be written, or could not be.
type dryItem struct {
	job.DryItem
	Link string // of the entity, "" where it would be new
}

// Pulls reports whether another beginning can be asked for.
func (p dryPage) Pulls() bool { return p.Job.Kind == job.Pull }

// Path is where the page is, without what it was asked for.
func (p dryPage) Path() string { return "/sync/jobs/" + p.Job.ID.String() + "/dry-run" }

// dryRunJob shows what a job would write, a part at a time. It is asked with GET, since nothing comes of it.
func (c *Console) dryRunJob(ctx context.Context, v *visit) error {
	found, err := c.jobPage(ctx, v)
	if err != nil {
		return err
	}
	p := dryPage{Job: found.Job, Beginning: v.r.URL.Query().Get("beginning") == "true"}
	kind, err := crm.ParseKind(p.Job.Entity)
	if err != nil {
		return fmt.Errorf("job %s: %w", p.Job.ID, err)
	}
	if r := access.Resource(kind); v.who.May(r, access.Read) == "" || len(v.who.Blind(r)) > 0 {
		return errForbidden // it shows whole records
	}
	dry, ok := c.DryRuns[p.Job.Kind]
	if !ok {
		return job.ErrNotFound
	}
	after := v.r.URL.Query().Get("after")
	waits, cancel := context.WithTimeout(ctx, dryPatience)
	defer cancel()
	p.Report, err = dry(waits, v.who.Principal, p.Job.Job, job.DryOptions{Beginning: p.Beginning, After: after, Limit: drySize})
	switch {
	case errors.As(err, &p.Failed):
	case errors.Is(err, job.ErrDryCursor):
		return errAddress
	case err != nil:
		return err
	}
	for _, item := range p.Report.Items {
		shown := dryItem{DryItem: item}
		if item.EntityID != nil {
			shown.Link = pathOf(kind) + "/" + item.EntityID.String()
		}
		p.Items = append(p.Items, shown)
	}
	p.pager = pagerOf(p.part, after, p.Report.Next)
	return v.show("dry-run", p)
}

// part is where a part is.
func (p dryPage) part(after string) string {
	q := map[string]string{"after": after}
	if p.Beginning {
		q["beginning"] = "true"
	}
	return urlOf(p.Path(), q)
}
