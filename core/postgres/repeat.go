package postgres

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

// Repeat calls do at once and every so often, until ctx ends, and then returns nil. A failure is logged as failing says, and made
// good by the next call.
func Repeat(ctx context.Context, every time.Duration, logger *slog.Logger, failing string, do func(ctx context.Context) error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := do(ctx); err != nil && ctx.Err() == nil {
			logger.WarnContext(ctx, failing, "error", err) //nolint:sloglint // each caller's is constant
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Purge executes a deletion as the system again and again, so many rows at a time, the statement's last parameter after args,
// until it finds fewer: nobody waits for long.
func (db *DB) Purge(ctx context.Context, most int64, sql string, args ...any) error {
	for {
		var deleted int64
		err := db.AsSystem(ctx, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, sql, append(args, most)...)
			deleted = tag.RowsAffected()
			return err
		})
		if err != nil || deleted < most {
			return err
		}
	}
}
