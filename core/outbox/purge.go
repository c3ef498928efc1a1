package outbox

import (
	"context"
	"fmt"
)

const purgeSize = 5000

// The oldest have the lowest seq, but for moments. What the audit trail has not taken up yet stays.
const purge = `
delete from outbox where (xid, seq) in (
	select o.xid, o.seq from (select * from outbox order by seq limit $2) o
	where o.created_at < now() - make_interval(secs => $1)
		and o.xid < (select p.xid from outbox_position p) and o.xid < (select s.xid from audit_position s))`

// purge deletes what was published long ago and is sealed.
func (r *Relay) purge(ctx context.Context) error {
	if err := r.DB.Purge(ctx, purgeSize, purge, r.Keep.Seconds()); err != nil {
		return fmt.Errorf("purge the outbox: %w", err)
	}
	return nil
}
