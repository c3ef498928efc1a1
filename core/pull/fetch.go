package pull

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
	"crmhub/core/job"
)

const (
	fetchAttempts = 6
	longestWait   = 2 * time.Minute // a remote that asks for more ends the run; the next one goes on
)

// fetch reads a page, again when the remote fails for a while. It gives up when the connection is held back, because
// of this failure or of others': nobody calls a system that is away before a probe has found it.
func (p *passing) fetch(ctx context.Context, puller connector.Puller, cursor json.RawMessage) (connector.Page, error) {
	r := connector.PullRequest{Stream: p.mapping.Record(), Cursor: cursor, Limit: p.PageSize}
	if given := p.task.Range; given != nil {
		r.Since, r.Until = value(given.From), value(given.To)
	}
	wait := p.Backoff
	for attempt := 1; ; attempt++ {
		page, err := puller.Pull(ctx, r)
		if err == nil {
			if attempt > 1 {
				err = p.Breakers.Success(ctx, p.connection.Ref())
			}
			return page, err
		}
		remote := connector.AsError(err)
		held := ctx.Err() == nil && p.failed(ctx, remote)
		delay := max(wait, remote.RetryAfter)
		if ctx.Err() != nil || held || !remote.Retryable() || attempt == fetchAttempts || delay > longestWait {
			return page, fmt.Errorf("read %s: %w", r.Stream, remote)
		}
		p.log.WarnContext(ctx, "a page was not read and is read again", "attempt", attempt, "wait", delay, "error", err)
		p.note(ctx, fmt.Sprintf("A page was not read and is read again in %s: %s", delay.Round(time.Millisecond), remote))
		if !sleep(ctx, delay) {
			return page, ctx.Err()
		}
		wait *= 2
	}
}

// failed tells all that call over the connection of a failure, and reports whether it is held back now. A remote that
// asks for patience is asked again by this run, which knows when, and by nobody else meanwhile.
func (p *passing) failed(ctx context.Context, remote *connector.Error) (held bool) {
	var err error
	switch remote.Class {
	case connector.ClassTransient:
		held, err = p.Breakers.Failure(ctx, p.connection.Ref(), remote)
	case connector.ClassQuota, connector.ClassAuth, connector.ClassConfig:
		err = p.Breakers.Trip(ctx, p.connection.Ref(), remote)
	case connector.ClassData, connector.ClassConflict, connector.ClassBusiness:
	}
	if err != nil {
		p.log.WarnContext(ctx, "others were not told of the failure", "error", err)
	}
	return held
}

// note adds a line to the run's log. That it could not be added changes nothing.
func (p *passing) note(ctx context.Context, message string) {
	err := p.DB.As(ctx, p.who, func(tx pgx.Tx) error {
		return job.Log(ctx, tx, p.task.ID, job.Line{Level: job.Warn, Message: message})
	})
	if err != nil {
		p.log.WarnContext(ctx, "the run's log misses a line", "error", err)
	}
}

// value is what t points to, zero for nil.
func value(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// sleep waits; false means that ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
