package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/job"
	"crmhub/core/postgres"
)

// runArg names a run.
type runArg struct {
	ID string `arg:"" name:"run" help:"The run, as sync status shows it."`
}

// Validate is called by kong.
func (a runArg) Validate() error {
	if uuid.Validate(a.ID) != nil {
		return fmt.Errorf("%q is no run's id", a.ID)
	}
	return nil
}

// act does something to the run and says where it stands then.
func (a runArg) act(ctx context.Context, s *session, out output, do func(context.Context, pgx.Tx, uuid.UUID) (job.Run, error)) error {
	r, err := postgres.Get(ctx, s.db, s.who, func(tx pgx.Tx) (job.Run, error) { return do(ctx, tx, uuid.MustParse(a.ID)) })
	if errors.Is(err, job.ErrNotFound) {
		return fmt.Errorf("there is no run %s", a.ID)
	}
	if err != nil {
		return fmt.Errorf("run %s: %w", a.ID, err)
	}
	text := string(r.Status)
	switch {
	case r.Status == job.Running && r.CancelRequested:
		text += "; it ends after its page"
	case r.Status == job.Running && r.PauseRequested:
		text += "; it is paused after its page"
	case r.Verdict != "":
		text += ", " + string(r.Verdict)
	}
	fmt.Fprintf(out.stdout, "%s: %s\n", r.ID, text)
	return nil
}

type (
	syncPause   struct{ runArg }
	syncResume  struct{ runArg }
	syncCancel  struct{ runArg }
	syncAccept  struct{ runArg }
	syncDiscard struct{ runArg }
	syncLog     struct{ runArg }
)

// Run pauses the run.
func (c *syncPause) Run(ctx context.Context, s *session, out output) error {
	return c.act(ctx, s, out, job.RequestPause)
}

// Run resumes the run.
func (c *syncResume) Run(ctx context.Context, s *session, out output) error {
	return c.act(ctx, s, out, job.ResumeRun)
}

// Run cancels the run.
func (c *syncCancel) Run(ctx context.Context, s *session, out output) error {
	return c.act(ctx, s, out, job.RequestCancel)
}

// Run accepts the suspect run; what it prints is the run that believes.
func (c *syncAccept) Run(ctx context.Context, s *session, out output) error {
	return c.act(ctx, s, out, job.Accept)
}

// Run discards the suspect run.
func (c *syncDiscard) Run(ctx context.Context, s *session, out output) error {
	return c.act(ctx, s, out, job.Discard)
}

// Run prints the run's log.
func (c *syncLog) Run(ctx context.Context, s *session, out output) error {
	id := uuid.MustParse(c.ID) // Validate has seen it
	var lines []job.Line
	err := s.db.As(ctx, s.who, func(tx pgx.Tx) (err error) {
		if _, err := job.GetRun(ctx, tx, id); err != nil {
			return fmt.Errorf("there is no run %s: %w", c.ID, err)
		}
		lines, err = job.Lines(ctx, tx, id, 0, "", 10*job.MostLines)
		return err
	})
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
	for _, l := range lines {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", l.At.Format(time.DateTime), l.Level, l.RemoteID, l.Message)
	}
	return w.Flush()
}
