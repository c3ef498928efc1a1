package journey

import (
	"context"
	"errors"
	"log/slog"
	"time"

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
	return postgres.Repeat(ctx, time.Hour, p.Logger, "old steps of journeys were not deleted", func(ctx context.Context) error {
		return p.prune(ctx, time.Now().Add(-Keep))
	})
}

func (p *Pruner) prune(ctx context.Context, before time.Time) error {
	return errors.Join(p.DB.Purge(ctx, pruneSize, pruneExchanges, before), p.DB.Purge(ctx, pruneSize, prunePublications, before))
}
