package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
)

// One caller who has all the turns he may have makes nobody else wait, and all callers together leave connections to the hub.
func TestOneCallerLeavesTurnsToOthers(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t) // with eight connections
	take := func(a postgres.Actor) (end func()) {
		t.Helper()
		end, err := db.Turn(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		return end
	}
	waits := func(a postgres.Actor) {
		t.Helper()
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer stop()
		if _, err := db.Turn(ctx, a); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who should wait got %v", err)
		}
	}
	callers := []postgres.Actor{postgres.User(uuid.New()), postgres.Token(uuid.New()), postgres.User(uuid.New())}
	var ends []func()
	for _, a := range callers {
		ends = append(ends, take(a), take(a))
		waits(a)
	}
	waits(postgres.User(uuid.New())) // six of eight are taken
	ends[0]()
	waits(callers[1])
	ends[0] = take(callers[0])
	ends[5]()
	ends[5] = take(postgres.User(uuid.New()))
	for _, end := range ends {
		end()
	}
	for range 2 { // all is given back
		defer take(callers[0])()
	}
	waits(callers[0])
}
