package outbox

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	published  prometheus.Counter
	page       prometheus.Histogram
	lagRows    prometheus.Gauge
	lagSeconds prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) metrics {
	m := metrics{
		published: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "crmhub_outbox_published_total", Help: "Changes published to their topics by this process.",
		}),
		page: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "crmhub_outbox_page_changes", Help: "Changes published at a time.", Buckets: prometheus.ExponentialBuckets(1, 4, 7),
		}),
		lagRows: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "crmhub_outbox_lag_rows", Help: "Changes committed and not published yet; 0 where another process leads.",
		}),
		lagSeconds: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "crmhub_outbox_lag_seconds", Help: "Age of the oldest change not published yet; 0 where another process leads.",
		}),
	}
	r.MustRegister(m.published, m.page, m.lagRows, m.lagSeconds)
	return m
}

func (m metrics) behind(rows int64, seconds float64) {
	m.lagRows.Set(float64(rows))
	m.lagSeconds.Set(seconds)
}

const selectLag = `
select count(*), coalesce(extract(epoch from now() - min(o.created_at)), 0)::float8
from outbox o, outbox_position p
where o.xid >= p.xid and not (o.xid < p.until and o.seq <= p.seq)`

func (r *Relay) measure(ctx context.Context) error {
	var (
		rows    int64
		seconds float64
	)
	err := r.DB.AsSystem(ctx, func(tx pgx.Tx) error { return tx.QueryRow(ctx, selectLag).Scan(&rows, &seconds) })
	if err != nil {
		return fmt.Errorf("measure the outbox: %w", err)
	}
	r.metrics.behind(rows, seconds)
	return nil
}
