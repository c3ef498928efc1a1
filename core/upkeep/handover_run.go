package upkeep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// errEnded says that a hand-over does not run any more: it is done, or somebody cancelled it.
var errEnded = errors.New("the hand-over has ended")

// errRights says that who asked for a hand-over may not give that away any more.
var errRights = errors.New("whoever asked for it may not hand over these any more")

// underWay is a hand-over that runs.
type underWay struct {
	organization uuid.UUID
	id           uuid.UUID
	from         uuid.UUID
	openOnly     bool
	actor        postgres.Actor
	trace        string
}

// handOverAll goes on with every hand-over that runs, the oldest first.
func (r *Runner) handOverAll(ctx context.Context) error {
	var all []underWay
	err := r.DB.AsSystem(ctx, func(tx pgx.Tx) (err error) {
		all, err = postgres.All(ctx, tx, "look for hand-overs", func(row pgx.CollectableRow) (u underWay, err error) {
			err = row.Scan(&u.organization, &u.id, &u.from, &u.openOnly, &u.actor, &u.trace)
			return u, err
		}, `select organization_id, id, from_user, open_only, actor, coalesce(traceparent, '') from hand_overs where status = 'running' order by created_at`)
		return err
	})
	var failed error
	for _, u := range all {
		log := r.Logger.With("organization", u.organization, "hand_over", u.id)
		switch err := r.handOver(ctx, u); {
		case err == nil:
			log.InfoContext(ctx, "a hand-over ended")
		case postgres.Unavailable(err) || ctx.Err() != nil:
			failed = errors.Join(failed, err)
		default:
			log.WarnContext(ctx, "a hand-over failed", "error", err)
			failed = errors.Join(failed, r.giveUp(ctx, u, err))
		}
	}
	return errors.Join(err, failed)
}

// handOver moves batch by batch, each a transaction, until nothing is left or somebody cancels. Each asks anew what the actor
// may do.
func (r *Runner) handOver(ctx context.Context, u underWay) error {
	for {
		who, err := r.Access.Actor(ctx, u.organization, u.actor)
		if err != nil {
			return err
		}
		err = r.DB.As(ctx, who.Principal, func(tx pgx.Tx) error { return r.Store.move(ctx, tx, u, who) })
		if errors.Is(err, errEnded) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

const (
	lockHandOver = `select id from hand_overs where id = $1 and status = 'running' for update`
	nextPart     = `select seq, entity, to_user, position from hand_over_parts where hand_over_id = $1 and not done order by seq limit 1`
	movePart     = `update hand_over_parts set moved = moved + $3, position = $4, done = $5 where hand_over_id = $1 and seq = $2`
	moveHandOver = `update hand_overs set progress_at = $2 where id = $1`
)

// part is the kind that a hand-over is at.
type part struct {
	seq      int
	kind     crm.Kind
	to       uuid.UUID
	position uuid.UUID
}

// move moves the next batch, or ends the hand-over: errEnded.
func (s *Store) move(ctx context.Context, tx pgx.Tx, u underWay, who access.Identity) error {
	locked, err := postgres.All(ctx, tx, "lock hand-over", pgx.RowTo[uuid.UUID], lockHandOver, u.id)
	if err != nil {
		return err
	}
	if len(locked) == 0 {
		return errEnded
	}
	p, err := postgres.One(ctx, tx, "go on with hand-over", func(row pgx.CollectableRow) (p part, err error) {
		err = row.Scan(&p.seq, &p.kind, &p.to, &p.position)
		return p, err
	}, ErrNotFound, nextPart, u.id)
	if errors.Is(err, ErrNotFound) {
		return endHandOver(ctx, tx, u.id, Done, "", nil, s.now())
	}
	if err != nil {
		return err
	}
	if !MayHandOver(who.Permissions, p.kind, u.from, p.to) {
		return fmt.Errorf("%s: %w", p.kind.Plural(), errRights)
	}
	ids, err := postgres.All(ctx, tx, "read what is to be handed over", pgx.RowTo[uuid.UUID],
		"select id from "+p.kind.Plural()+" where "+ownedBy(p.kind, u.openOnly)+" and id > $2 order by id limit $3", u.from, p.position, batch)
	if err != nil {
		return err
	}
	by := crm.By{Actor: u.actor, Origin: "crm", TraceParent: u.trace}
	given, err := s.Entities.Give(ctx, tx, by, p.kind, ids, &p.to, func(e crm.Entity) bool {
		owner := crm.OwnerOf(e)
		return owner != nil && *owner == u.from // and not somebody else's meanwhile
	})
	if err != nil {
		return err
	}
	if len(ids) > 0 {
		p.position = ids[len(ids)-1]
	}
	var b pgx.Batch
	b.Queue(movePart, u.id, p.seq, len(given), p.position, len(ids) < batch)
	b.Queue(moveHandOver, u.id, s.now())
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("note how far a hand-over is: %w", err)
	}
	return nil
}

// MayHandOver reports whether somebody may give what one user owns of a kind to another.
func MayHandOver(who *access.Permissions, k crm.Kind, from, to uuid.UUID) bool {
	r := access.Resource(k)
	return who.Covers(r, access.Read, &from) && who.Covers(r, access.Assign, &from) && who.Covers(r, access.Assign, &to)
}

// giveUp notes why a hand-over failed.
func (r *Runner) giveUp(ctx context.Context, u underWay, why error) error {
	message, said := "The hub failed; its log says more.", schema.Say("internal")
	if errors.Is(why, errRights) || errors.Is(why, access.ErrUnauthenticated) {
		message, said = "Whoever asked for it may not do that any more.", schema.Say("may_not_any_more")
	}
	err := r.DB.As(ctx, postgres.Principal{Organization: u.organization, Actor: postgres.System}, func(tx pgx.Tx) error {
		return endHandOver(ctx, tx, u.id, Failed, message, said, r.Store.now())
	})
	if errors.Is(err, errEnded) {
		return nil
	}
	return err
}

// endHandOver notes how a hand-over ended, and returns errEnded if it had before.
func endHandOver(ctx context.Context, tx pgx.Tx, id uuid.UUID, status HandOverStatus, message string, said *schema.Saying, at time.Time) error {
	tag, err := tx.Exec(ctx, `
		update hand_overs set status = $2, error = nullif($3, ''), said = $5, finished_at = $4, progress_at = $4 where id = $1 and status = 'running'`,
		id, status, message, at, said)
	if err != nil {
		return fmt.Errorf("end hand-over: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return errEnded
	}
	return nil
}
