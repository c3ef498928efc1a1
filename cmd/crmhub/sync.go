package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/pull"
	"crmhub/core/push"
)

type syncCommand struct {
	Run    syncRun    `cmd:"" help:"Run a job now and follow it. A hub must be running: it does the work."`
	Status syncStatus `cmd:"" help:"Show the latest runs and what failed."`
	Replay syncReplay `cmd:"" help:"Take dead letters up again."`
}

type syncRun struct {
	Connection string `arg:"" help:"The connection."`
	Entity     string `arg:"" help:"What to sync, such as order."`
	Push       bool   `help:"Push instead of pull."`
}

// Run enqueues the run and prints its progress until it ends. An interrupt leaves it running.
func (c *syncRun) Run(ctx context.Context, cfg *Config, out output) (err error) {
	if err := hubRuns(cfg); err != nil {
		return err
	}
	s, err := openSession(ctx, cfg, out)
	if err != nil {
		return err
	}
	defer s.closeInto(ctx, &err)
	conn, err := s.connection(ctx, c.Connection)
	if err != nil {
		return err
	}
	kind := job.Pull
	if c.Push {
		kind = job.Push
	}
	var r job.Run
	err = s.db.As(ctx, s.who, func(tx pgx.Tx) error {
		jobs, err := s.jobs.List(ctx, tx, conn.ID)
		if err != nil {
			return err
		}
		for _, j := range jobs {
			if j.Kind == kind && j.Entity == c.Entity {
				r, err = job.Enqueue(ctx, tx, j.ID, job.ByHand)
				return err
			}
		}
		return fmt.Errorf("connection %s has no job that can %s %q", c.Connection, kind, c.Entity)
	})
	if err != nil {
		return err
	}
	return s.follow(ctx, r, out)
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

// follow prints a run's progress until it has ended.
func (s *session) follow(ctx context.Context, r job.Run, out output) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		err := s.db.As(ctx, s.who, func(tx pgx.Tx) (err error) {
			r, err = job.GetRun(ctx, tx, r.ID)
			return err
		})
		if err != nil {
			return err
		}
		if n == 20 && r.Status == job.Queued {
			fmt.Fprintln(out.stderr, "Still queued: is a hub running (crmhub serve)?")
		}
		switch r.Status {
		case job.Queued, job.Running:
		case job.Succeeded:
			fmt.Fprintln(out.stdout, counts(r))
			return nil
		default:
			fmt.Fprintln(out.stdout, counts(r))
			if r.Error == nil {
				return fmt.Errorf("the run ended %s", r.Status)
			}
			return fmt.Errorf("the run ended %s: %s\n%s", r.Status, r.Error.Message, r.Error.Remedy)
		}
		select {
		case <-ctx.Done():
			return errors.New("interrupted; the run goes on, and crmhub sync status shows it")
		case <-tick.C:
		}
	}
}

func counts(r job.Run) string {
	return fmt.Sprintf("%d read, %d created, %d updated, %d unchanged, %d failed", r.Read, r.Created, r.Updated, r.Unchanged, r.Failed)
}

type syncStatus struct{}

// Run prints the connections' standing, the latest runs, and the open dead letters.
func (c *syncStatus) Run(ctx context.Context, cfg *Config, out output) (err error) {
	s, err := openSession(ctx, cfg, out)
	if err != nil {
		return err
	}
	defer s.closeInto(ctx, &err)
	var runs job.RunPage
	var letters job.LetterPage
	jobs := map[uuid.UUID]job.Job{}
	codes := map[uuid.UUID]string{}
	err = s.db.As(ctx, s.who, func(tx pgx.Tx) error {
		connections, err := s.connections.List(ctx, tx)
		if err != nil {
			return err
		}
		for _, conn := range connections {
			codes[conn.ID] = conn.Code
		}
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
	fmt.Fprintln(w, "CONNECTION\tJOB\tSTATUS\tQUEUED\tRESULT")
	for _, r := range runs.Items {
		j := jobs[r.JobID]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", codes[j.ConnectionID], j.Name, r.Status, r.QueuedAt.Format(time.DateTime), counts(r))
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
	return d.Message + ": " + d.Violations.Error()
}

type syncReplay struct {
	ID         []string `arg:"" optional:"" help:"Dead letters to replay."`
	Connection string   `help:"Replay every open dead letter of this connection." placeholder:"CODE"`
}

// Validate is called by kong.
func (c *syncReplay) Validate() error {
	if (len(c.ID) == 0) == (c.Connection == "") {
		return errors.New("name dead letters, or a connection with --connection")
	}
	var faults []error
	for _, text := range c.ID {
		if uuid.Validate(text) != nil {
			faults = append(faults, fmt.Errorf("%q is no dead letter's id", text))
		}
	}
	return errors.Join(faults...)
}

// Run takes the dead letters up again, and says which failed again.
func (c *syncReplay) Run(ctx context.Context, cfg *Config, out output) (err error) {
	s, err := openSession(ctx, cfg, out)
	if err != nil {
		return err
	}
	defer s.closeInto(ctx, &err)
	ids := make([]uuid.UUID, len(c.ID))
	for i, text := range c.ID {
		ids[i] = uuid.MustParse(text) // Validate has seen it
	}
	if c.Connection != "" {
		conn, err := s.connection(ctx, c.Connection)
		if err != nil {
			return err
		}
		if ids, err = s.openDeadLetters(ctx, conn.ID); err != nil {
			return err
		}
	}
	by, err := s.replays(cfg, out)
	if err != nil {
		return err
	}
	var taken []uuid.UUID
	var faults []error
	for _, id := range ids {
		err := s.db.As(ctx, s.who, func(tx pgx.Tx) error {
			n, err := job.ReplayDeadLetters(ctx, tx, by, []uuid.UUID{id})
			if err == nil && n == 0 {
				err = errors.New("there is no such open dead letter")
			}
			return err
		})
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", id, err))
			continue
		}
		taken = append(taken, id)
	}
	left, err := s.stillOpen(ctx, taken)
	if err != nil {
		faults = append(faults, err)
	}
	fmt.Fprintf(out.stdout, "%d taken up again, %d failed again\n", len(taken), left)
	return errors.Join(faults...)
}

// replays are how dead letters are tried again.
func (s *session) replays(cfg *Config, out output) (map[job.Kind]job.Replay, error) {
	set, err := loadMappings(cfg)
	if err != nil {
		return nil, err
	}
	puller := pull.New(pull.Config{
		DB: s.db, Connections: s.connections, Mappings: set, Entities: &crm.Store{},
		Logger: cfg.logger(out.stderr), Registerer: prometheus.NewRegistry(),
	})
	return map[job.Kind]job.Replay{job.Pull: puller.Replay, job.Push: push.Replay}, nil
}

// stillOpen counts the dead letters that failed again at once; a push is tried by the running hub.
func (s *session) stillOpen(ctx context.Context, ids []uuid.UUID) (n int, err error) {
	for _, id := range ids {
		err := s.db.As(ctx, s.who, func(tx pgx.Tx) error {
			d, err := job.GetDeadLetter(ctx, tx, id)
			if err == nil && d.Status == job.Open && d.Direction == job.Pull {
				n++
			}
			return err
		})
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (s *session) openDeadLetters(ctx context.Context, conn uuid.UUID) (ids []uuid.UUID, err error) {
	f := job.LetterFilter{Connection: conn, Status: job.Open, Limit: 500}
	for {
		var page job.LetterPage
		err := s.db.As(ctx, s.who, func(tx pgx.Tx) (err error) {
			page, err = job.ListDeadLetters(ctx, tx, f)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, d := range page.Items {
			ids = append(ids, d.ID)
		}
		if f.After = page.Next; f.After == "" {
			return ids, nil
		}
	}
}
