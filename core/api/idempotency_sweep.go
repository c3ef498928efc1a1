package api

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
)

// KeySweeper forgets idempotency keys, and the answers kept with them, after 24 hours.
// Any number of processes may run one.
type KeySweeper struct {
	DB     *postgres.DB
	Logger *slog.Logger
}

const sweepKeysSQL = `delete from idempotency_keys where created_at < now() - interval '24 hours'`

// Run sweeps once an hour until ctx ends. A failure is logged and made good by the next sweep.
func (k *KeySweeper) Run(ctx context.Context) error {
	return postgres.Repeat(ctx, time.Hour, k.Logger, "idempotency keys were not swept", k.sweep)
}

func (k *KeySweeper) sweep(ctx context.Context) error {
	return k.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sweepKeysSQL); err != nil {
			return fmt.Errorf("sweep idempotency keys: %w", err)
		}
		return nil
	})
}
