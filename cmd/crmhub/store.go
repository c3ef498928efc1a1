package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/postgres/private"
)

// output is where a command writes: results to stdout, everything else to stderr.
type output struct {
	stdout, stderr io.Writer
}

// closers are undone in reverse order.
type closers []func(context.Context) error

func (c *closers) add(f func(context.Context) error) { *c = append(*c, f) }

func (c closers) close(ctx context.Context) error {
	var errs []error
	for _, v := range slices.Backward(c) {
		errs = append(errs, v(ctx))
	}
	return errors.Join(errs...)
}

// openDatabase opens the configured database, else the private one, and migrates it. With exclusive the data directory
// becomes this process's own; without, a private server that a running hub owns is shared.
func (c *Config) openDatabase(ctx context.Context, exclusive bool, logger *slog.Logger, undo *closers) (*postgres.DB, error) {
	url := c.DatabaseURL.Reveal()
	if exclusive || c.private() {
		unlock, err := lockDataDir(c.DataDir)
		switch {
		case err == nil:
			undo.add(func(context.Context) error { return unlock() })
		case errors.Is(err, errInUse) && !exclusive:
			if url, err = private.Attach(filepath.Join(c.DataDir, "postgres")); err != nil {
				return nil, err
			}
		default:
			return nil, err
		}
	}
	if url == "" {
		cache, err := c.cacheDir()
		if err != nil {
			return nil, err
		}
		server, err := private.Start(ctx, private.Config{Dir: filepath.Join(c.DataDir, "postgres"), Cache: cache, Logger: logger})
		if err != nil {
			return nil, err
		}
		undo.add(server.Stop)
		stop := server.Keep(ctx, logger)
		undo.add(func(context.Context) error { stop(); return nil })
		url = server.URL()
	}
	db, err := postgres.Open(ctx, postgres.Config{URL: url, MaxConns: 20})
	if err != nil {
		return nil, err
	}
	undo.add(func(context.Context) error { db.Close(); return nil })
	applied, err := db.Migrate(ctx)
	if err != nil {
		return nil, err
	}
	if len(applied) > 0 {
		logger.Info("database migrated", "files", len(applied))
	}
	if _, found, err := db.Restored(ctx); err != nil {
		return nil, err
	} else if found {
		logger.Warn("the database was restored, or a standby took over: it may not know what was sent to other systems last; " +
			"pushes wait until they were pulled, and new numbers begin higher")
	}
	filled, err := crm.FillSearch(ctx, db)
	if err != nil {
		return nil, err
	}
	if filled > 0 {
		logger.Info("search filled", "rows", filled)
	}
	return db, nil
}

// cacheDir is where fetched programs are kept: the user's, so that all data directories share them; one of the data
// directory's own where root runs, whose folders the server's user cannot reach, and where a service's user has no home.
func (c *Config) cacheDir() (string, error) {
	if user, err := os.UserCacheDir(); err == nil && os.Geteuid() != 0 {
		dir := filepath.Join(user, "crmhub")
		if os.MkdirAll(dir, 0o755) == nil { //nolint:gosec // programs, not data
			return dir, nil
		}
	}
	dir := filepath.Join(c.DataDir, "cache")
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // programs, not data
		return "", fmt.Errorf("cache directory: %w", err)
	}
	return dir, nil
}
