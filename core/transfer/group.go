package transfer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"

	"crmhub/core/schema"
	"crmhub/core/sheet"
)

// Rows that make one entity together may lie anywhere in a file. They are put into a table first, which brings them
// together, whatever the file's size; each group leaves it with the transaction that takes it in.

// maxGroup is how many rows may make one entity.
const maxGroup = 10_000

const stageRows = `
insert into import_rows (import_id, key, row, cells) select $1, k, r, c from unnest($2::text[], $3::bigint[], $4::bytea[]) as t (k, r, c)`

// stage puts the file's rows into the table. A worker that dies before the end leaves it to be done anew.
func (w *taking) stage(ctx context.Context) error {
	if err := w.restart(ctx); err != nil {
		return err
	}
	rows, err := sheet.Open(readChunks(ctx, w.DB, w.who(), importChunks, w.ID), w.Form)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	column := -1
	for i, c := range w.Columns {
		if c.Field == w.GroupBy {
			column = i
		}
	}
	for more := true; more; {
		var p staged
		for p.size < batchBytes && len(p.numbers)+len(p.refused) < batchRows {
			row, err := rows.Next()
			if errors.Is(err, io.EOF) {
				more = false
				break
			}
			if err != nil {
				return err
			}
			p.add(row, column, w.Defaults[w.GroupBy])
		}
		if err := w.stageSome(ctx, &p, !more); err != nil {
			return err
		}
	}
	return nil
}

// staged are the next rows to put into the table.
type staged struct {
	keys    []string
	numbers []int64
	cells   [][]byte
	refused []Refusal
	size    int
}

func (p *staged) add(row sheet.Row, column int, preset string) {
	key := preset
	if column >= 0 && column < len(row.Cells) && strings.TrimSpace(row.Cells[column]) != "" {
		key = storable(strings.TrimSpace(row.Cells[column]))
	}
	if key == "" || len(key) > 300 { // longer ones fit no field, nor an index
		p.refused = append(p.refused, Refusal{Row: row.Number, Cells: cellsOf(row), Faults: schema.Violations{{
			Rule: "required", Message: "lacks the number that says which rows belong together, or it is too long",
		}}})
		return
	}
	packed := pack(row)
	p.keys, p.numbers, p.cells = append(p.keys, key), append(p.numbers, row.Number), append(p.cells, packed)
	p.size += len(packed)
}

func (w *taking) stageSome(ctx context.Context, p *staged, last bool) error {
	err := w.DB.As(ctx, w.who(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, stageRows, w.ID, p.keys, p.numbers, p.cells); err != nil {
			return err
		}
		if err := refuse(ctx, tx, w.ID, p.refused); err != nil {
			return err
		}
		var cancel bool
		err := tx.QueryRow(ctx, `update imports set rows = rows + $3, refused = refused + $4, staged = $5, progress_at = now()
			where id = $1 and worker = $2 and status in ('previewing', 'running') returning cancel_requested`,
			w.ID, w.worker, len(p.numbers)+len(p.refused), len(p.refused), last).Scan(&cancel)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return errLost
		case err == nil && cancel:
			return errCancel
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("bring rows together: %w", err)
	}
	w.staged = last
	return nil
}

// readGroups makes batches of the staged rows, every group whole.
func (w *taking) readGroups(ctx context.Context, out chan<- *batch) error {
	after := ""
	for {
		keys, rows, err := w.groupsAfter(ctx, after)
		if err != nil || len(rows) == 0 {
			return err
		}
		b := &batch{}
		for from := 0; from < len(rows); {
			to := from
			for to < len(rows) && keys[to] == keys[from] {
				to++
			}
			it := w.group(rows[from:to])
			b.items, b.keys = append(b.items, it), append(b.keys, keys[from])
			from = to
		}
		after = keys[len(keys)-1]
		if err := send(ctx, out, b); err != nil {
			return err
		}
	}
}

func (w *taking) group(rows []sheet.Row) *item {
	if len(rows) > maxGroup {
		it := &item{rows: rows}
		it.fault("", "maxItems", fmt.Sprintf("more than %d rows belong together", maxGroup))
		return it
	}
	return w.item(rows)
}

const groupedRows = `
select key, row, cells from import_rows
where import_id = $1 and key > $2 and key <= (
	select max(key) from (select key from import_rows where import_id = $1 and key > $2 order by key, row limit $3) k)
order by key, row
limit $4`

// groupsAfter reads the next groups, about a batch of rows; the last one to its end, and a little more than it may have.
func (w *taking) groupsAfter(ctx context.Context, after string) (keys []string, rows []sheet.Row, err error) {
	err = w.DB.As(ctx, w.who(), func(tx pgx.Tx) error {
		found, err := tx.Query(ctx, groupedRows, w.ID, after, batchRows, batchRows+maxGroup+1)
		if err != nil {
			return err
		}
		var key string
		var row sheet.Row
		var cells []byte
		_, err = pgx.ForEachRow(found, []any{&key, &row.Number, &cells}, func() error {
			row.Cells, row.Kept = unpack(cells)
			keys, rows = append(keys, key), append(rows, row)
			return nil
		})
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read rows that belong together: %w", err)
	}
	return keys, rows, nil
}

// number is added to the length of a cell that is kept as a number. No cell is as long.
const number = 1 << 40

// pack keeps the cells of a row as they are, broken ones too: each behind its length.
func pack(row sheet.Row) []byte {
	var b []byte
	for i, c := range row.Cells {
		n := uint64(len(c))
		if row.IsNumber(i) {
			n += number
		}
		b = binary.AppendUvarint(b, n)
		b = append(b, c...)
	}
	return b
}

func unpack(b []byte) (cells []string, kept []bool) {
	for len(b) > 0 {
		n, used := binary.Uvarint(b)
		if used <= 0 {
			return cells, kept
		}
		b = b[used:]
		kept = append(kept, n >= number)
		n %= number
		size := len(b) // less only if pack did not write it
		if n < uint64(size) {
			size = int(n)
		}
		cells, b = append(cells, string(b[:size])), b[size:]
	}
	return cells, kept
}
