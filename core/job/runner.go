package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"crmhub/core/postgres"
)

// Work does what a run is for. It counts with [Advance] in the transactions of its work, and returns nil when all is
// done, a [SuspectError], an [*connector.Error] that says why it cannot go on, or what [Advance] gave.
type Work func(ctx context.Context, t Task) error

// RunnerConfig is what a Runner needs.
type RunnerConfig struct {
	DB         *postgres.DB
	Work       map[Kind]Work
	Replay     map[Kind]Replay // how dead letters of a direction are tried again
	Parallel   int             // most runs at a time; 0: 4
	Every      time.Duration   // how often it looks for runs of dead workers; 0: 2 s. New runs wake it at once.
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Runner executes queued runs. Any number of processes may run one.
type Runner struct {
	RunnerConfig
	wake    chan struct{}
	ended   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

// NewRunner returns a Runner and registers its metrics.
func NewRunner(c RunnerConfig) *Runner {
	if c.Parallel == 0 {
		c.Parallel = 4
	}
	if c.Every == 0 {
		c.Every = 2 * time.Second
	}
	r := &Runner{
		RunnerConfig: c,
		wake:         make(chan struct{}, 1),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crmhub_runs_total", Help: "Runs that ended, by how.",
		}, []string{"kind", "entity", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "crmhub_run_seconds", Help: "How long runs took.", Buckets: prometheus.ExponentialBuckets(0.1, 4, 9),
		}, []string{"kind", "entity"}),
	}
	c.Registerer.MustRegister(r.ended, r.seconds)
	return r
}

// Run claims and executes runs until ctx ends, then waits for those that execute to give up; another process then goes
// on with what they had not finished. While the database is away it waits.
func (r *Runner) Run(ctx context.Context) error {
	return postgres.Repeat(ctx, r.Every, r.Logger, "runs are given up and taken up again", func(ctx context.Context) error {
		return r.DB.AsWorker(ctx, r.serve)
	})
}

// serve claims and executes runs as a worker.
func (r *Runner) serve(ctx context.Context, worker int32) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { _ = r.DB.Listen(ctx, channel, r.look) })
	tick := time.NewTicker(r.Every)
	defer tick.Stop()
	slots := make(chan struct{}, r.Parallel)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		case <-tick.C:
		}
		r.claimAll(ctx, worker, &wg, slots)
	}
}

// look makes Run look for runs soon.
func (r *Runner) look() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// claimAll starts runs as long as there are some and slots are free.
func (r *Runner) claimAll(ctx context.Context, worker int32, wg *sync.WaitGroup, slots chan struct{}) {
	for {
		select {
		case slots <- struct{}{}:
		default:
			return // look is called again when a slot becomes free
		}
		var t *Task
		err := r.DB.AsSystem(ctx, func(tx pgx.Tx) (err error) {
			t, err = claimRun(ctx, tx, worker)
			return err
		})
		if err != nil || t == nil {
			<-slots
			if err != nil && ctx.Err() == nil {
				r.Logger.ErrorContext(ctx, "no run was claimed", "error", err)
			}
			return
		}
		wg.Go(func() {
			defer func() { <-slots; r.look() }()
			r.execute(ctx, *t)
		})
	}
}

func (r *Runner) execute(ctx context.Context, t Task) {
	log := r.Logger.With("run", t.ID, "job", t.Job.ID, "organization", t.Job.Organization, "entity", t.Job.Entity)
	log.InfoContext(ctx, "run started", "kind", t.Job.Kind, "purpose", t.Purpose, "resumed", t.Resumed)
	start := time.Now()
	err := r.work(ctx, t)
	if errors.Is(err, ErrLost) {
		log.WarnContext(ctx, "run is not this worker's any more: it was taken over, or deleted with its connection")
		return
	}
	if err != nil && ctx.Err() != nil {
		log.InfoContext(ctx, "run is left to be resumed")
		return
	}
	status, failure := outcome(err)
	r.finish(ctx, log, t, status, failure)
	took := time.Since(start)
	r.ended.WithLabelValues(string(t.Job.Kind), t.Job.Entity, string(status)).Inc()
	r.seconds.WithLabelValues(string(t.Job.Kind), t.Job.Entity).Observe(took.Seconds())
	level := slog.LevelInfo
	if status == Failed || status == Suspect {
		level = slog.LevelWarn
	}
	log.Log(ctx, level, "run ended", "status", status, "error", err, "took", took)
}

// work runs the kind's function. A panic in it fails the run, not the process: other runs and the API go on.
func (r *Runner) work(ctx context.Context, t Task) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the run panicked: %v", p)
		}
	}()
	if t.Purpose == Replaying {
		return (&replayer{RunnerConfig: r.RunnerConfig, task: t}).run(ctx)
	}
	do, ok := r.Work[t.Job.Kind]
	if !ok {
		return fmt.Errorf("this process has no work of kind %q", t.Job.Kind)
	}
	return do(ctx, t)
}

// finish records the end, again and again while the database is away: a run that stays claimed by a living worker
// would block its job for ever.
func (r *Runner) finish(ctx context.Context, log *slog.Logger, t Task, status RunStatus, f *Failure) {
	for {
		err := r.DB.AsSystem(ctx, func(tx pgx.Tx) error {
			return finishRun(ctx, tx, t, status, f)
		})
		if err == nil || ctx.Err() != nil {
			return
		}
		log.ErrorContext(ctx, "the run's end was not recorded", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(r.Every):
		}
	}
}
