package pull

import (
	"context"
	"errors"
	"fmt"
	"time"

	"crmhub/core/connector"
	"crmhub/core/job"
	"crmhub/core/journey"
)

const (
	fetchAttempts = 6
	longestWait   = 2 * time.Minute // a remote that asks for more ends the run; the next one goes on
)

// fetch reads a page, again when the remote fails for a while. A doubt of the connector makes the run suspect. It says how the
// page was asked for, without the bodies: those are many records'.
func (s *stream) fetch(ctx context.Context, puller connector.Puller, from connector.PullRequest) (connector.Page, journey.Exchange, error) {
	wait := s.Backoff
	for attempt := 1; ; attempt++ {
		var recorded connector.Recorder
		began := time.Now()
		p, err := puller.Pull(connector.Recorded(ctx, &recorded), from)
		if err == nil {
			request := journey.Exchange{At: began.UTC(), Milliseconds: time.Since(began).Milliseconds()}
			if all := journey.ExchangesOf("read", recorded.Of(0)); len(all) > 0 {
				request = all[len(all)-1]
				request.Request, request.Response, request.Cut = "", "", false
			}
			return p, request, nil
		}
		if doubt, ok := errors.AsType[*connector.Doubt](err); ok {
			return p, journey.Exchange{}, &job.SuspectError{Message: doubt.Message}
		}
		remote := connector.AsError(err)
		delay := max(wait, remote.RetryAfter)
		if ctx.Err() != nil || !remote.Retryable() || attempt == fetchAttempts || delay > longestWait {
			return p, journey.Exchange{}, fmt.Errorf("read %s: %w", s.mapping.Record(), remote)
		}
		s.log.WarnContext(ctx, "a page was not read and is read again", "attempt", attempt, "wait", delay, "error", err)
		if !sleep(ctx, delay) {
			return p, journey.Exchange{}, ctx.Err()
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
