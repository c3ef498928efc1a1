package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the SQL files that Migrate applies, in the order of their names.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the directory is embedded above
	}
	return sub
}

// ErrNewerSchema says that a newer version of the program has migrated the database. This one must not write to it.
var ErrNewerSchema = errors.New("the database has a newer schema: run the version of crmhub that made it, or a later one")

// Migrate brings the database to the newest schema and returns the names of the files it applied.
// It holds a lock meanwhile, so processes that start together migrate once. It only ever goes forward.
// A database that is ahead of this program gives [ErrNewerSchema].
func (db *DB) Migrate(ctx context.Context) ([]string, error) {
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	std := stdlib.OpenDBFromPool(db.pool)
	defer func() { _ = std.Close() }()
	p, err := goose.NewProvider(goose.DialectPostgres, std, Migrations(),
		goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	results, err := p.Up(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	stored, err := p.GetDBVersion(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	sources := p.ListSources()
	if known := sources[len(sources)-1].Version; stored > known {
		return nil, fmt.Errorf("%w: it is at %d, this program knows %d", ErrNewerSchema, stored, known)
	}
	names := make([]string, len(results))
	for i, r := range results {
		names[i] = r.Source.Path
	}
	return names, nil
}

// WatchSchema returns [ErrNewerSchema] when a newer version of the program has migrated the database under this one, which then must
// not go on writing by rules that no longer hold. It asks every ten seconds until ctx ends, and then returns nil.
func (db *DB) WatchSchema(ctx context.Context) error {
	names, err := fs.Glob(Migrations(), "*.sql")
	if err != nil {
		return fmt.Errorf("watch the schema: %w", err)
	}
	known, err := goose.NumericComponent(names[len(names)-1])
	if err != nil {
		return fmt.Errorf("watch the schema: %w", err)
	}
	for {
		var stored int64
		err := db.pool.QueryRow(ctx, "select max(version_id) from goose_db_version where is_applied").Scan(&stored)
		if err == nil && stored > known { // a database that does not answer is asked again
			return fmt.Errorf("%w: it is at %d, this program knows %d", ErrNewerSchema, stored, known)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(10 * time.Second):
		}
	}
}
