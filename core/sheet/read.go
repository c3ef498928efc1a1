package sheet

import (
	"errors"
	"io"
	"strings"
)

// Row is one row of a table.
type Row struct {
	Number int64    // the line of a CSV file that it begins in, the row of an XLSX sheet; from 1
	Cells  []string // as many as there are: rows may be ragged
	Kept   []bool   // of a workbook, which cells it keeps as numbers, as far as there are any; a text that looks like one is not
}

// IsNumber reports whether a workbook keeps a cell as a number, which then has a point, whatever its readers see.
func (r Row) IsNumber(cell int) bool { return cell < len(r.Kept) && r.Kept[cell] }

// Reader gives the rows of a table one by one. Close it.
type Reader struct {
	from   source
	header bool
	names  []string
	first  *Row // read ahead, where there is no header
}

// source is a format's way to rows.
type source interface {
	next() (Row, error) // io.EOF after the last
	close() error
}

// Open begins to read a table. An XLSX file gives its first sheet. Errors: [ErrNoXLSX], [ErrTooLarge], those of reading.
func Open(in io.Reader, f Form) (*Reader, error) {
	r := &Reader{header: f.Header}
	if f.Format == XLSX {
		book, err := openXLSX(in)
		if err != nil {
			return nil, err
		}
		r.from = book
	} else {
		r.from = openText(decoded(in, f.Encoding), f.Delimiter)
	}
	first, err := r.from.next()
	switch {
	case errors.Is(err, io.EOF):
	case err != nil:
		_ = r.from.close()
		return nil, err
	case f.Header:
		r.names = first.Cells
	default:
		r.first = &first
		r.names = make([]string, len(first.Cells))
	}
	for i, n := range r.names {
		r.names[i] = strings.TrimSpace(n)
	}
	return r, nil
}

// Names are the names of the columns, "" where there are none. Two columns may have the same.
func (r *Reader) Names() []string { return r.names }

// Next gives the next row that is not empty, io.EOF after the last. The row is the caller's.
// Errors of a file that cannot be read on: [ErrTooLong], [ErrOpenQuote], [ErrTooWide], those of reading.
func (r *Reader) Next() (Row, error) {
	if r.first != nil {
		row := *r.first
		r.first = nil
		return row, nil
	}
	return r.from.next()
}

// Close releases what reading needed.
func (r *Reader) Close() error { return r.from.close() }

func empty(cells []string) bool {
	for _, c := range cells {
		if strings.TrimSpace(c) != "" {
			return false
		}
	}
	return true
}
