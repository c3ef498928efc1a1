package console

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/job"
)

// causeRow is a group of dead letters with the name of their connection.
type causeRow struct {
	job.LetterCause
	ConnectionName string
}

type causesPage struct {
	Causes        []causeRow
	ReasonMissing bool
	First         string // URL of the first page, "" on it
	Next          string // URL of the next page, "" on the last
}

func (c *Console) listCauses(ctx context.Context, v *visit) error {
	return c.writeCauses(ctx, v, http.StatusOK, false)
}

func (c *Console) writeCauses(ctx context.Context, v *visit, status int, reasonMissing bool) error {
	const path = "/sync/dead-letters/causes"
	p := causesPage{ReasonMissing: reasonMissing}
	after := v.r.URL.Query().Get("after")
	err := v.as(ctx, func(tx pgx.Tx) error {
		page, err := job.ListCauses(ctx, tx, job.LetterFilter{Status: job.Open, After: after, Limit: pageSize})
		if err != nil {
			return err
		}
		names, err := c.connectionNames(ctx, tx)
		for _, g := range page.Items {
			p.Causes = append(p.Causes, causeRow{g, names[g.ConnectionID]})
		}
		p.Next = page.Next
		return err
	})
	if err != nil {
		return err
	}
	if p.Next != "" {
		p.Next = path + "?after=" + url.QueryEscape(p.Next)
	}
	if after != "" {
		p.First = path
	}
	return v.write(status, "causes", p)
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
	var runs []job.Run
	err := v.as(ctx, func(tx pgx.Tx) (err error) {
		runs, err = job.EnqueueReplay(ctx, tx, scope)
		return err
	})
	if err != nil {
		return err
	}
	switch len(runs) {
	case 0:
		return v.done("/sync/dead-letters/causes", "nothing_to_replay")
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
		return c.writeCauses(ctx, v, http.StatusUnprocessableEntity, true)
	}
	err := v.as(ctx, func(tx pgx.Tx) error {
		_, err := job.DismissAll(ctx, tx, scope, reason)
		return err
	})
	if err != nil {
		return err
	}
	return v.done("/sync/dead-letters/causes", "dismissed_all")
}
