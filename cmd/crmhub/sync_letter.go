package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/job"
	"crmhub/core/postgres"
	"crmhub/core/push"
)

type syncReplay struct {
	ID []string `arg:"" optional:"" help:"Dead letters to replay, here and at once."`
	letterFlags
}

// letterFlags say which open dead letters are meant; all that are given must hold.
type letterFlags struct {
	Group      string    `help:"Those of this cause, as sync causes shows it." placeholder:"CAUSE"`
	Connection string    `help:"Those of this connection." placeholder:"CODE"`
	Since      time.Time `help:"Those that failed then or later." placeholder:"2006-01-02T15:04:05Z"`
}

func (f letterFlags) given() bool { return f.Group != "" || f.Connection != "" || !f.Since.IsZero() }

func (f letterFlags) scope(ctx context.Context, s *session) (job.Scope, error) {
	scope := job.Scope{Fingerprint: f.Group, Since: given(f.Since)}
	if f.Connection != "" {
		conn, err := s.connection(ctx, f.Connection)
		if err != nil {
			return scope, err
		}
		scope.Connection = &conn.ID
	}
	return scope, nil
}

// Validate is called by kong.
func (c *syncReplay) Validate() error {
	if (len(c.ID) == 0) != c.given() {
		return errors.New("name dead letters, or --group, --connection or --since")
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
func (c *syncReplay) Run(ctx context.Context, cfg *Config, s *session, out output) error {
	if c.given() {
		return c.enqueue(ctx, cfg, s, out)
	}
	ids := make([]uuid.UUID, len(c.ID))
	for i, text := range c.ID {
		ids[i] = uuid.MustParse(text) // Validate has seen it
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

// enqueue lets a hub replay what is meant, as runs, and follows them.
func (c *syncReplay) enqueue(ctx context.Context, cfg *Config, s *session, out output) error {
	scope, err := c.scope(ctx, s)
	if err != nil {
		return err
	}
	runs, err := postgres.Get(ctx, s.db, s.who, func(tx pgx.Tx) ([]job.Run, error) { return job.EnqueueReplay(ctx, tx, scope) })
	if err != nil {
		return err
	}
	if len(runs) > 0 {
		if err := hubRuns(cfg); err != nil {
			return err
		}
	}
	sum, err := s.followAll(ctx, runs, output{stdout: io.Discard, stderr: out.stderr})
	fmt.Fprintf(out.stdout, "%d taken up again, %d failed again\n", sum.Read, sum.Failed)
	return err
}

// replays are how dead letters are tried again.
func (s *session) replays(cfg *Config, out output) (map[job.Kind]job.Replay, error) {
	revisions, err := s.revisions()
	if err != nil {
		return nil, err
	}
	return map[job.Kind]job.Replay{job.Pull: s.puller(revisions, cfg.logger(out.stderr)).Replay, job.Push: push.Replay}, nil
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

type syncDismiss struct {
	letterFlags

	Reason string `required:"" help:"Why they do not matter; it is kept with them." placeholder:"TEXT"`
}

// Validate is called by kong.
func (c *syncDismiss) Validate() error {
	if !c.given() {
		return errors.New("say which: --group, --connection or --since")
	}
	return nil
}

// Run closes the dead letters.
func (c *syncDismiss) Run(ctx context.Context, s *session, out output) error {
	scope, err := c.scope(ctx, s)
	if err != nil {
		return err
	}
	n, err := postgres.Get(ctx, s.db, s.who, func(tx pgx.Tx) (int, error) { return job.DismissAll(ctx, tx, scope, c.Reason) })
	if err != nil {
		return err
	}
	fmt.Fprintf(out.stdout, "%d dismissed\n", n)
	return nil
}

type syncCauses struct {
	Connection string `help:"Only of this connection." placeholder:"CODE"`
}

// Run prints the causes of open dead letters, those seen last first.
func (c *syncCauses) Run(ctx context.Context, s *session, out output) error {
	f := job.LetterFilter{Status: job.Open, Limit: 200}
	if c.Connection != "" {
		conn, err := s.connection(ctx, c.Connection)
		if err != nil {
			return err
		}
		f.Connection = conn.ID
	}
	page, err := postgres.Get(ctx, s.db, s.who, func(tx pgx.Tx) (postgres.Page[job.LetterCause], error) { return job.ListCauses(ctx, tx, f) })
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CAUSE\tCOUNT\tFIRST SEEN\tLAST SEEN\tWHAT\tMESSAGE")
	for _, g := range page.Items {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s %s\t%s\n", g.Fingerprint, g.Count, g.FirstSeen.Format(time.DateTime), g.LastSeen.Format(time.DateTime),
			g.Direction, g.Entity, cause(job.DeadLetter{Message: g.Message, Violations: g.Violations}))
	}
	if page.Next != "" {
		fmt.Fprintln(w, "and more")
	}
	return w.Flush()
}
