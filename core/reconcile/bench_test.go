package reconcile_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/metrics"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
	"crmhub/core/hubtest"
	"crmhub/core/job"
	"crmhub/core/reconcile"
)

// generated is a remote that makes its records when they are asked for, so that neither its time nor its memory counts.
type generated struct {
	n       int
	diverge atomic.Bool // every thousandth record has another name
}

func (*generated) Check(context.Context) error { return nil }
func (*generated) Close() error                { return nil }

func (g *generated) Pull(_ context.Context, in connector.PullRequest) (connector.Page, error) {
	start := 0
	if in.Cursor != nil {
		if err := json.Unmarshal(in.Cursor, &start); err != nil {
			return connector.Page{}, err
		}
	}
	end := min(start+in.Limit, g.n)
	p := connector.Page{Records: make([]connector.Record, 0, end-start), Cursor: json.RawMessage(strconv.Itoa(end)), More: end < g.n, Expected: int64(g.n)}
	for i := start; i < end; i++ {
		name := fmt.Sprint("Customer ", i)
		if g.diverge.Load() && i%1000 == 0 {
			name += " & Sons"
		}
		p.Records = append(p.Records, connector.Record{ID: strconv.Itoa(i), Version: "1", Data: map[string]any{
			"code": fmt.Sprintf("C%07d", i), "name": name, "phone": "+49 30 12345", "note": nil,
		}})
	}
	return p, nil
}

// BenchmarkReconcile compares as many linked customers as CRMHUB_BENCH_LINKS says (100,000) with a remote that answers at once
// and differs in one of a thousand. links/s is the speed; highest-MiB what the process held at most.
func BenchmarkReconcile(b *testing.B) {
	n := 100_000
	if s := os.Getenv("CRMHUB_BENCH_LINKS"); s != "" { //nolint:forbidigo // of a benchmark
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	remote := &generated{n: n}
	h := newHouse(b, connector.Stream{Entity: "customer", Record: "party", Capabilities: connector.Capabilities{Pull: true, Push: true, Idempotent: true}})
	h.puller.PageSize = 1000
	hubtest.Start(b, h.DB.KeepStatistics)
	w := &world{World: h.World(b, remote)}
	w.Patience = time.Hour
	w.pull("customer")
	remote.diverge.Store(true)

	for b.Loop() {
		var highest atomic.Uint64
		watching, end := context.WithCancel(b.Context())
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			for watching.Err() == nil {
				highest.Store(max(highest.Load(), held()))
				select {
				case <-watching.Done():
				case <-time.After(50 * time.Millisecond):
				}
			}
		}()
		start := time.Now()
		run := w.Run(job.Reconcile, "customer")
		took := time.Since(start)
		end()
		<-watched
		var r reconcile.Reconciliation
		w.Tx(func(tx pgx.Tx) (err error) {
			r, err = reconcile.OfRun(b.Context(), tx, run.ID)
			return err
		})
		if want := int64((n + 999) / 1000); r.Verdict != reconcile.Differs || r.Counts.Different != want || r.Counts.Equal != int64(n)-want {
			b.Fatalf("%+v", r)
		}
		b.ReportMetric(float64(n)/took.Seconds(), "links/s")
		b.ReportMetric(took.Seconds()*1e6/float64(n), "s/1M")
		b.ReportMetric(float64(highest.Load())/(1<<20), "highest-MiB")
	}
}

// held is what the process holds of the machine's memory for Go.
func held() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}
