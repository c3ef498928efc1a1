package console

import (
	"context"

	"github.com/jackc/pgx/v5"

	"crmhub/core/job"
)

// followRun streams the run's progress, until it has ended.
func (c *Console) followRun(ctx context.Context, v *visit) error {
	id, err := v.id(job.ErrNotFound)
	if err != nil {
		return err
	}
	return v.follow(ctx, liveEvery, func(ctx context.Context) (g glance, err error) {
		var r runRow
		err = v.as(ctx, func(tx pgx.Tx) (err error) {
			if r.Run, err = job.GetRun(ctx, tx, id); err != nil {
				return err
			}
			return r.readTrouble(ctx, tx)
		})
		if err != nil {
			return g, err
		}
		g.open = r.Moves()
		g.fragment, err = c.render.render(v.lang, "run", "run-progress", r)
		return g, err
	})
}
