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

	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/schema"
	"crmhub/core/sheet"
)

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
	var marks sheet.Marks
	for range sampleRows {
		row, err := r.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) && len(i.Columns) == 0 {
				return unreadable(err)
			}
			break // what is wrong further on is for the preview to say
		}
		for n, cell := range row.Cells {
			if !row.IsNumber(n) {
				marks.See(cell)
			}
			if n < len(i.Columns) && strings.TrimSpace(cell) != "" && len(i.Columns[n].Samples) < 3 && !slices.Contains(i.Columns[n].Samples, sample(cell)) {
				i.Columns[n].Samples = append(i.Columns[n].Samples, sample(cell))
			}
		}
	}
	if i.Form.Format == sheet.XLSX && i.Form.Decimal == "" {
		i.Form.Decimal = marks.Mark()
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
