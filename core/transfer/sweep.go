package transfer

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
)

// Sweeper deletes exports seven days after they ended, and uploads that nobody went on with for an hour. Any number of
// processes may run one.
type Sweeper struct {
	DB     *postgres.DB
	Logger *slog.Logger
}

// Run sweeps every ten minutes until ctx ends. A failure is logged and made good by the next time.
func (s *Sweeper) Run(ctx context.Context) error {
	return postgres.Repeat(ctx, 10*time.Minute, s.Logger, "old exports were not deleted", s.sweep)
}

func (s *Sweeper) sweep(ctx context.Context) error {
	err := s.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		var b pgx.Batch
		b.Queue(`delete from exports where expires_at < now()`)
		b.Queue(`delete from imports where status = 'uploading' and progress_at < now() - interval '1 hour'`)
		return tx.SendBatch(ctx, &b).Close()
	})
	if err != nil {
		return fmt.Errorf("delete old exports: %w", err)
	}
	return nil
}
