package job

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// EnqueueDue is one look of the scheduler.
func (s *Scheduler) EnqueueDue(ctx context.Context) error { return s.enqueueDue(ctx) }

// Worker is who claimed the task.
func (t Task) Worker() int32 { return t.worker }

// Prune is one look of the pruner.
func (p *Pruner) Prune(ctx context.Context) error { return p.prune(ctx) }

// ClaimRun is how a Runner takes a run.
func ClaimRun(ctx context.Context, tx pgx.Tx, worker int32) (*Task, error) {
	return claimRun(ctx, tx, worker)
}
