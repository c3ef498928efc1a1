package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Needed is how many sessions a hub has at a time: its pool, and those that hold locks, listen and lead, two more for each
// connection that is pushed to and watched. With fewer, parts of it wait for each other.
const Needed = 45

// ErrRoom says that the server allows fewer sessions than a hub needs.
var ErrRoom = errors.New("the database allows too few sessions")

const allowed = `
select least(
	current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer - coalesce(current_setting('reserved_connections', true), '0')::integer,
	(select nullif(datconnlimit, -1) from pg_database where datname = current_database()),
	(select nullif(rolconnlimit, -1) from pg_roles where rolname = session_user))`

// CheckRoom is nil, or [ErrRoom] with how many sessions the server, the database or the login role allows.
func (db *DB) CheckRoom(ctx context.Context) error {
	var n int
	err := db.run(ctx, "begin", func(tx pgx.Tx) error { return tx.QueryRow(ctx, allowed).Scan(&n) })
	if err != nil {
		return fmt.Errorf("ask how many sessions the database allows: %w", err)
	}
	if n < Needed {
		return fmt.Errorf("%w: %d, where a hub has up to %d", ErrRoom, n, Needed)
	}
	return nil
}
