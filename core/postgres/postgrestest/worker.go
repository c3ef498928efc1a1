package postgrestest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
)

// Worker is a living worker; die ends it and returns when the server has noticed.
func Worker(t testing.TB, db *postgres.DB) (id int32, die func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	begun, done := make(chan int32, 1), make(chan error, 1)
	go func() {
		done <- db.AsWorker(ctx, func(ctx context.Context, worker int32) error {
			begun <- worker
			<-ctx.Done()
			return nil
		})
	}()
	select {
	case id = <-begun:
	case err := <-done:
		cancel()
		t.Fatal(err)
	}
	end := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(end)
	return id, func() {
		t.Helper()
		end()
		for deadline := time.Now().Add(2 * time.Minute); Alive(t, db, id); {
			if time.Now().After(deadline) {
				t.Fatal("the worker does not die")
			}
		}
	}
}

// Alive reports whether a worker is alive.
func Alive(t testing.TB, db *postgres.DB, worker int32) (alive bool) {
	t.Helper()
	err := db.AsSystem(t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "select worker_alive($1)", worker).Scan(&alive)
	})
	if err != nil {
		t.Fatal(err)
	}
	return alive
}
