package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

type importCommand struct {
	Kind crm.Kind `arg:"" enum:"${kinds}" help:"${enum}."`
	File string   `arg:"" help:"JSON lines, one entity each as schemas/<kind>.v1.json says, or a table by its name: .csv, .tsv, .txt, .xlsx; - is standard input."`

	DryRun  bool              `help:"Of a table: say what would come of it and write nothing."`
	Mode    string            `help:"Of a table: create, update or both." enum:",create,update,both" default:""`
	Decimal string            `name:"decimal-mark" help:"Of the numbers in a CSV file: point or comma. Without it the numbers tell." enum:",point,comma" default:"" placeholder:"MARK"`
	Default map[string]string `help:"Of a table: the cell of each row that has none, as field=cell." placeholder:"FIELD=CELL"`
}

// importBatch is how many lines are written in one transaction.
const importBatch = 500

// hopeless is how many refused lines without a right one show that the file is something else.
const hopeless = 100

// longestLine is how many bytes a line may have.
const longestLine = 4 << 20

// Run imports what is right, and reports what is not by line, field and rule.
func (c *importCommand) Run(ctx context.Context, cfg *Config, out output) (err error) {
	in := io.Reader(&interruptible{ctx: ctx, from: os.Stdin})
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	s, err := openSession(ctx, cfg, out)
	if err != nil {
		return err
	}
	defer s.closeInto(ctx, &err)
	if isTable(c.File) {
		return c.table(ctx, s, in, out)
	}
	if c.DryRun || c.Mode != "" || c.Decimal != "" || len(c.Default) > 0 {
		return errors.New("--dry-run, --mode, --decimal-mark and --default are for tables: .csv, .tsv, .txt, .xlsx")
	}
	i := importer{store: &crm.Store{}, kind: c.Kind, db: s.db, who: s.who, report: out.stderr}
	err = i.read(ctx, in)
	fmt.Fprintf(out.stdout, "%d imported, %d refused\n", i.imported, i.refused)
	if err != nil {
		return err
	}
	if i.refused > 0 {
		return errors.New("some lines were refused; the reasons are above")
	}
	return nil
}

// importer writes lines in batches; what is wrong with one keeps none of the others out.
type importer struct {
	store    *crm.Store
	kind     crm.Kind
	db       *postgres.DB
	who      postgres.Principal
	report   io.Writer
	imported int
	refused  int

	batch []row
}

// row is one line: an entity, or why it is none.
type row struct {
	line   int
	entity crm.Entity
	why    error
}

func (i *importer) read(ctx context.Context, in io.Reader) error {
	scan := bufio.NewScanner(in)
	scan.Buffer(make([]byte, 64<<10), longestLine)
	line := 0
	for scan.Scan() {
		line++
		text := scan.Bytes()
		if line == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
		}
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		r := row{line: line}
		if utf8.Valid(text) {
			r.entity, r.why = crm.Decode(i.kind, text)
		} else { // JSON would have the foreign letters replaced
			r.why = schema.Violations{{Rule: "encoding", Message: "must be text in UTF-8"}}
		}
		if i.batch = append(i.batch, r); len(i.batch) == importBatch {
			if err := i.write(ctx); err != nil {
				return err
			}
		}
	}
	err := i.write(ctx)
	switch {
	case err != nil:
		return err
	case errors.Is(scan.Err(), bufio.ErrTooLong):
		return fmt.Errorf("line %d: longer than %d bytes", line+1, longestLine)
	case scan.Err() != nil:
		return fmt.Errorf("after line %d: %w", line, scan.Err())
	}
	return nil
}

// write imports what is right of a batch, and reports what is not.
func (i *importer) write(ctx context.Context) error {
	defer func() { i.batch = nil }()
	right := make([]*row, 0, len(i.batch))
	for n := range i.batch {
		if r := &i.batch[n]; r.why == nil {
			right = append(right, r)
		}
	}
	if err := i.save(ctx, right); err != nil {
		return err
	}
	for _, r := range i.batch {
		if r.why == nil {
			continue
		}
		i.refused++
		fmt.Fprintf(i.report, "line %d: %v\n", r.line, r.why)
		if i.refused == hopeless && i.imported == 0 && len(right) == 0 {
			return fmt.Errorf("not one of %d lines is right: is this a file of JSON lines, one %s each?", hopeless, i.kind)
		}
	}
	return nil
}

// save writes rows in one transaction. Those of which one is at fault are halved, until it is found and told why.
func (i *importer) save(ctx context.Context, rows []*row) error {
	if len(rows) == 0 {
		return nil
	}
	entities := make([]crm.Entity, len(rows))
	for n, r := range rows {
		entities[n] = r.entity
	}
	err := i.db.As(ctx, i.who, func(tx pgx.Tx) error {
		return i.store.Save(ctx, tx, crm.By{Actor: i.who.Actor, Origin: "crm"}, entities)
	})
	why := atFault(err)
	switch {
	case err == nil:
		i.imported += len(rows)
		return nil
	case why == nil:
		return fmt.Errorf("lines %d to %d: %w", rows[0].line, rows[len(rows)-1].line, err)
	case len(rows) == 1:
		rows[0].why = why
		return nil
	}
	if err := i.save(ctx, rows[:len(rows)/2]); err != nil {
		return err
	}
	return i.save(ctx, rows[len(rows)/2:])
}

// atFault is what is wrong with the line if err says so, nil if err is about something else, such as the database.
func atFault(err error) error {
	var item *crm.ItemError
	var vs schema.Violations
	switch {
	case errors.As(err, &item):
		return item.Err
	case errors.As(err, &vs):
		return vs
	}
	return nil
}

// interruptible is a reader that gives up waiting when ctx ends: a terminal cannot be told to.
type interruptible struct {
	ctx  context.Context //nolint:containedctx // of the command that reads
	from io.Reader
}

// Read reads, or returns why ctx has ended. What is read after that is lost.
func (r *interruptible) Read(p []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	buffer := make([]byte, len(p)) // p is the caller's again when ctx ends
	go func() {
		n, err := r.from.Read(buffer)
		done <- result{n, err}
	}()
	select {
	case <-r.ctx.Done():
		return 0, context.Cause(r.ctx)
	case got := <-done:
		return copy(p, buffer[:got.n]), got.err
	}
}

// kinds names every kind of entity, for the help.
func kinds() string {
	var b strings.Builder
	for n, k := range crm.Kinds() {
		if n > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(k))
	}
	return b.String()
}
