package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/link"
	"crmhub/core/postgres"
	"crmhub/core/reconcile"
)

type conflictCommand struct {
	List   conflictList   `cmd:"" help:"List fields that both sides changed."`
	Show   conflictShow   `cmd:"" help:"Show a conflict as JSON, with what both sides say and agreed on last."`
	Settle conflictSettle `cmd:"" help:"Decide a conflict: ours, theirs, or another value."`
}

type conflictList struct {
	Connection string `help:"Only those on this connection." placeholder:"CODE"`
	Entity     string `help:"Only those of this kind of entity." placeholder:"ENTITY"`
	Field      string `help:"Only those about this field." placeholder:"FIELD"`
	Status     string `help:"open, ours, theirs, value, converged, deleted, merged or unlinked." enum:"open,ours,theirs,value,converged,deleted,merged,unlinked" default:"open" placeholder:"STATUS"`
	JSON       bool   `help:"Print each as a line of JSON."`
}

// Run prints conflicts, the newest first.
func (c *conflictList) Run(ctx context.Context, s *session, out output) error {
	f := link.ConflictFilter{Entity: c.Entity, Field: c.Field, Status: link.ConflictStatus(c.Status), Limit: 500}
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
	shown := newRows(out.stdout, c.JSON, "CONFLICT\tCONNECTION\tENTITY\tENTITY ID\tFIELD\tOURS\tTHEIRS\tSTATUS")
	err = each(ctx, s, func(tx pgx.Tx, after string) (postgres.Page[link.Kept], error) {
		f.After = after
		return link.ListConflicts(ctx, tx, f)
	}, func(k link.Kept) error {
		ours, _ := json.Marshal(k.Ours)     // they came from JSON
		theirs, _ := json.Marshal(k.Theirs) // they too
		return shown.add(k, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", k.ID, codes[k.ConnectionID], k.Entity, k.EntityID, k.Field, ours, theirs, k.Status)
	})
	return errors.Join(err, shown.end())
}

type conflictShow struct {
	ID string `arg:"" help:"The conflict."`
}

// Run prints the conflict.
func (c *conflictShow) Run(ctx context.Context, s *session, out output) error {
	id, err := parseID(c.ID)
	if err != nil {
		return err
	}
	k, err := postgres.Get(ctx, s.db, s.who, func(tx pgx.Tx) (link.Kept, error) { return link.GetConflict(ctx, tx, id) })
	if err != nil {
		return err
	}
	e := json.NewEncoder(out.stdout)
	e.SetIndent("", "  ")
	return e.Encode(k)
}

type conflictSettle struct {
	ID    string `arg:"" help:"The conflict."`
	Side  string `arg:"" enum:"ours,theirs,value" help:"Whose value counts: ours, theirs, or that of --value."`
	Value string `help:"Another value, as JSON; what is no JSON counts as text." placeholder:"JSON"`
}

// Validate is called by kong.
func (c *conflictSettle) Validate() error {
	if (c.Side == string(link.ConflictValue)) != (c.Value != "") {
		return errors.New("--value goes with value, and only with it")
	}
	return nil
}

// Run settles the conflict.
func (c *conflictSettle) Run(ctx context.Context, cfg *Config, s *session, out output) error {
	id, err := parseID(c.ID)
	if err != nil {
		return err
	}
	r, err := s.reconciler(cfg, out)
	if err != nil {
		return err
	}
	d := reconcile.Decision{Status: link.ConflictStatus(c.Side)}
	if c.Value != "" && json.Unmarshal([]byte(c.Value), &d.Value) != nil {
		d.Value = c.Value
	}
	done, err := postgres.Get(ctx, s.db, s.who, func(tx pgx.Tx) (reconcile.Settled, error) {
		return r.Settle(ctx, tx, crm.By{Actor: s.who.Actor, Origin: "crm"}, id, d)
	})
	if err != nil {
		return err
	}
	if !done.Settled {
		return errors.New("not settled: " + done.Reason)
	}
	fmt.Fprintf(out.stdout, "%s: settled, %s\n", done.Conflict.ID, done.Conflict.Status)
	return nil
}
