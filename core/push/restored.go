package push

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/job"
)

// afterRestore finds out whether the database was restored, since it then has forgotten what was sent. Three things follow from
// that: nothing is pushed before what the other system holds was pulled, so that what came later than the dump is merged instead of
// overwritten; changes on the topics from before tell nothing (feed.go); and what is older is looked up before it is created.
func (p *Pusher) afterRestore(ctx context.Context) error {
	at, _, err := p.DB.Restored(ctx)
	if err != nil || at.IsZero() {
		return err
	}
	p.restored = at
	told := false
	for {
		var entities []string
		err := p.as(ctx, func(tx pgx.Tx) (err error) {
			entities, err = job.Unpulled(ctx, tx, p.Connection, at)
			return err
		})
		if err != nil || len(entities) == 0 {
			if told && err == nil {
				p.Logger.InfoContext(ctx, "all was pulled since the database was restored; pushes go on")
			}
			return err
		}
		if !told {
			p.Logger.WarnContext(ctx, "pushes wait for pulls, since the database was restored", "entities", entities)
			told = true
		}
		if !sleep(ctx, p.times.poll) {
			return ctx.Err()
		}
	}
}

// mayExist reports whether an earlier create may have made an item's record: one whose outcome nobody knows, or one that a restored
// database has forgotten.
func (p *Pusher) mayExist(it *item) bool {
	return it.link.Outstanding() || !p.restored.IsZero() && madeBefore(it.id, p.restored)
}

// madeBefore reads when an id was made off it.
func madeBefore(id uuid.UUID, at time.Time) bool {
	if id.Version() != 7 {
		return true // nobody knows
	}
	return time.Unix(id.Time().UnixTime()).Before(at)
}
