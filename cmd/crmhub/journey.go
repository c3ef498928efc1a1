package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/bus"
	"crmhub/core/crm"
	"crmhub/core/journey"
	"crmhub/core/postgres"
)

type journeyCommand struct {
	Entity string `arg:"" help:"The kind of entity, such as order." enum:"${kinds}"`
	Which  string `arg:"" help:"Its id, number, code or sku." placeholder:"ID|NUMBER"`
	JSON   bool   `help:"Print each step as a line of JSON."`
}

// Run prints what happened to an entity, a step a line and an exchange with another system beneath.
func (c *journeyCommand) Run(ctx context.Context, s *session, out output) error {
	codes, err := s.codes(ctx)
	if err != nil {
		return err
	}
	f := journey.Filter{Entity: c.Entity, Limit: 500}
	err = s.db.As(ctx, s.who, func(tx pgx.Tx) (err error) {
		if id, parsed := uuid.Parse(c.Which); parsed == nil {
			f.EntityID = id
			return nil
		}
		f.EntityID, err = (&crm.Store{}).FindNamed(ctx, tx, crm.Kind(c.Entity), c.Which)
		return err
	})
	if err != nil {
		return err
	}
	return each(ctx, s, func(tx pgx.Tx, after string) (postgres.Page[journey.Step], error) {
		f.After = after
		return journey.Read(ctx, tx, bus.Topic, f)
	}, func(step journey.Step) error { return c.print(out, step, codes) })
}

func (c *journeyCommand) print(out output, s journey.Step, codes map[uuid.UUID]string) error {
	if c.JSON {
		return json.NewEncoder(out.stdout).Encode(s)
	}
	fmt.Fprintf(out.stdout, "%s  %s", s.At.Format("2006-01-02 15:04:05.000"), s.Kind)
	if s.Version > 0 {
		fmt.Fprintf(out.stdout, " of version %d", s.Version)
	}
	if s.ConnectionID != nil {
		fmt.Fprintf(out.stdout, " [%s]", codes[*s.ConnectionID])
	}
	for _, word := range []string{s.Action, s.Outcome, s.Actor, s.RemoteID, s.Message} {
		if word != "" {
			fmt.Fprintf(out.stdout, "  %s", word)
		}
	}
	if s.Offset != nil {
		fmt.Fprintf(out.stdout, "  %s partition %d offset %d", s.Topic, *s.Partition, *s.Offset)
	}
	if s.MappingVersion != "" {
		fmt.Fprintf(out.stdout, "  mapping %s", s.MappingVersion)
	}
	fmt.Fprintln(out.stdout)
	if len(s.Detail) > 0 && string(s.Detail) != "[]" {
		fmt.Fprintf(out.stdout, "    %s\n", s.Detail)
	}
	for _, e := range s.Exchanges {
		fmt.Fprintf(out.stdout, "    %s %s: %s %s → %d in %s\n", e.At.Format(time.TimeOnly), e.Purpose, e.Method, e.Path, e.Status, time.Duration(e.Milliseconds)*time.Millisecond)
		for _, body := range []struct{ mark, text string }{{">", e.Request}, {"<", e.Response}} {
			if body.text != "" {
				fmt.Fprintf(out.stdout, "      %s %s\n", body.mark, body.text)
			}
		}
	}
	return nil
}
