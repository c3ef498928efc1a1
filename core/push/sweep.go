package push

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/link"
	"crmhub/core/postgres"
)

// sweepAgain is the third feed: it makes due what nobody asked for, such as everything when a connection is new, or
// what a broker lost. It begins with a sweep, so that no change can be missed before the topics are followed.
func (p *Pusher) sweepAgain(ctx context.Context) error {
	for ctx.Err() == nil {
		for _, entity := range p.parents {
			s := sweep{store: p.CRM, connection: p.Connection, kind: crm.Kind(entity)}
			wanted, err := s.run(ctx, p.as)
			if err != nil {
				return p.orEnd(ctx, err)
			}
			if wanted > 0 {
				p.Logger.InfoContext(ctx, "found versions that were never asked for", "entity", entity, "count", wanted)
				p.wakeUp()
			}
		}
		if !sleep(ctx, p.times.sweep) {
			return nil
		}
	}
	return nil
}

// Sweep executes a push job: it compares the version of every entity of a kind with what is wanted on a connection, and
// makes due what is behind. A pusher of the connection does the rest. The run counts what was read, and what is due as
// updated.
func Sweep(ctx context.Context, db *postgres.DB, store *crm.Store, t job.Task) error {
	kind, err := crm.ParseKind(t.Job.Entity)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	who := postgres.Principal{Organization: t.Job.Organization, Actor: postgres.Connection(t.Job.ConnectionID)}
	s := sweep{store: store, connection: t.Job.ConnectionID, kind: kind, count: func(ctx context.Context, tx pgx.Tx, read, wanted int) error {
		return job.Advance(ctx, tx, t, job.Counts{
			Read: int64(read), Updated: int64(wanted), Unchanged: int64(read - wanted),
		})
	}}
	_, err = s.run(ctx, func(ctx context.Context, fn func(tx pgx.Tx) error) error { return db.As(ctx, who, fn) })
	return err
}

// sweep is one walk through all entities of a kind, a page a transaction.
type sweep struct {
	store      *crm.Store
	connection uuid.UUID
	kind       crm.Kind
	count      func(ctx context.Context, tx pgx.Tx, read, wanted int) error // nil: nobody counts
}

func (s sweep) run(ctx context.Context, as func(context.Context, func(pgx.Tx) error) error) (wanted int, err error) {
	for after, more := uuid.Nil, true; more; {
		err := as(ctx, func(tx pgx.Tx) error {
			refs, err := s.store.IDsAfter(ctx, tx, s.kind, after, batchSize)
			if err != nil {
				return err
			}
			more = len(refs) == batchSize
			versions := make([]link.Version, len(refs))
			for i, r := range refs {
				versions[i], after = link.Version{EntityID: r.ID, Version: r.Version, Deleted: r.Deleted}, r.ID
			}
			n, err := link.Want(ctx, tx, s.connection, string(s.kind), versions)
			if err != nil || s.count == nil {
				wanted += n
				return err
			}
			return s.count(ctx, tx, len(refs), n)
		})
		if err != nil {
			return wanted, fmt.Errorf("sweep %s: %w", s.kind, err)
		}
	}
	return wanted, nil
}

// Replay makes the links of dead letters due; their pusher tries them again and resolves those that succeed. It is
// the [job.Replay] of pushes.
func Replay(ctx context.Context, tx pgx.Tx, letters []job.DeadLetter) error {
	if len(letters) == 0 {
		return nil
	}
	ids := make([]uuid.UUID, 0, len(letters))
	for _, d := range letters {
		if d.EntityID != nil {
			ids = append(ids, *d.EntityID)
		}
	}
	_, err := link.Retry(ctx, tx, letters[0].ConnectionID, letters[0].Entity, ids)
	return err
}
