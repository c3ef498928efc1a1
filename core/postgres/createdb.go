package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// CreateDatabase makes a database on the same server, as a copy of template unless that is "".
// One that exists already is left as it is.
func (db *DB) CreateDatabase(ctx context.Context, name, template string) error {
	sql := "create database " + pgx.Identifier{name}.Sanitize()
	if template != "" {
		sql += " template " + pgx.Identifier{template}.Sanitize()
		var version int
		if err := db.pool.QueryRow(ctx, "select current_setting('server_version_num')::integer").Scan(&version); err != nil {
			return fmt.Errorf("create database %s: %w", name, err)
		}
		if version >= 150000 {
			sql += " strategy file_copy" // several times faster than the default for a small template
		}
	}
	_, err := db.pool.Exec(ctx, sql)
	var pe *pgconn.PgError
	if errors.As(err, &pe) && pe.Code == "42P04" { // duplicate_database
		return nil
	}
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}
