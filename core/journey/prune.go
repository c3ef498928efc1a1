package journey

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
)

// Keep is how long exchanges and places on topics are kept.
const Keep = 180 * 24 * time.Hour

// Pruner deletes what is older than Keep. Any number of processes may run one.
type Pruner struct {
	DB     *postgres.DB
	Logger *slog.Logger
}

const pruneSize = 10_000

// The rows are found by the index of their times, block ranges at a time, and removed where they lie.
const (
	pruneExchanges    = `delete from exchanges where ctid = any(array(select ctid from exchanges where at < $1 limit $2))`
	prunePublications = `delete from publications where ctid = any(array(select ctid from publications where at < $1 limit $2))`
)

// Run prunes once an hour until ctx ends. A failure is logged and made good by the next time.
func (p *Pruner) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		for _, sql := range []string{pruneExchanges, prunePublications} {
			if err := p.prune(ctx, sql, time.Now().Add(-Keep)); err != nil && ctx.Err() == nil {
				p.Logger.WarnContext(ctx, "old steps of journeys were not deleted", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// prune deletes a piece at a time, so that nobody waits for it.
func (p *Pruner) prune(ctx context.Context, sql string, before time.Time) error {
	for {
		var deleted int64
		err := p.DB.AsSystem(ctx, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, sql, before, pruneSize)
			deleted = tag.RowsAffected()
			return err
		})
		if err != nil {
			return fmt.Errorf("delete old steps of journeys: %w", err)
		}
		if deleted < pruneSize {
			return nil
		}
	}
}
