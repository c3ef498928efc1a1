package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// KeepStatistics tells the planner about tables that have grown several times over, every second until ctx ends.
//
// The server does so by itself, but looks only once a minute. Until then it takes a table that was empty a moment ago
// for one where a single row belongs to an organization, and looks up each row of a batch by reading them all: a first
// import would take a time that grows with the square of its size. Once a table was looked at with some rows in it,
// its plans stay right. A failure is left for the next second; the login must own the tables, else nothing happens.
func (db *DB) KeepStatistics(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			_ = db.analyzeGrown(ctx)
		}
	}
}

// The view pg_stat_user_tables would add up the indexes of all tables, which takes forty times as long.
const grownTables = `
select format('analyze %I.%I', n.nspname, c.relname)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname !~ '^(pg_|information_schema$)'
	and pg_stat_get_live_tuples(c.oid) > 200 + 4 * greatest(c.reltuples, 0)`

func (db *DB) analyzeGrown(ctx context.Context) error {
	rows, err := db.pool.Query(ctx, grownTables)
	if err != nil {
		return fmt.Errorf("find grown tables: %w", err)
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("find grown tables: %w", err)
	}
	for _, s := range statements {
		if _, err := db.pool.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}
