package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/job"
	"crmhub/core/postgres"
)

type syncCommand struct {
	Run      syncRun      `cmd:"" help:"Run a job now and follow it. A hub must be running: it does the work."`
	Backfill syncBackfill `cmd:"" help:"Pull a range once more and follow it. The job's own place stays."`
	Status   syncStatus   `cmd:"" help:"Show the latest runs and what failed."`
	Log      syncLog      `cmd:"" help:"Show what a run did, line by line."`
	Pause    syncPause    `cmd:"" help:"Let a run stop after its page and keep its place."`
	Resume   syncResume   `cmd:"" help:"Let a run go on that was paused, or a backfill or replay that failed."`
	Cancel   syncCancel   `cmd:"" help:"End a run after its page."`
	Accept   syncAccept   `cmd:"" help:"Say that what a suspect run found is right: a run that believes it is queued."`
	Discard  syncDiscard  `cmd:"" help:"Say that what a suspect run found is not right."`
	Causes   syncCauses   `cmd:"" help:"Show dead letters by cause."`
	Replay   syncReplay   `cmd:"" help:"Take dead letters up again, with the mappings as they are now."`
	Dismiss  syncDismiss  `cmd:"" help:"Close dead letters that do not matter, for a reason."`
}

type syncRun struct {
	Connection string `arg:"" help:"The connection."`
	Entity     string `arg:"" optional:"" help:"What to sync, such as order; with --all nothing."`
	Push       bool   `help:"Push instead of pull."`
	DryRun     bool   `help:"Only show, field by field, what would be written. Nothing is sent or stored; no hub need be running."`
	Beginning  bool   `help:"With --dry-run of a pull: look from the beginning instead of from where the job stands."`
	All        bool   `help:"Run all jobs of the connection, each after those it runs after."`
}

// Validate is called by kong.
func (c *syncRun) Validate() error {
	if c.Beginning && (!c.DryRun || c.Push) {
		return errors.New("--beginning belongs to a --dry-run of a pull")
	}
	if c.DryRun && c.All {
		return errors.New("a dry run is of one entity")
	}
	if c.All == (c.Entity != "") {
		return errors.New("name what to sync, or --all")
	}
	return nil
}

// Run enqueues the run and prints its progress until it ends. An interrupt leaves it running.
func (c *syncRun) Run(ctx context.Context, cfg *Config, out output) (err error) {
	if !c.DryRun {
		if err := hubRuns(cfg); err != nil {
			return err
		}
	}
	s, conn, err := openConnection(ctx, cfg, out, c.Connection)
	if err != nil {
		return err
	}
	defer s.closeInto(ctx, &err)
	kind := job.Pull
	if c.Push {
		kind = job.Push
	}
	if c.DryRun {
		return c.dry(ctx, cfg, out, s, job.Job{ConnectionID: conn.ID, Kind: kind, Entity: c.Entity})
	}
	var runs []job.Run
	err = s.db.As(ctx, s.who, func(tx pgx.Tx) error {
		if c.All {
			runs, err = s.jobs.EnqueueAll(ctx, tx, conn.ID, kind)
			return err
		}
		j, err := s.job(ctx, tx, conn, kind, c.Entity)
		if err != nil {
			return err
		}
		r, err := job.Enqueue(ctx, tx, j.ID, job.ByHand)
		runs = []job.Run{r}
		return err
	})
	if err != nil {
		return err
	}
	_, err = s.followAll(ctx, runs, out)
	return err
}

// job is the one of a connection that pulls or pushes an entity.
func (s *session) job(ctx context.Context, tx pgx.Tx, conn connection.Connection, kind job.Kind, entity string) (job.Job, error) {
	jobs, err := s.jobs.List(ctx, tx, conn.ID)
	if err != nil {
		return job.Job{}, err
	}
	for _, j := range jobs {
		if j.Kind == kind && j.Entity == entity {
			return j, nil
		}
	}
	return job.Job{}, fmt.Errorf("connection %s has no job that can %s %q", conn.Code, kind, entity)
}

type syncBackfill struct {
	Connection string    `arg:"" help:"The connection."`
	Entity     string    `arg:"" help:"What to pull again, such as order."`
	From       time.Time `format:"2006-01-02" help:"What changed last on this day or later (UTC)." placeholder:"YYYY-MM-DD"`
	To         time.Time `format:"2006-01-02" help:"What changed last before this day (UTC)." placeholder:"YYYY-MM-DD"`
}

// Run enqueues the backfill and prints its progress until it ends. An interrupt leaves it running.
func (c *syncBackfill) Run(ctx context.Context, cfg *Config, out output) (err error) {
	if err := hubRuns(cfg); err != nil {
		return err
	}
	s, conn, err := openConnection(ctx, cfg, out, c.Connection)
	if err != nil {
		return err
	}
	defer s.closeInto(ctx, &err)
	var r job.Run
	err = s.db.As(ctx, s.who, func(tx pgx.Tx) error {
		j, err := s.job(ctx, tx, conn, job.Pull, c.Entity)
		if err != nil {
			return err
		}
		r, err = s.jobs.Backfill(ctx, tx, j.ID, job.Range{From: given(c.From), To: given(c.To)})
		return err
	})
	if err != nil {
		return err
	}
	_, err = s.follow(ctx, r, out)
	return err
}

// given is nil for a time that was not given.
func given(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// dry shows part after part of what the job would do.
func (c *syncRun) dry(ctx context.Context, cfg *Config, out output, s *session, j job.Job) error {
	revisions, err := s.revisions()
	if err != nil {
		return err
	}
	logger := cfg.logger(out.stderr)
	run := dryRuns(s.db, s.connections, revisions, s.puller(revisions, logger), logger)[j.Kind]
	for o := (job.DryOptions{Beginning: c.Beginning}); ; {
		r, err := run(ctx, s.who, j, o)
		if err != nil {
			return err
		}
		printDry(out, r)
		if o.After = r.Next; o.After == "" {
			return nil
		}
	}
}

// errNoHub means that nobody would do the work.
var errNoHub = errors.New("no hub is running on this data directory: start one with crmhub serve")

// hubRuns returns errNoHub if that is certain. With a database of its own, the data directory tells; with another one,
// hubs may run anywhere.
func hubRuns(c *Config) error {
	if !c.private() {
		return nil
	}
	unlock, err := lockDataDir(c.DataDir)
	switch {
	case errors.Is(err, errInUse):
		return nil
	case err != nil:
		return err
	}
	return errors.Join(errNoHub, unlock())
}

// followAll follows runs one after the other and returns what they did together.
func (s *session) followAll(ctx context.Context, runs []job.Run, out output) (sum job.Counts, err error) {
	var faults []error
	for _, r := range runs {
		r, err := s.follow(ctx, r, out)
		if err != nil {
			faults = append(faults, err)
		}
		sum.Read, sum.Failed = sum.Read+r.Read, sum.Failed+r.Failed
	}
	return sum, errors.Join(faults...)
}

// follow prints a run's counts once it has ended or is paused.
func (s *session) follow(ctx context.Context, r job.Run, out output) (job.Run, error) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		err := s.db.As(ctx, s.who, func(tx pgx.Tx) (err error) {
			r, err = job.GetRun(ctx, tx, r.ID)
			return err
		})
		if err != nil {
			return r, err
		}
		if n == 20 && r.Status == job.Queued {
			fmt.Fprintln(out.stderr, "Still queued: is a hub running (crmhub serve), is the connection held back (crmhub connection list)?")
		}
		switch r.Status {
		case job.Queued, job.Running:
		case job.Succeeded:
			fmt.Fprintln(out.stdout, counts(r))
			return r, nil
		default:
			fmt.Fprintln(out.stdout, counts(r))
			if r.Error == nil {
				return r, fmt.Errorf("the run ended %s", r.Status)
			}
			return r, fmt.Errorf("the run ended %s: %s\n%s", r.Status, r.Error.Message, r.Error.Remedy)
		}
		select {
		case <-ctx.Done():
			return r, errors.New("interrupted; the run goes on, and crmhub sync status shows it")
		case <-tick.C:
		}
	}
}

func counts(r job.Run) string {
	return fmt.Sprintf("%d read, %d created, %d updated, %d unchanged, %d failed", r.Read, r.Created, r.Updated, r.Unchanged, r.Failed)
}

// result is what a run did, or why it did not end well.
func result(r job.Run) string {
	if r.Error != nil {
		return r.Error.Message
	}
	return counts(r)
}

type syncStatus struct{}

// Run prints the connections' standing, the latest runs, and the open dead letters.
func (c *syncStatus) Run(ctx context.Context, s *session, out output) error {
	var runs postgres.Page[job.Run]
	var letters postgres.Page[job.DeadLetter]
	jobs := map[uuid.UUID]job.Job{}
	codes, err := s.codes(ctx)
	if err != nil {
		return err
	}
	err = s.db.As(ctx, s.who, func(tx pgx.Tx) error {
		list, err := s.jobs.List(ctx, tx, uuid.Nil)
		if err != nil {
			return err
		}
		for _, j := range list {
			jobs[j.ID] = j
		}
		if runs, err = job.ListRuns(ctx, tx, job.RunFilter{Limit: 20}); err != nil {
			return err
		}
		letters, err = job.ListDeadLetters(ctx, tx, job.LetterFilter{Status: job.Open, Limit: 20})
		return err
	})
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CONNECTION\tJOB\tSTATUS\tQUEUED\tRESULT\tRUN")
	for _, r := range runs.Items {
		j := jobs[r.JobID]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", codes[j.ConnectionID], work(j, r), standing(r), r.QueuedAt.Format(time.DateTime), result(r), r.ID)
	}
	if len(letters.Items) > 0 {
		fmt.Fprintln(w, "\nDEAD LETTER\tCONNECTION\tWHAT\tATTEMPTS\tCAUSE")
		for _, d := range letters.Items {
			fmt.Fprintf(w, "%s\t%s\t%s %s %s\t%d\t%s\n", d.ID, codes[d.ConnectionID], d.Direction, d.Entity, thing(d), d.Attempts, cause(d))
		}
		if letters.Next != "" {
			fmt.Fprintln(w, "and more")
		}
	}
	return w.Flush()
}

// thing is what a dead letter is about: a record of a pull, an entity of a push.
func thing(d job.DeadLetter) string {
	if d.EntityID != nil && d.RemoteID == "" {
		return d.EntityID.String()
	}
	return d.RemoteID
}

func cause(d job.DeadLetter) string {
	if len(d.Violations) == 0 {
		return d.Message
	}
	if first := d.Violations[0]; strings.HasPrefix(d.Message, first.Pointer+": "+first.Message) {
		return d.Violations.Error() // which says it all
	}
	return d.Message + ": " + d.Violations.Error()
}

// work is what a run does: its job's work, or something beside it.
func work(j job.Job, r job.Run) string {
	if r.Purpose == job.Regular {
		return j.Name
	}
	return j.Name + " (" + string(r.Purpose) + ")"
}

// standing is where a run stands, with how far it is while it executes.
func standing(r job.Run) string {
	text := string(r.Status)
	if total := r.Total(); r.Status == job.Running && total > 0 {
		text += fmt.Sprintf(" %d %%", min(100, 100*r.Read/total))
	}
	if r.EndsAt != nil {
		text += " until " + r.EndsAt.Format(time.TimeOnly)
	}
	if r.Stuck {
		text += ", stuck"
	}
	return text
}
