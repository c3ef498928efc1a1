package transfer

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/postgres"
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

func scanImport(row pgx.CollectableRow) (i Import, err error) {
	err = row.Scan(importFields(&i)...)
	return i, err
}

func oneImport(ctx context.Context, tx pgx.Tx, sql string, args ...any) (Import, error) {
	return postgres.One(ctx, tx, "read or write an import", scanImport, ErrNotFound, sql, args...)
}

const listImports = `select ` + importColumns + ` from imports i
where i.status <> 'uploading' and ($1::uuid is null or i.id < $1) and (i.entity = any($2) or i.created_by = any($3))
order by i.id desc
limit $4`

// ListImports returns imports, newest first.
func (*Store) ListImports(ctx context.Context, tx pgx.Tx, sight Sight, after string, limit int) (p postgres.Page[Import], err error) {
	from, err := postgres.PlaceID(after)
	if err != nil {
		return p, err
	}
	return postgres.List(ctx, tx, "list imports", scanImport, limit, func(i Import) string { return i.ID.String() }, listImports, from, sight.Kinds, sight.By)
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
