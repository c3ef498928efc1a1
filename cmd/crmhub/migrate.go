package main

import (
	"context"
	"fmt"
)

type migrateCommand struct{}

// Run opens the database, which migrates it.
func (c *migrateCommand) Run(ctx context.Context, cfg *Config, out output) (err error) {
	s, err := openSession(ctx, cfg, out)
	if err != nil {
		return err
	}
	defer s.closeInto(ctx, &err)
	fmt.Fprintln(out.stdout, "The database is at this version's schema.")
	return nil
}
