package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
)

// each calls do with every item of a list, in its order; each page is read in a transaction of its own.
func each[T any](ctx context.Context, s *session, page func(tx pgx.Tx, after string) (postgres.Page[T], error), do func(T) error) error {
	for after := ""; ; {
		found, err := postgres.Get(ctx, s.db, s.who, func(tx pgx.Tx) (postgres.Page[T], error) { return page(tx, after) })
		if err != nil {
			return err
		}
		for _, item := range found.Items {
			if err := do(item); err != nil {
				return err
			}
		}
		if after = found.Next; after == "" {
			return nil
		}
	}
}

// rows prints things in columns, for people, or each as a line of JSON, for programs.
type rows struct {
	columns *tabwriter.Writer
	lines   *json.Encoder // nil: in columns
}

// newRows begins with a header for people, whose columns are separated by tabs.
func newRows(to io.Writer, asJSON bool, header string) rows {
	if asJSON {
		return rows{lines: json.NewEncoder(to)}
	}
	r := rows{columns: tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)}
	fmt.Fprintln(r.columns, header)
	return r
}

// add prints a thing: its cells for people, separated by tabs.
func (r rows) add(thing any, cells string, args ...any) error {
	if r.lines != nil {
		return r.lines.Encode(thing)
	}
	_, err := fmt.Fprintf(r.columns, cells+"\n", args...)
	return err
}

func (r rows) end() error {
	if r.lines != nil {
		return nil
	}
	return r.columns.Flush()
}

// codes are the connections' codes by id.
func (s *session) codes(ctx context.Context) (map[uuid.UUID]string, error) {
	codes := map[uuid.UUID]string{}
	err := s.db.As(ctx, s.who, func(tx pgx.Tx) error {
		all, err := s.connections.List(ctx, tx)
		for _, c := range all {
			codes[c.ID] = c.Code
		}
		return err
	})
	return codes, err
}
