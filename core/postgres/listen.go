package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Listen calls wake once at the start and again whenever somebody notifies the channel, until ctx ends.
// A lost session is opened anew; wake is then called too, since a notification may have been missed.
// wake must return quickly and may be called more often than there were notifications.
func (db *DB) Listen(ctx context.Context, channel string, wake func()) error {
	for ctx.Err() == nil {
		if err := db.listen(ctx, channel, wake); err != nil && ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
	return nil
}

func (db *DB) listen(ctx context.Context, channel string, wake func()) error {
	conn, err := pgx.ConnectConfig(ctx, db.pool.Config().ConnConfig)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", channel, err)
	}
	defer func() {
		cctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(cctx)
	}()
	if _, err := conn.Exec(ctx, "listen "+pgx.Identifier{channel}.Sanitize()); err != nil {
		return fmt.Errorf("listen on %s: %w", channel, err)
	}
	for {
		wake()
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return fmt.Errorf("listen on %s: %w", channel, err)
		}
	}
}

// Lead runs fn while this process holds the named lock, so that of many processes one does the work.
// It waits for the lock, runs fn with a context that ends when the lock is lost, and starts over until ctx ends.
// An error of fn ends it.
func (db *DB) Lead(ctx context.Context, name string, fn func(ctx context.Context) error) error {
	for ctx.Err() == nil {
		led, err := db.lead(ctx, name, fn)
		if err != nil && led && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
	return nil
}

func (db *DB) lead(ctx context.Context, name string, fn func(ctx context.Context) error) (led bool, err error) {
	conn, err := pgx.ConnectConfig(ctx, db.pool.Config().ConnConfig)
	if err != nil {
		return false, fmt.Errorf("lead %s: %w", name, err)
	}
	defer func() {
		cctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(cctx)
	}()
	var ok bool
	if err := conn.QueryRow(ctx, "select pg_try_advisory_lock(hashtextextended($1, 0))", "crmhub:"+name).Scan(&ok); err != nil || !ok {
		return false, err
	}
	lctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- fn(lctx) }()
	for {
		wctx, stop := context.WithTimeout(ctx, 2*time.Second)
		_, werr := conn.WaitForNotification(wctx)
		stop()
		select {
		case err := <-done:
			return true, err
		default:
		}
		if ctx.Err() != nil || conn.IsClosed() {
			cancel()
			err := <-done
			if ctx.Err() != nil {
				return true, err
			}
			return false, fmt.Errorf("lead %s: the lock was lost: %w", name, werr)
		}
	}
}
