package pull

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
	"crmhub/core/job"
	"crmhub/core/journey"
	"crmhub/core/schema"
)

const (
	fetchAttempts = 6
	longestWait   = 2 * time.Minute // a remote that asks for more ends the run; the next one goes on
)

// fetch reads a page, again when the remote fails for a while. It gives up when the connection is held back, because
// of this failure or of others': nobody calls a system that is away before a probe has found it. A doubt of the connector
// makes the run suspect. It says how the page was asked for, without the bodies: those are many records'. The run's log, if
// there is a run, tells of retries.
func (s *stream) fetch(ctx context.Context, puller connector.Puller, from connector.PullRequest, run *uuid.UUID) (connector.Page, journey.Exchange, error) {
	wait := s.Backoff
	for attempt := 1; ; attempt++ {
		var recorded connector.Recorder
		began := time.Now()
		page, err := puller.Pull(connector.Recorded(ctx, &recorded), from)
		if err == nil {
			if attempt > 1 {
				err = s.Breakers.Success(ctx, s.connection.Ref())
			}
			return page, requested(began, recorded.Of(0)), err
		}
		if doubt, ok := errors.AsType[*connector.Doubt](err); ok {
			return page, journey.Exchange{}, &job.SuspectError{Message: doubt.Message, Said: doubt.Said}
		}
		remote := connector.AsError(err)
		held := ctx.Err() == nil && s.failed(ctx, remote)
		delay := max(wait, remote.RetryAfter)
		if ctx.Err() != nil || held || !remote.Retryable() || attempt == fetchAttempts || delay > longestWait {
			return page, journey.Exchange{}, fmt.Errorf("read %s: %w", from.Stream, remote)
		}
		s.log.WarnContext(ctx, "a page was not read and is read again", "attempt", attempt, "wait", delay, "error", err)
		pause := delay.Round(time.Millisecond)
		s.note(ctx, run, fmt.Sprintf("A page was not read and is read again in %s: %s", pause, remote), schema.Say("read_again", pause, remote.Class))
		if !sleep(ctx, delay) {
			return page, journey.Exchange{}, ctx.Err()
		}
		wait *= 2
	}
}

// requested is how a page was asked for.
func requested(began time.Time, calls []connector.Exchange) journey.Exchange {
	all := journey.ExchangesOf("read", calls)
	if len(all) == 0 {
		return journey.Exchange{At: began.UTC(), Milliseconds: time.Since(began).Milliseconds()}
	}
	request := all[len(all)-1]
	request.Request, request.Response, request.Cut = "", "", false
	return request
}

// failed tells all that call over the connection of a failure, and reports whether it is held back now. A remote that
// asks for patience is asked again by this run, which knows when, and by nobody else meanwhile.
func (s *stream) failed(ctx context.Context, remote *connector.Error) (held bool) {
	var err error
	switch remote.Class {
	case connector.ClassTransient:
		held, err = s.Breakers.Failure(ctx, s.connection.Ref(), remote)
	case connector.ClassQuota, connector.ClassAuth, connector.ClassConfig:
		err = s.Breakers.Trip(ctx, s.connection.Ref(), remote)
	case connector.ClassData, connector.ClassConflict, connector.ClassBusiness:
	}
	if err != nil {
		s.log.WarnContext(ctx, "others were not told of the failure", "error", err)
	}
	return held
}

// note adds a line to the run's log. That it could not be added changes nothing.
func (s *stream) note(ctx context.Context, run *uuid.UUID, message string, said *schema.Saying) {
	if run == nil {
		return
	}
	err := s.DB.As(ctx, s.who, func(tx pgx.Tx) error {
		return job.Log(ctx, tx, *run, job.Line{Level: job.Warn, Message: message, Said: said})
	})
	if err != nil {
		s.log.WarnContext(ctx, "the run's log misses a line", "error", err)
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
