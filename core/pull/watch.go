package pull

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/job"
	"crmhub/core/mapping"
	"crmhub/core/postgres"
)

const (
	// watchPace is how long after one run the next may begin: what comes in a stream makes a run a second, not a hundred.
	watchPace = time.Second
	// watchPause is how long a stream that cannot be watched, or whose runs come to nothing, is left to its schedule.
	watchPause = 30 * time.Second
)

// Watch has the pull jobs of a connection run as soon as there is something to pull, instead of when they are scheduled.
// It ends with ctx. One process at a time should watch a connection; several would only make runs that find nothing.
func (p *Puller) Watch(ctx context.Context, c connection.Connection, session connector.Watcher) error {
	var streams []*stream
	for _, declared := range p.Connections.Streams(c) {
		s, err := p.streamOf(ctx, c, declared.Entity)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // it was told to end
		case err == nil && s.incremental:
			streams = append(streams, s)
		case err != nil && !notPulled(err):
			return fmt.Errorf("watch %s: %w", declared.Entity, err)
		}
	}
	var wg sync.WaitGroup
	for _, s := range streams {
		wg.Go(func() { s.watch(ctx, session) })
	}
	wg.Wait()
	return nil
}

// notPulled reports whether err says that a connection does not pull an entity, or that its mapping does not fit this hub.
func notPulled(err error) bool {
	var remote *connector.Error
	var faults mapping.Faults
	return errors.As(err, &remote) || errors.As(err, &faults)
}

// watch goes on through whatever fails: the scheduled runs say what is wrong.
func (s *stream) watch(ctx context.Context, session connector.Watcher) {
	var tried json.RawMessage // where the last run began
	for {
		pause := watchPace
		from, err := s.awaitNews(ctx, session, tried)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.log.DebugContext(ctx, "a stream is left to its schedule for a while", "error", err)
			tried, pause = nil, watchPause
		default:
			tried = from
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

// awaitNews waits until there is something after the cursor, has it pulled, and returns the cursor.
func (s *stream) awaitNews(ctx context.Context, session connector.Watcher, tried json.RawMessage) (json.RawMessage, error) {
	at, err := postgres.Get(ctx, s.DB, s.who, func(tx pgx.Tx) (position, error) { return s.readPosition(ctx, tx) })
	if err != nil {
		return nil, err
	}
	if tried != nil && bytes.Equal(at.cursor, tried) {
		return nil, fmt.Errorf("the last run of %s did not come further", s.kind)
	}
	if err := session.Watch(ctx, s.mapping.Record(), at.cursor); err != nil {
		return nil, err
	}
	var run job.Run
	err = s.DB.As(ctx, s.who, func(tx pgx.Tx) error {
		id, err := job.ActivePull(ctx, tx, s.connection.ID, string(s.kind))
		if err != nil {
			return err
		}
		run, err = job.Enqueue(ctx, tx, id, job.BySchedule)
		return err
	})
	if err != nil {
		return nil, err
	}
	return at.cursor, s.awaitEnd(ctx, run.ID)
}

// awaitEnd waits until a run has ended, however it ended.
func (s *stream) awaitEnd(ctx context.Context, id uuid.UUID) error {
	for {
		run, err := postgres.Get(ctx, s.DB, s.who, func(tx pgx.Tx) (job.Run, error) { return job.GetRun(ctx, tx, id) })
		if err != nil || run.FinishedAt != nil {
			return err
		}
		if !sleep(ctx, watchPace/4) {
			return ctx.Err()
		}
	}
}
