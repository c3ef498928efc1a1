package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/edit"
	"crmhub/core/link"
	"crmhub/core/postgres"
	"crmhub/core/reconcile"
)

type linkCommand struct {
	List   linkList   `cmd:"" help:"List links: all, or those that a number, code, name or record id finds."`
	Show   linkShow   `cmd:"" help:"Show a link as JSON."`
	Add    linkAdd    `cmd:"" help:"Link an entity with a record."`
	Remove linkRemove `cmd:"" help:"Take a link apart: entity and record have nothing to do with each other any more."`
}

type linkList struct {
	Words      string `arg:"" optional:"" help:"A number, code or name of an entity, or a record's id."`
	Connection string `help:"Only those on this connection." placeholder:"CODE"`
	Entity     string `help:"Only those of this kind of entity." placeholder:"ENTITY"`
	State      string `help:"Only those that stand there: pending, sending, unknown, linked, parked, waiting, failed or unlinked." placeholder:"STATE"`
	Limit      int    `help:"How many at most." default:"50"`
	JSON       bool   `help:"Print each as a line of JSON."`
}

// Run prints links, the newest first.
func (c *linkList) Run(ctx context.Context, s *session, out output) error {
	f := link.Filter{Entity: c.Entity, State: link.State(c.State), Words: c.Words, Limit: c.Limit}
	if c.Connection != "" {
		conn, err := s.connection(ctx, c.Connection)
		if err != nil {
			return err
		}
		f.Connection = conn.ID
	}
	codes, err := s.codes(ctx)
	if err != nil {
		return err
	}
	var found postgres.Page[link.Link]
	err = s.db.As(ctx, s.who, func(tx pgx.Tx) (err error) {
		if c.Words != "" {
			if f.Named, err = edit.NamedForHub(ctx, tx, &crm.Store{}, c.Entity, c.Words); err != nil {
				return err
			}
		}
		found, err = link.List(ctx, tx, f)
		return err
	})
	if err != nil {
		return err
	}
	shown := newRows(out.stdout, c.JSON, "LINK\tCONNECTION\tENTITY\tENTITY ID\tRECORD\tSTATE\tCAUSE")
	for _, l := range found.Items {
		why := ""
		if l.Cause != nil {
			why = l.Cause.Message
		}
		err = errors.Join(err, shown.add(l, "%s\t%s\t%s\t%s\t%s\t%s\t%s", l.ID, codes[l.ConnectionID], l.Entity, l.EntityID, l.RemoteID, l.State, why))
	}
	return errors.Join(err, shown.end())
}

type linkShow struct {
	ID string `arg:"" help:"The link."`
}

// Run prints the link.
func (c *linkShow) Run(ctx context.Context, s *session, out output) error {
	return onLink(ctx, s, out, c.ID, link.Get, func(w io.Writer, l link.Link) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(l)
	})
}

// onLink does something with a link that is named by its id, and tells of it.
func onLink(ctx context.Context, s *session, out output, text string, do func(context.Context, pgx.Tx, uuid.UUID) (link.Link, error), tell func(io.Writer, link.Link) error) error {
	id, err := parseID(text)
	if err != nil {
		return err
	}
	l, err := postgres.Get(ctx, s.db, s.who, func(tx pgx.Tx) (link.Link, error) { return do(ctx, tx, id) })
	if err != nil {
		return err
	}
	return tell(out.stdout, l)
}

type linkAdd struct {
	Connection string `arg:"" help:"The connection."`
	Entity     string `arg:"" help:"The kind of entity, such as customer." enum:"${kinds}"`
	Which      string `arg:"" help:"Its id, number, code or sku."`
	Record     string `arg:"" help:"The record's id over there."`
}

// Run asks the other system for the record where it can, links the two, and merges them.
func (c *linkAdd) Run(ctx context.Context, cfg *Config, s *session, out output) error {
	conn, err := s.connection(ctx, c.Connection)
	if err != nil {
		return err
	}
	p := reconcile.Pair{Connection: conn.ID, Entity: c.Entity, RemoteID: c.Record}
	err = s.db.As(ctx, s.who, func(tx pgx.Tx) error {
		p.EntityID, err = findEntity(ctx, tx, crm.Kind(c.Entity), c.Which)
		return err
	})
	if err != nil {
		return err
	}
	r, err := s.reconciler(cfg, out)
	if err != nil {
		return err
	}
	record, err := r.Ask(ctx, s.who, p)
	if err != nil {
		return err
	}
	return s.db.As(ctx, s.who, func(tx pgx.Tx) error {
		l, err := r.Connect(ctx, tx, p, record)
		if err == nil {
			fmt.Fprintf(out.stdout, "%s: %s %s is record %s\n", l.ID, l.Entity, l.EntityID, l.RemoteID)
		}
		return err
	})
}

// findEntity reads which entity somebody means: by its id, or by its number, code or sku.
func findEntity(ctx context.Context, tx pgx.Tx, k crm.Kind, which string) (uuid.UUID, error) {
	if id, err := uuid.Parse(which); err == nil {
		return id, nil
	}
	return (&crm.Store{}).FindNamed(ctx, tx, k, which)
}

type linkRemove struct {
	ID string `arg:"" help:"The link."`
}

// Run takes the link apart.
func (c *linkRemove) Run(ctx context.Context, s *session, out output) error {
	return onLink(ctx, s, out, c.ID, link.Disconnect, func(w io.Writer, l link.Link) error {
		_, err := fmt.Fprintf(w, "%s: %s %s is linked with nothing\n", l.ID, l.Entity, l.EntityID)
		return err
	})
}
