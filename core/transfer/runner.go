package transfer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Runner does what is asked of imports and exports. Any number of processes may run one; a task whose process died is
// taken over and goes on behind its last committed batch.
type Runner struct {
	DB       *postgres.DB
	Access   *access.Store
	Entities *crm.Store
	Logger   *slog.Logger
	Parallel int           // most tasks at a time; 0: 2
	Every    time.Duration // how often it looks for tasks of dead workers; 0: 2 s. New ones wake it at once.
}

// task is a claimed import or export.
type task struct {
	organization uuid.UUID
	actor        postgres.Actor
	by           *access.Identity // what the actor may do; nil for the hub itself, who may do everything
	worker       int32
	imported     *claimedImport // one of the two
	exported     *Export
}

type claimedImport struct {
	Import
	position int64
	staged   bool
}

// who is as whom the task is done.
func (t task) who() postgres.Principal {
	if t.by != nil {
		return t.by.Principal
	}
	return postgres.Principal{Organization: t.organization, Actor: t.actor}
}

// identify finds out what the actor may do now, which may be less than when he asked.
func (r *Runner) identify(ctx context.Context, t *task) error {
	if t.actor.Whole() {
		return nil
	}
	by, err := r.Access.Actor(ctx, t.organization, t.actor)
	if errors.Is(err, access.ErrUnauthenticated) {
		return errors.New("whoever asked for it may not come in any more")
	}
	t.by = &by
	return err
}

// Run claims and does tasks until ctx ends, then waits for those under way to give up; another process goes on with them.
func (r *Runner) Run(ctx context.Context) error {
	return postgres.Repeat(ctx, r.every(), r.Logger, "imports and exports are given up and taken up again", func(ctx context.Context) error {
		return r.DB.AsWorker(ctx, r.serve)
	})
}

func (r *Runner) every() time.Duration {
	if r.Every == 0 {
		return 2 * time.Second
	}
	return r.Every
}

func (r *Runner) pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(r.every()):
	}
}

func (r *Runner) serve(ctx context.Context, worker int32) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	wake := make(chan struct{}, 1)
	look := func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
	wg.Go(func() { _ = r.DB.Listen(ctx, channel, look) })
	tick := time.NewTicker(r.every())
	defer tick.Stop()
	parallel := r.Parallel
	if parallel == 0 {
		parallel = 2
	}
	slots := make(chan struct{}, parallel)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
		case <-tick.C:
		}
		for r.start(ctx, worker, slots, &wg, look) {
		}
	}
}

// start claims a task and does it in a goroutine, if a slot is free and there is one.
func (r *Runner) start(ctx context.Context, worker int32, slots chan struct{}, wg *sync.WaitGroup, look func()) bool {
	select {
	case slots <- struct{}{}:
	default:
		return false // look is called when one becomes free
	}
	t, err := r.claim(ctx, worker)
	if err != nil || t == nil {
		<-slots
		if err != nil && ctx.Err() == nil {
			r.Logger.ErrorContext(ctx, "no import or export was claimed", "error", err)
		}
		return false
	}
	wg.Go(func() {
		defer func() { <-slots; look() }()
		r.execute(ctx, t)
	})
	return true
}

const (
	claimImport = `
with next as (
	select organization_id, id from imports
	where status in ('previewing', 'running', 'undoing') and (worker is null or not worker_alive(worker))
	order by progress_at
	limit 1
	for update skip locked
)
update imports i set worker = $1, progress_at = now() from next where i.organization_id = next.organization_id and i.id = next.id
returning i.organization_id, i.actor, i.position, i.staged, ` + importColumns
	claimExport = `
with next as (
	select organization_id, id from exports
	where status = 'running' and (worker is null or not worker_alive(worker))
	order by progress_at
	limit 1
	for update skip locked
)
update exports e set worker = $1, progress_at = now() from next where e.organization_id = next.organization_id and e.id = next.id
returning e.organization_id, e.actor, ` + exportColumns
)

// claim takes the next task for a worker; none gives nil.
func (r *Runner) claim(ctx context.Context, worker int32) (*task, error) {
	t := &task{worker: worker}
	err := r.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		c := &claimedImport{}
		err := tx.QueryRow(ctx, claimImport, worker).Scan(append([]any{&t.organization, &t.actor, &c.position, &c.staged}, importFields(&c.Import)...)...)
		if err == nil {
			t.imported = c
			return nil
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		e := &Export{}
		err = tx.QueryRow(ctx, claimExport, worker).Scan(append([]any{&t.organization, &t.actor}, exportFields(e)...)...)
		if err == nil {
			t.exported = e
		}
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil || t.imported == nil && t.exported == nil {
		return nil, err
	}
	return t, nil
}

// execute does a task, again while the database is away, and records how it ended.
func (r *Runner) execute(ctx context.Context, t *task) {
	log := r.Logger.With("organization", t.organization)
	if t.imported != nil {
		log = log.With("import", t.imported.ID, "entity", t.imported.Entity, "task", t.imported.Status)
	} else {
		log = log.With("export", t.exported.ID, "entity", t.exported.Entity)
	}
	start := time.Now()
	for {
		err := r.do(ctx, t)
		switch {
		case errors.Is(err, errLost):
			log.WarnContext(ctx, "the task was taken over by another worker")
			return
		case err != nil && ctx.Err() != nil:
			log.InfoContext(ctx, "the task is left to be resumed")
			return
		case postgres.Unavailable(err):
			log.WarnContext(ctx, "the task waits for the database", "error", err)
		default:
			if err = r.finish(ctx, t, err, log); err == nil {
				log.InfoContext(ctx, "the task ended", "took", time.Since(start))
				return
			}
			log.ErrorContext(ctx, "the task's end was not recorded", "error", err)
		}
		r.pause(ctx)
		if err := r.reload(ctx, t); err != nil {
			log.ErrorContext(ctx, "the task was not read again", "error", err)
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// reload reads how far a task has come, after the database was away.
func (r *Runner) reload(ctx context.Context, t *task) error {
	if t.imported == nil {
		return nil
	}
	return r.DB.As(ctx, t.who(), func(tx pgx.Tx) error {
		c := t.imported
		return tx.QueryRow(ctx, `select i.position, i.staged, `+importColumns+` from imports i where i.id = $1`, c.ID).
			Scan(append([]any{&c.position, &c.staged}, importFields(&c.Import)...)...)
	})
}

// do does the task. A panic fails it, not the process.
func (r *Runner) do(ctx context.Context, t *task) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the task panicked: %v", p)
		}
	}()
	if err := r.identify(ctx, t); err != nil {
		return err
	}
	switch {
	case t.exported != nil:
		return r.export(ctx, t)
	case t.imported.Status == Undoing:
		return r.undo(ctx, t)
	default:
		return r.take(ctx, t)
	}
}

const (
	finishImport = `
update imports set status = $3, error = nullif($4, ''), said = $5, worker = null, cancel_requested = false, progress_at = now(), finished_at = now()
where id = $1 and worker = $2 and status in ('previewing', 'running', 'undoing')`
	finishExport = `
update exports set status = $3, error = nullif($4, ''), said = $6, worker = null, progress_at = now(), finished_at = now(),
	expires_at = now() + interval '7 days', size = $5
where id = $1 and worker = $2 and status = 'running'`
)

// finish records how a task ended, unless it is another worker's now.
func (r *Runner) finish(ctx context.Context, t *task, outcome error, log *slog.Logger) error {
	message, said := "", (*schema.Saying)(nil)
	if outcome != nil && !errors.Is(outcome, errCancel) {
		message, said = explain(outcome)
		log.WarnContext(ctx, "the task failed", "error", outcome)
	}
	return r.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		if t.exported != nil {
			_, err := tx.Exec(ctx, finishExport, t.exported.ID, t.worker, exportOutcome(outcome), message, t.exported.Size, said)
			return err
		}
		_, err := tx.Exec(ctx, finishImport, t.imported.ID, t.worker, importOutcome(t.imported.Status, outcome), message, said)
		return err
	})
}

// explain is what people read of a failure: what is wrong with their file, or that it is the hub's.
func explain(err error) (string, *schema.Saying) {
	if vs, ok := errors.AsType[schema.Violations](unreadable(err)); ok {
		return vs[0].Message, vs[0].Said
	}
	return err.Error(), schema.Say("internal")
}

func importOutcome(was Status, err error) Status {
	switch {
	case was == Previewing && err != nil: // it may be tried again, with other settings
		return Uploaded
	case was == Previewing:
		return Previewed
	case errors.Is(err, errCancel):
		return Cancelled
	case err != nil:
		return Failed
	case was == Undoing:
		return Undone
	default:
		return Done
	}
}

// asViolations finds what is wrong with one entity in an error, whoever says so.
func asViolations(err error) (schema.Violations, bool) {
	return errors.AsType[schema.Violations](err)
}
