package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/privacy"
)

type eraseCommand struct {
	Entity string `arg:"" help:"What it is: customer or contact." enum:"customer,contact"`
	Which  string `arg:"" help:"Its id, or a customer's code." placeholder:"ID|CODE"`
	Reason string `required:"" help:"Why, such as where the request is filed. It is kept: say nothing personal."`
	DryRun bool   `help:"Only show what would be erased and what would stay."`
	JSON   bool   `help:"Print what was done as JSON."`
}

// Run erases, or shows what would be erased, and says what has to be done by hand.
func (c *eraseCommand) Run(ctx context.Context, s *session, out output) error {
	eraser := privacy.Eraser{Entities: &crm.Store{}}
	r := privacy.Request{Kind: crm.Kind(c.Entity), Reason: c.Reason}
	var done privacy.Erasure
	told := []privacy.Told{}
	err := s.db.As(ctx, s.who, func(tx pgx.Tx) (err error) {
		if r.ID, err = findEntity(ctx, tx, r.Kind, c.Which); err != nil {
			return err
		}
		by := crm.By{Actor: s.who.Actor, Origin: "crm"}
		if c.DryRun {
			done, err = eraser.Preview(ctx, tx, by, r)
			return err
		}
		if done, err = eraser.Erase(ctx, tx, by, r); err != nil {
			return err
		}
		told, err = privacy.ToldOf(ctx, tx, done.ID)
		return err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(out.stdout).Encode(struct {
			privacy.Erasure
			Told []privacy.Told `json:"told"`
		}{done, told})
	}
	return c.print(out, done, told)
}

func (c *eraseCommand) print(out output, done privacy.Erasure, told []privacy.Told) error {
	if c.DryRun {
		fmt.Fprintln(out.stdout, "Nothing is erased yet. It would be:")
	} else {
		fmt.Fprintf(out.stdout, "Erased, as %s:\n", done.ID)
	}
	w := tabwriter.NewWriter(out.stdout, 0, 0, 2, ' ', 0)
	for _, what := range slices.Sorted(maps.Keys(done.Erased)) {
		fmt.Fprintf(w, "%s\t%d\n", what, done.Erased[what])
	}
	for _, what := range slices.Sorted(maps.Keys(done.Kept)) {
		fmt.Fprintf(w, "%s\t%d\tkept: the law wants it\n", what, done.Kept[what])
	}
	for _, t := range told {
		fmt.Fprintf(w, "%s\t%s %s\t%s\n", t.Connection, t.Kind, t.RemoteID, t.State)
	}
	return w.Flush()
}
