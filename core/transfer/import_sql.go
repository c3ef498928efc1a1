package transfer

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/schema"
	"crmhub/core/sheet"
)

// Store reads and writes imports and exports. Its zero value is ready for use.
type Store struct{}

// channel is notified whenever there is a task.
const channel = "crmhub_transfer"

const importColumns = `i.id, i.entity, i.name, i.size, i.lines, coalesce(i.sha256, ''), i.repeats, i.form, i.columns, i.defaults, i.mode, i.match_by,
	i.group_by, i.status, i.cancel_requested, i.rows, i.created, i.updated, i.unchanged, i.duplicate, i.refused, i.undone, i.kept, i.preview,
	coalesce(i.error, ''), i.created_at, i.created_by, i.started_at, i.finished_at, i.said`

func importFields(i *Import) []any {
	return []any{
		&i.ID, &i.Entity, &i.Name, &i.Size, &i.Lines, &i.SHA256, &i.Repeats, &i.Form, &i.Columns, &i.Defaults, &i.Mode, &i.MatchBy,
		&i.GroupBy, &i.Status, &i.CancelRequested, &i.Rows, &i.Created, &i.Updated, &i.Unchanged, &i.Duplicate, &i.Refused, &i.Undone, &i.Kept, &i.Preview,
		&i.Error, &i.CreatedAt, &i.CreatedBy, &i.StartedAt, &i.FinishedAt, &i.Said,
	}
}

// GetImport returns an import, or [ErrNotFound].
func (*Store) GetImport(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Import, error) {
	return oneImport(ctx, tx, `select `+importColumns+` from imports i where i.id = $1`, id)
}

func oneImport(ctx context.Context, tx pgx.Tx, sql string, args ...any) (Import, error) {
	var i Import
	err := tx.QueryRow(ctx, sql, args...).Scan(importFields(&i)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return i, ErrNotFound
	}
	if err != nil {
		return i, fmt.Errorf("read or write an import: %w", err)
	}
	return i, nil
}

const listImports = `select ` + importColumns + ` from imports i
where i.status <> 'uploading' and ($1::uuid is null or i.id < $1) and (i.entity = any($3) or i.created_by = any($4))
order by i.id desc
limit $2`

// ListImports returns imports, newest first.
func (*Store) ListImports(ctx context.Context, tx pgx.Tx, sight Sight, after string, limit int) (postgres.Page[Import], error) {
	return list(ctx, tx, listImports, sight, after, limit, importFields, func(i Import) uuid.UUID { return i.ID })
}

func list[T any](ctx context.Context, tx pgx.Tx, sql string, sight Sight, after string, limit int, fields func(*T) []any, id func(T) uuid.UUID) (p postgres.Page[T], err error) {
	from, err := postgres.PlaceID(after)
	if err != nil {
		return p, err
	}
	size := postgres.PageSize(limit)
	rows, _ := tx.Query(ctx, sql, from, size+1, sight.Kinds, sight.By)
	items, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t T, err error) {
		err = row.Scan(fields(&t)...)
		return t, err
	})
	if err != nil {
		return p, fmt.Errorf("list imports or exports: %w", err)
	}
	return postgres.Cut(items, size, func(t T) string { return id(t).String() }), nil
}

// Upload takes a file in, piece by piece, each in a transaction of its own: one transaction for all would hold up the
// outbox for as long as the sender takes. It senses what the file is, and returns the import. On an error nothing is left.
func (s *Store) Upload(ctx context.Context, db *postgres.DB, who postgres.Principal, kind crm.Kind, name string, from io.Reader) (i Import, err error) {
	id, err := uuid.NewV7()
	if err != nil {
		return i, fmt.Errorf("upload: %w", err)
	}
	err = db.As(ctx, who, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `insert into imports (id, entity, name) values ($1, $2, $3)`, id, kind, name)
		return err
	})
	if err != nil {
		return i, fmt.Errorf("upload: %w", err)
	}
	defer func() {
		if err != nil { // what this cannot delete, the sweeper does
			_ = db.As(context.WithoutCancel(ctx), who, func(tx pgx.Tx) error {
				_, err := tx.Exec(context.WithoutCancel(ctx), `delete from imports where id = $1`, id)
				return err
			})
		}
	}()
	sensor, sum, err := s.receive(ctx, db, who, id, from)
	if err != nil {
		return i, err
	}
	i = Import{ID: id, Entity: kind, Form: sensor.Form()}
	if err := s.sense(ctx, db, who, &i); err != nil {
		return i, err
	}
	err = db.As(ctx, who, func(tx pgx.Tx) error {
		i, err = oneImport(ctx, tx, finishUpload, id, sensor.Size(), sensor.Lines(), hex.EncodeToString(sum.Sum(nil)), i.Form, i.Columns, i.MatchBy, i.GroupBy)
		return err
	})
	return i, err
}

const finishUpload = `
update imports i set status = 'uploaded', size = $2, lines = $3, sha256 = $4, form = $5, columns = $6, match_by = $7, group_by = $8,
	repeats = (
		select o.id from imports o
		where o.sha256 = $4 and o.entity = i.entity and o.id <> i.id and o.status in ('running', 'done', 'cancelled', 'failed')
		order by o.id desc limit 1)
where i.id = $1
returning ` + importColumns

// receive stores the bytes and returns what passing them taught.
func (*Store) receive(ctx context.Context, db *postgres.DB, who postgres.Principal, id uuid.UUID, from io.Reader) (*sheet.Sensor, hash.Hash, error) {
	sensor, sum := &sheet.Sensor{}, newSum()
	buffer := make([]byte, chunkSize)
	for seq := 0; ; seq++ {
		n, err := io.ReadFull(from, buffer)
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return nil, nil, fmt.Errorf("upload: %w", err)
		}
		if n > 0 {
			_, _ = sensor.Write(buffer[:n])
			_, _ = sum.Write(buffer[:n])
			if err := appendChunk(ctx, db, who, importChunks, id, seq, buffer[:n]); err != nil {
				return nil, nil, err
			}
		}
		if last {
			return sensor, sum, nil
		}
	}
}

// sampleRows is how many rows samples are taken from.
const sampleRows = 200

// sense fills in columns, samples and what follows from them.
func (s *Store) sense(ctx context.Context, db *postgres.DB, who postgres.Principal, i *Import) error {
	r, err := sheet.Open(readChunks(ctx, db, who, importChunks, i.ID), i.Form)
	if err != nil {
		return unreadable(err)
	}
	defer func() { _ = r.Close() }()
	i.Columns = make([]Column, len(r.Names()))
	for n, name := range r.Names() {
		i.Columns[n] = Column{Name: storable(name), Samples: []string{}}
	}
	for range sampleRows {
		row, err := r.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) && len(i.Columns) == 0 {
				return unreadable(err)
			}
			break // what is wrong further on is for the preview to say
		}
		for n, cell := range row.Cells {
			if n < len(i.Columns) && strings.TrimSpace(cell) != "" && len(i.Columns[n].Samples) < 3 && !slices.Contains(i.Columns[n].Samples, sample(cell)) {
				i.Columns[n].Samples = append(i.Columns[n].Samples, sample(cell))
			}
		}
	}
	senseColumns(i.Entity, i.Columns)
	i.propose()
	return nil
}

// unreadable makes what is wrong with a file as a whole a violation.
func unreadable(err error) error {
	for known, said := range map[error]*schema.Saying{
		sheet.ErrNoXLSX: schema.Say("no_workbook"), sheet.ErrTooLarge: schema.Say("workbook_too_large"),
		sheet.ErrTooLong: schema.Say("row_too_long"), sheet.ErrTooWide: schema.Say("row_too_wide"), sheet.ErrOpenQuote: schema.Say("open_quote"),
	} {
		if errors.Is(err, known) {
			return schema.Violations{{Rule: "file", Message: err.Error(), Said: said}}
		}
	}
	return err
}

// sample shortens a cell to what a person needs to know it.
func sample(cell string) string {
	const longest = 80
	runes := []rune(storable(strings.TrimSpace(cell)))
	if len(runes) > longest {
		return string(runes[:longest]) + "…"
	}
	return string(runes)
}

// storable replaces what no text of the database can hold.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}

// ChangeImport sets how the rows of an import become entities, before it runs. Another encoding, delimiter or header
// senses the columns anew. Errors: [schema.Violations], [ErrNotFound], [ErrStatus].
func (s *Store) ChangeImport(ctx context.Context, db *postgres.DB, who postgres.Principal, id uuid.UUID, c Change) (i Import, err error) {
	err = db.As(ctx, who, func(tx pgx.Tx) (err error) {
		i, err = s.GetImport(ctx, tx, id)
		return err
	})
	if err != nil {
		return i, err
	}
	if i.Status != Uploaded && i.Status != Previewed {
		return i, &StatusError{"change", i.Status}
	}
	if err := s.apply(ctx, db, who, &i, c); err != nil {
		return i, err
	}
	err = db.As(ctx, who, func(tx pgx.Tx) error {
		i, err = oneImport(ctx, tx, `
			update imports i set status = 'uploaded', form = $2, columns = $3, defaults = $4, mode = $5, match_by = $6, group_by = $7, preview = null
			where i.id = $1 and i.status in ('uploaded', 'previewed') returning `+importColumns,
			id, i.Form, i.Columns, i.Defaults, i.Mode, i.MatchBy, i.GroupBy)
		return err
	})
	if errors.Is(err, ErrNotFound) { // it was there a moment ago
		return i, &StatusError{"change", Running}
	}
	return i, err
}

func (s *Store) apply(ctx context.Context, db *postgres.DB, who postgres.Principal, i *Import, c Change) error {
	form := i.Form
	if form.Format == sheet.CSV {
		set(&form.Encoding, c.Encoding)
		set(&form.Delimiter, c.Delimiter)
	}
	set(&form.Header, c.Header)
	if form != i.Form {
		i.Form = form
		if err := form.Validate().Err(); err != nil {
			return err
		}
		if err := s.sense(ctx, db, who, i); err != nil {
			return err
		}
	}
	if c.Fields != nil {
		if len(*c.Fields) != len(i.Columns) {
			return schema.Violations{{Pointer: "/fields", Rule: "length", Message: fmt.Sprintf("must name a field, or none, for each of %d columns", len(i.Columns))}}
		}
		for n, f := range *c.Fields {
			i.Columns[n].Field = f
		}
		i.propose()
	}
	set(&i.Defaults, c.Defaults)
	set(&i.Mode, c.Mode)
	set(&i.MatchBy, c.MatchBy)
	set(&i.GroupBy, c.GroupBy)
	return i.check().Err()
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// What may be asked for, of which status, and what it begins.
const (
	beginPreview = `
update imports i set status = 'previewing', worker = null, cancel_requested = false, actor = crmhub_actor(), position = 0, staged = false, rows = 0,
	created = 0, updated = 0, unchanged = 0, duplicate = 0, refused = 0, preview = '[]', error = null, said = null, started_at = now(), finished_at = null
where i.id = $1 and i.status in ('uploaded', 'previewed') returning ` + importColumns
	// A run that goes on keeps its position and counts.
	beginRun = `
update imports i set status = 'running', worker = null, cancel_requested = false, actor = crmhub_actor(), error = null, said = null, finished_at = null,
	started_at = case when anew then now() else i.started_at end,
	position = case when anew then 0 else i.position end,
	staged = not anew and i.staged,
	rows = case when anew then 0 else i.rows end,
	created = case when anew then 0 else i.created end,
	updated = case when anew then 0 else i.updated end,
	unchanged = case when anew then 0 else i.unchanged end,
	duplicate = case when anew then 0 else i.duplicate end,
	refused = case when anew then 0 else i.refused end
from (select id, status in ('uploaded', 'previewed') as anew from imports where id = $1 for update) b
where i.id = b.id and i.status in ('uploaded', 'previewed', 'cancelled', 'failed') returning ` + importColumns
	beginUndo = `
update imports i set status = 'undoing', worker = null, cancel_requested = false, actor = crmhub_actor(), error = null, said = null, undone = 0, kept = 0,
	finished_at = null
where i.id = $1 and i.status in ('done', 'cancelled', 'failed') returning ` + importColumns
	requestCancel = `
update imports i set cancel_requested = true, progress_at = now()
where i.id = $1 and i.status in ('previewing', 'running') returning ` + importColumns
)

// Preview asks for a dry run over all rows: counts, refusals and what the first rows come to, with nothing written.
func (s *Store) Preview(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Import, error) {
	return s.begin(ctx, tx, id, "preview", beginPreview)
}

// Run asks for the import itself; after it was cancelled or failed, for the rest of it.
func (s *Store) Run(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Import, error) {
	return s.begin(ctx, tx, id, "run", beginRun)
}

// Undo asks to take an import back: what it created is deleted, what it updated is as before, but for what somebody has
// changed since. It ends only when all is done, and cannot be cancelled.
func (s *Store) Undo(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Import, error) {
	return s.begin(ctx, tx, id, "undo", beginUndo)
}

// Cancel asks a preview or run to end after its batch. What is written stays.
func (s *Store) Cancel(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Import, error) {
	return s.begin(ctx, tx, id, "cancel", requestCancel)
}

func (s *Store) begin(ctx context.Context, tx pgx.Tx, id uuid.UUID, do, sql string) (Import, error) {
	now, err := s.GetImport(ctx, tx, id)
	if err != nil {
		return now, err
	}
	if do == "preview" || do == "run" {
		if err := now.check().Err(); err != nil {
			return now, err
		}
	}
	i, err := oneImport(ctx, tx, sql, id)
	if errors.Is(err, ErrNotFound) {
		return now, &StatusError{do, now.Status}
	}
	if err != nil {
		return i, err
	}
	if do == "preview" || do == "run" && (now.Status == Uploaded || now.Status == Previewed) {
		for _, left := range []string{"import_refusals", "import_rows"} { // of a preview before
			if _, err := tx.Exec(ctx, "delete from "+left+" where import_id = $1", id); err != nil {
				return i, fmt.Errorf("%s import: %w", do, err)
			}
		}
	}
	err = audit.Record(ctx, tx, audit.Act{
		Action: "asked_to_" + do, Entity: "import", EntityID: id, Detail: map[string]any{"entity": i.Entity, "name": i.Name},
	})
	if err != nil {
		return i, err
	}
	_, err = tx.Exec(ctx, `select pg_notify('`+channel+`', '')`)
	return i, err
}

// Refusal is a row that did not go in.
type Refusal struct {
	Row    int64             `json:"row"`
	Cells  []string          `json:"cells"`
	Faults schema.Violations `json:"violations"`
}

// Refusals returns the rows that did not go in, in their order, from after a row on.
func (*Store) Refusals(ctx context.Context, tx pgx.Tx, id uuid.UUID, after int64, limit int) ([]Refusal, error) {
	return postgres.All(ctx, tx, "read refused rows", pgx.RowToStructByPos[Refusal], `select row, cells, violations from import_refusals where import_id = $1 and row > $2 order by row limit $3`, id, after, limit)
}

// WriteRefusals writes the rows that did not go in as a CSV file, each as it was and why.
func (s *Store) WriteRefusals(ctx context.Context, db *postgres.DB, who postgres.Principal, i Import, to io.Writer) error {
	columns := make([]sheet.Column, 0, len(i.Columns)+2)
	for _, c := range i.Columns {
		columns = append(columns, sheet.Column{Name: c.Name})
	}
	columns = append(columns, sheet.Column{Name: "row", Type: sheet.Number}, sheet.Column{Name: "reason"})
	w, err := sheet.NewWriter(to, sheet.CSV, columns)
	if err != nil {
		return fmt.Errorf("write refused rows: %w", err)
	}
	const page = 1000
	for after, more := int64(-1), true; more; {
		found, err := postgres.Get(ctx, db, who, func(tx pgx.Tx) ([]Refusal, error) { return s.Refusals(ctx, tx, i.ID, after, page) })
		if err != nil {
			return err
		}
		for _, r := range found {
			cells := make([]string, len(columns))
			copy(cells[:len(i.Columns)], r.Cells)
			cells[len(columns)-2], cells[len(columns)-1] = fmt.Sprint(r.Row), r.Faults.Error()
			if err := w.Write(cells); err != nil {
				return fmt.Errorf("write refused rows: %w", err)
			}
			after = r.Row
		}
		more = len(found) == page
	}
	return w.Close()
}
