package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/link"
	"crmhub/core/matching"
	"crmhub/core/postgres"
)

type matchCommand struct {
	Start  matchStart  `cmd:"" help:"Read the other side and propose which of its records is which entity. A hub must be running: it does the work."`
	List   matchList   `cmd:"" help:"List matchings, or what one proposes."`
	Accept matchAccept `cmd:"" help:"Link proposed pairs."`
	Reject matchReject `cmd:"" help:"Say that proposed pairs are two; they are not proposed again."`
	Create matchCreate `cmd:"" help:"Make new entities of records without a counterpart."`
}

type matchStart struct {
	Connection    string `arg:"" help:"The connection."`
	Entity        string `arg:"" help:"What to match, such as customer."`
	AcceptCertain bool   `help:"Link what is certain at the end."`
}

// Run queues the matching, waits for its end and prints what came of it.
func (c *matchStart) Run(ctx context.Context, cfg *Config, out output) (err error) {
	if err := hubRuns(cfg); err != nil {
		return err
	}
	s, conn, err := openConnection(ctx, cfg, out, c.Connection)
	if err != nil {
		return err
	}
	defer s.closeInto(ctx, &err)
	var m matching.Matching
	var run job.Run
	err = s.db.As(ctx, s.who, func(tx pgx.Tx) (err error) {
		if m, err = matching.Start(ctx, tx, s.jobs, conn.ID, c.Entity, c.AcceptCertain); err != nil {
			return err
		}
		run, err = job.GetRun(ctx, tx, m.RunID)
		return err
	})
	if err != nil {
		return err
	}
	_, ended := s.follow(ctx, run, output{stdout: io.Discard, stderr: out.stderr})
	err = s.db.As(ctx, s.who, func(tx pgx.Tx) (err error) {
		m, err = matching.Get(ctx, tx, m.ID)
		return err
	})
	if err != nil {
		return errors.Join(ended, err)
	}
	n := m.Counts
	fmt.Fprintf(out.stdout, "%s: %s\n%d read, %d linked before, %d linked now\n%d certain, %d to review, %d without a counterpart, %d unreadable\n",
		m.ID, m.Status, n.Read, n.Known, n.Linked, n.Certain, n.Review, n.None, n.Unreadable)
	return ended
}

type matchList struct {
	Matching string `arg:"" optional:"" help:"The matching whose proposals to list."`
	Class    string `help:"Only proposals of this class: certain, review, none or unreadable." enum:",certain,review,none,unreadable" default:"" placeholder:"CLASS"`
	All      bool   `help:"Settled proposals, too."`
	JSON     bool   `help:"Print each as a line of JSON."`
}

// Run prints matchings, or the proposals of one.
func (c *matchList) Run(ctx context.Context, s *session, out output) error {
	if c.Matching != "" {
		return c.proposals(ctx, s, out)
	}
	codes, err := s.codes(ctx)
	if err != nil {
		return err
	}
	found, err := postgres.Get(ctx, s.db, s.who, func(tx pgx.Tx) (postgres.Page[matching.Matching], error) {
		return matching.List(ctx, tx, matching.Filter{})
	})
	if err != nil {
		return err
	}
	shown := newRows(out.stdout, c.JSON, "MATCHING\tCONNECTION\tENTITY\tSTATUS\tREAD\tCERTAIN\tREVIEW\tNONE\tUNREADABLE\tLINKED\tCREATED")
	for _, m := range found.Items {
		n := m.Counts
		err = errors.Join(err, shown.add(m, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d",
			m.ID, codes[m.ConnectionID], m.Entity, m.Status, n.Read, n.Certain, n.Review, n.None, n.Unreadable, n.Linked, n.Created))
	}
	return errors.Join(err, shown.end())
}

func (c *matchList) proposals(ctx context.Context, s *session, out output) error {
	id, err := parseID(c.Matching)
	if err != nil {
		return err
	}
	f := link.ProposalFilter{Matching: id, Class: link.Class(c.Class), State: link.ProposalOpen, Limit: 500}
	if c.All {
		f.State = ""
	}
	shown := newRows(out.stdout, c.JSON, "PROPOSAL\tCLASS\tSTATE\tSCORE\tRECORD\tTHEIRS\tOURS\tREASONS")
	err = each(ctx, s, func(tx pgx.Tx, after string) (postgres.Page[link.Proposal], error) {
		f.After = after
		return matching.Proposals(ctx, tx, &crm.Store{}, f, func(string) (bool, func(string) bool) {
			return true, func(string) bool { return false }
		})
	}, func(p link.Proposal) error { return shown.add(p, "%s", strings.Join(candidates(p), "\n")) })
	return errors.Join(err, shown.end())
}

// candidates are the lines of a proposal: one for each candidate, or one without.
func candidates(p link.Proposal) (lines []string) {
	head := fmt.Sprintf("%s\t%s\t%s\t%d\t%s\t%s", p.ID, p.Class, p.State, p.Score, p.RemoteID, p.Title)
	if len(p.Candidates) == 0 {
		return []string{head + "\t–\t" + p.Message}
	}
	for _, c := range p.Candidates {
		reasons := make([]string, len(c.Reasons))
		for i, r := range c.Reasons {
			reasons[i] = fmt.Sprintf("%s %d", r.Kind, r.Score)
		}
		lines = append(lines, fmt.Sprintf("%s\t%s %s\t%s", head, c.EntityID, c.Title, strings.Join(reasons, ", ")))
	}
	return lines
}

// decided names proposals of a matching.
type decided struct {
	Matching string   `arg:"" help:"The matching."`
	ID       []string `arg:"" optional:"" help:"The proposals."`
}

// decide does what was decided about the named proposals, or about all of a class.
func (c *decided) decide(ctx context.Context, cfg *Config, s *session, out output, in matching.Decision, entity string) error {
	of, err := parseID(c.Matching)
	if err != nil {
		return err
	}
	for _, text := range c.ID {
		id, err := parseID(text)
		if err != nil {
			return err
		}
		in.IDs = append(in.IDs, id)
	}
	if entity != "" {
		if in.EntityID, err = parseID(entity); err != nil {
			return err
		}
	}
	m, err := s.matcher(cfg, out)
	if err != nil {
		return err
	}
	all, err := m.SettleAll(ctx, s.who, of, in)
	for _, r := range all.Refused {
		fmt.Fprintf(out.stderr, "%s: %s\n", r.ID, r.Reason)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out.stdout, "%d settled, %d refused\n", all.Done, len(all.Refused))
	if all.Done == 0 && len(all.Refused) > 0 {
		return errors.New("nothing was settled")
	}
	return nil
}

type matchAccept struct {
	decided

	Certain bool   `help:"Link every certain pair."`
	Entity  string `help:"Link the one proposal's record with this entity, be it a candidate or not." placeholder:"ID"`
}

// Run links.
func (c *matchAccept) Run(ctx context.Context, cfg *Config, s *session, out output) error {
	in := matching.Decision{Action: matching.Accept}
	if c.Certain {
		in.Class = link.Certain
	}
	return c.decide(ctx, cfg, s, out, in, c.Entity)
}

type matchReject struct {
	decided

	Entity string `help:"Only this candidate." placeholder:"ID"`
}

// Run rejects.
func (c *matchReject) Run(ctx context.Context, cfg *Config, s *session, out output) error {
	return c.decide(ctx, cfg, s, out, matching.Decision{Action: matching.Reject}, c.Entity)
}

type matchCreate struct {
	decided

	None bool `help:"Of every record without a counterpart."`
}

// Run makes entities.
func (c *matchCreate) Run(ctx context.Context, cfg *Config, s *session, out output) error {
	in := matching.Decision{Action: matching.Create}
	if c.None {
		in.Class = link.None
	}
	return c.decide(ctx, cfg, s, out, in, "")
}

// matcher settles as the running hub does.
func (s *session) matcher(cfg *Config, out output) (*matching.Matcher, error) {
	revisions, err := s.revisions()
	if err != nil {
		return nil, err
	}
	logger := cfg.logger(out.stderr)
	return matching.New(matching.Config{DB: s.db, Connections: s.connections, Entities: &crm.Store{}, Puller: s.puller(revisions, logger), Logger: logger}), nil
}

// parseID reads an id that somebody typed.
func parseID(text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return id, fmt.Errorf("%q is no id", text)
	}
	return id, nil
}
