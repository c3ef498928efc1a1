package pull

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/link"
	"crmhub/core/mapping"
	"crmhub/core/postgres"
)

// Replay brings the records of dead letters in again, as if they came with a page; it is the [job.Replay] of
// [job.Pull]. The mapping is today's.
func (p *Puller) Replay(ctx context.Context, tx pgx.Tx, letters []job.DeadLetter) error {
	c, err := p.Connections.Get(ctx, tx, letters[0].ConnectionID)
	if err != nil {
		return err
	}
	s, err := p.stream(ctx, tx, c, letters[0].Entity)
	if err != nil {
		return err
	}
	items, err := fromLetters(letters)
	if err != nil {
		return err
	}
	links, err := s.referred(ctx, tx, items)
	if err != nil {
		return err
	}
	s.mapAll(items, links)
	_, err = s.apply(ctx, tx, items, nil)
	return err
}

// retryWaiting brings in records that came before what they refer to, whichever entity of the connection they are:
// this run may have brought it. Rounds go on as long as one freed another (a child's child).
func (s *stream) retryWaiting(ctx context.Context, t job.Task) error {
	for {
		var freed int64
		for _, kind := range crm.Kinds() {
			other, err := postgres.Get(ctx, s.DB, s.who, func(tx pgx.Tx) (*stream, error) { return s.stream(ctx, tx, s.connection, string(kind)) })
			if err != nil && notPulled(err) {
				continue
			}
			if err != nil {
				return err
			}
			n, err := other.retryEach(ctx, t)
			if err != nil {
				return fmt.Errorf("retry waiting %s: %w", kind, err)
			}
			freed += n
		}
		if freed == 0 {
			return nil
		}
	}
}

// retryEach tries what waits in one stream, a page at a time, and returns how many came in.
func (s *stream) retryEach(ctx context.Context, t job.Task) (freed int64, err error) {
	for after := uuid.Nil; ; {
		var letters []job.DeadLetter
		var counts job.Counts
		err := s.DB.As(ctx, s.who, func(tx pgx.Tx) (err error) {
			// The lock comes first: another run may be bringing in a newer state of the same record.
			if err := link.LockStream(ctx, tx, s.connection.ID, string(s.kind)); err != nil {
				return err
			}
			if letters, err = job.Waiting(ctx, tx, s.connection.ID, string(s.kind), after, s.PageSize); err != nil || len(letters) == 0 {
				return err
			}
			ready, err := s.ready(ctx, tx, letters)
			if err != nil || len(ready) == 0 {
				return err
			}
			if counts, err = s.apply(ctx, tx, ready, &t.ID); err != nil {
				return err
			}
			return job.Advance(ctx, tx, t, s.toldOf(t, counts, letters, ready))
		})
		if err != nil {
			return freed, err
		}
		freed += counts.Created + counts.Updated + counts.Unchanged
		if len(letters) < s.PageSize {
			return freed, nil
		}
		after = letters[len(letters)-1].ID
	}
}

// toldOf is what a run says of records that had waited. Of other entities it says nothing, and a record of its own that
// it had counted as failed before did not fail after all.
func (s *stream) toldOf(t job.Task, counts job.Counts, letters []job.DeadLetter, ready []*item) job.Counts {
	if string(s.kind) != t.Job.Entity {
		return job.Counts{}
	}
	came := make(map[string]bool, len(ready))
	for _, it := range ready {
		came[it.record.ID] = it.fault == nil && !it.held
	}
	counts.Failed = 0
	for _, d := range letters {
		if came[d.RemoteID] && d.RunID != nil && *d.RunID == t.ID {
			counts.Failed--
		}
	}
	return counts
}

// ready are the letters' records, mapped, without those that must go on waiting.
func (s *stream) ready(ctx context.Context, tx pgx.Tx, letters []job.DeadLetter) ([]*item, error) {
	items, err := fromLetters(letters)
	if err != nil {
		return nil, err
	}
	links, err := s.referred(ctx, tx, items)
	if err != nil {
		return nil, err
	}
	s.mapAll(items, links)
	var ready []*item
	for _, it := range items {
		if _, ok := errors.AsType[*mapping.MissingLink](it.err); !ok {
			ready = append(ready, it)
		}
	}
	return ready, nil
}
