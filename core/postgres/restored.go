package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// A clock that went back since must not let all that is new pass for old. A standby that took over is in a new timeline: its checkpoint tells so after a while, the end of its recovery until then.
const noteHome = `
with here as (
	select concat_ws('/', s.system_identifier, greatest(c.timeline_id, r.min_recovery_end_timeline), d.oid, 'database_home'::regclass::oid) as place
	from pg_control_system() s, pg_control_checkpoint() c, pg_control_recovery() r, pg_database d
	where d.datname = current_database()
), noted as (
	insert into database_home as h (place) select place from here
	on conflict (id) do update set place = excluded.place, restored_at = now() where h.place <> excluded.place
	returning restored_at
), numbers as (
	update number_sequences set taken = taken + greatest(1000, taken / 10)
	where exists (select from noted where restored_at is not null)
)
select case when h.at > now() then now() else h.at end, exists (select from noted where restored_at is not null)
from (select coalesce((select restored_at from noted), (select restored_at from database_home)) as at) h`

// Restored tells when the database was found to be a restored one: a dump on another server or in another database, a state of
// earlier, or a standby that took over. It may have forgotten what the hub did before. Zero: never. found says that this call noticed; it then
// also skips a thousand numbers of each kind, or a tenth where that is more, since those given after the dump are in use elsewhere.
//
// A data directory or a machine that was set back as a whole looks as it did, and is not noticed.
func (db *DB) Restored(ctx context.Context) (at time.Time, found bool, err error) {
	var when *time.Time
	err = db.AsSystem(ctx, func(tx pgx.Tx) error { return tx.QueryRow(ctx, noteHome).Scan(&when, &found) })
	if err != nil {
		return time.Time{}, false, fmt.Errorf("ask whether the database was restored: %w", err)
	}
	if when != nil {
		at = *when
	}
	return at, found, nil
}
