package console

import (
	"cmp"
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/journey"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// deadLetterRow is a dead letter with what it is about: what of that its identity does not say, its link does.
type deadLetterRow struct {
	job.DeadLetter
	ConnectionName string
	Title, URL     string // of the entity, "" where there is none that the visitor sees
}

// fault is a rule that the payload breaks, with what the payload has there.
type fault struct {
	schema.Violation
	Found string // "" if there is nothing
}

// Faults are the letter's violations beside what stands at their places in the payload.
func (d deadLetterRow) Faults() []fault {
	faults := make([]fault, len(d.Violations))
	for i, v := range d.Violations {
		faults[i] = fault{v, valueAt(d.Payload, d.place(v.Pointer))}
	}
	return faults
}

// place is where in the payload a violation's pointer leads: a record that was pulled is kept within what is
// known of it. What the store refuses is a field of the entity, which is not kept.
func (d deadLetterRow) place(pointer string) string {
	if d.Direction == job.Pull && d.Stage != job.StageStore {
		return "/data" + pointer
	}
	return pointer
}

const deadLettersPath = "/sync/dead-letters"

type deadLettersPage struct {
	pager
	Status      string
	Statuses    []job.LetterStatus
	Connection  uuid.UUID
	Connections []option
	Entity      string
	Entities    []crm.Kind
	Cause       string // a fingerprint: only letters with this cause; "" for all
	DeadLetters []deadLetterRow
	Live        string // URL of the stream of the list, "" where it is not the first page
}

// Filtered reports whether the list shows less than all letters of its status.
func (p deadLettersPage) Filtered() bool {
	return p.Connection != uuid.Nil || p.Entity != "" || p.Cause != ""
}

// CauseURL is the list of the letters with one cause.
func (p deadLettersPage) CauseURL(fingerprint string) string {
	p.Cause = fingerprint
	return p.url(deadLettersPath, "")
}

func (p deadLettersPage) url(path, after string) string {
	parameters := map[string]string{"status": p.Status, "entity": p.Entity, "cause": p.Cause, "after": after}
	if p.Connection != uuid.Nil {
		parameters["connection"] = p.Connection.String()
	}
	return urlOf(path, parameters)
}

func (c *Console) deadLetterRows(ctx context.Context, tx pgx.Tx, f job.LetterFilter) (found postgres.Page[deadLetterRow], err error) {
	page, err := job.ListDeadLetters(ctx, tx, f)
	if err != nil {
		return found, err
	}
	names, err := c.connectionNames(ctx, tx)
	if err != nil {
		return found, err
	}
	for _, d := range page.Items {
		d.Payload = nil // a row shows none
		found.Items = append(found.Items, deadLetterRow{DeadLetter: d, ConnectionName: names[d.ConnectionID]})
	}
	found.Next = page.Next
	return found, linkLetters(ctx, tx, found.Items)
}

// lettersAsked is the list that the address asks for.
func (v *visit) lettersAsked() (p deadLettersPage, f job.LetterFilter, err error) {
	q := v.r.URL.Query()
	p = deadLettersPage{
		Status: cmp.Or(q.Get("status"), string(job.Open)), Statuses: []job.LetterStatus{job.Open, job.Resolved, job.Dismissed},
		Entity: q.Get("entity"), Entities: crm.Kinds(), Cause: q.Get("cause"),
	}
	if !slices.Contains(p.Statuses, job.LetterStatus(p.Status)) || p.Entity != "" && !slices.Contains(p.Entities, crm.Kind(p.Entity)) {
		return p, f, errAddress
	}
	if s := q.Get("connection"); s != "" {
		if p.Connection, err = uuid.Parse(s); err != nil {
			return p, f, errAddress
		}
	}
	return p, job.LetterFilter{
		Status: job.LetterStatus(p.Status), Connection: p.Connection, Entity: p.Entity, Fingerprint: p.Cause, After: q.Get("after"), Limit: pageSize,
	}, nil
}

func (c *Console) listDeadLetters(ctx context.Context, v *visit) error {
	p, f, err := v.lettersAsked()
	if err != nil {
		return err
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		found, err := c.deadLetterRows(ctx, tx, f)
		if err != nil {
			return err
		}
		if found.Items, err = v.titledLetters(ctx, tx, found.Items); err != nil {
			return err
		}
		p.show(found, f.After)
		connections, err := c.Connections.List(ctx, tx)
		for _, conn := range connections {
			p.Connections = append(p.Connections, option{conn.ID.String(), conn.Name, conn.ID == p.Connection})
		}
		return err
	})
	if err != nil {
		return err
	}
	if f.After == "" {
		p.Live = p.url(deadLettersPath+"/live", "")
	}
	return v.show("dead-letters", p)
}

// show puts what was found on the page.
func (p *deadLettersPage) show(found postgres.Page[deadLetterRow], after string) {
	p.DeadLetters = found.Items
	p.pager = pagerOf(func(after string) string { return p.url(deadLettersPath, after) }, after, found.Next)
}

// followDeadLetters streams the first page of a list of dead letters.
func (c *Console) followDeadLetters(ctx context.Context, v *visit) error {
	p, f, err := v.lettersAsked()
	if err != nil || f.After != "" {
		return cmp.Or(err, errAddress)
	}
	return v.followPart(ctx, "dead-letters", "dead-letters-now", func(ctx context.Context) (any, error) {
		found, err := look(ctx, v, &c.watched.letters, watchedLetters{v.who.Principal.Organization, f}, func(ctx context.Context, tx pgx.Tx) (postgres.Page[deadLetterRow], error) {
			return c.deadLetterRows(ctx, tx, f)
		})
		if err != nil {
			return nil, err
		}
		found.Items, err = v.nameLetters(ctx, found.Items)
		p.show(found, "")
		return p, err
	})
}

type deadLetterPage struct {
	Letter        deadLetterRow
	ReasonMissing bool
}

func (c *Console) showDeadLetter(ctx context.Context, v *visit) error {
	id, err := v.id(job.ErrNotFound)
	if err != nil {
		return err
	}
	p, err := c.deadLetter(ctx, v, id)
	if err != nil {
		return err
	}
	return v.show("dead-letter", p)
}

func (c *Console) deadLetter(ctx context.Context, v *visit, id uuid.UUID) (p deadLetterPage, err error) {
	err = v.as(ctx, func(tx pgx.Tx) error {
		d, err := job.GetDeadLetter(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := journey.SightIn(ctx, tx, v.who.Permissions, d.Entity, c.Revisions).Veil(&d); err != nil {
			return err
		}
		names, err := c.connectionNames(ctx, tx)
		if err != nil {
			return err
		}
		letters := []deadLetterRow{{DeadLetter: d, ConnectionName: names[d.ConnectionID]}}
		if err = linkLetters(ctx, tx, letters); err != nil {
			return err
		}
		letters, err = v.titledLetters(ctx, tx, letters)
		p.Letter = letters[0]
		return err
	})
	return p, err
}
