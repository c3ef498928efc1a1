package access

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
)

// Sweeper forgets what is over: sessions and sign-ins, failures that have leaked away, login events after 90 days.
// Any number of processes may run one.
type Sweeper struct {
	Store  *Store
	Logger *slog.Logger
}

// Run sweeps once an hour until ctx ends. A failure is logged and made good by the next sweep.
func (s *Sweeper) Run(ctx context.Context) error {
	return postgres.Repeat(ctx, time.Hour, s.Logger, "what is over of signing in was not swept", s.Store.sweep)
}

func (s *Store) sweep(ctx context.Context) error {
	now := s.now()
	for _, over := range []struct {
		sql    string
		before time.Time
	}{
		{"delete from sessions where expires_at < $1", now},
		{"delete from sessions where last_seen_at < $1", now.Add(-SessionIdle)},
		{"delete from sign_ins where expires_at < $1", now},
		{"delete from sign_in_attempts where last_at < $1", now.Add(-forgetAfter)},
		{"delete from login_events where at < $1", now.Add(-keepEvents)},
	} {
		err := s.DB.AsSystem(ctx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, over.sql, over.before)
			return err
		})
		if err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
	}
	return nil
}
