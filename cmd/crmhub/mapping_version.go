package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/mapping"
	"crmhub/core/revision"
)

// mappingOf says whose mapping a command is about.
type mappingOf struct {
	Connection string `arg:"" help:"The connection."`
	Entity     string `arg:"" help:"What it maps, such as order."`
}

// within calls fn in a transaction of the organization.
func (c *mappingOf) within(ctx context.Context, s *session, fn func(tx pgx.Tx, r *revision.Store, conn connection.Connection) error) error {
	return c.outside(ctx, s, func(r *revision.Store, conn connection.Connection) error {
		return s.db.As(ctx, s.who, func(tx pgx.Tx) error { return fn(tx, r, conn) })
	})
}

// outside calls fn in no transaction, for who asks the other system.
func (c *mappingOf) outside(ctx context.Context, s *session, fn func(r *revision.Store, conn connection.Connection) error) error {
	r, err := s.revisions()
	if err != nil {
		return err
	}
	conn, err := s.connection(ctx, c.Connection)
	if err != nil {
		return err
	}
	return fn(r, conn)
}

// version is one of the organization's own by its number.
func (c *mappingOf) version(ctx context.Context, tx pgx.Tx, r *revision.Store, conn connection.Connection, number int) (revision.Version, error) {
	all, err := r.List(ctx, tx, conn.ID, c.Entity)
	if err != nil {
		return revision.Version{}, err
	}
	for _, v := range all {
		if v.Number == number {
			return r.Get(ctx, tx, v.ID)
		}
	}
	return revision.Version{}, fmt.Errorf("connection %s has no version %d of the mapping of %s", conn.Code, number, c.Entity)
}

type mappingList struct {
	Connection string `arg:"" help:"The connection."`
}

// Run prints what holds for each entity and the organization's own versions.
func (c *mappingList) Run(ctx context.Context, s *session, out output) error {
	of := mappingOf{Connection: c.Connection}
	return of.within(ctx, s, func(tx pgx.Tx, r *revision.Store, conn connection.Connection) error {
		w := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ENTITY\tVERSION\tSTATUS\tTEXT\tNOTE")
		own, err := r.List(ctx, tx, conn.ID, "")
		if err != nil {
			return err
		}
		for _, s := range r.Connections.Streams(conn) {
			_, live, err := r.Live(ctx, tx, conn, s.Entity)
			if err != nil {
				return err
			}
			for _, v := range own {
				if v.Entity == s.Entity {
					fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", v.Entity, v.Number, v.Status, v.MappingVersion, v.Note)
				}
			}
			if m, ok := r.Shipped.For(conn.Connector, s.Entity); ok {
				status := "shipped"
				if live == 0 {
					status = "live, shipped"
				}
				fmt.Fprintf(w, "%s\t0\t%s\t%s\t\n", s.Entity, status, m.Version())
			}
		}
		return w.Flush()
	})
}

type mappingShow struct {
	mappingOf

	Number *int `arg:"" optional:"" help:"Which version; what holds now when left out, 0 for what is shipped."`
}

// Run prints the text.
func (c *mappingShow) Run(ctx context.Context, s *session, out output) error {
	return c.within(ctx, s, func(tx pgx.Tx, r *revision.Store, conn connection.Connection) error {
		m, err := c.find(ctx, tx, r, conn)
		if err == nil {
			_, err = out.stdout.Write(m.Text())
		}
		return err
	})
}

func (c *mappingShow) find(ctx context.Context, tx pgx.Tx, r *revision.Store, conn connection.Connection) (m *mapping.Mapping, err error) {
	switch {
	case c.Number == nil:
		m, _, err = r.Live(ctx, tx, conn, c.Entity)
	case *c.Number == 0:
		m, _ = r.Shipped.For(conn.Connector, c.Entity)
	default:
		var v revision.Version
		if v, err = c.version(ctx, tx, r, conn, *c.Number); err == nil {
			m, err = r.Compiled(conn, v)
		}
	}
	if err == nil && m == nil {
		err = fmt.Errorf("connection %s has no mapping of %s", conn.Code, c.Entity)
	}
	return m, err
}

type mappingDiff struct {
	mappingOf

	Number int  `arg:"" help:"The version to compare with what holds now."`
	Effect bool `help:"Also show what it would change in the newest linked records."`
	Pull   bool `help:"With --effect: what it would change in what is pulled. Records are read from the other system now; nothing is stored."`
}

// Validate is called by kong.
func (c *mappingDiff) Validate() error {
	if c.Pull && !c.Effect {
		return errors.New("--pull: goes with --effect")
	}
	return nil
}

// Run prints the rules that differ, and the records that would.
func (c *mappingDiff) Run(ctx context.Context, s *session, out output) error {
	var v revision.Version
	err := c.within(ctx, s, func(tx pgx.Tx, r *revision.Store, conn connection.Connection) (err error) {
		if v, err = c.version(ctx, tx, r, conn, c.Number); err != nil {
			return err
		}
		after, err := r.Compiled(conn, v)
		if err != nil {
			return err
		}
		before, _, err := r.Live(ctx, tx, conn, c.Entity)
		if err != nil {
			return err
		}
		if before != nil {
			for _, change := range mapping.Compare(before, after) {
				fmt.Fprintln(out.stdout, change.Rule)
				for _, side := range []struct{ mark, text string }{{"-", change.Before}, {"+", change.After}} {
					for line := range strings.Lines(side.text) {
						fmt.Fprintf(out.stdout, "  %s %s\n", side.mark, strings.TrimRight(line, "\n"))
					}
				}
			}
		}
		if !c.Effect || c.Pull {
			return nil
		}
		e, err := r.Effect(ctx, tx, v)
		if err == nil {
			printEffect(out, e)
		}
		return err
	})
	if err != nil || !c.Pull {
		return err
	}
	return c.pull(ctx, s, out, v)
}

// pull prints what would change in what is pulled. No transaction waits for the other system.
func (c *mappingDiff) pull(ctx context.Context, s *session, out output, v revision.Version) error {
	return c.outside(ctx, s, func(r *revision.Store, conn connection.Connection) error {
		records, err := r.Records(ctx, conn, v, revision.MostChecked)
		if err != nil {
			return err
		}
		return s.db.As(ctx, s.who, func(tx pgx.Tx) error {
			e, err := r.EffectOnRecords(ctx, tx, v, records)
			if err == nil {
				printEffect(out, e)
			}
			return err
		})
	})
}

func printEffect(out output, e revision.Effect) {
	fmt.Fprintf(out.stdout, "%d records: %d would change, %d would not, %d would fail (%d of them work now), %d would be fixed\n",
		e.Checked, e.Changed, e.Unchanged, e.Faulty, e.Worse, e.Mended)
	for _, a := range e.Items {
		if a.EntityID != uuid.Nil {
			fmt.Fprintf(out.stdout, "%s ", a.EntityID)
		}
		fmt.Fprintln(out.stdout, a.RemoteID)
		for _, d := range a.Differences {
			fmt.Fprintf(out.stdout, "  %s: %v → %v\n", d.Pointer, d.Before, d.After)
		}
		if len(a.After) > 0 {
			fmt.Fprintf(out.stdout, "  fails: %v\n", a.After)
		}
	}
}

type mappingPublish struct {
	mappingOf

	File     string `help:"Store this file as a new version and make it live." type:"existingfile" placeholder:"FILE"`
	Examples string `help:"Cases that must hold, beside the file." type:"existingfile" placeholder:"FILE"`
	Number   int    `help:"Make this version live." placeholder:"NUMBER"`
	Draft    bool   `help:"Only store and test the file."`
	Note     string `help:"A note on the version." placeholder:"TEXT"`
}

// Validate is called by kong.
func (c *mappingPublish) Validate() error {
	if (c.File == "") == (c.Number == 0) {
		return errors.New("name a --file or a --number")
	}
	if c.Draft && c.File == "" {
		return errors.New("--draft stores a --file")
	}
	return nil
}

// Run tests a version, tries it on what is linked, and makes it live.
func (c *mappingPublish) Run(ctx context.Context, s *session, out output) error {
	return c.within(ctx, s, func(tx pgx.Tx, r *revision.Store, conn connection.Connection) error {
		v, err := c.stored(ctx, tx, r, conn)
		if err != nil {
			return err
		}
		if c.Draft {
			v, report, err := r.Test(ctx, tx, v.ID)
			if err != nil {
				return err
			}
			fmt.Fprintf(out.stdout, "version %d of %s on %s is %s\n", v.Number, v.Entity, conn.Code, v.Status)
			for _, f := range report.Faults {
				fmt.Fprintln(out.stdout, "  FAIL", f)
			}
			return nil
		}
		if v, err = r.Publish(ctx, tx, v.ID); err != nil {
			return err
		}
		fmt.Fprintf(out.stdout, "version %d of %s on %s is live\n", v.Number, v.Entity, conn.Code)
		return nil
	})
}

func (c *mappingPublish) stored(ctx context.Context, tx pgx.Tx, r *revision.Store, conn connection.Connection) (revision.Version, error) {
	if c.File == "" {
		return c.version(ctx, tx, r, conn, c.Number)
	}
	text, err := os.ReadFile(c.File)
	if err != nil {
		return revision.Version{}, err
	}
	in := revision.New{ConnectionID: conn.ID, Entity: c.Entity, Text: string(text), Note: c.Note}
	if c.Examples != "" {
		examples, err := os.ReadFile(c.Examples)
		if err != nil {
			return revision.Version{}, err
		}
		if !json.Valid(examples) {
			return revision.Version{}, fmt.Errorf("%s is no JSON", c.Examples)
		}
		in.Examples = examples
	}
	return r.Add(ctx, tx, in)
}

type mappingRollback struct {
	mappingOf

	Reason string `required:"" help:"Why; it is kept." placeholder:"TEXT"`
}

// Run takes the live version back.
func (c *mappingRollback) Run(ctx context.Context, s *session, out output) error {
	return c.within(ctx, s, func(tx pgx.Tx, r *revision.Store, conn connection.Connection) error {
		taken, again, err := r.RollBack(ctx, tx, conn.ID, c.Entity, c.Reason)
		if err != nil {
			return err
		}
		what := "what is shipped"
		if again != nil {
			what = fmt.Sprintf("version %d", again.Number)
		}
		fmt.Fprintf(out.stdout, "version %d of %s on %s was taken back; %s is live\n", taken.Number, c.Entity, conn.Code, what)
		return nil
	})
}
