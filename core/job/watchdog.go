package job

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"crmhub/core/postgres"
)

// Watchdog tells of runs that execute and do not move: a remote that never answers, a loop. It ends none, since the
// worker lives; a person looks and cancels. Any number of processes may run one.
type Watchdog struct {
	DB     *postgres.DB
	Logger *slog.Logger
	Every  time.Duration // how often it looks; 0: 30 s

	stuck prometheus.Gauge
	told  map[uuid.UUID]bool
}

// NewWatchdog returns a Watchdog and registers its metric.
func NewWatchdog(db *postgres.DB, logger *slog.Logger, r prometheus.Registerer) *Watchdog {
	w := &Watchdog{DB: db, Logger: logger, Every: 30 * time.Second, told: map[uuid.UUID]bool{}, stuck: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "crmhub_runs_stuck", Help: "Runs that execute and have not moved for ten minutes, in all processes.",
	})}
	r.MustRegister(w.stuck)
	return w
}

// Run looks until ctx ends. A failure to look is logged and looked for again.
func (w *Watchdog) Run(ctx context.Context) error {
	return postgres.Repeat(ctx, w.Every, w.Logger, "stuck runs were not looked for", w.look)
}

const selectStuck = `select r.organization_id, r.id, r.job_id from runs r where ` + stuck

func (w *Watchdog) look(ctx context.Context) error {
	found := map[uuid.UUID]bool{}
	err := w.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, selectStuck)
		var organization, run, job uuid.UUID
		_, err := pgx.ForEachRow(rows, []any{&organization, &run, &job}, func() error {
			if found[run] = true; !w.told[run] {
				w.Logger.WarnContext(ctx, "run is stuck", "organization", organization, "run", run, "job", job)
			}
			return nil
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("look for stuck runs: %w", err)
	}
	w.told = found
	w.stuck.Set(float64(len(found)))
	return nil
}
