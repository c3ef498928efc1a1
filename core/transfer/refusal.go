package transfer

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
	"crmhub/core/schema"
	"crmhub/core/sheet"
)

// Refusal is a row that did not go in.
type Refusal struct {
	Row    int64             `json:"row"`
	Cells  []string          `json:"cells"`
	Faults schema.Violations `json:"violations"`
}

// perRow shares an item's faults among its rows: those of a line are its row's. A row without a fault of its own is told
// which one is at fault.
func (it *item) perRow() []schema.Violations {
	faults := make([]schema.Violations, len(it.rows))
	if len(it.rows) == 1 {
		faults[0] = it.faults
		return faults
	}
	var whole schema.Violations
	culprit := it.row()
	for _, v := range it.faults {
		at := lineOf(v.Pointer)
		if at < 0 || at >= len(faults) {
			whole = append(whole, v)
			continue
		}
		faults[at] = append(faults[at], v)
		culprit = it.rows[at].Number
	}
	for i := range faults {
		faults[i] = append(faults[i], whole...)
		if len(faults[i]) == 0 && len(it.faults) > 0 {
			faults[i] = schema.Violations{{Rule: "group", Message: fmt.Sprintf("belongs together with row %d, which was refused", culprit)}}
		}
	}
	return faults
}

// lineOf is the index in a pointer like /lines/3/qty, -1 if there is none.
func lineOf(pointer string) int {
	steps := strings.SplitN(pointer, "/", 4)
	if len(steps) < 3 {
		return -1
	}
	n := -1
	if _, err := fmt.Sscan(steps[2], &n); err != nil {
		return -1
	}
	return n
}

const insertRefusals = `
insert into import_refusals (import_id, row, cells, violations)
select $1, row, cells, violations from json_to_recordset($2) as r (row bigint, cells jsonb, violations jsonb)`

func refuse(ctx context.Context, tx pgx.Tx, id any, refused []Refusal) error {
	if len(refused) == 0 {
		return nil
	}
	doc, err := json.Marshal(refused)
	if err != nil {
		return fmt.Errorf("write refused rows: %w", err)
	}
	if _, err := tx.Exec(ctx, insertRefusals, id, string(doc)); err != nil {
		return fmt.Errorf("write refused rows: %w", err)
	}
	return nil
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
