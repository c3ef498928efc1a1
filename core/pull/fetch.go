package pull

import (
	"context"
	"errors"
	"fmt"
	"time"

	"crmhub/core/connector"
	"crmhub/core/job"
)

const (
	fetchAttempts = 6
	longestWait   = 2 * time.Minute // a remote that asks for more ends the run; the next one goes on
)

// fetch reads a page, again when the remote fails for a while. A doubt of the connector makes the run suspect.
func (s *stream) fetch(ctx context.Context, puller connector.Puller, from connector.PullRequest) (connector.Page, error) {
	wait := s.Backoff
	for attempt := 1; ; attempt++ {
		p, err := puller.Pull(ctx, from)
		if err == nil {
			return p, nil
		}
		if doubt, ok := errors.AsType[*connector.Doubt](err); ok {
			return p, &job.SuspectError{Message: doubt.Message}
		}
		remote := connector.AsError(err)
		delay := max(wait, remote.RetryAfter)
		if ctx.Err() != nil || !remote.Retryable() || attempt == fetchAttempts || delay > longestWait {
			return p, fmt.Errorf("read %s: %w", s.mapping.Record(), remote)
		}
		s.log.WarnContext(ctx, "a page was not read and is read again", "attempt", attempt, "wait", delay, "error", err)
		if !sleep(ctx, delay) {
			return p, ctx.Err()
		}
		wait *= 2
	}
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
