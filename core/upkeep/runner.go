package upkeep

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"crmhub/core/access"
	"crmhub/core/postgres"
)

// Runner applies the recycle rules of each organization once a day, and hands over what is to be. Any number of processes may
// run one: one of them works, and another goes on where it ended.
type Runner struct {
	DB     *postgres.DB
	Access *access.Store
	Store  *Store
	Logger *slog.Logger
	Every  time.Duration // how often it looks what is to be done; 0: a minute. What somebody asks for wakes it at once.
}

// Run works until ctx ends. A failure is logged and made good by the next time.
func (r *Runner) Run(ctx context.Context) error {
	return r.DB.Lead(ctx, "upkeep", r.lead)
}

func (r *Runner) lead(ctx context.Context) error {
	every := r.Every
	if every == 0 {
		every = time.Minute
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	woken := make(chan struct{}, 1)
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		_ = r.DB.Listen(ctx, channel, func() {
			select {
			case woken <- struct{}{}:
			default:
			}
		})
	}()
	defer func() { <-listening }()
	for {
		if err := r.Work(ctx); err != nil && ctx.Err() == nil {
			r.Logger.WarnContext(ctx, "upkeep is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-woken:
		case <-tick.C:
		}
	}
}

// Work does what is to be done at this moment.
func (r *Runner) Work(ctx context.Context) error {
	return errors.Join(r.recycleDue(ctx), r.handOverAll(ctx))
}
