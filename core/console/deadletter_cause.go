package console

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/job"
)

// causeRow is a group of dead letters with the name of their connection.
type causeRow struct {
	job.LetterCause
	ConnectionName string
	Last           deadLetterRow // the one that changed last, without its content
}

const causesPath = deadLettersPath + "/causes"

type causesPage struct {
	pager
	Causes        []causeRow
	ReasonMissing bool
	MayReplay     bool
	MayDismiss    bool
	MayMap        bool // look at mappings
}

func (c *Console) listCauses(ctx context.Context, v *visit) error {
	return c.writeCauses(ctx, v, false)
}

func (c *Console) writeCauses(ctx context.Context, v *visit, reasonMissing bool) error {
	after := v.r.URL.Query().Get("after")
	p, err := get(ctx, v, func(tx pgx.Tx) (causesPage, error) { return c.causeRows(ctx, tx, after) })
	if err != nil {
		return err
	}
	p.ReasonMissing = reasonMissing
	if p, err = v.causesPart(ctx, p); err != nil {
		return err
	}
	return v.write(statusOf(reasonMissing), "causes", p)
}

// causeRows are the causes of open dead letters.
func (c *Console) causeRows(ctx context.Context, tx pgx.Tx, after string) (p causesPage, err error) {
	page, err := job.ListCauses(ctx, tx, job.LetterFilter{Status: job.Open, After: after, Limit: pageSize})
	if err != nil {
		return p, err
	}
	names, err := c.connectionNames(ctx, tx)
	if err != nil {
		return p, err
	}
	last := make([]deadLetterRow, len(page.Items))
	for i, g := range page.Items {
		last[i].DeadLetter = job.DeadLetter{ID: g.Latest, ConnectionID: g.ConnectionID, Entity: g.Entity, EntityID: g.EntityID, RemoteID: g.RemoteID}
	}
	if err := linkLetters(ctx, tx, last); err != nil {
		return p, err
	}
	for i, g := range page.Items {
		p.Causes = append(p.Causes, causeRow{g, names[g.ConnectionID], last[i]})
	}
	p.pager = pagerOf(from(causesPath), after, page.Next)
	return p, nil
}

// causesPart is the page with what the visitor may see and do on it.
func (v *visit) causesPart(ctx context.Context, p causesPage) (causesPage, error) {
	last := make([]deadLetterRow, len(p.Causes))
	for i, c := range p.Causes {
		last[i] = c.Last
	}
	last, err := v.nameLetters(ctx, last)
	p.Causes = slices.Clone(p.Causes) // others look at them, too
	for i := range p.Causes {
		p.Causes[i].Last = last[i]
	}
	p.MayReplay = v.who.May(access.DeadLetters, access.Run) != ""
	p.MayMap = v.who.May(access.Connections, access.Read) != ""
	p.MayDismiss = v.who.May(access.DeadLetters, access.Update) != ""
	return p, err
}

// followCauses streams the first page of the causes.
func (c *Console) followCauses(ctx context.Context, v *visit) error {
	return v.followPart(ctx, "causes", "causes-now", func(ctx context.Context) (any, error) {
		p, err := look(ctx, v, &c.watched.causes, v.who.Principal.Organization, func(ctx context.Context, tx pgx.Tx) (causesPage, error) {
			return c.causeRows(ctx, tx, "")
		})
		if err != nil {
			return nil, err
		}
		return v.causesPart(ctx, p)
	})
}

// replayLetters lets the open letters of one cause, or those since a time, be tried again in the background.
func (c *Console) replayLetters(ctx context.Context, v *visit) error {
	scope := job.Scope{Fingerprint: v.r.PostFormValue("cause")}
	if text := v.r.PostFormValue("since"); text != "" {
		since, err := time.ParseInLocation("2006-01-02T15:04", text, v.zone())
		if err != nil {
			return errAddress
		}
		scope.Since = &since
	}
	if scope == (job.Scope{}) {
		return errAddress
	}
	runs, err := get(ctx, v, func(tx pgx.Tx) ([]job.Run, error) { return job.EnqueueReplay(ctx, tx, scope) })
	if err != nil {
		return err
	}
	switch len(runs) {
	case 0:
		return v.done(causesPath, "nothing_to_replay")
	case 1:
		return v.done("/sync/runs/"+runs[0].ID.String(), "queued")
	}
	return v.done("/sync/runs", "replayed_all")
}

// dismissCause closes the open letters of one cause for the reason in the form, which is required.
func (c *Console) dismissCause(ctx context.Context, v *visit) error {
	scope := job.Scope{Fingerprint: v.r.PostFormValue("cause")}
	if scope == (job.Scope{}) {
		return errAddress
	}
	reason := strings.TrimSpace(v.r.PostFormValue("reason"))
	if reason == "" {
		return c.writeCauses(ctx, v, true)
	}
	err := v.as(ctx, func(tx pgx.Tx) error {
		_, err := job.DismissAll(ctx, tx, scope, reason)
		return err
	})
	if err != nil {
		return err
	}
	return v.done(causesPath, "dismissed_all")
}
