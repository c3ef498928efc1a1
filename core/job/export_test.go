package job

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
)

// Look is one look of the scheduler.
func (s *Scheduler) Look(ctx context.Context) error { return s.look(ctx) }

// Worker is who claimed the task.
func (t Task) Worker() int32 { return t.worker }

// Prune is one look of the pruner.
func (p *Pruner) Prune(ctx context.Context) error { return p.prune(ctx) }

// ClaimRun is how a Runner takes a run.
func ClaimRun(ctx context.Context, tx pgx.Tx, worker int32) (*Task, error) {
	return claimRun(ctx, tx, worker)
}

// FinishRun ends a run as a Runner does whose work gave err.
func FinishRun(ctx context.Context, db *postgres.DB, t Task, err error) error {
	status, failure := outcome(err)
	return db.AsSystem(ctx, func(tx pgx.Tx) error { return finishRun(ctx, tx, t, status, failure) })
}

// Due is when a job with a jitter is due after a time.
func Due(s Schedule, at time.Time, id uuid.UUID, jitterSeconds int) time.Time {
	return s.due(at, delay(id, jitterSeconds))
}

// Look is one look of the watchdog.
func (w *Watchdog) Look(ctx context.Context) error { return w.look(ctx) }
