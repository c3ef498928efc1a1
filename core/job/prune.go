package job

import (
	"context"
	"log/slog"
	"time"

	"crmhub/core/postgres"
)

// Pruner deletes runs that nobody asks about any more: those that had nothing to do after a week, the others after half a
// year. A job that runs each minute would leave half a million a year. The latest run of a job stays however old it is, and
// dead letters stay in any case. Any number of processes may run one.
type Pruner struct {
	DB     *postgres.DB
	Logger *slog.Logger
}

const prune = `
delete from runs where (organization_id, id) in (
	select r.organization_id, r.id from runs r
	where r.finished_at < now() - interval '7 days'
		and (r.finished_at < now() - interval '180 days' or r.status = 'succeeded' and r.created = 0 and r.updated = 0 and r.failed = 0)
		and exists (
			select from runs n
			where n.organization_id = r.organization_id and n.job_id = r.job_id and n.finished_at > r.finished_at)
	limit $1)`

const pruneSize = 5000

// Run prunes once an hour until ctx ends. A failure is logged and made good by the next time.
func (p *Pruner) Run(ctx context.Context) error {
	return postgres.Repeat(ctx, time.Hour, p.Logger, "old runs were not deleted", p.prune)
}

func (p *Pruner) prune(ctx context.Context) error { return p.DB.Purge(ctx, pruneSize, prune) }
