package push_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
)

// A restored database does not know what was sent after its dump: an order that waited then may be there by now, and the topics may
// tell of versions that are gone. Nothing is pushed before what is there was pulled.
func TestARestoredDatabaseDoublesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	waited, gone := customer("C1", "waited"), customer("C2", "as dumped")
	b.save(waited, gone)
	if _, err := b.remote.Push(t.Context(), "party", []connector.Write{
		{Op: connector.OpCreate, Reference: "C1", Data: map[string]any{"code": "C1", "name": "sent after the dump"}},
	}); err != nil {
		t.Fatal(err)
	}
	if err := b.db.AsSystem(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "insert into database_home (place) values ('elsewhere')")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	later := *gone
	later.Version, later.Name = 9, "later than the dump"
	lost := b.change(&later)
	lost.At = time.Now().Add(-time.Minute)
	b.topic = newTopic()
	b.topic.add(lost)
	job := uuid.New()
	b.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `insert into jobs (id, connection_id, name, kind, entity, schedule) values ($1, $2, 'pull', 'pull', 'customer', 'every 1m')`,
			job, b.connection)
		return err
	})

	b.run(b.pusher(b.topic))
	<-time.After(200 * time.Millisecond) // long enough for a push
	if b.remote.calls != 1 {
		t.Fatal("it pushed before anything was pulled")
	}
	b.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `insert into runs (id, job_id, cause, status, started_at, finished_at) values ($1, $2, 'manual', 'succeeded', now(), now())`, uuid.New(), job)
		return err
	})
	b.synced(waited, gone)
	if n := b.remote.creates["C1"]; n != 1 {
		t.Errorf("C1 was created %d times", n)
	}
	b.holds(map[string]string{"C1": "waited", "C2": "as dumped"})
	gone.Name = "after the restore"
	b.save(gone)
	b.synced(gone)
	b.holds(map[string]string{"C1": "waited", "C2": "after the restore"})
}
