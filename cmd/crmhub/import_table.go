package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/transfer"
)

// isTable reports whether a file is a table, by its name: CSV in any dialect, or XLSX.
func isTable(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".csv", ".tsv", ".txt", ".xlsx":
		return true
	}
	return false
}

// table imports a CSV or XLSX file as the API does: the file becomes an import, and whoever claims it first does it, this
// command or a running hub.
func (c *importCommand) table(ctx context.Context, s *session, in io.Reader, out output) error {
	t := &tableImport{session: s, store: &transfer.Store{}}
	i, err := t.store.Upload(ctx, s.db, s.who, c.Kind, filepath.Base(c.File), in)
	if err != nil {
		return err
	}
	t.describe(i, out.stdout)
	if change := c.change(); change != nil {
		if i, err = t.store.ChangeImport(ctx, s.db, s.who, i.ID, *change); err != nil {
			return err
		}
	}
	begin := t.store.Run
	if c.DryRun {
		begin = t.store.Preview
	}
	if i, err = t.do(ctx, i.ID, begin); err != nil {
		return err
	}
	if err := t.refusals(ctx, i.ID, out.stderr); err != nil {
		return err
	}
	fmt.Fprintf(out.stdout, "%d rows: %d created, %d updated, %d unchanged, %d duplicate, %d refused\n",
		i.Rows, i.Created, i.Updated, i.Unchanged, i.Duplicate, i.Refused)
	fmt.Fprintf(out.stdout, "import %s is %s\n", i.ID, i.Status)
	switch {
	case i.Error != "":
		return errors.New(i.Error)
	case i.Refused > 0:
		return errors.New("some rows were refused; the reasons are above")
	}
	return nil
}

func (c *importCommand) change() *transfer.Change {
	if c.Mode == "" && c.Decimal == "" && len(c.Default) == 0 {
		return nil
	}
	change := &transfer.Change{}
	if c.Mode != "" {
		mode := transfer.Mode(c.Mode)
		change.Mode = &mode
	}
	if c.Decimal != "" {
		change.Decimal = &c.Decimal
	}
	if len(c.Default) > 0 {
		change.Defaults = &c.Default
	}
	return change
}

type tableImport struct {
	*session
	store *transfer.Store
}

// describe prints how the file is read: each column with the field it seems to be.
func (*tableImport) describe(i transfer.Import, w io.Writer) {
	fmt.Fprintf(w, "%s: %s", i.Name, i.Form.Format)
	if i.Form.Encoding != "" {
		fmt.Fprintf(w, ", %s, delimiter %q", i.Form.Encoding, i.Form.Delimiter)
		if i.Form.Decimal != "" {
			fmt.Fprintf(w, ", decimal %s", i.Form.Decimal)
		}
	}
	fmt.Fprintln(w)
	for n, col := range i.Columns {
		field := col.Field
		if field == "" {
			field = "(left out)"
		}
		fmt.Fprintf(w, "  %d %q → %s\n", n+1, col.Name, field)
	}
	if i.Repeats != nil {
		fmt.Fprintf(w, "the same file was imported before: %s\n", i.Repeats)
	}
}

// do begins a task and waits for its end, with a runner of its own.
func (t *tableImport) do(ctx context.Context, id uuid.UUID, begin func(context.Context, pgx.Tx, uuid.UUID) (transfer.Import, error)) (i transfer.Import, err error) {
	err = t.db.As(ctx, t.who, func(tx pgx.Tx) error {
		i, err = begin(ctx, tx, id)
		return err
	})
	if err != nil {
		return i, err
	}
	working, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		done <- (&transfer.Runner{DB: t.db, Access: t.access, Entities: &crm.Store{}, Logger: slog.New(slog.DiscardHandler)}).Run(working)
	}()
	defer func() {
		stop()
		err = errors.Join(err, <-done)
	}()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i.Status == transfer.Previewing || i.Status == transfer.Running {
		select {
		case <-ctx.Done():
			return i, fmt.Errorf("import %s goes on when a hub runs: %w", id, context.Cause(ctx))
		case <-tick.C:
		}
		err := t.db.As(ctx, t.who, func(tx pgx.Tx) (err error) {
			i, err = t.store.GetImport(ctx, tx, id)
			return err
		})
		if err != nil {
			return i, err
		}
	}
	return i, nil
}

// refusals prints the rows that did not go in, by row, field and rule.
func (t *tableImport) refusals(ctx context.Context, id uuid.UUID, w io.Writer) error {
	for after := int64(-1); ; {
		found, err := postgres.Get(ctx, t.db, t.who, func(tx pgx.Tx) ([]transfer.Refusal, error) { return t.store.Refusals(ctx, tx, id, after, 1000) })
		if err != nil || len(found) == 0 {
			return err
		}
		for _, r := range found {
			fmt.Fprintf(w, "row %d: %v\n", r.Row, r.Faults)
			after = r.Row
		}
	}
}
