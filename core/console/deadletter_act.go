package console

import (
	"context"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/job"
)

// replayDeadLetter tries one dead letter again and says what came of it.
func (c *Console) replayDeadLetter(ctx context.Context, v *visit) error {
	id, err := v.id(job.ErrNotFound)
	if err != nil {
		return err
	}
	var d job.DeadLetter
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		if err = mustBeOpen(ctx, tx, id); err != nil {
			return err
		}
		if _, err = job.ReplayDeadLetters(ctx, tx, c.Replay, []uuid.UUID{id}); err != nil {
			return err
		}
		d, err = job.GetDeadLetter(ctx, tx, id)
		return err
	})
	if err != nil {
		return err
	}
	return v.done("/sync/dead-letters/"+id.String(), replayed(d))
}

// mustBeOpen says if somebody else, or the thing's own success, has closed the letter since the page was shown.
func mustBeOpen(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	d, err := job.GetDeadLetter(ctx, tx, id)
	if err == nil && d.Status != job.Open {
		return errClosed
	}
	return err
}

// replayed says how a letter stands after a replay. A push is only made due: its pusher sends it in a moment.
func replayed(d job.DeadLetter) string {
	switch {
	case d.Status != job.Open:
		return "replayed"
	case d.Direction == job.Push:
		return "replay_sent"
	default:
		return "replay_failed"
	}
}

// dismissDeadLetter closes a dead letter for the reason in the form, which is required.
func (c *Console) dismissDeadLetter(ctx context.Context, v *visit) error {
	id, err := v.id(job.ErrNotFound)
	if err != nil {
		return err
	}
	reason := strings.TrimSpace(v.r.PostFormValue("reason"))
	if reason == "" {
		p, err := c.deadLetter(ctx, v, id)
		if err != nil {
			return err
		}
		p.ReasonMissing = true
		return v.write(http.StatusUnprocessableEntity, "dead-letter", p)
	}
	err = v.as(ctx, func(tx pgx.Tx) error {
		if err := mustBeOpen(ctx, tx, id); err != nil {
			return err
		}
		_, err := job.Dismiss(ctx, tx, id, reason)
		return err
	})
	if err != nil {
		return err
	}
	return v.done("/sync/dead-letters/"+id.String(), "dismissed")
}
