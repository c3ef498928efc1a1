package transfer_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/sheet"
	"crmhub/core/transfer"
)

// BenchmarkImport takes in CRMHUB_BENCH_ROWS customers (100,000 if unset) of one CSV file, matched by code, and measures
// beside it what a bare COPY of the same rows takes into the table of an empty database on the same server: its indexes
// and keys are the same. of-copy is the ratio of the two speeds; early and highest are the most heap in use in the first three
// seconds and in all.
func BenchmarkImport(b *testing.B) {
	n := benchRows()
	for b.Loop() {
		f := newFixture(b)
		warm := f.uploadFrom(crm.KindCustomer, "warm.csv", customerFile(3000, "W"))
		f.do(warm, f.store.Run)
		f.asOwner(func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "analyze customers")
			return err
		})
		uploading := time.Now()
		i := f.uploadFrom(crm.KindCustomer, "customers.csv", customerFile(n, "C"))
		b.ReportMetric(float64(n)/time.Since(uploading).Seconds(), "uploaded/s")
		heap := watchHeap()
		f.begin(i, f.store.Run)
		start := time.Now()
		f.work()
		took := time.Since(start)
		early, highest := heap()
		if i = f.get(i); i.Status != transfer.Done || i.Created != int64(n) {
			b.Fatalf("%s: %s %+v", i.Status, i.Error, i.Counts)
		}
		copying := f.copyCustomers()
		b.ReportMetric(float64(n)/took.Seconds(), "rows/s")
		b.ReportMetric(copying.Seconds()/took.Seconds(), "of-copy")
		b.ReportMetric(float64(early)/(1<<20), "early-MiB")
		b.ReportMetric(float64(highest)/(1<<20), "highest-MiB")
	}
}

func benchRows() int {
	if n, err := strconv.Atoi(os.Getenv("CRMHUB_BENCH_ROWS")); err == nil { //nolint:forbidigo // a benchmark
		return n
	}
	return 100_000
}

// BenchmarkExport puts as many customers out, as CSV and as XLSX, with every field, and says how long 100,000 take.
func BenchmarkExport(b *testing.B) {
	n := benchRows()
	f := newFixture(b)
	i := f.uploadFrom(crm.KindCustomer, "customers.csv", customerFile(n, "C"))
	f.do(i, f.store.Run)
	for b.Loop() {
		for _, format := range []sheet.Format{sheet.CSV, sheet.XLSX} {
			start := time.Now()
			size := len(f.export(transfer.NewExport{Entity: crm.KindCustomer, Format: format}))
			b.ReportMetric(time.Since(start).Seconds()*100_000/float64(n), string(format)+"-s/100k")
			b.ReportMetric(float64(size)/(1<<20), string(format)+"-MiB")
		}
	}
}

// customerFile is a CSV file of customers, made while it is read.
func customerFile(n int, prefix string) io.Reader {
	r, w := io.Pipe()
	go func() {
		out := bufio.NewWriterSize(w, 64<<10)
		fmt.Fprintln(out, "code,name,phone,email,tax_id,currency,payment_term,credit_limit")
		for i := range n {
			fmt.Fprintf(out, "%s%07d,Customer %d GmbH,+49 30 %07d,c%d@example.com,DE%09d,EUR,30 days,%d.50\n", prefix, i, i, i, i, i, i%10_000)
		}
		_ = out.Flush()
		_ = w.Close()
	}()
	return r
}

// watchHeap looks at the heap in use ten times a second. What it returns ends that, and gives the most in the first three seconds and in all.
func watchHeap() func() (early, highest uint64) {
	var first, most atomic.Uint64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		start := time.Now()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most.Store(max(most.Load(), m.HeapInuse))
			if time.Since(start) < 3*time.Second {
				first.Store(most.Load())
			}
		}
	}()
	return func() (uint64, uint64) {
		close(stop)
		<-done
		return first.Load(), most.Load()
	}
}

// copyCustomers measures a bare COPY of the customers into an empty database's table.
func (f *fixture) copyCustomers() time.Duration {
	f.Helper()
	var rows bytes.Buffer
	f.asOwner(func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Conn().PgConn().CopyTo(ctx, &rows, "copy customers to stdout")
		return err
	})
	empty := &fixture{TB: f.TB, db: postgrestest.New(f)}
	var took time.Duration
	empty.asOwner(func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `insert into organizations (id, code, name, base_currency) values ($1, 'copy', 'Copy', 'EUR')`, f.who.Organization)
		if err != nil {
			return err
		}
		start := time.Now()
		_, err = tx.Conn().PgConn().CopyFrom(ctx, &rows, "copy customers from stdin")
		took = time.Since(start)
		return err
	})
	return took
}

// asOwner acts with the rights of the one who logged in: COPY does not go with row level security.
func (f *fixture) asOwner(fn func(ctx context.Context, tx pgx.Tx) error) {
	f.Helper()
	err := f.db.AsSystem(f.Context(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(f.Context(), "reset role"); err != nil {
			return err
		}
		return fn(f.Context(), tx)
	})
	if err != nil {
		f.Fatal(err)
	}
}
