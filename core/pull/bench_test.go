package pull_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/job"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
)

// BenchmarkPull pulls 100,000 customers from a remote that answers at once, and measures beside it what a bare COPY of
// the same rows takes on the same server. of-copy is the ratio of the two speeds. A few thousand customers are there
// already, so that the planner knows the tables.
func BenchmarkPull(b *testing.B) {
	const n = 100_000 + warm
	for b.Loop() {
		b.StopTimer()
		f := newFixture(b)
		f.pageSize = 1000
		f.process()
		f.warmUp()
		f.remote.set("party", parties(n)...)
		b.StartTimer()
		start := time.Now()
		r := f.run("customer")
		pulling := time.Since(start)
		b.StopTimer()
		f.want(r, job.Succeeded, job.Counts{Read: n, Created: n - warm, Unchanged: warm})
		copying := f.copyCustomers()
		b.ReportMetric(n/pulling.Seconds(), "records/s")
		b.ReportMetric(copying.Seconds()/pulling.Seconds(), "of-copy")
		b.StartTimer()
	}
}

const warm = 2000

func (f *fixture) warmUp() {
	f.Helper()
	f.remote.set("party", parties(warm)...)
	f.run("customer")
	f.asOwner(f.DB, func(tx pgx.Tx) error {
		_, err := tx.Exec(f.Context(), "analyze")
		return err
	})
}

// copyCustomers copies the customers into an empty database and returns how long that took.
func (f *fixture) copyCustomers() time.Duration {
	f.Helper()
	var rows bytes.Buffer
	f.asOwner(f.DB, func(tx pgx.Tx) error {
		_, err := tx.Conn().PgConn().CopyTo(f.Context(), &rows, "copy customers to stdout")
		return err
	})
	empty := postgrestest.New(f)
	var took time.Duration
	f.asOwner(empty, func(tx pgx.Tx) error {
		_, err := tx.Exec(f.Context(), `insert into organizations (id, code, name, base_currency) values ($1, 'copy', 'Copy', 'EUR')`,
			f.Who.Organization)
		if err != nil {
			return err
		}
		start := time.Now()
		_, err = tx.Conn().PgConn().CopyFrom(f.Context(), &rows, "copy customers from stdin")
		took = time.Since(start)
		return err
	})
	return took
}

// asOwner acts with the rights of the one who logged in: COPY does not go with row level security.
func (f *fixture) asOwner(db *postgres.DB, fn func(tx pgx.Tx) error) {
	f.Helper()
	err := db.AsSystem(f.Context(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(f.Context(), "reset role"); err != nil {
			return err
		}
		return fn(tx)
	})
	if err != nil {
		f.Fatal(err)
	}
}
