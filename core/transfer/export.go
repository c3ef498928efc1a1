package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/schema"
	"crmhub/core/sheet"
)

// Export is a list that goes out, and the file made of it. The file is kept for seven days.
type Export struct {
	ID              uuid.UUID    `json:"id"`
	Entity          crm.Kind     `json:"entity"`
	Query           crm.Query    `json:"-"`
	Columns         []string     `json:"columns" nullable:"false" doc:"Fields as an import names them: name, lines/qty, customer_id/code."`
	Format          sheet.Format `json:"format" enum:"csv,xlsx"`
	Status          Status       `json:"status" enum:"running,done,cancelled,failed"`
	CancelRequested bool         `json:"cancel_requested"`
	Rows            int64        `json:"rows" doc:"Written so far."`
	Size            int64        `json:"size" doc:"Bytes of the file."`
	Error           string       `json:"error,omitempty" doc:"Why it failed."`
	CreatedAt       time.Time    `json:"created_at"`
	CreatedBy       string       `json:"created_by"`
	FinishedAt      *time.Time   `json:"finished_at,omitempty"`
	ExpiresAt       *time.Time   `json:"expires_at,omitempty" doc:"When the file is deleted."`

	Said *schema.Saying `json:"-"` // why it failed, where that is the hub's
}

// NewExport is what is asked for.
type NewExport struct {
	Entity  crm.Kind
	Query   crm.Query // After and Limit do not count; by id if it has no Sort
	Columns []string  // nil: every field with one value, references by id and by their first natural key
	Format  sheet.Format
}

const exportColumns = `e.id, e.entity, e.query, e.columns, e.format, e.status, e.cancel_requested, e.rows, e.size, coalesce(e.error, ''), e.created_at,
	e.created_by, e.finished_at, e.expires_at, e.said`

func exportFields(e *Export) []any {
	return []any{
		&e.ID, &e.Entity, &e.Query, &e.Columns, &e.Format, &e.Status, &e.CancelRequested, &e.Rows, &e.Size, &e.Error, &e.CreatedAt,
		&e.CreatedBy, &e.FinishedAt, &e.ExpiresAt, &e.Said,
	}
}

// Export asks for a file. The query's Blind fields are left out, and refused as columns. What else is wrong with columns or query is [schema.Violations].
func (s *Store) Export(ctx context.Context, tx pgx.Tx, entities *crm.Store, in NewExport) (Export, error) {
	if in.Columns == nil {
		in.Columns = slices.DeleteFunc(everyColumn(in.Entity), func(c string) bool { return slices.Contains(in.Query.Blind, fieldOf(c)) })
	}
	var blind schema.Violations
	for i, c := range in.Columns {
		if slices.Contains(in.Query.Blind, fieldOf(c)) {
			blind = append(blind, schema.Violation{Pointer: "/columns/" + strconv.Itoa(i), Rule: "permission", Message: "is a field that you do not see"})
		}
	}
	if err := blind.Err(); err != nil {
		return Export{}, err
	}
	if _, err := outOf(in.Entity, in.Columns); err != nil {
		return Export{}, err
	}
	if len(in.Query.Sort) == 0 {
		in.Query.Sort = []crm.Sort{{Field: "id"}}
	}
	in.Query.After, in.Query.Limit = "", 1
	if _, err := entities.List(ctx, tx, in.Entity, in.Query); err != nil { // says what is wrong with the query
		return Export{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Export{}, fmt.Errorf("export: %w", err)
	}
	e, err := oneExport(ctx, tx, `insert into exports as e (id, entity, query, columns, format) values ($1, $2, $3, $4, $5) returning `+exportColumns,
		id, in.Entity, in.Query, in.Columns, in.Format)
	if err != nil {
		return e, err
	}
	_, err = tx.Exec(ctx, `select pg_notify('`+channel+`', '')`)
	return e, err
}

func scanExport(row pgx.CollectableRow) (e Export, err error) {
	err = row.Scan(exportFields(&e)...)
	return e, err
}

func oneExport(ctx context.Context, tx pgx.Tx, sql string, args ...any) (Export, error) {
	return postgres.One(ctx, tx, "read or write an export", scanExport, ErrNotFound, sql, args...)
}

// GetExport returns an export, or [ErrNotFound].
func (*Store) GetExport(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Export, error) {
	return oneExport(ctx, tx, `select `+exportColumns+` from exports e where e.id = $1`, id)
}

const listExports = `select ` + exportColumns + ` from exports e
where ($1::uuid is null or e.id < $1) and (e.entity = any($2) or e.created_by = any($3))
order by e.id desc
limit $4`

// ListExports returns exports, newest first.
func (*Store) ListExports(ctx context.Context, tx pgx.Tx, sight Sight, after string, limit int) (p postgres.Page[Export], err error) {
	from, err := postgres.PlaceID(after)
	if err != nil {
		return p, err
	}
	return postgres.List(ctx, tx, "list exports", scanExport, limit, func(e Export) string { return e.ID.String() }, listExports, from, sight.Kinds, sight.By)
}

// CancelExport asks an export to end after its page. One that has ended is a [StatusError].
func (s *Store) CancelExport(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Export, error) {
	e, err := oneExport(ctx, tx, `update exports e set cancel_requested = true where e.id = $1 and e.status = 'running' returning `+exportColumns, id)
	if !errors.Is(err, ErrNotFound) {
		return e, err
	}
	if e, err = s.GetExport(ctx, tx, id); err != nil {
		return e, err
	}
	return e, &StatusError{"cancel", e.Status}
}

// DeleteExport deletes an export and its file. One that is running is a [StatusError].
func (s *Store) DeleteExport(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	e, err := s.GetExport(ctx, tx, id)
	if err != nil {
		return err
	}
	if e.Status == Running {
		return &StatusError{"delete", e.Status}
	}
	if _, err := tx.Exec(ctx, `delete from exports where id = $1 and status <> 'running'`, id); err != nil {
		return fmt.Errorf("delete an export: %w", err)
	}
	return nil
}

// File reads the file of an export that is done, a piece by a transaction.
func (*Store) File(ctx context.Context, db *postgres.DB, who postgres.Principal, e Export) (io.Reader, error) {
	if e.Status != Done {
		return nil, &StatusError{"fetch the file of", e.Status}
	}
	return readChunks(ctx, db, who, exportChunks, e.ID), nil
}

// exportOutcome is how an export that ended with err is recorded.
func exportOutcome(err error) Status {
	switch {
	case err == nil:
		return Done
	case errors.Is(err, errCancel):
		return Cancelled
	default:
		return Failed
	}
}

// fieldOf is the field of the entity that a column is of: lines of lines/qty.
func fieldOf(column string) string {
	field, _, _ := strings.Cut(column, "/")
	return field
}

// everyColumn are the fields with one value, each reference by its id and by the first natural key.
func everyColumn(k crm.Kind) []string {
	var columns []string
	for _, f := range crm.Fields(k) {
		switch f.Type {
		case "object", "list", "document":
			continue
		}
		if f.Name == "deleted_at" {
			continue
		}
		columns = append(columns, f.Name)
		if f.Refers != "" && f.Refers != "user" {
			if keys := crm.Keys(f.Refers); len(keys) > 0 {
				columns = append(columns, f.Name+"/"+keys[0])
			}
		}
	}
	return columns
}

// outOf finds the targets of columns: those of an import, and the fields that only the store writes.
func outOf(k crm.Kind, columns []string) ([]target, error) {
	known := targetsOf(k)
	for _, f := range crm.Fields(k) {
		if f.Head && f.Name != "id" {
			known = append(known, target{path: f.Name, steps: []string{f.Name}, field: f})
		}
	}
	var vs schema.Violations
	targets := make([]target, len(columns))
	list := ""
	for i, c := range columns {
		t, ok := findTarget(known, c)
		at := "/columns/" + strconv.Itoa(i)
		switch {
		case !ok:
			vs = append(vs, schema.Violation{Pointer: at, Rule: "field", Message: "is no field of one value"})
		case slices.Contains(columns[:i], c):
			vs = append(vs, schema.Violation{Pointer: at, Rule: "unique", Message: "is there already"})
		case t.list != "" && list != "" && t.list != list:
			vs = append(vs, schema.Violation{Pointer: at, Rule: "list", Message: "is of a second list: a row is an item of one"})
		case t.list != "":
			list = t.list
		}
		targets[i] = t
	}
	if len(columns) == 0 {
		vs = append(vs, schema.Violation{Pointer: "/columns", Rule: "minItems", Message: "must name a field"})
	}
	return targets, vs.Err()
}
