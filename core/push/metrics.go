package push

import "github.com/prometheus/client_golang/prometheus"

// Metrics count what all pushers of a process do.
type Metrics struct {
	records *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	paused  *prometheus.GaugeVec
	passed  *prometheus.CounterVec
}

// NewMetrics registers the metrics of pushing.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crmhub_push_records_total",
			Help: "Entities brought to a remote, by what came of it: linked, unchanged, parked, waiting, unknown, failed or released.",
		}, []string{"connection", "entity", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "crmhub_push_call_seconds", Help: "Duration of calls that write to a remote.",
			Buckets: []float64{.001, .005, .02, .1, .5, 2, 10, 60},
		}, []string{"connection", "entity"}),
		paused: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "crmhub_push_paused", Help: "1 while a connection is held back because it fails as a whole.",
		}, []string{"connection"}),
		passed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crmhub_push_topics_passed_total",
			Help: "Times that changes were deleted from their topics by age before a connection read them; all versions were compared then.",
		}, []string{"connection"}),
	}
	r.MustRegister(m.records, m.seconds, m.paused, m.passed)
	return m
}
