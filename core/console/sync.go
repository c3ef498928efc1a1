package console

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// syncOverview shows how the sync stands; the script follows it from then on.
func (c *Console) syncOverview(ctx context.Context, v *visit) error {
	var s standing
	err := v.as(ctx, func(tx pgx.Tx) (err error) {
		s, err = c.readStanding(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	return v.show("sync", v.shown(s))
}
