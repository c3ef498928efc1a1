package console

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// syncOverview shows how the sync stands; the script follows it from then on.
func (c *Console) syncOverview(ctx context.Context, v *visit) error {
	s, err := get(ctx, v, func(tx pgx.Tx) (standing, error) { return c.readStanding(ctx, tx) })
	if err != nil {
		return err
	}
	p, err := v.shown(ctx, s)
	if err != nil {
		return err
	}
	return v.show("sync", p)
}
