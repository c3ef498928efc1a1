package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// workerLock is the class of the advisory locks that workers hold; their number is the object. The SQL function
// worker_alive looks for them.
const workerLock = 0x63726d68 // "crmh"

// AsWorker calls fn as a worker: a number to write to claims, and a session of its own that holds a lock on the number.
// What a worker claims (a link in flight, a run) stays its own exactly as long as that session lives, so a process that
// was killed loses its claims when the server notices the closed socket, and no clock is involved.
//
// The context given to fn ends with ctx or when the session is lost; fn must then let go of what it claimed. The number
// is never used again. AsWorker returns fn's error, or that the session was lost or never began.
func (db *DB) AsWorker(ctx context.Context, fn func(ctx context.Context, worker int32) error) error {
	id, conn, err := db.startWorker(ctx)
	if err != nil {
		return fmt.Errorf("start worker: %w", err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing)
	}()

	// Claims must outlive the work, so the session is watched, and kept, until fn has returned.
	watched, endWatch := context.WithCancel(context.WithoutCancel(ctx))
	working, endWork := context.WithCancelCause(ctx)
	defer endWork(nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := watch(watched, conn); err != nil {
			endWork(fmt.Errorf("worker %d lost its session: %w", id, err))
		}
	}()
	err = fn(working, id)
	lost := context.Cause(working)
	endWatch()
	<-done
	if ctx.Err() == nil && lost != nil {
		return lost
	}
	return err
}

// noticeVanished lets the server find out within 25 s that a worker's host is gone without a word. Its own settings
// would take hours.
const noticeVanished = "set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3"

func (db *DB) startWorker(ctx context.Context) (id int32, conn *pgx.Conn, err error) {
	if conn, err = pgx.ConnectConfig(ctx, db.pool.Config().ConnConfig); err != nil {
		return 0, nil, err
	}
	if _, err = conn.Exec(ctx, noticeVanished); err != nil {
		_ = conn.Close(ctx)
		return 0, nil, err
	}
	err = conn.QueryRow(ctx, `
		with w as materialized (select nextval('worker_id')::integer as id)
		select id, pg_advisory_lock($1, id) from w`, workerLock).Scan(&id, nil)
	if err != nil {
		_ = conn.Close(ctx)
		return 0, nil, err
	}
	return id, conn, nil
}

// watch returns nil when ctx ends, and an error when the session breaks.
func watch(ctx context.Context, conn *pgx.Conn) error {
	for {
		wctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		_, err := conn.WaitForNotification(wctx) // nobody notifies: it returns when the session breaks or time is up
		cancel()
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to end
		}
		if conn.IsClosed() {
			return err
		}
	}
}
